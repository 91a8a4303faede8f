import SwageGraph

/// Adding or subtracting zero.
///
///     %1 = constant f32[] [0.0]
///     %2 = binary(%0, %1) {function = add} : f32[h, 4]
/// ->
///     %0
///
/// Legal when
/// 1. every element of the constant is zero, and it stands on either side of `add` or on the right of `sub`;
/// 2. the other operand already has the type of the result: the zero broadcasts, not the value.
///
/// Leaves alone: `0 - x`, which is a negation. The sign of a zero may change, as `-0 + 0` is `+0`.
public let addZero = RewriteRule(name: "add-zero") { node, graph in
  guard case .binary(let op) = node.op, op.function == .add || op.function == .sub,
    let (value, scalar, isFirst) = graph.splitScalar(node), scalar == 0, op.function == .add || !isFirst
  else { return nil }
  return Patch.forward(node, to: value, in: graph)
}
