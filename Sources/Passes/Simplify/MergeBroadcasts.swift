import SwageGraph

/// Broadcasts that repeat nothing, and broadcasts of broadcasts.
///
///     %1 = broadcast(%0) {shape = [3, 4]} : f32[3, 4]
///     %2 = broadcast(%1) {shape = [2, 3, 4]} : f32[2, 3, 4]
/// ->
///     %2 = broadcast(%0) {shape = [2, 3, 4]} : f32[2, 3, 4]
///
/// Legal always. Leaves alone: sizes that only the run can tell equal.
public let mergeBroadcasts = RewriteRule(name: "merge-broadcasts") { node, graph in
  guard case .broadcast(let outer) = node.op else { return nil }
  if let same = Patch.forward(node, to: node.operands[0], in: graph) { return same }
  guard let inner = graph.producer(of: node.operands[0]), case .broadcast = inner.op else { return nil }
  return try Patch.swap(node, for: .broadcast(outer), [inner.operands[0]], covering: [inner], in: graph)
}
