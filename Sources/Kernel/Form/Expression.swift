import SwageTensor

/// A local value of a kernel.
public struct Variable: Hashable, Sendable {
  public let name: String
  public let type: ScalarType

  /// The value it has where the expression is evaluated.
  public var value: Expression { .variable(self) }
}

/// A small array on the stack of one unit of work. Elements are converted as those of buffers are; they share no bytes.
public struct LocalArray: Hashable, Sendable {
  public let name: String
  public let elementType: ElementType
  public let count: Int

  /// The type in which elements are computed.
  public var type: ScalarType { elementType.computeType }
}

/// An operand or result of a kernel: its place in the ABI's `buffers`, and what its elements are.
public struct KernelBuffer: Hashable, Sendable {
  public let index: Int
  public let elementType: ElementType
  public let isWritten: Bool
}

/// A typed scalar expression without side effects.
public indirect enum Expression: Hashable, Sendable {
  public enum Operator: String, Hashable, Sendable {
    /// i64 sums, differences and products are index arithmetic and must not overflow; other integers wrap around.
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    /// Floats; integers that are not negative (see `MathFunction.divide` for data).
    case divide = "/"
    case remainder = "%"
    case bitAnd = "&"
    case bitOr = "|"
    case bitXor = "^"
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case equal = "=="
    case notEqual = "!="
    case and = "&&"
    case or = "||"

    var isComparison: Bool {
      switch self {
      case .less, .lessOrEqual, .greater, .greaterOrEqual, .equal, .notEqual, .and, .or: true
      default: false
      }
    }
  }

  public enum Fold: String, Hashable, Sendable {
    case sum
    /// The largest one that is not NaN, if the first half of each step holds none.
    case peak
  }

  case float(Double, ScalarType)
  case integer(Int64, ScalarType)
  case boolean(Bool)
  case variable(Variable)
  /// `sizes[k]` of the call.
  case size(Int)
  /// The unit of work being computed.
  case unit
  case load(KernelBuffer, Expression)
  case element(LocalArray, Expression)
  /// All elements of an array of 8, 16, 32 or 64 floats combined: the second half into the first one, until one is left.
  case folded(Fold, LocalArray)
  case negate(Expression)
  case not(Expression)
  case binary(Operator, Expression, Expression)
  /// `binary` on i64 data, which wraps around.
  case wrapping(Operator, Expression, Expression)
  case select(Expression, Expression, Expression)
  /// Float to integer truncates and saturates, NaN gives zero; integer to integer keeps the low bits.
  case cast(ScalarType, Expression)
  /// The value rounded or wrapped to what an element of the type can hold, still in its compute type.
  case narrow(ElementType, Expression)
  case call(MathFunction, [Expression])
}

// MARK: - Types

extension Expression {
  public var type: ScalarType {
    switch self {
    case .float(_, let type), .integer(_, let type), .cast(let type, _): type
    case .boolean, .not: .bool
    case .variable(let variable): variable.type
    case .size, .unit: .i64
    case .load(let buffer, _): buffer.elementType.computeType
    case .element(let array, _), .folded(_, let array): array.type
    case .negate(let x): x.type
    case .binary(let op, let a, _): op.isComparison ? .bool : a.type
    case .wrapping(_, let a, _): a.type
    case .select(_, let a, _): a.type
    case .narrow(let type, _): type.computeType
    case .call(let function, let operands): function.resultType(operands.first?.type ?? .f32)
    }
  }

  /// Whether the value comes from a kernel's own array, where sums gather, or from activations that are as exact as bf16,
  /// so that its smallest numbers are rounding errors.
  var isRoundedSum: Bool {
    switch self {
    case .element: true
    case .negate(let x), .narrow(_, let x), .cast(_, let x): x.isRoundedSum
    case .binary(let op, let a, let b): !op.isComparison && (a.isRoundedSum || b.isRoundedSum)
    case .select(_, let a, let b): a.isRoundedSum || b.isRoundedSum
    case .call(.sigmoidCoarse, _), .call(.siluCoarse, _), .call(.geluCoarse, _), .call(.geluTanhCoarse, _),
      .call(.exp2Coarse, _):
      true
    case .call(_, let operands): operands.contains { $0.isRoundedSum }
    default: false
    }
  }

  /// The value of an integer literal.
  public var literal: Int64? {
    if case .integer(let value, _) = self { return value }
    return nil
  }

  /// The value of a number literal.
  public var number: Double? {
    switch self {
    case .float(let value, _): value
    case .integer(let value, _): Double(value)
    default: nil
    }
  }
}

// MARK: - Making expressions

extension Expression: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int64) { self = .integer(value, .i64) }

  public static func f32(_ value: Double) -> Expression { .float(value, .f32) }
  public static func f64(_ value: Double) -> Expression { .float(value, .f64) }
  public static func i64(_ value: Int) -> Expression { .integer(Int64(value), .i64) }
  public static func i32(_ value: Int) -> Expression { .integer(Int64(value), .i32) }
  public static func bool(_ value: Bool) -> Expression { .boolean(value) }

  /// A literal of any type; integers keep the value's low bits.
  public static func literal(_ value: Double, _ type: ScalarType) -> Expression {
    switch type {
    case .f32, .f64: .float(value, type)
    case .bool: .boolean(value != 0)
    case .i32, .i64, .u32, .u64: .integer(Int64(exactly: value) ?? 0, type)
    }
  }

  /// An integer literal written in Swift takes the type of the other side.
  private static func matched(_ a: Expression, _ b: Expression) -> (Expression, Expression) {
    if a.type == b.type { return (a, b) }
    if case .integer(let value, .i64) = b { return (a, adapted(value, to: a.type)) }
    if case .integer(let value, .i64) = a { return (adapted(value, to: b.type), b) }
    preconditionFailure("kernel expression mixes \(a.type) and \(b.type)")
  }

  private static func adapted(_ value: Int64, to type: ScalarType) -> Expression {
    type.isFloat ? .float(Double(value), type) : type == .bool ? .boolean(value != 0) : .integer(value, type)
  }

  static func make(_ op: Operator, _ x: Expression, _ y: Expression) -> Expression {
    let (a, b) = matched(x, y)
    if a.type == .i64, let folded = foldIndex(op, a, b) { return folded }
    return .binary(op, a, b)
  }

  /// Index arithmetic on literals is done here, so that kernels read well.
  private static func foldIndex(_ op: Operator, _ a: Expression, _ b: Expression) -> Expression? {
    if let x = a.literal, let y = b.literal {
      let result: (partialValue: Int64, overflow: Bool)
      switch op {
      case .add: result = x.addingReportingOverflow(y)
      case .subtract: result = x.subtractingReportingOverflow(y)
      case .multiply: result = x.multipliedReportingOverflow(by: y)
      case .divide where x >= 0 && y > 0: result = (x / y, false)
      case .remainder where x >= 0 && y > 0: result = (x % y, false)
      default: return nil
      }
      return result.overflow ? nil : .integer(result.partialValue, .i64)
    }
    switch (op, a.literal, b.literal) {
    case (.add, 0, _): return b
    case (.add, _, 0), (.subtract, _, 0), (.multiply, _, 1), (.divide, _, 1): return a
    case (.multiply, 1, _): return b
    case (.multiply, 0, _), (.multiply, _, 0), (.remainder, _, 1): return 0
    default: return nil
    }
  }

  public static func + (a: Expression, b: Expression) -> Expression { make(.add, a, b) }
  public static func - (a: Expression, b: Expression) -> Expression { make(.subtract, a, b) }
  public static func * (a: Expression, b: Expression) -> Expression { make(.multiply, a, b) }
  public static func / (a: Expression, b: Expression) -> Expression { make(.divide, a, b) }
  public static prefix func - (a: Expression) -> Expression { .negate(a) }

  /// Quotient of integers that are not negative.
  public func divided(by other: Expression) -> Expression { .make(.divide, self, other) }
  /// Remainder of integers that are not negative.
  public func remainder(by other: Expression) -> Expression { .make(.remainder, self, other) }
  public func wrappingAdd(_ other: Expression) -> Expression { wrap(.add, other) }
  public func wrappingSubtract(_ other: Expression) -> Expression { wrap(.subtract, other) }
  public func wrappingMultiply(_ other: Expression) -> Expression { wrap(.multiply, other) }

  private func wrap(_ op: Operator, _ other: Expression) -> Expression {
    type == .i64 ? .wrapping(op, self, other) : .make(op, self, other)
  }

  public func bitAnd(_ other: Expression) -> Expression { .make(.bitAnd, self, other) }
  public func bitOr(_ other: Expression) -> Expression { .make(.bitOr, self, other) }
  public func bitXor(_ other: Expression) -> Expression { .make(.bitXor, self, other) }

  public func lessThan(_ other: Expression) -> Expression { .make(.less, self, other) }
  public func lessOrEqual(_ other: Expression) -> Expression { .make(.lessOrEqual, self, other) }
  public func greaterThan(_ other: Expression) -> Expression { .make(.greater, self, other) }
  public func greaterOrEqual(_ other: Expression) -> Expression { .make(.greaterOrEqual, self, other) }
  public func equal(_ other: Expression) -> Expression { .make(.equal, self, other) }
  public func notEqual(_ other: Expression) -> Expression { .make(.notEqual, self, other) }
  public func and(_ other: Expression) -> Expression { .make(.and, self, other) }
  public func or(_ other: Expression) -> Expression { .make(.or, self, other) }
  public var not: Expression { .not(self) }

  /// The smaller one; floats give NaN when either is NaN.
  public func minimum(_ other: Expression) -> Expression {
    let (a, b) = Self.matched(self, other)
    if let x = a.literal, let y = b.literal, a.type == .i64 { return .integer(Swift.min(x, y), .i64) }
    return .call(.min, [a, b])
  }

  /// The larger one; floats give NaN when either is NaN.
  public func maximum(_ other: Expression) -> Expression {
    let (a, b) = Self.matched(self, other)
    if let x = a.literal, let y = b.literal, a.type == .i64 { return .integer(Swift.max(x, y), .i64) }
    return .call(.max, [a, b])
  }

  /// `condition ? a : b`.
  public static func choose(_ condition: Expression, _ a: Expression, _ b: Expression) -> Expression {
    let (x, y) = matched(a, b)
    return .select(condition, x, y)
  }

  public func cast(_ to: ScalarType) -> Expression { type == to ? self : .cast(to, self) }
}
