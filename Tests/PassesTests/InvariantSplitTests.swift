import SwageGraph
import SwagePasses
import SwageTensor
import Testing

@Suite struct InvariantSplitTests {
  private static let b = Dim.symbol("b")

  /// x varies, text does not.
  private static func graph(_ build: (inout Graph, _ x: ValueID, _ text: ValueID) throws -> ValueID) throws -> Graph {
    var graph = Graph(name: "step")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [b, 3, 4]))
    let text = graph.addInput(name: "text", type: TensorType(.f32, [b, 2, 4]))
    let y = try build(&graph, x, text)
    graph.addOutput(y, name: "y")
    return graph
  }

  private static func weight(_ graph: inout Graph, _ shape: [Int]) throws -> ValueID {
    let count = shape.reduce(1, *)
    return try graph.constant(Tensor(.f32, shape, doubles: (0..<count).map { Double($0 % 5) * 0.25 - 0.5 }))
  }

  private static func add(_ graph: inout Graph, _ op: Op, _ operands: [ValueID?]) throws -> ValueID {
    try graph.append(op, operands, sources: [Source(name: op.mnemonic, operatorName: "Test")])[0]
  }

  private static func split(_ graph: Graph) throws -> InvariantSplit.Parts? {
    try InvariantSplit.split(graph, varying: ["x"], name: "prompt")
  }

  /// Both ways give the same.
  private static func check(_ graph: Graph, _ parts: InvariantSplit.Parts) throws {
    for part in [parts.invariant, parts.varying] { try GraphVerifier.verify(part, after: "split") }
    let inputs = [
      "x": Tensor(.f32, [2, 3, 4], doubles: (0..<24).map { Double($0) * 0.1 - 1 }),
      "text": Tensor(.f32, [2, 2, 4], doubles: (0..<16).map { 1 - Double($0) * 0.2 }),
    ]
    let expected = try Evaluator.run(graph, inputs: inputs)
    let invariant = try Evaluator.run(parts.invariant, inputs: inputs)
    let actual = try Evaluator.run(parts.varying, inputs: inputs.merging(invariant) { first, _ in first })
    #expect(actual.mapValues(\.doubles) == expected.mapValues(\.doubles))
  }

  @Test func productsOfWhatDoesNotVaryGoOver() throws {
    let graph = try Self.graph { graph, x, text in
      let keys = try Self.add(&graph, .matmul(MatMul()), [text, try Self.weight(&graph, [4, 4])])
      let turned = try Self.add(&graph, .transpose(Transpose([0, 2, 1])), [keys])
      return try Self.add(&graph, .matmul(MatMul()), [x, turned])
    }
    let parts = try #require(try Self.split(graph))
    #expect(parts.invariant.inputs.map { parts.invariant[$0].name } == ["text"])
    #expect(parts.invariant.outputNames == ["invariant.0"])
    #expect(parts.varying.inputs.map { parts.varying[$0].name } == ["x", "invariant.0"])
    #expect(parts.varying.nodeCount == 1, "the transpose went over with the product")
    try Self.check(graph, parts)
  }

  @Test func repetitionsStay() throws {
    let graph = try Self.graph { graph, x, text in
      let mean = try Self.add(&graph, .matmul(MatMul()), [text, try Self.weight(&graph, [4, 1])])
      let first = try Self.add(&graph, .slice(Slice(starts: [0, 0, 0], sizes: [Self.b, 1, 1])), [mean])
      let wide = try Self.add(&graph, .broadcast(Broadcast([Self.b, 3, 4])), [first])
      return try Self.add(&graph, .binary(Binary(.add)), [x, wide])
    }
    let parts = try #require(try Self.split(graph))
    let crossing = parts.varying.type(of: parts.varying.inputs[1])
    #expect(crossing == TensorType(.f32, [Self.b, 1, 1]), "what is repeated goes over, not its repetition")
    try Self.check(graph, parts)
  }

  @Test func cheapWorkStays() throws {
    let graph = try Self.graph { graph, x, text in
      let positive = try Self.add(&graph, .unary(Unary(.relu)), [text])
      let turned = try Self.add(&graph, .transpose(Transpose([0, 2, 1])), [positive])
      return try Self.add(&graph, .matmul(MatMul()), [x, turned])
    }
    #expect(try Self.split(graph) == nil)
  }

  @Test func workOnConstantsStays() throws {
    let graph = try Self.graph { graph, x, _ in
      let table = try Self.add(
        &graph, .matmul(MatMul()), [try Self.weight(&graph, [4, 4]), try Self.weight(&graph, [4, 4])])
      return try Self.add(&graph, .matmul(MatMul()), [x, table])
    }
    #expect(try Self.split(graph) == nil)
  }

  @Test func inputsThatAreStillReadStay() throws {
    let graph = try Self.graph { graph, x, text in
      let keys = try Self.add(&graph, .matmul(MatMul()), [text, try Self.weight(&graph, [4, 4])])
      let both = try Self.add(&graph, .concat(Concat(axis: 1)), [x, text])
      let turned = try Self.add(&graph, .transpose(Transpose([0, 2, 1])), [keys])
      return try Self.add(&graph, .matmul(MatMul()), [both, turned])
    }
    let parts = try #require(try Self.split(graph))
    #expect(parts.varying.inputs.map { parts.varying[$0].name } == ["x", "text", "invariant.0"])
    try Self.check(graph, parts)
  }

  @Test func nothingVariesEverythingGoesOver() throws {
    let graph = try Self.graph { graph, _, text in
      try Self.add(&graph, .matmul(MatMul()), [text, try Self.weight(&graph, [4, 4])])
    }
    let parts = try #require(try Self.split(graph))
    #expect(parts.varying.nodeCount == 0)
    try Self.check(graph, parts)
  }
}
