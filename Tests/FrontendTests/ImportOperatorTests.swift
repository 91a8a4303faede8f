import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Meanings of operators that changed between opsets, or that become several operations.
@Suite struct ImportOperatorTests {
  private func run(
    opset: Int = 21, _ type: String, _ x: Tensor, _ others: [ONNXTensor] = [],
    _ attributes: [(String, ONNXAttributeValue)] = [], inputs: [String]? = nil, domain: String = "",
    symbolic: Bool = false
  ) throws -> Tensor {
    let shape = x.shape.enumerated().map { symbolic ? ONNXDimension.symbol("d\($0)") : .value($1) }
    let model = M.model(
      opset: opset, [M.input("x", x.elementType, shape)],
      [M.node(type, inputs ?? ["x"] + others.map(\.name), ["y"], domain: domain, attributes)], ["y"], others,
      domains: domain.isEmpty ? [] : [ONNXOpset(domain: domain, version: 1)])
    return try #require(try M.run(model, ["x": x])["y"])
  }

  private func close(_ tensor: Tensor, _ expected: [Double], _ tolerance: Double = 1e-5) -> Bool {
    tensor.count == expected.count
      && zip(tensor.doubles, expected).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }
  }

  @Test func softmaxFlattensBeforeOpset13() throws {
    let x = M.iota(1, 2, 2)
    #expect(close(try run(opset: 12, "Softmax", x), [0.0320586, 0.0871443, 0.2368828, 0.6439143]))
    #expect(close(try run(opset: 13, "Softmax", x), [0.2689414, 0.7310586, 0.2689414, 0.7310586]))
    #expect(
      close(try run(opset: 13, "Softmax", x, [], [("axis", .int(1))]), [0.1192029, 0.1192029, 0.8807971, 0.8807971]))
  }

  @Test func axesAreAttributesOrInputs() throws {
    let x = M.iota(2, 1, 3)
    #expect(try run(opset: 11, "Squeeze", x, [], [("axes", .ints([1]))]).shape == [2, 3])
    #expect(try run(opset: 13, "Squeeze", x, [M.ints("a", [-2])]).shape == [2, 3])
    #expect(try run(opset: 13, "Squeeze", x).shape == [2, 3])
    #expect(try run(opset: 11, "Unsqueeze", x, [], [("axes", .ints([0, 4]))]).shape == [1, 2, 1, 3, 1])
    #expect(try run(opset: 13, "Unsqueeze", x, [M.ints("a", [-1, 0])]).shape == [1, 2, 1, 3, 1])
    #expect(try run(opset: 11, "ReduceSum", x, [], [("axes", .ints([2])), ("keepdims", .int(0))]).floats == [3, 12])
    #expect(try run(opset: 13, "ReduceSum", x, [M.ints("a", [-1])], [("keepdims", .int(0))]).floats == [3, 12])
    #expect(try run(opset: 13, "ReduceSum", x, [], [("noop_with_empty_axes", .int(1))]).floats == x.floats)
    #expect(try run(opset: 13, "ReduceMax", x, [], [("axes", .ints([0]))]).floats == [3, 4, 5])
    #expect(try run(opset: 18, "ReduceMax", x).floats == [5])
  }

  @Test func clipHasAttributesOrInputs() throws {
    let x = Tensor(floats: [-3, 0, 9], [3])
    #expect(try run(opset: 6 + 1, "Clip", x, [], [("min", .float(-1)), ("max", .float(2))]).floats == [-1, 0, 2])
    #expect(
      try run("Clip", x, [M.floats("h", [2], [])], inputs: ["x", "", "h"]).floats == [-3, 0, 2])
    let integers = Tensor(.i64, [2], integers: [.max, -5])
    #expect(try run("Clip", integers, [M.ints("l", [0], [])]).integers == [.max, 0])
  }

  @Test func splitByCountMakesTheLastPartSmaller() throws {
    for symbolic in [false, true] {
      let shape: [ONNXDimension] = [symbolic ? .symbol("n") : .value(7)]
      let model = M.model(
        [M.input("x", .f32, shape)], [M.node("Split", ["x"], ["a", "b", "c"], [("num_outputs", .int(3))])],
        ["a", "b", "c"])
      let parts = try M.run(model, ["x": M.iota(7)])
      #expect(parts["a"]?.floats == [0, 1, 2])
      #expect(parts["c"]?.floats == [6])
    }
  }

  @Test(arguments: [("SAME_UPPER", [2, 1]), ("SAME_LOWER", [1, 0])] as [(String, [Float])], [false, true])
  func samePaddingOfKnownAndUnknownSizes(_ given: (String, [Float]), _ symbolic: Bool) throws {
    // Four elements in strides of two with a kernel of two need one more for sizes of five.
    let x = M.iota(1, 1, 5)
    let kernel = M.floats("w", [0, 1], [1, 1, 2])
    let y = try run(
      "Conv", x, [kernel], [("auto_pad", .string(given.0)), ("strides", .ints([2]))], symbolic: symbolic)
    #expect(y.floats == (given.0 == "SAME_UPPER" ? [1, 3, 0] : [0, 2, 4]))
  }

  @Test func convolutionAddsItsBias() throws {
    let y = try run("Conv", M.iota(1, 1, 3), [M.floats("w", [1, 1], [2, 1, 1]), M.floats("b", [10, 20])])
    #expect(y.floats == [10, 11, 12, 20, 21, 22])
  }

  @Test func transposedConvolutionMeetsTheWantedSize() throws {
    let x = Tensor(floats: [1, 2], [1, 1, 2])
    let w = M.floats("w", [1, 1, 1], [1, 1, 3])
    #expect(try run("ConvTranspose", x, [w], [("strides", .ints([2]))]).floats == [1, 1, 3, 2, 2])
    let stride: (String, ONNXAttributeValue) = ("strides", .ints([2]))
    #expect(try run("ConvTranspose", x, [w], [stride, ("output_shape", .ints([4]))]).floats == [1, 3, 2, 2])
    #expect(try run("ConvTranspose", x, [w], [stride, ("output_shape", .ints([6]))]).floats == [1, 1, 3, 2, 2, 0])
    #expect(
      try run("ConvTranspose", x, [w], [stride, ("auto_pad", .string("SAME_UPPER"))], symbolic: true).floats
        == [1, 1, 3, 2])
  }

  @Test func vectorsInProducts() throws {
    let vector = M.iota(2)
    #expect(try run("MatMul", vector, [M.floats("b", [1, 2, 3, 4], [2, 2])]).floats == [3, 4])
    #expect(try run("MatMul", M.iota(2, 2), [M.floats("b", [1, 2])]).floats == [2, 8])
    let product = try run("MatMul", vector, [M.floats("b", [5, 7])])
    #expect(product.shape == [] && product.floats == [7])
  }

  @Test(
    arguments: [
      ("ij,jk->ik", [2, 3], [3, 2], [10, 13, 28, 40]), ("ij,kj", [2, 3], [2, 3], [5, 14, 14, 50]),
      ("ij,ij->i", [2, 3], [2, 3], [5, 50]), ("i,j->ji", [2], [3], [0, 0, 0, 1, 0, 2]),
      ("...ij,...jk->...ik", [2, 1, 2], [2, 2, 1], [1, 13]), ("bij,bjk->b", [2, 1, 2], [2, 2, 1], [1, 13]),
    ] as [(String, [Int], [Int], [Double])])
  func einsumOfTwo(_ equation: String, _ a: [Int], _ b: [Int], _ expected: [Double]) throws {
    let other = ONNXTensor(
      name: "b", tensor: Tensor(floats: (0..<b.reduce(1, *)).map { Float($0) }, b))
    let x = Tensor(floats: (0..<a.reduce(1, *)).map { Float($0) }, a)
    #expect(try run("Einsum", x, [other], [("equation", .string(equation))]).doubles == expected)
    #expect(try run("Einsum", x, [other], [("equation", .string(equation))], symbolic: true).doubles == expected)
  }

  @Test func einsumOfOne() throws {
    #expect(try run("Einsum", M.iota(2, 3), [], [("equation", .string("ij->j"))]).floats == [3, 5, 7])
    #expect(try run("Einsum", M.iota(3, 3), [], [("equation", .string("ii->i"))]).floats == [0, 4, 8])
    #expect(try run("Einsum", M.iota(3, 3), [], [("equation", .string("ii"))]).floats == [12])
  }

  @Test func resizeByScalesRoundsSizesAsExportersDo() throws {
    let x = M.iota(1, 1, 10)
    let scales = M.floats("s", [1, 1, 0.7])
    for symbolic in [false, true] {
      let y = try run(
        "Resize", x, [M.floats("roi", []), scales],
        [("mode", .string("nearest")), ("coordinate_transformation_mode", .string("asymmetric"))], symbolic: symbolic)
      #expect(y.shape == [1, 1, 7])
    }
    #expect(try run(opset: 10, "Resize", M.iota(1, 1, 2), [M.floats("s", [1, 1, 2])]).floats == [0, 0, 1, 1])
    #expect(
      try run(opset: 9, "Upsample", M.iota(1, 1, 2), [M.floats("s", [1, 1, 2])], [("mode", .string("linear"))]).floats
        == [0, 0.5, 1, 1])
    let bySize = try run(
      "Resize", M.iota(1, 1, 2), [M.ints("z", [3])], [("axes", .ints([2])), ("mode", .string("linear"))],
      inputs: ["x", "", "", "z"])
    #expect(close(bySize, [0, 0.5, 1]))
  }

  @Test func batchNormalizationIsScaleAndOffset() throws {
    let parameters = [
      M.floats("s", [2, 1]), M.floats("b", [1, 0]), M.floats("m", [1, 0]), M.floats("v", [4, 1]),
    ]
    let y = try run("BatchNormalization", M.iota(1, 2, 2), parameters, [("epsilon", .float(0))])
    #expect(close(y, [0, 1, 2, 3]))
  }

  @Test func groupNormalizationHasParametersByGroupBeforeOpset21() throws {
    let x = Tensor(floats: [1, 3, 5, 9], [1, 4, 1])
    func norm(_ opset: Int, _ scale: [Float], _ bias: [Float]) throws -> Tensor {
      try run(
        opset: opset, "GroupNormalization", x, [M.floats("s", scale), M.floats("b", bias)],
        [("num_groups", .int(2)), ("epsilon", .float(0))])
    }
    #expect(close(try norm(18, [1, 2], [0, 10]), [-1, 1, 8, 12]))
    #expect(close(try norm(21, [1, 2, 1, 2], [0, 0, 10, 10]), [-1, 2, 9, 12]))
  }

  @Test func quantizedProductsAreExact() throws {
    let x = Tensor(.u8, [1, 2], integers: [255, 128])
    func byte(_ name: String, _ value: Int64, _ type: ElementType = .u8) -> ONNXTensor {
      ONNXTensor(name: name, tensor: Tensor(type, [], integers: [value]))
    }
    let w = ONNXTensor(name: "w", tensor: Tensor(.i8, [2, 1], integers: [-128, 127]))
    let y = try run("MatMulInteger", x, [w, byte("a", 128), byte("b", 1, .i8)])
    #expect(y.integers == [127 * -129] && y.elementType == .i32)
    let q = try run(
      "QLinearMatMul", x,
      [
        M.floats("as", [0.5], []), byte("a", 128), w, M.floats("ws", [0.25], []), byte("b", 1, .i8),
        M.floats("ys", [128], []), byte("z", 128),
      ])
    // -16383 · 0.125 / 128 = -15.999…
    #expect(q.integers == [112])
  }

  @Test func quantizedConvolutionPadsWithTheZeroPoint() throws {
    let x = Tensor(.u8, [1, 1, 2], integers: [130, 126])
    let w = ONNXTensor(name: "w", tensor: Tensor(.u8, [1, 1, 3], integers: [1, 1, 1]))
    let zero = ONNXTensor(name: "z", tensor: Tensor(.u8, [], integers: [128]))
    #expect(try run("ConvInteger", x, [w, zero], [("pads", .ints([1, 1]))]).integers == [0, 0])
    #expect(try run("ConvInteger", x, [w], [("pads", .ints([1, 1]))]).integers == [256, 256])
  }

  @Test func recurrentLayersWithBatchesFirst() throws {
    let shape: [ONNXDimension] = [.symbol("b"), .symbol("t"), .value(1)]
    let weights = [M.floats("w", [1], [1, 1, 1]), M.floats("r", [1], [1, 1, 1])]
    let model = M.model(
      [M.input("x", .f32, shape)],
      [
        M.node(
          "RNN", ["x", "w", "r"], ["y", "h"],
          [("layout", .int(1)), ("hidden_size", .int(1)), ("activations", .strings(["Affine"]))])
      ], ["y", "h"], weights)
    // Running sums.
    let result = try M.run(model, ["x": Tensor(floats: [1, 2, 3, 10, 20, 30], [2, 3, 1])])
    #expect(result["y"]?.shape == [2, 3, 1, 1])
    #expect(result["y"]?.floats == [1, 3, 6, 10, 30, 60])
    #expect(result["h"]?.floats == [6, 60])
  }

  @Test func positionsMakeMasksAndCodes() throws {
    #expect(try run("Trilu", M.iota(2, 3), symbolic: true).floats == [0, 1, 2, 0, 4, 5])
    let k = M.ints("k", [-1], [])
    #expect(try run("Trilu", M.iota(2, 3), [k], [("upper", .int(0))]).floats == [0, 0, 0, 3, 0, 0])
    let codes = try run(
      "OneHot", Tensor(.i64, [3], integers: [1, -1, 5]), [M.ints("d", [3], []), M.floats("v", [0, 9])],
      [("axis", .int(0))])
    #expect(codes.shape == [3, 3] && codes.floats == [0, 0, 0, 9, 0, 0, 0, 9, 0])
    #expect(try run("Hardmax", Tensor(floats: [1, 5, 5, 2], [2, 2])).floats == [0, 1, 1, 0])
  }

  @Test func powersAndRemaindersOfMixedTypes() throws {
    let integers = Tensor(.i64, [3], integers: [-7, 7, 2])
    #expect(try run("Pow", integers, [M.floats("p", [2], [])]).integers == [49, 49, 4])
    #expect(try run("Mod", integers, [M.ints("m", [3], [])]).integers == [2, 1, 2])
    #expect(try run("Mod", integers, [M.ints("m", [3], [])], [("fmod", .int(1))]).integers == [-1, 1, 2])
  }

  @Test func tilesAndExpandsSizesThatAreNotKnown() throws {
    #expect(try run("Tile", M.iota(1, 2), [M.ints("r", [2, 2])], symbolic: true).floats == [0, 1, 0, 1, 0, 1, 0, 1])
    #expect(try run("Expand", M.iota(2, 1), [M.ints("s", [3, 1, 2])], symbolic: true).shape == [3, 2, 2])
  }

  @Test func depthToSpaceAndBack() throws {
    let x = M.iota(1, 8, 1, 1)
    let block: (String, ONNXAttributeValue) = ("blocksize", .int(2))
    #expect(try run("DepthToSpace", x, [], [block]).floats == [0, 2, 4, 6, 1, 3, 5, 7])
    #expect(try run("DepthToSpace", x, [], [block, ("mode", .string("CRD"))]).floats == x.floats)
    #expect(try run("SpaceToDepth", M.iota(1, 1, 2, 2), [], [block], symbolic: true).shape == [1, 4, 1, 1])
  }

  @Test func attentionWithHiddenRowsGivesZeros() throws {
    let q = Tensor(floats: [1, 0, 0, 1], [1, 1, 2, 2])
    let mask = ONNXTensor(name: "m", tensor: Tensor(.bool, [2, 2], integers: [1, 0, 0, 0]))
    let model = M.model(
      opset: 24, [M.input("x", .f32, [.value(1), .value(1), .value(2), .value(2)])],
      [M.node("Attention", ["x", "x", "x", "m"], ["y"])], ["y"], [mask])
    #expect(try M.run(model, ["x": q])["y"]?.floats == [1, 0, 0, 0])
  }

  @Test func contributedOperators() throws {
    let x = Tensor(floats: [1, -1], [1, 2])
    let y = try run(
      "FusedMatMul", x, [M.floats("b", [1, 2], [1, 2])], [("transB", .int(1)), ("alpha", .float(2))],
      domain: "com.microsoft")
    #expect(y.floats == [-2])
    #expect(close(try run("BiasGelu", x, [M.floats("b", [0, 2])], domain: "com.microsoft"), [0.8413447, 0.8413447]))
  }

  @Test func quantizedSumsGoThroughFloats() throws {
    let x = Tensor(.u8, [2], integers: [130, 100])
    func byte(_ name: String, _ values: Int64...) -> ONNXTensor {
      ONNXTensor(name: name, tensor: Tensor(.u8, values.count == 1 ? [] : [values.count], integers: values))
    }
    let y = try run(
      "QLinearAdd", x,
      [
        M.floats("as", [0.5], []), byte("az", 128), byte("b", 10, 20), M.floats("bs", [2], []), byte("bz", 10),
        M.floats("ys", [1], []), byte("yz", 3),
      ], domain: "com.microsoft")
    // 1 + 0 and -14 + 20.
    #expect(y.integers == [4, 9])
  }

  @Test func scalesThatAreQuotientsOfSizesGiveTheWantedSize() throws {
    func size(_ name: String) -> ONNXDimension { .symbol(name) }
    let model = M.model(
      opset: 13, [M.input("x", .f32, [.value(1), size("n")]), M.input("z", .f32, [.value(1), size("m")])],
      [
        M.node("Shape", ["x"], ["sx"]), M.node("Shape", ["z"], ["sz"]),
        M.node("Cast", ["sx"], ["fx"], [("to", .int(1))]),
        M.node("Cast", ["sz"], ["fz"], [("to", .int(1))]), M.node("Div", ["fz", "fx"], ["scales"]),
        M.node("Resize", ["x", "", "scales"], ["y"], [("mode", .string("nearest"))]), M.node("Add", ["y", "z"], ["s"]),
      ], ["s"])
    let graph = try M.imported(model)
    #expect(graph.type(of: graph.outputs[0]).description == "f32[1, m]")
    let result = try M.run(model, ["x": M.iota(1, 3), "z": Tensor(floats: [Float](repeating: 0, count: 7), [1, 7])])
    #expect(result["s"]?.floats == [0, 0, 1, 1, 1, 2, 2])
  }

  @Test func transformsAreProductsWithCosines() throws {
    let x = Tensor(floats: [1, 2, 3, 4], [1, 4, 1])
    #expect(close(try run(opset: 20, "DFT", x), [10, 0, -2, 2, -2, 0, -2, -2]))
    #expect(close(try run(opset: 17, "DFT", x, [], [("onesided", .int(1))]), [10, 0, -2, 2, -2, 0]))
    let spectrum = Tensor(floats: [10, 0, -2, 2, -2, 0], [1, 3, 2])
    let back = try run(opset: 20, "DFT", spectrum, [], [("inverse", .int(1)), ("onesided", .int(1))])
    #expect(close(back, [1, 2, 3, 4]))
    let frames = try run("STFT", x, [M.ints("s", [2], []), M.floats("w", [1, 1])], symbolic: false)
    #expect(frames.shape == [1, 2, 2, 2])
    #expect(close(frames, [3, 0, -1, 0, 7, 0, -1, 0]))
  }

  @Test func gridsReadBetweenElements() throws {
    let grid = M.floats("g", [0, 0, 1, 1, -1, 2], [1, 1, 3, 2])
    let x = M.iota(1, 1, 2, 2)
    let aligned: (String, ONNXAttributeValue) = ("align_corners", .int(1))
    #expect(close(try run("GridSample", x, [grid], [aligned], symbolic: true), [1.5, 3, 1]))
    #expect(close(try run("GridSample", x, [grid], [aligned, ("padding_mode", .string("border"))]), [1.5, 3, 2]))
    #expect(close(try run("GridSample", x, [grid], [aligned, ("mode", .string("nearest"))]), [0, 3, 0]))
  }

  // MARK: - Form

  @Test func convolutionalBlockAsText() throws {
    let model = M.model(
      opset: 17, [M.input("x", .f32, [.symbol("n"), .value(1), .symbol("h"), .value(4)])],
      [
        M.node(
          "Conv", ["x", "w", "b"], ["c"], name: "conv", [("strides", .ints([2, 2])), ("pads", .ints([1, 1, 1, 1]))]),
        M.node("Relu", ["c"], ["r"], name: "act"), M.node("GlobalAveragePool", ["r"], ["g"], name: "pool"),
        M.node("Flatten", ["g"], ["y"], name: "flat"),
      ], ["y"], [M.floats("w", [Float](repeating: 1, count: 9), [1, 1, 3, 3]), M.floats("b", [2])])
    let text = GraphPrinter.text(try M.imported(model))
    let expected = """
      graph "test" (%0 "x": f32[n, 1, h, 4]) {
        %1 "w" = constant f32[1, 1, 3, 3] [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
        %2 = convolution(%0, %1) {strides = [2, 2], pads_begin = [1, 1], pads_end = [1, 1], layout = nchw} : \
      f32[n, 1, floordiv(h + 1, 2), 2] from "conv" (Conv)
        %3 "b" = constant f32[1, 1, 1] [2.0] from "conv" (Conv)
        %4 "c" = binary(%2, %3) {function = add} : f32[n, 1, floordiv(h + 1, 2), 2] from "conv" (Conv)
        %5 "r" = unary(%4) {function = relu} : f32[n, 1, floordiv(h + 1, 2), 2] from "act" (Relu)
        %6 "g" = reduce(%5) {function = mean, axes = [2, 3], keep = true} : f32[n, 1, 1, 1] from "pool" (GlobalAveragePool)
        %7 "y" = reshape(%6) {shape = [n, 1]} : f32[n, 1] from "flat" (Flatten)
        return %7 "y"
      }
      """
    #expect(text == expected + "\n")
  }
}
