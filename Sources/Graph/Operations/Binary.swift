import Foundation
import SwageTensor

/// An elementwise function of two operands, which broadcast to each other.
public struct Binary: OpDefinition {
  public enum Function: String, Hashable, Sendable, CaseIterable {
    case add, sub, mul, div, pow, min, max
    /// Remainder with the divisor's sign, as Python's `%`.
    case mod
    /// Remainder with the dividend's sign, as C's `fmod`.
    case fmod
    case and, or, xor
    case bitAnd = "bit_and"
    case bitOr = "bit_or"
    case bitXor = "bit_xor"
    case shiftLeft = "shift_left"
    case shiftRight = "shift_right"
    case equal, less, lessOrEqual = "less_or_equal", greater, greaterOrEqual = "greater_or_equal"

    public var isComparison: Bool {
      switch self {
      case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: true
      default: false
      }
    }

    public var isCommutative: Bool {
      switch self {
      case .add, .mul, .min, .max, .and, .or, .xor, .bitAnd, .bitOr, .bitXor, .equal: true
      default: false
      }
    }
  }

  public static let mnemonic = "binary"
  public var function: Function

  public init(_ function: Function) { self.function = function }
  public var attributes: AttributeList { AttributeList().with("function", function) }
  public init(_ attributes: inout AttributeReader) throws { function = try attributes.word("function") }

  public var numericClass: NumericClass {
    switch function {
    case .add, .sub, .mul, .div, .pow, .fmod, .mod: .rounding
    default: .exact
    }
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(2...2)
    let a = try context.type(0)
    let b = try context.type(1)
    try context.require(
      a.elementType == b.elementType, "\(function.rawValue) takes one element type, got \(a) and \(b)")
    let type = a.elementType
    switch function {
    case .and, .or, .xor: try context.require(type == .bool, "\(function.rawValue) takes bool, got \(a)")
    case .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight:
      try context.require(type.isInteger, "\(function.rawValue) takes integers, got \(a)")
    case .equal: break
    default:
      try context.require(type.isFloat || type.isInteger, "\(function.rawValue) takes numbers, got \(a)")
    }
    let shape: [Dim]
    do { shape = try context.broadcast(a.shape, b.shape) } catch let fault as TypeFault {
      throw TypeFault("\(a) and \(b): \(fault.message)")
    }
    return [TensorType(function.isComparison ? .bool : type, shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let a = operands[0]!
    let b = operands[1]!
    let shape = try Self.broadcastShape(a.shape, b.shape)
    let ia = Indexing.offsets(shape, strides: Indexing.broadcastStrides(a.shape, to: shape))
    let ib = Indexing.offsets(shape, strides: Indexing.broadcastStrides(b.shape, to: shape))
    let result: ElementType = function.isComparison ? .bool : a.elementType
    if a.elementType.isFloat {
      let x = a.doubles
      let y = b.doubles
      return [Tensor(result, shape, doubles: zip(ia, ib).map { apply(x[$0], y[$1]) })]
    }
    let x = a.integers
    let y = b.integers
    return [Tensor(result, shape, integers: zip(ia, ib).map { applyInteger(x[$0], y[$1], a.elementType) })]
  }

  static func broadcastShape(_ a: [Int], _ b: [Int]) throws -> [Int] {
    let rank = Swift.max(a.count, b.count)
    return try (0..<rank).map { axis in
      let x = axis < rank - a.count ? 1 : a[axis - (rank - a.count)]
      let y = axis < rank - b.count ? 1 : b[axis - (rank - b.count)]
      guard x == y || x == 1 || y == 1 else { throw TypeFault("sizes \(x) and \(y) do not broadcast") }
      return x == 1 ? y : x
    }
  }

  /// The function in double precision.
  public func apply(_ x: Double, _ y: Double) -> Double {
    switch function {
    case .add: x + y
    case .sub: x - y
    case .mul: x * y
    case .div: x / y
    case .pow: Foundation.pow(x, y)
    // Of zeros the second one, as kernels have it.
    case .min: x.isNaN || y.isNaN ? .nan : x < y ? x : y
    case .max: x.isNaN || y.isNaN ? .nan : x > y ? x : y
    case .fmod: Foundation.fmod(x, y)
    case .mod: Self.floorRemainder(x, y)
    case .and: x != 0 && y != 0 ? 1 : 0
    case .or: x != 0 || y != 0 ? 1 : 0
    case .xor: (x != 0) != (y != 0) ? 1 : 0
    case .equal: x == y ? 1 : 0
    case .less: x < y ? 1 : 0
    case .lessOrEqual: x <= y ? 1 : 0
    case .greater: x > y ? 1 : 0
    case .greaterOrEqual: x >= y ? 1 : 0
    case .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight: .nan
    }
  }

  /// Exact, and with the divisor's sign where it is zero, as Python's `%`.
  private static func floorRemainder(_ x: Double, _ y: Double) -> Double {
    let rest = Foundation.fmod(x, y)
    if rest == 0 { return y.sign == .minus ? -0.0 : 0 }
    return (rest < 0) != (y < 0) ? rest + y : rest
  }

  /// Integer division truncates; dividing by zero gives zero, and every operation wraps around.
  public func applyInteger(_ x: Int64, _ y: Int64, _ type: ElementType) -> Int64 {
    let isU64 = type == .u64
    let ux = UInt64(bitPattern: x)
    let uy = UInt64(bitPattern: y)
    func less(_ a: Int64, _ b: Int64) -> Bool { isU64 ? UInt64(bitPattern: a) < UInt64(bitPattern: b) : a < b }
    switch function {
    case .add: return x &+ y
    case .sub: return x &- y
    case .mul: return x &* y
    case .div:
      if y == 0 { return 0 }
      return isU64 ? Int64(bitPattern: ux / uy) : x.dividedReportingOverflow(by: y).partialValue
    case .pow:
      if y < 0, !isU64 { return x == 1 ? 1 : x == -1 ? (y & 1 == 0 ? 1 : -1) : 0 }
      var result: Int64 = 1
      var base = x
      var exponent = uy
      while exponent > 0 {
        if exponent & 1 == 1 { result = result &* base }
        base = base &* base
        exponent >>= 1
      }
      return result
    case .min: return less(y, x) ? y : x
    case .max: return less(x, y) ? y : x
    case .mod:
      if y == 0 { return 0 }
      if isU64 { return Int64(bitPattern: ux % uy) }
      let r = x.remainderReportingOverflow(dividingBy: y).partialValue
      return r != 0 && (r < 0) != (y < 0) ? r &+ y : r
    case .fmod:
      if y == 0 { return 0 }
      return isU64 ? Int64(bitPattern: ux % uy) : x.remainderReportingOverflow(dividingBy: y).partialValue
    case .and: return x != 0 && y != 0 ? 1 : 0
    case .or: return x != 0 || y != 0 ? 1 : 0
    case .xor: return (x != 0) != (y != 0) ? 1 : 0
    case .bitAnd: return x & y
    case .bitOr: return x | y
    case .bitXor: return x ^ y
    case .shiftLeft: return uy >= UInt64(type.bitWidth) ? 0 : x << y
    case .shiftRight:
      if uy >= UInt64(type.bitWidth) { return 0 }
      return type.isSignedInteger ? x >> y : Int64(bitPattern: ux >> uy)
    case .equal: return x == y ? 1 : 0
    case .less: return less(x, y) ? 1 : 0
    case .lessOrEqual: return less(y, x) ? 0 : 1
    case .greater: return less(y, x) ? 1 : 0
    case .greaterOrEqual: return less(x, y) ? 0 : 1
    }
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount }
}
