import SwageGraph

/// Removes nodes whose results nobody needs.
///
///     %1 = unary(%0) {function = exp} : f32[4]
///     %2 = unary(%0) {function = tanh} : f32[4]
///     return %2 "y"
/// ->
///     %2 = unary(%0) {function = tanh} : f32[4]
///     return %2 "y"
///
/// Legal when
/// 1. no kept node reads a result of the node, and none is an output of the graph;
/// 2. no kept node, no type of an input or output, and no nested graph uses a symbol that the node defines. So a
///    `bind_symbols` goes once nothing has sizes that it names.
///
/// Leaves alone: `fail`, inputs of the graph, and the interface of nested graphs.
public let deadCode = Pass(name: "dead-code") { graph, context in
  var liveValues = Set(graph.outputs)
  var liveSymbols: Set<String> = []
  for value in graph.inputs + graph.outputs {
    for size in graph.type(of: value).shape { liveSymbols.formUnion(size.symbols) }
  }
  var dead: [NodeID] = []
  for id in graph.order.reversed() {
    let node = graph[id]
    let defined = graph.definedSymbols(of: node)
    var isLive = node.results.contains { liveValues.contains($0) } || defined.contains { liveSymbols.contains($0) }
    if case .fail = node.op { isLive = true }
    guard isLive else {
      dead.append(id)
      continue
    }
    for operand in node.operands { if let operand { liveValues.insert(operand) } }
    liveSymbols.formUnion(graph.usedSymbols(of: node))
    for operand in node.operands {
      if let operand { for size in graph.type(of: operand).shape { liveSymbols.formUnion(size.symbols) } }
    }
  }
  var erased: Set<NodeID> = []
  for id in dead where context.begin("dead-code") { erased.insert(id) }
  graph.eraseAll(erased)
}
