import SwageGraph
import SwageTensor

/// Transposes that only move axes of size one are reshapes, which move no data.
///
///     %1 = transpose(%0) {permutation = [0, 3, 1, 2]} : f32[n, 8, 1, 1]
/// ->
///     %1 = reshape(%0) {shape = [n, 8, 1, 1]} : f32[n, 8, 1, 1]
///
/// Legal when the axes that are not of size one keep their order.
/// Leaves alone: axes whose size is a symbol count as larger than one. Runs after the layout is settled, since
/// transposes cancel and reshapes do not.
public let transposeToReshape = RewriteRule(name: "transpose-to-reshape") { node, graph in
  guard case .transpose(let op) = node.op, let value = node.operands[0] else { return nil }
  let shape = graph.type(of: value).shape
  let moved = op.permutation.filter { shape[$0] != 1 }
  guard moved == moved.sorted() else { return nil }
  return try Patch.swap(node, for: .reshape(Reshape(op.permutation.map { shape[$0] })), [value], in: graph)
}
