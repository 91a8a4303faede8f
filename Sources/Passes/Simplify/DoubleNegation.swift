import SwageGraph

/// A function that undoes itself: `neg`, `not` and `bit_not` twice.
///
///     %1 = unary(%0) {function = neg} : f32[4]
///     %2 = unary(%1) {function = neg} : f32[4]
/// ->
///     %0
///
/// Legal always. Leaves alone: a negation that others read keeps its node.
public let doubleNegation = RewriteRule(name: "double-negation") { node, graph in
  guard case .unary(let outer) = node.op, [.neg, .not, .bitNot].contains(outer.function),
    let inner = graph.producer(of: node.operands[0]), case .unary(let first) = inner.op,
    first.function == outer.function
  else { return nil }
  return Patch.forward(node, to: inner.operands[0], in: graph)
}
