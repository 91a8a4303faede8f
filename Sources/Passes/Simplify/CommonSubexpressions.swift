import SwageGraph

/// Nodes that compute the same from the same become one.
///
///     %2 = binary(%0, %1) {function = add} : f32[4]
///     %3 = binary(%1, %0) {function = add} : f32[4]
/// ->
///     %2 = binary(%0, %1) {function = add} : f32[4]
///
/// Legal when
/// 1. operation, attributes, operands, nested graphs and target are equal; operands of commutative functions in any
///    order; constants by content;
/// 2. the result types are equal;
/// 3. the node has no effect and defines no symbol.
///
/// Leaves alone: everything inside nested graphs that the outer graph computes too.
public let commonSubexpressions = Pass(name: "common-subexpressions") { graph, context in
  struct Key: Hashable {
    var op: Op
    var operands: [ValueID?]
    var regions: [Region]
    var target: String?
  }
  /// A nested graph as text, its large constants aside.
  struct Region: Hashable {
    var text: String
    var constants: [Constant]

    init(_ graph: Graph) {
      var printer = GraphPrinter(showsProvenance: false)
      text = printer.print(graph)
      constants = printer.resources.map { Constant($0) }
    }
  }
  var seen: [Key: NodeID] = [:]
  var erased: Set<NodeID> = []
  for id in graph.order {
    let node = graph[id]
    guard !node.op.hasEffect, graph.definedSymbols(of: node).isEmpty else { continue }
    var operands = node.operands
    if case .binary(let op) = node.op, op.function.isCommutative {
      operands.sort { ($0?.index ?? -1) < ($1?.index ?? -1) }
    }
    let key = Key(
      op: node.op, operands: operands, regions: node.regions.map { Region($0) }, target: node.target)
    guard let first = seen[key] else {
      seen[key] = id
      continue
    }
    let results = graph[first].results
    guard zip(results, node.results).allSatisfy({ graph.type(of: $0) == graph.type(of: $1) }) else { continue }
    guard context.begin("common-subexpressions") else { break }
    for (new, old) in zip(results, node.results) { graph.replaceUses(of: old, with: new) }
    graph.addSources(node.sources, to: first)
    erased.insert(id)
  }
  graph.eraseAll(erased)
}
