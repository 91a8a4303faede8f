import SwageGraph

/// Reshapes in a row as one, and none where the shape stays.
///
///     %1 = reshape(%0) {shape = [12, h]} : f32[12, h]
///     %2 = reshape(%1) {shape = [3, 4, h]} : f32[3, 4, h]
/// ->
///     %2 = reshape(%0) {shape = [3, 4, h]} : f32[3, 4, h]
///
/// Legal always: a reshape only depends on the order of elements. Leaves alone: an inner reshape that others read keeps
/// its node; shapes that only the run can tell equal.
public let mergeReshapes = RewriteRule(name: "merge-reshapes") { node, graph in
  guard case .reshape(let outer) = node.op else { return nil }
  if let same = Patch.forward(node, to: node.operands[0], in: graph) { return same }
  guard let inner = graph.producer(of: node.operands[0]), case .reshape = inner.op else { return nil }
  if let same = Patch.forward(node, to: inner.operands[0], in: graph) { return same }
  return try Patch.swap(node, for: .reshape(outer), [inner.operands[0]], covering: [inner], in: graph)
}
