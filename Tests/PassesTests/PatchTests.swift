import SwageGraph
import SwagePasses
import SwageTensor
import Testing

@Suite struct PatchTests {
  private static func graph() throws -> Graph {
    try GraphParser.parse(
      """
      graph "g" (%0 "x": f32[4]) {
        %1 "a" = unary(%0) {function = exp} : f32[4] from "first" (Exp)
        %2 "b" = unary(%1) {function = log} : f32[4] from "second" (Log)
        return %2 "y"
      }
      """)
  }

  private static func error(of rule: RewriteRule) throws -> PassError? {
    var graph = try graph()
    do {
      try Pass(name: "test", rules: [rule]).run(&graph)
      return nil
    } catch let error as PassError { return error }
  }

  @Test func provenanceAndNamesCarryOver() throws {
    let rule = RewriteRule(name: "exp-log") { node, graph in
      guard case .unary(let log) = node.op, log.function == .log, let inner = graph.soleProducer(of: node.operands[0])
      else { return nil }
      return try Patch.swap(node, for: .unary(Unary(.abs)), [inner.operands[0]], covering: [inner], in: graph)
    }
    var graph = try Self.graph()
    try Pass(name: "test", rules: [rule]).run(&graph)
    let nodes = Array(graph.nodes)
    #expect(nodes.count == 1)
    #expect(nodes[0].sources.map(\.name) == ["first", "second"])
    #expect(graph[nodes[0].results[0]].name == "b")
    try GraphVerifier.verify(graph, after: "test")
  }

  @Test func aChangedTypeIsRefused() throws {
    let rule = RewriteRule(name: "bad") { node, graph in
      guard case .unary(let op) = node.op, op.function == .log else { return nil }
      var patch = Patch(replacing: node, in: graph)
      patch.replaceRoot(with: try patch.add(.cast(Cast(to: .f16)), [node.operands[0]]))
      return patch
    }
    guard case .typeChanged(let name, _, let from, let to, _)? = try Self.error(of: rule) else {
      Issue.record("the patch was applied")
      return
    }
    #expect(name == "bad" && from == TensorType(.f32, [4]) && to == TensorType(.f16, [4]))
  }

  @Test func readingWhatIsReplacedIsRefused() throws {
    let rule = RewriteRule(name: "bad") { node, graph in
      guard case .unary(let op) = node.op, op.function == .log else { return nil }
      var patch = Patch(replacing: node, in: graph)
      patch.replaceRoot(with: try patch.add(.unary(Unary(.abs)), [node.results[0]]))
      return patch
    }
    #expect(try Self.error(of: rule)?.diagnostics.first?.code == "pass-broken-patch")
  }

  @Test func anIllTypedNodeIsABugOfTheRule() throws {
    let rule = RewriteRule(name: "bad") { node, graph in
      try Patch.swap(node, for: .unary(Unary(.not)), node.operands, in: graph)
    }
    let error = try Self.error(of: rule)
    #expect(error?.diagnostics.first?.code == "pass-ill-typed")
    #expect(error?.diagnostics.first?.fault == .bug)
  }

  @Test func rulesThatGoInCirclesEnd() throws {
    let rule = RewriteRule(name: "circle") { node, graph in
      guard case .unary(let op) = node.op else { return nil }
      return try Patch.swap(
        node, for: .unary(Unary(op.function == .exp ? .log : .exp)), node.operands, in: graph)
    }
    #expect(try Self.error(of: rule)?.diagnostics.first?.code == "pass-no-fixed-point")
  }

  @Test func deadProducersGoAndSharedOnesStay() throws {
    var graph = try Self.graph()
    let rule = RewriteRule(name: "forward") { node, graph in
      guard case .unary(let op) = node.op, op.function == .log else { return nil }
      return Patch.forward(node, to: graph.inputs[0], in: graph)
    }
    try Pass(name: "test", rules: [rule]).run(&graph)
    #expect(graph.nodeCount == 0)
    graph = try Self.graph()
    let first = try #require(graph.order.first)
    graph.addOutput(graph[first].results[0], name: "z")
    try Pass(name: "test", rules: [rule]).run(&graph)
    #expect(graph.nodeCount == 1)
  }
}
