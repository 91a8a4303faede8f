import SwageGraph

/// Multiplying or dividing by one, and the first power.
///
///     %1 = constant f32[] [1.0]
///     %2 = binary(%0, %1) {function = div} : f32[h, 4]
/// ->
///     %0
///
/// Legal when
/// 1. every element of the constant is one, and it stands on either side of `mul`, or on the right of `div` or `pow`;
/// 2. the other operand already has the type of the result.
///
/// Leaves alone: `1 / x`.
public let multiplyOne = RewriteRule(name: "multiply-one") { node, graph in
  guard case .binary(let op) = node.op, [.mul, .div, .pow].contains(op.function),
    let (value, scalar, isFirst) = graph.splitScalar(node), scalar == 1, op.function == .mul || !isFirst
  else { return nil }
  return Patch.forward(node, to: value, in: graph)
}
