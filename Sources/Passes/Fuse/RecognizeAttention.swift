import SwageGraph
import SwageTensor

/// Scaled dot-product attention from its products.
///
///     %1 = matmul(%q, %k) {transpose_b = true}
///     %2 = unary(%1) {function = linear, alpha = s}       (or a scale on q, on k, or on both)
///     %3 = binary(%2, %mask) {function = add}             (optional)
///     %4 = softmax(%3) {axis = last}
///     %5 = matmul(%4, %v)
///     ->
///     %5 = attention(%q, %k, %v, %mask) {scale = s}
///
/// Legal when: 1. the softmax runs along the last axis; 2. q, k and v have the same rank and the same batch sizes; 3. the
/// mask broadcasts to the scores and has their element type; 4. nothing else reads the scores or the weights; 5. neither
/// product has an epilogue.
public let recognizeAttention = Pass(name: "recognize-attention", rules: [attentionFromProducts])

let attentionFromProducts = RewriteRule(name: "attention") { node, graph in
  guard case .matmul(let output) = node.op, !output.transposeA, !output.transposeB, output.epilogue.steps.isEmpty,
    let softmaxNode = graph.soleProducer(of: node.operands[0]), case .softmax(let softmax) = softmaxNode.op,
    !softmax.isLog, let v = node.operands[1], let scores = softmaxNode.operands[0],
    softmax.axis == graph.type(of: scores).rank - 1
  else { return nil }
  guard let product = scoreProduct(scores, graph) else { return nil }
  let (query, key) = (graph.affine(product.query), graph.affine(product.key))
  guard query.offset == 0, key.offset == 0 else { return nil }
  let scale = product.scale * query.scale * key.scale
  let types = [query.value, key.value, v].map { graph.type(of: $0) }
  let rank = types[0].rank
  guard scale.isFinite, types.allSatisfy({ $0.rank == rank && $0.elementType == types[0].elementType }),
    types[0].elementType.isFloat,
    (0..<rank - 2).allSatisfy({ axis in types.allSatisfy { $0.shape[axis] == types[0].shape[axis] } })
  else { return nil }
  var operands: [ValueID?] = [query.value, key.value, v]
  if let mask = product.mask {
    let (maskType, scoreType) = (graph.type(of: mask), graph.type(of: scores))
    guard maskType.elementType == scoreType.elementType, maskType.rank <= rank,
      zip(maskType.shape, scoreType.shape.suffix(maskType.rank)).allSatisfy({ $0 == 1 || $0 == $1 })
    else { return nil }
    operands.append(mask)
  }
  return try Patch.swap(
    node, for: .attention(Attention(scale: scale, isKeyTransposed: !product.keyIsRows)), operands,
    covering: [softmaxNode] + product.nodes + query.nodes + key.nodes, in: graph)
}

private struct ScoreProduct {
  var query: ValueID
  var key: ValueID
  var scale: Double
  var mask: ValueID?
  /// Whether keys lie as `[…, n, d]`.
  var keyIsRows: Bool
  var nodes: [Node]
}

/// `scale · q · kᵀ (+ mask)`.
private func scoreProduct(_ scores: ValueID, _ graph: Graph) -> ScoreProduct? {
  if let found = scaledProduct(scores, graph) { return found }
  guard let sum = graph.soleProducer(of: scores), case .binary(let binary) = sum.op, binary.function == .add else {
    return nil
  }
  for (value, mask) in [(sum.operands[0], sum.operands[1]), (sum.operands[1], sum.operands[0])] {
    guard let value, let mask, graph.hasSingleUse(value), graph.type(of: value) == graph.type(of: scores),
      var found = scaledProduct(value, graph)
    else { continue }
    found.mask = mask
    found.nodes.append(sum)
    return found
  }
  return nil
}

private func scaledProduct(_ value: ValueID, _ graph: Graph) -> ScoreProduct? {
  guard graph.hasSingleUse(value) else { return nil }
  let line = graph.affine(value, crossesShared: false)
  guard line.offset == 0, let node = graph.soleProducer(of: line.value), case .matmul(let matmul) = node.op,
    !matmul.transposeA, matmul.epilogue.steps.isEmpty, let query = node.operands[0], let key = node.operands[1]
  else { return nil }
  return ScoreProduct(
    query: query, key: key, scale: line.scale, mask: nil, keyIsRows: matmul.transposeB, nodes: line.nodes + [node])
}
