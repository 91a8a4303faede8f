/// A function that kernels call. Float functions exist for f32 and f64 and follow the reference definitions of the
/// graph's operations, NaN and infinities included.
public enum MathFunction: String, Hashable, Sendable, CaseIterable {
  case exp
  /// exp of what is not above zero, such as scores less their peak; zero below e^-87, which is less than half a unit of
  /// the last place of any sum with a term of one.
  case expBelowZero = "exp_below_zero"
  /// 2^x of what is not above zero, within 2e-4 of it and zero below 2^-125: a weight that is rounded to bf16. The
  /// payload of NaN may be lost where it needs more than the upper half of an f32.
  case exp2Coarse = "exp2_coarse"
  case expm1, log, log1p, sqrt, rsqrt
  case sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh
  case erf, sigmoid, silu, gelu, geluTanh = "gelu_tanh", softplus, mish
  /// Within 2e-4 of the function, relative to it: rounding to bf16 hides that. Where the function itself is below 1e-7
  /// (GELU below -6) or 2^-125 the difference is below that number instead.
  case sigmoidCoarse = "sigmoid_coarse", siluCoarse = "silu_coarse", geluCoarse = "gelu_coarse"
  case geluTanhCoarse = "gelu_tanh_coarse"
  case floor, ceil
  /// Ties to even.
  case roundEven = "round_even"
  case abs
  /// a · b + c, in one rounding where the machine has it.
  case fma
  case pow
  /// Remainder with the dividend's sign. Integers: zero for a zero divisor.
  case fmod
  /// Remainder with the divisor's sign. Integers: zero for a zero divisor.
  case mod
  /// The larger one; NaN when either is.
  case max
  /// The smaller one; NaN when either is.
  case min
  /// The first operand, no less than the second and then no more than the third; NaN stays. A function, since each bound
  /// would repeat the operand: compilers make branches of that, and no vectors.
  case clamp
  case isNaN = "is_nan"
  case isInf = "is_inf"
  /// Integer division truncating towards zero; zero for a zero divisor.
  case divide
  /// Zero when the amount is negative or reaches the operand's width.
  case shiftLeft = "shift_left"
  /// As `shiftLeft`; arithmetic for signed types.
  case shiftRight = "shift_right"
  /// f64 to f32, rounded to odd, so that rounding the result again to a narrower format is exact.
  case roundToOdd = "round_to_odd"

  /// The type of the result for operands of `type`.
  func resultType(_ type: ScalarType) -> ScalarType {
    switch self {
    case .isNaN, .isInf: .bool
    case .roundToOdd: .f32
    default: type
    }
  }
}
