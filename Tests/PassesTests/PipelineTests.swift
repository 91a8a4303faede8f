import SwageGraph
import SwagePasses
import SwageTensor
import Testing

@Suite struct PipelineTests {
  /// A chain of `count` negations, two by two removable.
  private static func negations(_ count: Int) throws -> Graph {
    var graph = Graph(name: "negations")
    var value = graph.addInput(name: "x", type: TensorType(.f32, [.symbol("h"), 4]))
    for index in 0..<count {
      value = try graph.append(
        .unary(Unary(.neg)), [value], names: ["v\(index)"], sources: [Source(name: "n\(index)", operatorName: "Neg")])[
          0]
    }
    graph.addOutput(value, name: "y")
    return graph
  }

  @Test func reportCountsWorkAndRewrites() throws {
    var graph = try Self.negations(6)
    let report = try Pipeline([.once(algebraic), .once(deadCode)]).run(&graph)
    let record = try #require(report.records.first)
    #expect(record.label == "algebraic")
    #expect(record.rewrites == 3)
    #expect(record.ruleCounts.map(\.rule) == ["double-negation"])
    #expect(record.nodesBefore == 6 && record.nodesAfter == 0)
    #expect(record.flopsBefore.evaluate(["h": 10]) == 240)
    #expect(record.flopsBefore.expression.description == "24*h")
    #expect(record.flopsAfter.evaluate([:]) == 0)
    #expect(record.bytesBefore.evaluate(["h": 10]) == 1920)
    let table = report.table(sizes: ["h": 10])
    #expect(table.contains("algebraic") && table.contains("6 -> 0") && table.contains("240 -> 0"))
  }

  @Test func maxRewritesStopsExactly() throws {
    for limit in 0...3 {
      var graph = try Self.negations(6)
      let before = graph
      let report = try Pipeline.standard().run(&graph, inspection: .init(maxRewrites: limit))
      #expect(report.rewrites == limit)
      try assertSameResults(before, graph, symbols: ["h": 2])
    }
  }

  @Test func stopAfterNamesAPassAndItsRun() throws {
    var graph = try Self.negations(3)
    var report = try Pipeline.standard().run(&graph, inspection: .init(stopAfter: "algebraic", keepsGraphs: true))
    #expect(report.records.last?.label == "algebraic")
    #expect(report.records.last?.graph?.nodeCount == 1)
    graph = try Self.negations(3)
    report = try Pipeline.standard().run(&graph, inspection: .init(stopAfter: "dead-code.2"))
    #expect(report.records.last?.label == "dead-code.2")
  }

  @Test func unknownPassIsAnError() throws {
    var graph = try Self.negations(1)
    #expect {
      try Pipeline.standard().run(&graph, inspection: .init(stopAfter: "no-such-pass"))
    } throws: { error in
      (error as? PassError)?.diagnostics.first?.code == "pass-unknown"
    }
  }

  @Test func observerSeesEveryRecord() throws {
    var graph = try Self.negations(4)
    var labels: [String] = []
    let report = try Pipeline.standard().run(&graph) { record, after in
      labels.append(record.label)
      #expect(after.totalNodeCount == record.nodesAfter)
    }
    #expect(labels == report.records.map(\.label))
  }

  @Test func verifierRunsAfterEachPass() throws {
    let bad = Pass(name: "bad") { graph, context in
      guard context.begin("bad"), let last = graph.order.last, let input = graph.inputs.first else { return }
      // A node without a source.
      let value = try graph.insert(.unary(Unary(.exp)), [input], before: last)[0]
      graph.setOutput(0, to: value)
    }
    var graph = try Self.negations(2)
    #expect {
      try Pipeline([.once(bad)]).run(&graph)
    } throws: { error in
      (error as? GraphError)?.diagnostics.first?.what == "the graph is inconsistent after bad"
    }
    graph = try Self.negations(2)
    try Pipeline([.once(bad)]).run(&graph, inspection: .init(verifies: false))
  }

  @Test func largeGraphsReachTheFixedPoint() throws {
    var graph = try Self.negations(10_000)
    let report = try Pipeline.standard().run(&graph)
    #expect(graph.nodeCount == 0)
    #expect(report.records.first { $0.name == "algebraic" }?.rewrites == 5000)
  }

  @Test func nestedGraphsAreRewrittenAndFusedOnesAreNot() throws {
    let text = """
      graph "g" (%0 "x": f32[4], %1 "c": bool[]) {
        %2 = if(%1, %0) graph "then" (%0 "x": f32[4]) {
          %1 = unary(%0) {function = neg} : f32[4] from "a" (Neg)
          %2 = unary(%1) {function = neg} : f32[4] from "b" (Neg)
          return %2 "y"
        } graph "else" (%0 "x": f32[4]) {
          return %0 "y"
        } : f32[4] from "i" (If)
        %3 = fused(%2) graph "f" (%0 "x": f32[4]) {
          %1 = unary(%0) {function = neg} : f32[4] from "c" (Neg)
          %2 = unary(%1) {function = neg} : f32[4] from "d" (Neg)
          return %2 "y"
        } : f32[4] from "c" (Neg)
        return %3 "y"
      }
      """
    var graph = try GraphParser.parse(text)
    let context = try algebraic.run(&graph)
    #expect(context.rewrites == 1)
    let nodes = Array(graph.nodes)
    #expect(nodes[0].regions[0].nodeCount == 0)
    #expect(nodes[1].regions[0].nodeCount == 2)
  }
}
