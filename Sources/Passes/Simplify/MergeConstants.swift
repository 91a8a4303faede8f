import SwageGraph

/// Constants that are added, or multiplied, one after the other.
///
///     %3 = binary(%0, %1) {function = add} : f32[h, 4]
///     %4 = binary(%3, %2) {function = add} : f32[h, 4]
/// ->
///     %3 = binary(%1, %2) {function = add} : f32[4]
///     %4 = binary(%0, %3) {function = add} : f32[h, 4]
///
/// (with constants %1 and %2; constant folding then makes %3 one constant)
///
/// Legal when
/// 1. both functions are `add`, or both `mul`, on floats, and the inner node has no other reader;
/// 2. the constants together are no larger than the larger one of them;
/// 3. the value that is left has the result's type.
///
/// Sums are taken in another order, so that results may differ by rounding.
/// Leaves alone: integers, and constants that broadcast each other.
public let mergeConstants = RewriteRule(name: "merge-constants") { node, graph in
  guard let outer = graph.splitConstant(node), let inner = graph.soleProducer(of: outer.value), inner.op == node.op,
    let first = graph.splitConstant(inner), graph.type(of: first.value) == graph.type(of: node.results[0])
  else { return nil }
  var patch = Patch(replacing: node, covering: [inner], in: graph)
  let merged = try patch.add(node.op, [first.constant, outer.constant])
  guard
    [first.constant, outer.constant].contains(where: {
      graph.type(of: $0).elementCount == patch.type(of: merged).elementCount
    })
  else { return nil }
  patch.replaceRoot(with: try patch.add(node.op, [first.value, merged]))
  return patch
}

extension Graph {
  /// The constant operand of a sum or product of floats, and the other one, which is no constant.
  fileprivate func splitConstant(_ node: Node) -> (value: ValueID, constant: ValueID)? {
    guard case .binary(let op) = node.op, op.function == .add || op.function == .mul, let a = node.operands[0],
      let b = node.operands[1], type(of: a).elementType.isFloat
    else { return nil }
    switch (constant(a) != nil, constant(b) != nil) {
    case (true, false): return (b, a)
    case (false, true): return (a, b)
    default: return nil
    }
  }
}
