import SwageGraph

/// Powers that have a cheaper function.
///
///     %1 = constant f32[] [2.0]
///     %2 = binary(%0, %1) {function = pow} : f32[4]
/// ->
///     %2 = unary(%0) {function = square} : f32[4]
///
/// The exponents are 2 (`square`), 1/2 (`sqrt`), -1/2 (`rsqrt`) and -1 (`reciprocal`).
///
/// Legal when
/// 1. every element of the exponent is that number;
/// 2. the base has the type of the result;
/// 3. the element type is a float, or the exponent is 2;
/// 4. for roots, no element of the base has a minus sign: the square root of minus infinity is NaN and that of -0 is -0,
///    where `pow` gives infinity and 0.
///
/// Leaves alone: other exponents.
public let powerToFunction = RewriteRule(name: "power-to-function") { node, graph in
  guard case .binary(let op) = node.op, op.function == .pow, let base = node.operands[0],
    let exponent = graph.scalar(node.operands[1]), graph.type(of: base) == graph.type(of: node.results[0])
  else { return nil }
  let function: Unary.Function
  switch exponent {
  case 2: function = .square
  case 0.5: function = .sqrt
  case -0.5: function = .rsqrt
  case -1: function = .reciprocal
  default: return nil
  }
  guard function == .square || graph.type(of: base).elementType.isFloat else { return nil }
  guard abs(exponent) != 0.5 || graph.hasNoMinus(base) else { return nil }
  return try Patch.swap(node, for: .unary(Unary(function)), [base], in: graph)
}
