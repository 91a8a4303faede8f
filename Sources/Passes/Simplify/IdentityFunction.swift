import SwageGraph

/// Functions with parameters that make them give their operand back.
///
///     %1 = unary(%0) {function = linear} : f32[4]
/// ->
///     %0
///
/// Legal when the function is `linear` with factor one and offset zero, or `clip` without bounds.
/// Leaves alone: everything else.
public let identityFunction = RewriteRule(name: "identity-function") { node, graph in
  guard case .unary(let op) = node.op else { return nil }
  let isIdentity =
    (op.function == .linear && op.alpha == 1 && op.beta == 0)
    || (op.function == .clip && op.alpha == -.infinity && op.beta == .infinity)
  guard isIdentity else { return nil }
  return Patch.forward(node, to: node.operands[0], in: graph)
}
