import SwageGraph
import SwageTensor

/// Division by powers of two as multiplication, which is as exact and faster.
///
///     %1 = constant f32[] [8.0]
///     %2 = binary(%0, %1) {function = div} : f32[4]
/// ->
///     %1 = constant f32[] [0.125]
///     %2 = binary(%0, %1) {function = mul} : f32[4]
///
/// Legal when
/// 1. the element type is f32 or f64 and the divisor is a constant;
/// 2. every element of the divisor is a power of two, or minus one, between 2^-100 and 2^100, so that its reciprocal
///    is exact.
///
/// Leaves alone: other divisors, since x · (1/3) is not x / 3.
public let divideByConstant = RewriteRule(name: "divide-by-constant") { node, graph in
  guard case .binary(let op) = node.op, op.function == .div, let divisor = node.operands[1],
    let constant = graph.constant(divisor), constant.elementType == .f32 || constant.elementType == .f64,
    constant.count <= 1 << 16
  else { return nil }
  let values = constant.doubles
  guard values.allSatisfy({ $0.isNormal && $0.significand == 1 && abs($0.exponent) <= 100 }) else { return nil }
  var patch = Patch(replacing: node, in: graph)
  let reciprocal = try patch.constant(Tensor(constant.elementType, constant.shape, doubles: values.map { 1 / $0 }))
  patch.replaceRoot(with: try patch.add(.binary(Binary(.mul)), [node.operands[0], reciprocal]))
  return patch
}
