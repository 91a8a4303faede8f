import Foundation
import SwageTensor

/// An elementwise function of one operand; `alpha` and `beta` are its parameters where it has any.
public struct Unary: OpDefinition {
  public enum Function: String, Hashable, Sendable, CaseIterable {
    case abs, neg, exp, log, sqrt, rsqrt, reciprocal, square
    case sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh
    case erf, sigmoid, relu, softplus, softsign, mish
    case ceil, floor
    /// Ties to even.
    case round
    case sign
    case not
    case bitNot = "bit_not"
    case isNaN = "is_nan"
    /// alpha != 0: positive infinity counts; beta != 0: negative infinity counts.
    case isInf = "is_inf"
    /// x · sigmoid(alpha · x)
    case silu
    case gelu
    case geluTanh = "gelu_tanh"
    /// x · min(max(x + 3, 0), 6) / 6
    case hardSwish = "hard_swish"
    /// min(max(alpha · x + beta, 0), 1)
    case hardSigmoid = "hard_sigmoid"
    /// alpha · x + beta
    case linear
    /// min(max(x, alpha), beta)
    case clip
    /// x < 0 ? alpha · x : x
    case leakyRelu = "leaky_relu"
    /// x < 0 ? alpha · (exp(x) - 1) : x
    case elu
    /// x < 0 ? beta · alpha · (exp(x) - 1) : beta · x
    case selu
    /// max(0, x) + min(0, alpha · (exp(x / alpha) - 1))
    case celu
    /// x > alpha ? x : 0
    case thresholdedRelu = "thresholded_relu"
    /// x < -alpha ? x + beta : x > alpha ? x - beta : 0
    case shrink

    /// Whether `alpha` and `beta` mean something, with the values they have when left out.
    public var defaults: (alpha: Double?, beta: Double?) {
      switch self {
      case .silu: (1, nil)
      case .isInf: (1, 1)
      case .linear: (1, 0)
      case .clip: (-.infinity, .infinity)
      case .leakyRelu: (0.01, nil)
      case .elu, .celu, .thresholdedRelu: (1, nil)
      case .selu: (1.67326319217681884765625, 1.05070102214813232421875)
      case .hardSigmoid: (0.2, 0.5)
      case .shrink: (0.5, 0)
      default: (nil, nil)
      }
    }
  }

  public static let mnemonic = "unary"
  public var function: Function
  public var alpha: Double
  public var beta: Double

  public init(_ function: Function, alpha: Double? = nil, beta: Double? = nil) {
    self.function = function
    self.alpha = alpha ?? function.defaults.alpha ?? 0
    self.beta = beta ?? function.defaults.beta ?? 0
  }

  public var attributes: AttributeList {
    var list = AttributeList().with("function", function)
    if let alpha = function.defaults.alpha { list = list.with("alpha", .float(self.alpha), unless: .float(alpha)) }
    if let beta = function.defaults.beta { list = list.with("beta", .float(self.beta), unless: .float(beta)) }
    return list
  }

  public init(_ attributes: inout AttributeReader) throws {
    let function: Function = try attributes.word("function")
    let alpha = try function.defaults.alpha.map { try attributes.float("alpha", default: $0) }
    let beta = try function.defaults.beta.map { try attributes.float("beta", default: $0) }
    self.init(function, alpha: alpha, beta: beta)
  }

  public var numericClass: NumericClass {
    switch function {
    case .abs, .neg, .relu, .ceil, .floor, .round, .sign, .not, .bitNot, .isNaN, .isInf, .clip, .thresholdedRelu: .exact
    default: .rounding
    }
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    switch function {
    case .not:
      try context.require(type.elementType == .bool, "not takes bool, got \(type)")
      return [type]
    case .bitNot:
      try context.require(type.elementType.isInteger, "bit_not takes integers, got \(type)")
      return [type]
    case .isNaN, .isInf:
      try context.require(type.elementType.isFloat, "\(function.rawValue) takes floats, got \(type)")
      return [TensorType(.bool, type.shape)]
    case .abs, .neg, .sign, .relu, .clip, .linear, .square:
      try context.require(
        type.elementType.isFloat || type.elementType.isInteger, "\(function.rawValue) takes numbers, got \(type)")
      return [type]
    default:
      try context.require(type.elementType.isFloat, "\(function.rawValue) takes floats, got \(type)")
      return [type]
    }
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    if x.elementType.isFloat || x.elementType == .bool {
      let type: ElementType = function == .isNaN || function == .isInf ? .bool : x.elementType
      return [Tensor(type, x.shape, doubles: x.doubles.map { apply($0) })]
    }
    return [Tensor(x.elementType, x.shape, integers: x.integers.map { applyInteger($0, x.elementType) })]
  }

  private func applyInteger(_ x: Int64, _ type: ElementType) -> Int64 {
    switch function {
    case .abs: type.isSignedInteger && x < 0 ? 0 &- x : x
    case .neg: 0 &- x
    case .sign: type == .u64 ? (x == 0 ? 0 : 1) : x.signum()
    case .relu: type.isSignedInteger ? max(x, 0) : x
    case .square: x &* x
    case .bitNot: ~x
    case .clip:
      type == .u64 ? clippedUnsigned(x) : min(max(x, ScalarCoding.saturated(alpha)), ScalarCoding.saturated(beta))
    case .linear:
      if let factor = Int64(exactly: alpha), let offset = Int64(exactly: beta) {
        factor &* x &+ offset
      } else {
        ScalarCoding.saturated(apply(Double(x)))
      }
    default: ScalarCoding.saturated(apply(Double(x)))
    }
  }

  private func clippedUnsigned(_ x: Int64) -> Int64 {
    func limit(_ value: Double) -> UInt64 { value >= 0x1p64 ? .max : value > 0 ? UInt64(value) : 0 }
    return Int64(bitPattern: min(max(UInt64(bitPattern: x), limit(alpha)), limit(beta)))
  }

  /// The upper bound counts where the lower one is above it; NaN stays, and so does the sign of a zero.
  private static func bounded(_ x: Double, _ low: Double, _ high: Double) -> Double {
    let raised = x < low ? low : x
    return raised > high ? high : raised
  }

  /// The function in double precision.
  public func apply(_ x: Double) -> Double {
    switch function {
    case .abs: Swift.abs(x)
    case .neg: -x
    case .exp: Foundation.exp(x)
    case .log: Foundation.log(x)
    case .sqrt: x.squareRoot()
    case .rsqrt: 1 / x.squareRoot()
    case .reciprocal: 1 / x
    case .square: x * x
    case .sin: Foundation.sin(x)
    case .cos: Foundation.cos(x)
    case .tan: Foundation.tan(x)
    case .asin: Foundation.asin(x)
    case .acos: Foundation.acos(x)
    case .atan: Foundation.atan(x)
    case .sinh: Foundation.sinh(x)
    case .cosh: Foundation.cosh(x)
    case .tanh: Foundation.tanh(x)
    case .asinh: Foundation.asinh(x)
    case .acosh: Foundation.acosh(x)
    case .atanh: Foundation.atanh(x)
    case .erf: Foundation.erf(x)
    case .sigmoid: 1 / (1 + Foundation.exp(-x))
    case .relu: x < 0 ? 0 : x
    case .softplus: x > 0 ? x + log1p(Foundation.exp(-x)) : log1p(Foundation.exp(x))
    case .softsign: x / (1 + Swift.abs(x))
    case .mish: x * Foundation.tanh(x > 0 ? x + log1p(Foundation.exp(-x)) : log1p(Foundation.exp(x)))
    case .ceil: Foundation.ceil(x)
    case .floor: Foundation.floor(x)
    case .round: x.rounded(.toNearestOrEven)
    case .sign: x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x
    case .not: x == 0 ? 1 : 0
    case .bitNot: x
    case .isNaN: x.isNaN ? 1 : 0
    case .isInf: x.isInfinite && (x > 0 ? alpha != 0 : beta != 0) ? 1 : 0
    case .silu: x / (1 + Foundation.exp(-alpha * x))
    case .gelu: 0.5 * x * (1 + Foundation.erf(x / 2.0.squareRoot()))
    case .geluTanh: 0.5 * x * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .hardSwish: x * min(max(x + 3, 0), 6) / 6
    case .hardSigmoid: x.isNaN ? x : min(max(alpha * x + beta, 0), 1)
    // Without an offset nothing is added: zeros keep their sign.
    case .linear: beta == 0 ? alpha * x : alpha * x + beta
    case .clip: Self.bounded(x, alpha, beta)
    case .leakyRelu: x < 0 ? alpha * x : x
    case .elu: x < 0 ? alpha * expm1(x) : x
    case .selu: x < 0 ? beta * alpha * expm1(x) : beta * x
    case .celu: x < 0 ? alpha * expm1(x / alpha) : x
    case .thresholdedRelu: x > alpha ? x : 0
    case .shrink: x < -alpha ? x + beta : x > alpha ? x - beta : 0
    }
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    let perElement: Int =
      switch function {
      case .linear, .silu, .leakyRelu, .elu, .softplus, .softsign, .clip, .shrink, .celu: 2
      case .gelu, .geluTanh, .mish, .hardSwish, .hardSigmoid, .selu: 4
      default: 1
      }
    return results[0].elementCount * Dim(perElement)
  }
}
