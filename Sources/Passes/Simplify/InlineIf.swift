import SwageGraph
import SwageTensor

/// A conditional whose condition is a constant gives way to the branch that runs.
///
///     %1 = constant bool[] [1]
///     %2 = if(%1, %0) graph "then" (%0 "x": f32[4]) {…} graph "else" (%0 "x": f32[4]) {…} : f32[4]
/// ->
///     the nodes of "then" on %0
///
/// Sizes that the node named, because its branches differ, become those of the branch.
///
/// Legal when
/// 1. the condition is a constant;
/// 2. no symbol that the branch defines is defined outside too;
/// 3. every type rule still holds with the branch's sizes.
///
/// Leaves alone: conditionals that the run decides.
public let inlineIf = Pass(name: "inline-if") { graph, context in
  for id in graph.order {
    guard graph.contains(id) else { continue }
    let node = graph[id]
    guard case .if(let op) = node.op, let condition = graph.scalar(node.operands[0]) else { continue }
    let branch = node.regions[condition != 0 ? 0 : 1]
    let outside = Set(graph.nodes.flatMap { $0.id == id ? [] : graph.definedSymbols(of: $0) })
    let inside = branch.nodes.flatMap { branch.definedSymbols(of: $0) }
    guard outside.isDisjoint(with: inside) else {
      context.note("\(node.label): its branch and the graph around it use one name for two sizes")
      continue
    }
    var changed = graph
    do {
      let outputs = try changed.inline(branch, at: node)
      var sizes: [String: Dim] = [:]
      let named = Set(op.definedSymbols(regions: node.regions))
      for (old, new) in zip(node.results, outputs) {
        for (size, actual) in zip(changed.type(of: old).shape, changed.type(of: new).shape) {
          if let name = size.symbolName, named.contains(name), sizes[name] == nil { sizes[name] = actual }
        }
        changed.replaceUses(of: old, with: new)
      }
      changed.erase(id)
      if !sizes.isEmpty { try changed.substitute(sizes) }
      guard context.begin("inline-if") else { return }
      graph = changed
      // Substituting renumbers nodes: the next round finds what is left.
      if !sizes.isEmpty { return }
    } catch is GraphError {
      context.note("\(node.label): the sizes of the branch that runs do not fit the graph around it")
    }
  }
}

extension Node {
  /// How notes call the node.
  var label: String { sources.first.map { "\($0.name) (\($0.operatorName))" } ?? op.mnemonic }
}

extension Graph {
  /// Puts the nodes of `branch` before `node`, on its operands from the second on, and returns the branch's outputs.
  fileprivate mutating func inline(_ branch: Graph, at node: Node) throws -> [ValueID] {
    var map: [ValueID: ValueID] = [:]
    for (input, operand) in zip(branch.inputs, node.operands.dropFirst()) { if let operand { map[input] = operand } }
    for inner in branch.nodes {
      let results = try insert(
        inner.op, inner.operands.map { $0.flatMap { map[$0] } }, regions: inner.regions,
        names: inner.results.map { branch[$0].name }, sources: inner.sources, before: node.id)
      if inner.sources.isEmpty, let id = order.firstIndex(of: node.id).map({ order[$0 - 1] }) {
        if case .constant = inner.op {} else { addSources(node.sources, to: id) }
      }
      for (old, new) in zip(inner.results, results) { map[old] = new }
    }
    return branch.outputs.compactMap { map[$0] }
  }
}
