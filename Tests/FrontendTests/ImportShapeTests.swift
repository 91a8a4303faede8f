import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Shape arithmetic happens at import, so that operations carry sizes and not tensors of them.
@Suite struct ImportShapeTests {
  @Test func symbolsOfTheFileKeepTheirNamesAndOthersAreFresh() throws {
    let graph = try M.imported(
      M.model(
        [
          M.input("x", .f32, [.symbol("p2o.Dim.0"), .symbol("batch size"), .unknown, .value(0), .symbol("?")]),
          M.input("z", .f32, [.symbol("batch_size"), .symbol("batch size")]),
        ], [M.node("Relu", ["x"], ["y"]), M.node("Relu", ["z"], ["w"])], ["y", "w"]))
    #expect(
      graph.type(of: graph.inputs[0]).description == "f32[p2o.Dim.0, batch_size_2, x_d2, x_d3, x_d4]")
    #expect(graph.type(of: graph.inputs[1]).description == "f32[batch_size, batch_size_2]")
  }

  @Test func arithmeticOnShapesLeavesNoNodes() throws {
    // y = reshape(x, [shape(x)[0] * shape(x)[1], -1])
    let model = M.model(
      [M.input("x", .f32, [.symbol("a"), .symbol("b"), .value(6)])],
      [
        M.node("Shape", ["x"], ["s"]), M.node("Gather", ["s", "zero"], ["a"]), M.node("Gather", ["s", "one"], ["b"]),
        M.node("Mul", ["a", "b"], ["ab"]), M.node("Unsqueeze", ["ab", "axes"], ["v"]),
        M.node("Concat", ["v", "rest"], ["t"], [("axis", .int(0))]), M.node("Reshape", ["x", "t"], ["y"]),
      ], ["y"], [M.ints("zero", [0], []), M.ints("one", [1], []), M.ints("axes", [0]), M.ints("rest", [-1])])
    let graph = try M.imported(model)
    #expect(M.operations(graph) == ["reshape"])
    #expect(graph.type(of: graph.outputs[0]).description == "f32[a*b, 6]")
  }

  @Test func sizesThatAreReadAsDataBecomeNodes() throws {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .value(3)])],
      [
        M.node("Shape", ["x"], ["s"]), M.node("Cast", ["s"], ["f"], [("to", .int(1))]),
        M.node("ReduceSum", ["x", "axes"], ["r"], [("keepdims", .int(0))]), M.node("Add", ["r", "f"], ["y"]),
      ], ["y"], [M.ints("axes", [0, 1])])
    #expect(M.operations(try M.imported(model)) == ["reduce", "sizes", "cast", "binary"])
    #expect(try M.run(model, ["x": M.iota(2, 3)])["y"]?.floats == [17, 18])
  }

  @Test func squeezeWithoutAxesTakesUnknownSizesNotToBeOne() throws {
    let model = M.model(
      opset: 13, [M.input("x", .f32, [.symbol("n"), .value(1), .value(3), .symbol("n")])],
      [M.node("Squeeze", ["x"], ["s"]), M.node("Relu", ["s"], ["y"])])
    let graph = try M.imported(model)
    #expect(graph.type(of: graph.outputs[0]).description == "f32[n, 3, n]")
    #expect(try M.run(model, ["x": M.iota(2, 1, 3, 2)])["y"]?.shape == [2, 3, 2])
    #expect(throws: (any Error).self) { try M.run(model, ["x": M.iota(1, 1, 3, 1)]) }
  }

  @Test func aSliceFromTheWholeLengthBeforeTheEndIsEverything() throws {
    // T5 cuts x[-len(x):] out of its position bias at every layer.
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .value(2)])],
      [
        M.node("Shape", ["x"], ["n"], [("end", .int(1))]), M.node("Neg", ["n"], ["start"]),
        M.node("Slice", ["x", "start", "end", "axis"], ["y"]),
      ], ["y"], [M.ints("end", [.max]), M.ints("axis", [0])])
    let graph = try M.imported(model)
    #expect(graph.type(of: graph.outputs[0]).description == "f32[n, 2]")
    #expect(try M.run(model, ["x": M.iota(3, 2)])["y"]?.floats == [0, 1, 2, 3, 4, 5])
  }

  @Test func poolsOfEqualSizeHaveShortSizes() throws {
    let pool = { (from: String, to: String) in
      M.node(
        "MaxPool", [from], [to],
        [("kernel_shape", .ints([3])), ("strides", .ints([2])), ("auto_pad", .string("SAME_UPPER"))])
    }
    let model = M.model(
      [M.input("x", .f32, [.value(1), .value(1), .symbol("n")])],
      [pool("x", "a"), pool("a", "b"), pool("b", "c"), pool("c", "y")])
    let graph = try M.imported(model)
    #expect(graph.type(of: graph.outputs[0]).shape[2].description.count < 60)
    #expect(try M.run(model, ["x": M.iota(1, 1, 37)])["y"]?.floats == [19, 35, 36])
  }

  @Test func shapeTakesAPart() throws {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .value(3), .value(4)])],
      [M.node("Shape", ["x"], ["y"], [("start", .int(-2)), ("end", .int(9))])])
    #expect(try M.run(model, ["x": M.iota(2, 3, 4)])["y"]?.integers == [3, 4])
  }

  @Test func padsFromArithmeticOnConstants() throws {
    // PyTorch turns [last begin, last end, …] around by a slice with step -1 and a transpose.
    let model = M.model(
      opset: 16, [M.input("x", .f32, [.value(1), .symbol("n")])],
      [
        M.node("ConstantOfShape", ["two"], ["zeros"], [("value", .tensor(M.ints("", [0])))]),
        M.node("Concat", ["pads", "zeros"], ["c"], [("axis", .int(0))]), M.node("Reshape", ["c", "pairs"], ["r"]),
        M.node("Slice", ["r", "last", "before", "zero", "last"], ["s"]),
        M.node("Transpose", ["s"], ["t"], [("perm", .ints([1, 0]))]), M.node("Reshape", ["t", "last"], ["p"]),
        M.node("Pad", ["x", "p"], ["y"], [("mode", .string("reflect"))]),
      ], ["y"],
      [
        M.ints("two", [2]), M.ints("pads", [1, 2]), M.ints("pairs", [-1, 2]), M.ints("last", [-1]),
        M.ints("before", [.min + 1]), M.ints("zero", [0]),
      ])
    #expect(M.operations(try M.imported(model)) == ["pad"])
    #expect(try M.run(model, ["x": M.iota(1, 4)])["y"]?.floats == [1, 0, 1, 2, 3, 2, 1])
  }

  @Test(
    arguments: [
      (5, -3, Int64.max, 1), (2, -3, .max, 1), (0, -3, .max, 1), (5, 1, -1, 1), (1, 1, -1, 1), (5, -1, .min, -1),
      (5, -1, .min, -2), (5, 3, 0, -1), (5, 9, 7, 1), (5, 0, 3, 2), (6, -100, 100, 3), (5, 4, -100, -1),
    ] as [(Int, Int64, Int64, Int64)])
  func sliceOfASizeThatIsNotKnown(size: Int, start: Int64, end: Int64, step: Int64) throws {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n")])], [M.node("Slice", ["x", "s", "e", "a", "t"], ["y"])], ["y"],
      [M.ints("s", [start]), M.ints("e", [end]), M.ints("a", [0]), M.ints("t", [step])])
    // What NumPy gives.
    func clamp(_ bound: Int64) -> Int {
      let value = bound < 0 ? Int(max(bound, -1000)) + size : Int(min(bound, 1000))
      return step > 0 ? min(max(value, 0), size) : min(max(value, -1), size - 1)
    }
    let expected = stride(from: clamp(start), to: clamp(end), by: Int(step)).map { Float($0) }
    #expect(try M.run(model, ["x": M.iota(size)])["y"]?.floats == expected)
  }

  @Test func sliceBeforeOpset10HasAttributes() throws {
    let model = M.model(
      opset: 9, [M.input("x", .f32, [.value(4), .value(2)])],
      [M.node("Slice", ["x"], ["y"], [("starts", .ints([1])), ("ends", .ints([-1])), ("axes", .ints([0]))])])
    #expect(try M.run(model, ["x": M.iota(4, 2)])["y"]?.floats == [2, 3, 4, 5])
  }

  @Test(
    arguments: [([2, -1], [2, 6]), ([0, 2, -1], [3, 2, 2]), ([12], [12]), ([-1, 0], [3, 4])] as [([Int64], [Int])])
  func reshapeToAShapeThatIsData(target: [Int64], expected: [Int]) throws {
    let model = M.model(
      [M.input("x", .f32, [.value(3), .symbol("n")]), M.input("s", .i64, [.value(target.count)])],
      [M.node("Reshape", ["x", "s"], ["y"])])
    #expect(M.operations(try M.imported(model)).suffix(2) == ["bind_symbols", "reshape"])
    let shape = Tensor(.i64, [target.count], integers: target)
    #expect(try M.run(model, ["x": M.iota(3, 4), "s": shape])["y"]?.shape == expected)
  }

  @Test func inputsThatDecideShapesCanBeFixed() throws {
    let model = M.model(
      [M.input("x", .f32, [.value(2), .value(3)]), M.input("axes", .i64, [.value(1)])],
      [M.node("ReduceSum", ["x", "axes"], ["y"], [("keepdims", .int(0))])])
    #expect(M.operations(try M.imported(model)).contains("if"))
    let options = ImportOptions(fixedInputs: ["axes": M.vector(1)])
    #expect(!M.operations(try M.imported(model, options)).contains("if"))
    #expect(try M.run(model, ["x": M.iota(2, 3)], options)["y"]?.floats == [3, 12])
    let wrong = ImportOptions(fixedInputs: ["axes": M.iota(1)])
    #expect(M.faults(model, wrong).map(\.code) == ["onnx-port"])
  }

  @Test func rangeOfData() throws {
    let model = M.model(
      [M.input("a", .i64), M.input("b", .i64), M.input("d", .i64)], [M.node("Range", ["a", "b", "d"], ["y"])])
    func range(_ a: Int64, _ b: Int64, _ d: Int64) throws -> [Int64]? {
      try M.run(model, ["a": M.scalar(a), "b": M.scalar(b), "d": M.scalar(d)])["y"]?.integers
    }
    #expect(try range(1, 8, 3) == [1, 4, 7])
    #expect(try range(5, 0, -2) == [5, 3, 1])
    #expect(try range(5, 1, 1) == [])
  }

  @Test func rangeWrittenAsNonZeroKeepsItsLength() throws {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n")])],
      [
        M.node("Shape", ["x"], ["s"]),
        M.node("ConstantOfShape", ["s"], ["c"], [("value", .tensor(M.ints("", [1])))]),
        M.node("NonZero", ["c"], ["z"]), M.node("Reshape", ["z", "minus"], ["r"]),
        M.node("Cast", ["r"], ["f"], [("to", .int(1))]), M.node("Add", ["x", "f"], ["y"]),
      ], ["y"], [M.ints("minus", [-1])])
    let graph = try M.imported(model)
    #expect(graph.type(of: graph.outputs[0]).description == "f32[n]")
    #expect(try M.run(model, ["x": M.iota(3)])["y"]?.floats == [0, 2, 4])
  }

  @Test func nonZeroDefinesASize() throws {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n")])],
      [M.node("NonZero", ["x"], ["z"]), M.node("Transpose", ["z"], ["y"])])
    let graph = try M.imported(model)
    #expect(graph.type(of: graph.outputs[0]).description == "i64[u0, 1]")
    #expect(try M.run(model, ["x": Tensor(floats: [0, 3, 0, 4], [4])])["y"]?.integers == [1, 3])
  }

  @Test func shapesFromTheCommandLineBindSymbolsEverywhere() throws {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .unknown]), M.input("z", .f32, [.symbol("n")])],
      [M.node("Relu", ["x"], ["y"]), M.node("Relu", ["z"], ["w"])], ["y", "w"])
    let graph = try M.imported(model, ImportOptions(shapes: ["x": [4, 5]]))
    #expect(graph.type(of: graph.outputs[0]).description == "f32[4, 5]")
    #expect(graph.type(of: graph.outputs[1]).description == "f32[4]")
  }

  @Test(
    arguments: [
      (["q": [1]], "the model has no such input"), (["x": [1]], "1 sizes for a tensor of rank 2"),
      (["x": [1, 4]], "axis 1 is 3 in the model, not 4"),
      (["x": [2, 3], "z": [5]], "axis 0 is n, which is 2 elsewhere"),
      (["x": [-1, 3]], "size -1 of axis 0"),
    ])
  func shapesThatDoNotFit(shapes: [String: [Int]], reason: String) {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .value(3)]), M.input("z", .f32, [.symbol("n")])],
      [M.node("Relu", ["x"], ["y"])])
    let faults = M.faults(model, ImportOptions(shapes: shapes))
    #expect(faults.map(\.code) == ["onnx-shape"])
    #expect(faults.first?.fault == .usage)
    #expect(faults.first?.why?.contains(reason) == true)
  }
}
