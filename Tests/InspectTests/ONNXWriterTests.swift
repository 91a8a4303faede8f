import SwageFrontend
import SwageGraph
import SwageInspect
import SwageTensor
import Testing

@Suite struct ONNXWriterTests {
  private func model(_ graph: Graph) throws -> ONNXModel {
    try ONNXModel.load(bytes: try ONNXWriter.bytes(graph), name: "test.onnx")
  }

  @Test func standardOperatorsNeedNoOtherDomain() throws {
    let model = try model(try Sample.chain())
    #expect(model.opsetImports.map(\.domain) == [""])
    #expect(model.graph.nodes.map(\.opType) == ["Conv", "Relu", "Mul", "Add"])
    #expect(model.graph.initializers.map(\.name) == ["w", "two"])
    #expect(model.graph.inputs.map(\.name) == ["x"])
    #expect(model.graph.outputs.map(\.name) == ["y"])
    guard case .tensor(.f32, let shape?) = model.graph.inputs[0].type else {
      Issue.record("the input has no tensor type")
      return
    }
    #expect(shape == [.symbol("n"), .value(2), .value(4), .value(4)])
  }

  @Test func weightsKeepTheirBytes() throws {
    let tensor = try #require(try model(try Sample.chain()).graph.initializers[0].tensor)
    #expect(tensor.shape == [2, 2, 3, 3])
    #expect(tensor.floats == (0..<36).map { Float($0) / 36 })
  }

  @Test func otherNodesGoToTheDomainSwage() throws {
    let model = try model(try Sample.fused())
    #expect(model.opset("swage") == 1)
    let node = try #require(model.graph.nodes.first)
    #expect(node.domain == "swage" && node.opType == "fused")
    #expect(node.graphs.first?.nodes.map(\.opType) == ["silu", "Mul"])
  }

  @Test func branchesReadTheEnclosingGraph() throws {
    let node = try #require(try model(try Sample.conditional()).graph.nodes.first)
    #expect(node.opType == "If" && node.inputs == ["flag"])
    #expect(node.graphs.map { $0.inputs.count } == [0, 0])
    #expect(node.graphs[0].nodes.map(\.inputs) == [["x"]])
    // A branch must compute what it returns.
    #expect(node.graphs[1].nodes.map(\.opType) == ["Identity"])
  }

  @Test func namesStayUnique() throws {
    let type = TensorType(.f32, [2])
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "same", type: type)
    let a = try graph.append(.unary(Unary(.exp)), [x], names: ["same"])[0]
    let b = try graph.append(.unary(Unary(.neg)), [a], names: ["same"])[0]
    graph.addOutput(b, name: "out")
    graph.addOutput(b, name: "again")
    graph.addOutput(x, name: "through")
    let model = try model(graph)
    let names = model.graph.inputs.map(\.name) + model.graph.nodes.flatMap(\.outputs)
    #expect(Set(names).count == names.count)
    #expect(model.graph.outputs.map(\.name) == ["out", "again", "through"])
  }

  @Test func constantsBecomeInputsWhereONNXWantsThem() throws {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [.symbol("n"), 6]))
    let shaped = try graph.append(.reshape(Reshape([.symbol("n"), 2, 3])), [x])[0]
    let part = try graph.append(
      .slice(Slice(starts: [0, 1, 2], sizes: [.symbol("n"), 1, 2], steps: [1, 1, -1])), [shaped])[0]
    graph.addOutput(try graph.append(.reduce(Reduce(.mean, axes: [1, 2], keepsAxes: false)), [part])[0], name: "y")
    let model = try model(graph)
    #expect(model.graph.nodes.map(\.opType) == ["Reshape", "Slice", "ReduceMean"])
    #expect(
      model.graph.initializers.compactMap(\.tensor?.integers) == [
        [0, 2, 3], [1, 2], [2, 0], [1, 2], [1, -1], [1, 2],
      ])
  }

  @Test func aBiasThatIsConstantBelongsToTheConvolution() throws {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [1, 2, 4, 4]))
    let weights = try graph.constant(Tensor(zeros: .f32, [3, 2, 1, 1]))
    let bias = try graph.constant(Tensor(floats: [1, 2, 3], [3, 1, 1]))
    let convolution = Convolution(
      strides: [1, 1], dilations: [1, 1], padsBegin: [0, 0], padsEnd: [0, 0], groups: 1,
      epilogue: Epilogue([.binary(.add, operand: 2)]))
    graph.addOutput(try graph.append(.convolution(convolution), [x, weights, bias])[0], name: "y")
    let model = try model(graph)
    let node = try #require(model.graph.nodes.first)
    #expect(node.opType == "Conv" && node.domain == "" && node.inputs.count == 3)
    let found = model.graph.initializers.first { $0.name == node.inputs[2] }?.tensor
    #expect(found?.shape == [3] && found?.floats == [1, 2, 3])
  }

  @Test func hostileNamesComeBack() throws {
    // The loader refuses names with control characters for itself; what was written must still be a whole message.
    var graph = Graph(name: "g")
    let name = "</script>\"'\\ & é"
    let x = graph.addInput(name: name, type: TensorType(.f32, [1]))
    graph.addOutput(try graph.append(.unary(Unary(.neg)), [x])[0], name: "y")
    #expect(try model(graph).graph.inputs[0].name == name)
    #expect(try !ONNXWriter.bytes(try Sample.hostileGraph()).isEmpty)
  }
}
