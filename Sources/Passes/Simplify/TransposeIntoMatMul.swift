import SwageGraph

/// A transpose of the last two axes as the flag of the product that reads it.
///
///     %2 = transpose(%1) {permutation = [0, 2, 1]} : f32[2, 4, 5]
///     %3 = matmul(%0, %2) : f32[2, 3, 5]
/// ->
///     %3 = matmul(%0, %1) {transpose_b = true} : f32[2, 3, 5]
///
/// Legal when the permutation swaps the last two axes and keeps the others. A reshape may stand between, where it could
/// as well come first (see `transposeThroughReshape`).
/// Leaves alone: transposes that also move batch axes; operands of the epilogue.
public let transposeIntoMatMul = RewriteRule(name: "transpose-into-matmul") { node, graph in
  guard case .matmul(var op) = node.op else { return nil }
  for index in 0..<2 {
    if let moved = graph.reshapedFirst(node.operands[index]), Transpose(moved.permutation).swapsLastTwo {
      if index == 0 { op.transposeA.toggle() } else { op.transposeB.toggle() }
      var patch = Patch(replacing: node, covering: moved.nodes, in: graph)
      var operands = node.operands
      operands[index] = try patch.add(.reshape(Reshape(moved.shape)), [moved.value])
      patch.replaceRoot(with: try patch.add(.matmul(op), operands))
      return patch
    }
    guard let producer = graph.producer(of: node.operands[index]), case .transpose(let transpose) = producer.op,
      transpose.swapsLastTwo
    else { continue }
    if index == 0 { op.transposeA.toggle() } else { op.transposeB.toggle() }
    var operands = node.operands
    operands[index] = producer.operands[0]
    return try Patch.swap(node, for: .matmul(op), operands, covering: [producer], in: graph)
  }
  return nil
}

extension Transpose {
  /// Whether the permutation swaps the last two axes and keeps the others.
  var swapsLastTwo: Bool {
    let rank = permutation.count
    return rank >= 2 && permutation == Array(0..<rank - 2) + [rank - 1, rank - 2]
  }
}
