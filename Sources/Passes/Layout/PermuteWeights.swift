import SwageGraph
import SwageTensor

/// A transpose whose axes are flattened and then multiplied by constant weights: the weights take the other order,
/// when the model is compiled.
///
///     %1 = transpose(%0) {permutation = [0, 3, 1, 2]} : f32[n, 8, 2, 2]
///     %2 = reshape(%1) {shape = [n, 32]} : f32[n, 32]
///     %4 = matmul(%2, %3) : f32[n, 10]
/// ->
///     %2 = reshape(%0) {shape = [n, 32]} : f32[n, 32]
///     %3 = reshape(transpose(reshape(%3))) : f32[32, 10]
///     %4 = matmul(%2, %3) : f32[n, 10]
///
/// (with %0 : f32[n, 2, 2, 8] and a constant %3)
///
/// Legal when
/// 1. the transpose and the reshape have no other reader, and the product reads the last axis of the reshape as its
///    inner one;
/// 2. the transpose keeps the axes in front of those that the reshape joins into that axis, and they have known sizes;
/// 3. the weights are a constant matrix, and no other operand of an epilogue is concerned.
///
/// Sums run in another order, so that results may differ by rounding.
/// Leaves alone: weights that are inputs; flattened axes that symbols size.
public let permuteWeights = RewriteRule(name: "permute-weights") { node, graph in
  guard case .matmul(let op) = node.op, !op.transposeA, let weights = node.operands[1],
    graph.constant(weights) != nil, graph.type(of: weights).rank == 2,
    let reshape = graph.soleProducer(of: node.operands[0]), case .reshape(let flat) = reshape.op,
    let inner = graph.soleProducer(of: reshape.operands[0]), case .transpose(let transpose) = inner.op,
    let value = inner.operands[0]
  else { return nil }
  let moved = graph.type(of: inner.results[0]).shape
  guard let groups = ReshapeGroups.match(moved, flat.shape), let joined = groups.last, joined.to.count == 1,
    joined.from.count > 1
  else { return nil }
  let first = joined.from.lowerBound
  let permutation = transpose.permutation
  guard permutation[..<first].elementsEqual(0..<first) else { return nil }
  let sizes = moved[first...].compactMap(\.constant)
  guard sizes.count == joined.from.count else { return nil }
  // Position k of the flattened axes in the order of `value` stands at `back[k]` in the order of the weights.
  var back = [Int](repeating: 0, count: sizes.count)
  for (position, axis) in permutation[first...].enumerated() { back[axis - first] = position }
  let type = graph.type(of: weights)
  let other = type.shape[op.transposeB ? 0 : 1]
  let split = sizes.map { Dim($0) }
  var patch = Patch(replacing: node, covering: [reshape, inner], in: graph)
  let rank = sizes.count
  let shape = op.transposeB ? [other] + split : split + [other]
  let order = op.transposeB ? [0] + back.map { $0 + 1 } : back + [rank]
  let unfolded = try patch.add(.reshape(Reshape(shape)), [weights])
  let turned = try patch.add(.transpose(Transpose(order)), [unfolded])
  var operands = node.operands
  operands[0] = try patch.add(.reshape(flat), [value])
  operands[1] = try patch.add(.reshape(Reshape(type.shape)), [turned])
  let result = try patch.add(.matmul(op), operands)
  guard patch.type(of: result) == graph.type(of: node.results[0]) else { return nil }
  patch.replaceRoot(with: result)
  return patch
}
