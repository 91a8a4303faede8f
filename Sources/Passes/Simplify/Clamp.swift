import SwageGraph

/// Limits written in other ways, and limits of limits.
///
///     %1 = constant f32[] [0.0]
///     %2 = binary(%0, %1) {function = max} : f32[4]
///     %3 = unary(%2) {function = clip, alpha = -1.0, beta = 6.0} : f32[4]
/// ->
///     %3 = unary(%0) {function = clip, alpha = 0.0, beta = 6.0} : f32[4]
///
/// Legal when
/// 1. a `min` or `max` has a constant side whose elements are one number, not NaN, and the other side has the
///    result's type;
/// 2. of two limits in a row, the inner one has no other reader; lower bounds combine as
///    min(max(low₁, low₂), high₂), upper ones as max(min(high₁, high₂), low₂).
///
/// A lower bound of zero without an upper one is `relu`. NaN passes through all of these alike.
/// Leaves alone: types other than f32, f64, f16 and bf16.
public let clamp = RewriteRule(name: "clamp") { node, graph in
  guard node.results.count == 1, [.f32, .f64, .f16, .bf16].contains(graph.type(of: node.results[0]).elementType),
    let outer = graph.limits(of: node)
  else { return nil }
  var (low, high, value) = (outer.low, outer.high, outer.value)
  var covered: [Node] = []
  if let producer = graph.soleProducer(of: value), let inner = graph.limits(of: producer) {
    (low, high) = (min(max(inner.low, outer.low), outer.high), max(min(inner.high, outer.high), outer.low))
    value = inner.value
    covered = [producer]
  }
  let function: Unary =
    low == 0 && high == .infinity ? Unary(.relu) : Unary(.clip, alpha: low, beta: high)
  guard .unary(function) != node.op || !covered.isEmpty, !low.isNaN, !high.isNaN else { return nil }
  return try Patch.swap(node, for: .unary(function), [value], covering: covered, in: graph)
}

extension Graph {
  /// The bounds that a node puts on its operand, where that is all it does.
  fileprivate func limits(of node: Node) -> (value: ValueID, low: Double, high: Double)? {
    switch node.op {
    case .unary(let op):
      guard let value = node.operands[0] else { return nil }
      if op.function == .relu { return (value, 0, .infinity) }
      return op.function == .clip ? (value, op.alpha, op.beta) : nil
    case .binary(let op):
      guard op.function == .min || op.function == .max, let (value, bound, _) = splitScalar(node), !bound.isNaN,
        type(of: value) == type(of: node.results[0])
      else { return nil }
      return op.function == .min ? (value, -.infinity, bound) : (value, bound, .infinity)
    default: return nil
    }
  }
}
