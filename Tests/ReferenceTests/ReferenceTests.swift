import SwageGraph
import SwagePartition
import SwagePlan
import SwageReferenceDevice
import SwageReferenceTarget
import SwageRuntime
import SwageTensor
import Testing

@Suite struct ReferenceTests {
  /// The plan of a graph whose nodes all go to the reference target, with copies of what lives in its memory.
  private func plan(_ graph: Graph) throws -> Plan {
    let plan = PlanBuilder()
    let builder = EntryPointBuilder(name: "main", plan: plan)
    let target = ReferenceTarget()
    let lowering = target.makeLowering(LoweringOptions(threads: 1))
    for input in graph.inputs { builder.addInput(input, in: graph) }
    for node in graph.nodes {
      if case .constant(let constant) = node.op {
        builder.bind(node.results[0], toConstant: constant.value, name: "")
        continue
      }
      guard case .yes = target.support(for: node, in: graph) else {
        Issue.record("\(node.op.mnemonic) is refused")
        continue
      }
      try lowering.lower(node, in: graph, into: builder)
    }
    for (output, name) in zip(graph.outputs, graph.outputNames) {
      let host = builder.temporary(graph.type(of: output))
      builder.emit(
        .copy, operands: [builder.value(output)], results: [host], label: "copy", sources: [], flops: 0, bytes: 0)
      builder.addOutput(host, name: name)
    }
    try lowering.finish(plan)
    var entry = builder.finish()
    for (index, range) in Lifetimes(entry).buffers.enumerated() {
      guard let range else { continue }
      entry.buffers[index].first = range.lowerBound
      entry.buffers[index].last = range.upperBound
      entry.buffers[index].placement = .dynamic
    }
    let result = Plan(
      provenance: Provenance(toolVersion: "test"), weights: plan.weights, entryPoints: [entry])
    try PlanValidator.validate(result)
    return result
  }

  private func check(_ graph: Graph, _ inputs: [String: Tensor]) throws {
    let want = try Evaluator.run(graph, inputs: inputs)
    let session = try Session(plan: plan(graph), devices: [ReferenceDevice()])
    // The second run takes the graphs read by the first.
    for _ in 0..<2 {
      let got = try session.run(inputs)
      #expect(got.keys.sorted() == want.keys.sorted())
      for (name, tensor) in want {
        #expect(got[name]?.type == tensor.type)
        #expect(got[name]?.doubles == tensor.doubles)
      }
    }
  }

  @Test func attributesReadSizesThatOperandsDoNotShow() throws {
    var graph = Graph(name: "g")
    let (n, m) = (Dim.symbol("n"), Dim.symbol("m"))
    let x = graph.addInput(name: "x", type: TensorType(.f32, [n * 2]))
    _ = graph.addInput(name: "other", type: TensorType(.f32, [n, m]))
    let y = try graph.append(.broadcast(Broadcast([m, n * 2])), [x])[0]
    graph.addOutput(y, name: "y")
    try check(
      graph, ["x": Tensor(floats: [1, 2, 3, 4], [4]), "other": Tensor(zeros: .f32, [2, 3])])
  }

  @Test func sizesThatDataDecides() throws {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [.symbol("n")]))
    let places = try graph.append(.nonZero(NonZero(symbol: "k")), [x])[0]
    let doubled = try graph.append(.binary(Binary(.add)), [places, places])[0]
    graph.addOutput(doubled, name: "y")
    try check(graph, ["x": Tensor(floats: [0, 2, 0, 5, 1], [5])])
    try check(graph, ["x": Tensor(floats: [0, 0], [2])])
  }

  @Test func payloadsRoundTripAndDamagedOnesAreRefused() throws {
    let payload = GraphPayload(symbols: ["n", "m"], resourceCount: 2, graph: "graph \"g\" () {\n  return\n}\n")
    #expect(try GraphPayload(parsing: payload.text) == payload)
    for text in [
      "", "graph", "symbols n\nresources x\ngraph", "symbols n\nresources -1\ng", "symbols 1+\nresources 0\ng",
    ] {
      #expect(throws: GraphError.self) { try GraphPayload(parsing: text) }
    }
  }

  @Test func controlIsRefused() throws {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [4]))
    try graph.append(.reshape(Reshape([2, 2])), [x])
    let node = try #require(Array(graph.nodes).last)
    guard case .no(let refusal) = ReferenceTarget().support(for: node, in: graph) else {
      Issue.record("reshape was taken")
      return
    }
    #expect(refusal.reason.contains("reshape"))
  }
}
