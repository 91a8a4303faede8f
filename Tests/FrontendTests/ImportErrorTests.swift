import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

@Suite struct ImportErrorTests {
  @Test func allUnsupportedNodesAreListedAtOnce() {
    let body = M.graph([], [M.node("ImageDecoder", ["x"], ["b"])], ["b"])
    let same = M.graph([], [M.node("Identity", ["x"], ["e"])], ["e"])
    let model = M.model(
      [M.input("x", .f32, [.value(2)]), M.input("c", .bool)],
      [
        M.node("ImageDecoder", ["x"], ["d"], name: "first"), M.node("Relu", ["d"], ["r"]),
        M.node("ImageDecoder", ["r"], ["n"], name: "second"),
        M.node("Gelu", ["x"], ["g"], domain: "org.pytorch.x"),
        M.node("Relu", ["x"], ["where"], name: "third", [("slope", .float(1))]),
        M.node("If", ["c"], ["i"], [("then_branch", .graph(body)), ("else_branch", .graph(same))]),
        M.node("Cast", ["where"], ["y"], [("to", .int(1))]),
      ], ["y", "n", "g", "i"], domains: [ONNXOpset(domain: "org.pytorch.x", version: 1)])
    let faults = M.faults(model)
    #expect(faults.map(\.code) == [String](repeating: "onnx-unsupported", count: 5))
    #expect(faults.compactMap(\.place.node) == ["first", "second", "Gelu_g", "third", "ImageDecoder_b"])
    #expect(faults.first?.what == "ImageDecoder of f32 (ai.onnx, opset 21) is not supported")
    #expect(faults.dropFirst(3).first?.why == "swage does not know its attribute slope")
    #expect(faults.allSatisfy { $0.remedy != nil })
  }

  @Test func attributesThatMeanSomethingUnknownAreNotIgnored() {
    let model = M.model([M.input("x", .f32, [.value(2)])], [M.node("Relu", ["x"], ["y"], [("slope", .float(1))])])
    #expect(M.faults(model).map(\.why) == ["swage does not know its attribute slope"])
  }

  @Test(
    arguments: [
      ("Add", ["x"], [], "it takes 2 inputs, not 1"), ("MatMul", ["x", "x"], [], "inner sizes"),
      ("Concat", ["x", "x"], [], "attribute axis is missing"),
      ("Concat", ["x"], [("axis", .float(1))], "of kind float"),
      ("Softmax", ["x"], [("axis", .int(5))], "axis 5 is outside"),
      ("Transpose", ["x"], [("perm", .ints([0, 0]))], "no permutation"),
      ("Reshape", ["x", "i"], [], "elements differ"), ("Add", ["x", "i"], [], "one element type"),
      ("Cast", ["x"], [("to", .int(99))], "names no element type"),
      ("Cast", ["x"], [("to", .int(.max))], "names no element type"),
      ("Conv", ["x", "x"], [], "a convolution of"), ("Slice", ["x", "i", "i", "i", "zero"], [], "step 0"),
      ("Squeeze", ["x", "i"], [], "has size 3, not 1"), ("Split", ["x", "i"], [], "do not add up"),
      ("Tile", ["x", "i"], [], "1 repeats"), ("Pad", ["x", "i"], [("mode", .string("odd"))], "no mode odd"),
      ("Constant", [], [], "one attribute"), ("Gather", ["x", "i"], [("axis", .int(-9))], "axis -9 is outside"),
      ("TopK", ["x", "big"], [], "exceeds"), ("Resize", ["x", "", "none"], [], "0 scales"),
      ("Einsum", ["x"], [("equation", .string("i->i"))], "the term i"), ("Unsqueeze", ["x", "i"], [], ""),
    ] as [(String, [String], [(String, ONNXAttributeValue)], String)])
  func faultsOfOneNodeNameIt(
    _ type: String, _ inputs: [String], _ attributes: [(String, ONNXAttributeValue)], _ reason: String
  )
    throws
  {
    let model = M.model(
      [M.input("x", .f32, [.value(3), .value(2)])], [M.node(type, inputs, ["y"], name: "here", attributes)], ["y"],
      [M.ints("i", [0]), M.ints("zero", [0]), M.ints("big", [9]), M.floats("none", [])])
    let faults = M.faults(model)
    if reason.isEmpty {
      #expect(faults.isEmpty)
      return
    }
    let fault = try #require(faults.first)
    #expect(fault.code == "onnx-node")
    #expect(fault.place.node == "here")
    #expect(fault.why?.contains(reason) == true, "\(fault)")
  }

  @Test func opsetsOutsideTheRange() {
    let nodes = [M.node("Relu", ["x"], ["y"])]
    let inputs = [M.input("x", .f32, [.value(2)])]
    for version in [0, 29] {
      #expect(M.faults(M.model(opset: version, inputs, nodes)).map(\.code) == ["onnx-opset"])
    }
    for version in [1, 28] { #expect(M.faults(M.model(opset: version, inputs, nodes)).isEmpty) }
    var foreign = M.model(inputs, nodes)
    foreign.opsetImports = [ONNXOpset(domain: "com.microsoft", version: 1)]
    #expect(M.faults(foreign).map(\.code) == ["onnx-domain"])
  }

  @Test func inputsThatAreNoTensorsOfNumbers() {
    let nodes = [M.node("Relu", ["x"], ["y"])]
    for type in [nil, ONNXType.tensor(nil, shape: []), .tensor(.f32, shape: nil)] {
      #expect(M.faults(M.model([ONNXValueInfo(name: "x", type: type)], nodes)).map(\.code) == ["onnx-port"])
    }
    // Inputs may be these, operands of Relu may not.
    for type in [
      ONNXType.tensor(.string, shape: []), .sequence(.tensor(.f32, shape: nil)), .optional(.tensor(.f32, shape: [])),
    ] {
      #expect(M.faults(M.model([ONNXValueInfo(name: "x", type: type)], nodes)).map(\.code) == ["onnx-node"])
    }
    // A rank that the file leaves out comes from the command line.
    let open = M.model([ONNXValueInfo(name: "x", type: .tensor(.f32, shape: nil))], nodes)
    #expect(M.faults(open, ImportOptions(shapes: ["x": [2, 3]])).isEmpty)
  }

  @Test func declaredOutputsAreCompared() {
    var model = M.model([M.input("x", .f32, [.value(2)])], [M.node("Relu", ["x"], ["y"])])
    model.graph.outputs = [M.input("y", .f64, [.value(2)])]
    #expect(M.faults(model).map(\.code) == ["onnx-port"])
    // Shapes are not trusted, and not compared.
    model.graph.outputs = [M.input("y", .f32, [.value(77)])]
    #expect(M.faults(model).isEmpty)
  }

  @Test func sizesThatSquareThemselvesStaySmall() throws {
    var nodes = [M.node("Shape", ["x"], ["s0"])]
    for index in 0..<60 { nodes.append(M.node("Mul", ["s\(index)", "s\(index)"], ["s\(index + 1)"])) }
    let model = M.model([M.input("x", .f32, [.symbol("a")])], nodes, ["s60"])
    #expect(try M.run(model, ["x": M.iota(1)])["s60"]?.integers == [1])
  }

  // MARK: - Weights

  private static func weightless(_ name: String, _ shape: [Int]) -> ONNXTensor {
    ONNXTensor(name: name, elementType: .f32, shape: shape, content: .weightless)
  }

  private static let open = M.model(
    [M.input("x", .f32, [.value(1), .value(2)])], [M.node("Gemm", ["x", "w", "b"], ["y"])], ["y"],
    [weightless("w", [2, 2]), weightless("b", [2])])

  @Test func weightsBindByName() throws {
    let weights = WeightSet(tensors: ["w": Tensor(floats: [1, 2, 3, 4], [2, 2]), "b": Tensor(floats: [10, 20], [2])])
    let x = Tensor(floats: [1, 1], [1, 2])
    #expect(try M.run(Self.open, ["x": x], ImportOptions(weights: weights))["y"]?.floats == [14, 26])
  }

  @Test func weightsThatDoNotFitAreAllListed() {
    let weights = WeightSet(tensors: ["w": Tensor(floats: [1, 2], [2]), "other": Tensor(floats: [1], [1])])
    let text = M.faults(Self.open, ImportOptions(weights: weights)).map(\.description).joined(separator: "\n")
    for name in ["w", "b", "other"] { #expect(text.contains(name)) }
    let missing = M.faults(Self.open)
    #expect(missing.map(\.code) == ["onnx-weights"])
    #expect(missing[0].why == "the file has only types for w, b")
  }

  @Test func madeUpWeightsDependOnTheSeedAlone() throws {
    let x = Tensor(floats: [1, 1], [1, 2])
    func run(_ seed: UInt64) throws -> [Float]? {
      try M.run(Self.open, ["x": x], ImportOptions(syntheticSeed: seed))["y"]?.floats
    }
    #expect(try run(1) == run(1))
    #expect(try run(1) != run(2))
  }

  // MARK: - Initialisers that are inputs

  @Test func initializersThatAreInputsAreConstantsUnlessAskedFor() throws {
    let model = M.model(
      [M.input("x", .f32, [.value(1)]), M.input("w", .f32, [.value(1)])], [M.node("Add", ["x", "w"], ["y"])], ["y"],
      [M.floats("w", [5])])
    let graph = try M.imported(model)
    #expect(graph.inputs.map { graph[$0].name } == ["x"])
    let open = try M.imported(model, ImportOptions(keepsInitializerInputs: true))
    #expect(open.inputs.map { open[$0].name } == ["x", "w"])
  }
}
