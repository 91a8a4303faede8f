import SwageGraph
import SwageKernel
import SwageTensor

/// The graph's elementwise functions as kernel expressions, with the meaning of their reference definitions.
///
/// Values have the compute type of their element type. Integers are kept in the element type's range; f16, bf16 and
/// narrower floats are computed in f32 and rounded where they are stored or cast.
public enum ElementwiseExpressions {
  /// `unary` of `x`, whose element type is `type`.
  public static func unary(_ unary: Unary, _ x: Expression, _ type: ElementType) -> Expression {
    type.isFloat
      ? (type == .bf16 ? coarse(unary, x) : nil) ?? float(unary, x, x.type)
      : type == .bool ? (unary.function == .not ? x.not : x) : integer(unary, x, type)
  }

  /// Activations as exactly as bf16 needs them; nil for others.
  private static func coarse(_ unary: Unary, _ x: Expression) -> Expression? {
    switch unary.function {
    case .sigmoid: .call(.sigmoidCoarse, [x])
    case .silu:
      unary.alpha == 1 ? .call(.siluCoarse, [x]) : x * .call(.sigmoidCoarse, [.literal(unary.alpha, x.type) * x])
    case .gelu: .call(.geluCoarse, [x])
    case .geluTanh: .call(.geluTanhCoarse, [x])
    default: nil
    }
  }

  private static func float(_ unary: Unary, _ x: Expression, _ type: ScalarType) -> Expression {
    func number(_ value: Double) -> Expression { .literal(value, type) }
    func call(_ function: MathFunction, _ operands: Expression...) -> Expression { .call(function, operands) }
    func bounded(_ v: Expression, _ low: Double, _ high: Double) -> Expression {
      call(.clamp, v, number(low), number(high))
    }
    let (alpha, beta) = (unary.alpha, unary.beta)
    switch unary.function {
    case .abs: return call(.abs, x)
    case .neg: return -x
    case .exp: return call(.exp, x)
    case .log: return call(.log, x)
    case .sqrt: return call(.sqrt, x)
    case .rsqrt: return call(.rsqrt, x)
    case .reciprocal: return number(1) / x
    case .square: return x * x
    case .sin: return call(.sin, x)
    case .cos: return call(.cos, x)
    case .tan: return call(.tan, x)
    case .asin: return call(.asin, x)
    case .acos: return call(.acos, x)
    case .atan: return call(.atan, x)
    case .sinh: return call(.sinh, x)
    case .cosh: return call(.cosh, x)
    case .tanh: return call(.tanh, x)
    case .asinh: return call(.asinh, x)
    case .acosh: return call(.acosh, x)
    case .atanh: return call(.atanh, x)
    case .erf: return call(.erf, x)
    case .sigmoid: return call(.sigmoid, x)
    case .relu: return .choose(x.lessThan(number(0)), number(0), x)
    case .softplus: return call(.softplus, x)
    case .softsign: return x / (number(1) + call(.abs, x))
    case .mish: return call(.mish, x)
    case .ceil: return call(.ceil, x)
    case .floor: return call(.floor, x)
    case .round: return call(.roundEven, x)
    case .sign:
      // Zero without its sign; NaN stays.
      let rest = Expression.choose(x.equal(number(0)), number(0), x)
      return .choose(x.greaterThan(number(0)), number(1), .choose(x.lessThan(number(0)), number(-1), rest))
    case .not: return .choose(x.equal(number(0)), number(1), number(0))
    case .bitNot: return x
    case .isNaN: return call(.isNaN, x)
    case .isInf:
      let positive: Expression = alpha != 0 ? x.equal(number(.infinity)) : .bool(false)
      let negative: Expression = beta != 0 ? x.equal(number(-.infinity)) : .bool(false)
      return positive.or(negative)
    case .silu: return alpha == 1 ? call(.silu, x) : x * call(.sigmoid, number(alpha) * x)
    case .gelu: return call(.gelu, x)
    case .geluTanh: return call(.geluTanh, x)
    case .hardSwish: return x * bounded(x + number(3), 0, 6) / number(6)
    case .hardSigmoid: return bounded(number(alpha) * x + number(beta), 0, 1)
    case .linear: return beta == 0 ? number(alpha) * x : number(alpha) * x + number(beta)
    case .clip: return bounded(x, alpha, beta)
    case .leakyRelu: return .choose(x.lessThan(number(0)), number(alpha) * x, x)
    case .elu: return .choose(x.lessThan(number(0)), number(alpha) * call(.expm1, x), x)
    case .selu:
      return .choose(x.lessThan(number(0)), number(alpha * beta) * call(.expm1, x), number(beta) * x)
    case .celu: return .choose(x.lessThan(number(0)), number(alpha) * call(.expm1, x / number(alpha)), x)
    case .thresholdedRelu: return .choose(x.greaterThan(number(alpha)), x, number(0))
    case .shrink:
      return .choose(
        x.lessThan(number(-alpha)), x + number(beta),
        .choose(x.greaterThan(number(alpha)), x - number(beta), number(0)))
    }
  }

  private static func integer(_ unary: Unary, _ x: Expression, _ type: ElementType) -> Expression {
    let compute = type.computeType
    let zero = Expression.integer(0, compute)
    func bound(_ value: Double) -> Expression {
      if type == .u64 {
        let limit: UInt64 = value >= 0x1p64 ? .max : value > 0 ? UInt64(value) : 0
        return .integer(Int64(bitPattern: limit), compute)
      }
      // Bounds beyond the type's range bound nothing, or everything.
      let (low, high) = range(type)
      return .integer(min(max(ScalarCoding.saturated(value), low), high), compute)
    }
    switch unary.function {
    case .abs: return .narrow(type, .call(.abs, [x]))
    case .neg: return .narrow(type, zero.wrappingSubtract(x))
    case .sign:
      let positive = Expression.choose(x.greaterThan(zero), .integer(1, compute), zero)
      return type.isSignedInteger ? .choose(x.lessThan(zero), .integer(-1, compute), positive) : positive
    case .relu: return type.isSignedInteger ? .call(.max, [x, zero]) : x
    case .square: return .narrow(type, x.wrappingMultiply(x))
    case .bitNot: return .narrow(type, .integer(-1, compute).bitXor(x))
    case .clip:
      return .call(.min, [.call(.max, [x, bound(unary.alpha)]), bound(unary.beta)])
    case .linear:
      guard let factor = Int64(exactly: unary.alpha), let offset = Int64(exactly: unary.beta) else { fallthrough }
      let product = x.wrappingMultiply(.integer(factor, compute))
      return .narrow(type, product.wrappingAdd(.integer(offset, compute)))
    default:
      let value = float(unary, x.cast(.i64).cast(.f64), .f64)
      return .narrow(type, value.cast(.i64).cast(compute))
    }
  }

  /// The smallest and largest value of a type other than u64.
  private static func range(_ type: ElementType) -> (Int64, Int64) {
    if type.bitWidth == 64 { return (.min, .max) }
    let width = Int64(type.bitWidth)
    if type.isSignedInteger {
      let half: Int64 = 1 << (width - 1)
      return (-half, half - 1)
    }
    let count: Int64 = 1 << width
    return (0, count - 1)
  }

  /// `function` of `x` and `y`, whose element type is `type`.
  public static func binary(
    _ function: Binary.Function, _ x: Expression, _ y: Expression, _ type: ElementType
  ) -> Expression {
    switch function {
    case .equal: return x.equal(y)
    case .less: return x.lessThan(y)
    case .lessOrEqual: return x.lessOrEqual(y)
    case .greater: return x.greaterThan(y)
    case .greaterOrEqual: return x.greaterOrEqual(y)
    case .and: return x.and(y)
    case .or: return x.or(y)
    case .xor: return x.notEqual(y)
    case .min: return .call(.min, [x, y])
    case .max: return .call(.max, [x, y])
    default: break
    }
    if type.isFloat {
      switch function {
      case .add: return x + y
      case .sub: return x - y
      case .mul: return x * y
      case .div: return x / y
      case .pow: return power(x, y)
      case .mod: return .call(.mod, [x, y])
      default: return .call(.fmod, [x, y])
      }
    }
    switch function {
    case .add: return .narrow(type, x.wrappingAdd(y))
    case .sub: return .narrow(type, x.wrappingSubtract(y))
    case .mul: return .narrow(type, x.wrappingMultiply(y))
    case .div: return .narrow(type, .call(.divide, [x, y]))
    case .pow: return .narrow(type, .call(.pow, [x, y]))
    case .mod: return .call(.mod, [x, y])
    case .fmod: return .call(.fmod, [x, y])
    case .bitAnd: return x.bitAnd(y)
    case .bitOr: return x.bitOr(y)
    case .bitXor: return x.bitXor(y)
    case .shiftLeft, .shiftRight:
      let shifted = Expression.narrow(type, .call(function == .shiftLeft ? .shiftLeft : .shiftRight, [x, y]))
      let width = type.bitWidth
      guard width < 32 else { return shifted }
      let inside = y.greaterOrEqual(.integer(0, .i32)).and(y.lessThan(.integer(Int64(width), .i32)))
      return .choose(inside, shifted, .integer(0, .i32))
    default: return x
    }
  }

  /// Powers that a model writes as constants need no general power.
  private static func power(_ x: Expression, _ y: Expression) -> Expression {
    guard case .float(let exponent, let type) = y else { return .call(.pow, [x, y]) }
    /// pow(-inf, 0.5) is inf, and pow(-0, 0.5) is +0.
    var root: Expression {
      .choose(
        x.equal(.literal(-.infinity, type)), .literal(.infinity, type), .call(.sqrt, [x]) + .literal(0, type))
    }
    switch exponent {
    case 0: return .literal(1, type)
    case 1: return x
    case 2: return x * x
    case 3: return x * x * x
    case -1: return .literal(1, type) / x
    case 0.5: return root
    case -0.5: return .literal(1, type) / root
    default: return .call(.pow, [x, y])
    }
  }

  /// A float as an integer, as `Cast.integer` has it.
  private static func integer(_ x: Expression, _ to: ElementType) -> Expression {
    func whole(_ bits: Int) -> Expression {
      let type: ScalarType = bits == 32 ? .i32 : .i64
      let limit = bits == 32 ? 0x1p31 : 0x1p63
      let isInside = x.greaterOrEqual(.literal(-limit, x.type)).and(x.lessThan(.literal(limit, x.type)))
      return .choose(isInside, x.cast(type), .integer(bits == 32 ? Int64(Int32.min) : .min, type))
    }
    if to.bitWidth <= 16 || to == .i32 { return .narrow(to, whole(32)) }
    guard to == .u64 else { return .narrow(to, whole(64).cast(to.computeType)) }
    let high = Expression.choose(
      x.greaterOrEqual(.literal(0x1p64, x.type)), .integer(0, .u64), x.cast(.u64))
    return .choose(x.greaterOrEqual(.literal(0x1p63, x.type)), high, whole(64).cast(.u64))
  }

  /// `x` converted between element types, as `Cast` does.
  public static func cast(_ x: Expression, from: ElementType, to: ElementType) -> Expression {
    if from == to { return x }
    let target = to.computeType
    if to == .bool { return x.cast(.bool) }
    if to.isFloat {
      if target == .f64 || to == .f32 { return x.cast(target) }
      // One rounding: through f32 only where that is exact, or rounded to odd.
      let single: Expression =
        switch x.type {
        case .f32, .bool: x.cast(.f32)
        case .f64: .call(.roundToOdd, [x])
        case .i32, .i64, .u32, .u64: from.bitWidth <= 16 ? x.cast(.f32) : .call(.roundToOdd, [x.cast(.f64)])
        }
      return .narrow(to, single)
    }
    if from.isFloat { return integer(x, to) }
    return .narrow(to, x.cast(target))
  }
}
