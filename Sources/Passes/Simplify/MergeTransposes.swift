import SwageGraph

/// Transposes in a row as one, and none where the order of axes stays.
///
///     %1 = transpose(%0) {permutation = [0, 2, 3, 1]} : f32[1, 4, 5, 3]
///     %2 = transpose(%1) {permutation = [0, 3, 1, 2]} : f32[1, 3, 4, 5]
/// ->
///     %0
///
/// Legal always. Leaves alone: an inner transpose that others read keeps its node.
public let mergeTransposes = RewriteRule(name: "merge-transposes") { node, graph in
  guard case .transpose(let outer) = node.op else { return nil }
  if outer.permutation == Array(outer.permutation.indices) {
    return Patch.forward(node, to: node.operands[0], in: graph)
  }
  guard let inner = graph.producer(of: node.operands[0]), case .transpose(let first) = inner.op else { return nil }
  let permutation = outer.permutation.map { first.permutation[$0] }
  if permutation == Array(permutation.indices) { return Patch.forward(node, to: inner.operands[0], in: graph) }
  return try Patch.swap(
    node, for: .transpose(Transpose(permutation)), [inner.operands[0]], covering: [inner], in: graph)
}
