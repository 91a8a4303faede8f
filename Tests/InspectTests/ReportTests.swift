import Foundation
import SwageGraph
import SwageInspect
import SwageTensor
import Testing

@Suite struct ReportTests {
  /// The data element of a page, parsed.
  private func data(_ page: String) throws -> [String: Any] {
    let start = try #require(page.range(of: "id=\"data\">"))
    let end = try #require(page.range(of: "</script>", range: start.upperBound..<page.endIndex))
    let parsed = try JSONSerialization.jsonObject(with: Data(page[start.upperBound..<end.lowerBound].utf8))
    return try #require(parsed as? [String: Any])
  }

  /// `chain` after a pass that fuses the activation into the convolution.
  private func fusedChain() throws -> Graph {
    var graph = try Sample.chain()
    let relu = try #require(graph.nodes.first { $0.op == .unary(Unary(.relu)) })
    let operand = try #require(relu.operands[0])
    let old = try #require(graph.producer(of: operand))
    guard case .convolution(var convolution) = old.op else { throw CancellationError() }
    convolution.epilogue = Epilogue([.unary(Unary(.relu))])
    let new = try graph.insert(
      .convolution(convolution), old.operands, sources: old.sources + relu.sources, before: old.id)[0]
    graph.replaceUses(of: relu.results[0], with: new)
    graph.erase(relu.id)
    graph.erase(old.id)
    return graph
  }

  /// Version numbers of a graph's nodes, put together from runs of the graphs before.
  private func order(_ page: [String: Any], _ graph: Int) throws -> [Int] {
    let row = try #require((page["graphs"] as? [[Any]])?[graph])
    let base = try #require(row[4] as? Int)
    let below = base < 0 ? [] : try order(page, base)
    let items = try #require(row[5] as? [Any])
    return try items.flatMap { item -> [Int] in
      if let version = item as? Int { return [version] }
      let run = try #require(item as? [Int])
      return Array(below[run[0]..<run[0] + run[1]])
    }
  }

  @Test func everyStageComesBackWhole() throws {
    let stages = [try Sample.chain(), try fusedChain(), try Sample.chain()]
    let page = try data(
      HTMLReport.text(title: "t", stages: stages.enumerated().map { Sample.stage("\($0.offset)", $0.element) }))
    let strings = try #require(page["strings"] as? [String])
    let versions = try #require(page["versions"] as? [[Any]])
    let rows = try #require(page["stages"] as? [[String: Any]])
    for (index, stage) in rows.enumerated() {
      let graph = try #require(stage["graph"] as? Int)
      let operations = try order(page, graph).map { version in
        let name = try #require(versions[version][2] as? Int)
        return strings[name]
      }
      #expect(operations == stages[index].nodes.map(\.op.mnemonic))
    }
  }

  @Test func thePageLoadsNothing() throws {
    let page = HTMLReport.text(title: "chain", stages: [Sample.stage("import", try Sample.chain())])
    #expect(page.contains("default-src 'none'"))
    for outside in [
      "src=\"", "href=\"", "@import", "url(http", "https://", "fetch(", "XMLHttpRequest", "@DATA@", "@STYLE@",
    ] {
      #expect(!page.contains(outside), "\(outside)")
    }
  }

  @Test func hostileTextIsData() throws {
    let page = HTMLReport.text(
      title: hostile, stages: [Sample.stage(hostile, try Sample.hostileGraph())],
      placement: [PlacementRow(target: hostile, operation: hostile, source: hostile, answers: [hostile])],
      plan: ReportTable(title: hostile, columns: [hostile], rows: [[hostile]]))
    #expect(page.components(separatedBy: "</script>").count == 3)
    #expect(!page.contains("<img"))
    #expect(try data(page)["title"] as? String == hostile)
    let placement = try #require(try data(page)["placement"] as? [[String: Any]])
    #expect(placement[0]["answers"] as? [String] == [hostile])
  }

  @Test func stagesShareWhatDidNotChange() throws {
    let before = try Sample.chain()
    let after = try fusedChain()
    let page = try data(
      HTMLReport.text(
        title: "chain",
        stages: [Sample.stage("import", before), Sample.stage("fuse", after), Sample.stage("nothing", after)]))
    let stages = try #require(page["stages"] as? [[String: Any]])
    #expect(stages.map { $0["name"] as? String } == ["import", "fuse", "nothing"])
    #expect(stages[1]["graph"] as? Int == stages[2]["graph"] as? Int)
    // Six nodes, then the fused convolution and the multiplication that reads it.
    #expect((page["versions"] as? [Any])?.count == 8)
  }

  @Test func aRebuiltGraphIsTheSameGraph() throws {
    let before = try Sample.chain()
    var rebuilt = Graph(name: before.name)
    // New ids throughout: an input more shifts every value, an erased node every node.
    var map: [ValueID: ValueID] = [:]
    for input in before.inputs { map[input] = rebuilt.addInput(name: before[input].name, type: before.type(of: input)) }
    let extra = try rebuilt.append(.unary(Unary(.exp)), [rebuilt.inputs[0]])[0]
    for node in before.nodes {
      let created = try rebuilt.append(
        node.op, node.operands.map { $0.flatMap { map[$0] } }, names: node.results.map { before[$0].name },
        sources: node.sources)
      for (old, new) in zip(node.results, created) { map[old] = new }
    }
    for (value, name) in zip(before.outputs, before.outputNames) { rebuilt.addOutput(map[value] ?? value, name: name) }
    if let node = rebuilt.producer(of: extra) { rebuilt.erase(node.id) }
    let page = try data(
      HTMLReport.text(title: "t", stages: [Sample.stage("import", before), Sample.stage("rebuild", rebuilt)]))
    #expect((page["versions"] as? [Any])?.count == before.nodeCount)
  }

  @Test func manyPassesOverALargeModelStaySmall() throws {
    var graph = Graph(name: "large")
    var value = graph.addInput(name: "x", type: TensorType(.f32, [.symbol("n"), 64]))
    for index in 0..<1000 {
      value = try graph.append(
        .unary(Unary(index % 2 == 0 ? .exp : .neg)), [value],
        sources: [Source(name: "/blocks.\(index)/attention/act", operatorName: "Exp")])[0]
    }
    graph.addOutput(value, name: "y")
    var stages = [Sample.stage("import", graph)]
    for pass in 0..<20 {
      for (index, id) in graph.order.enumerated() where index % 20 == pass {
        graph.addSources([Source(name: "pass \(pass)", operatorName: "Note")], to: id)
      }
      stages.append(Sample.stage("pass \(pass)", graph))
    }
    let page = HTMLReport.text(title: "large", stages: stages)
    #expect(page.utf8.count < 2_000_000, "\(page.utf8.count) bytes")
    #expect((try data(page)["versions"] as? [Any])?.count == 2000)
  }

  @Test func sameInputSamePage() throws {
    let stages = [Sample.stage("import", try Sample.chain()), Sample.stage("fuse", try fusedChain())]
    #expect(HTMLReport.text(title: "t", stages: stages) == HTMLReport.text(title: "t", stages: stages))
  }
}
