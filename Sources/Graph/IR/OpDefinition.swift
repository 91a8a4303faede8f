import SwageTensor

/// Everything the compiler knows of one operation: its name, attributes, type rule, reference evaluation and cost.
///
/// A payload is one file in `Operations/`, and one case of `Op`; the compiler then points out every other place.
public protocol OpDefinition: Hashable, Sendable {
  /// The name in the text form.
  static var mnemonic: String { get }

  /// Attributes in the order in which they print.
  var attributes: AttributeList { get }
  init(_ attributes: inout AttributeReader) throws

  /// The types of the results, or a `TypeFault` in words with the sizes at fault.
  func resultTypes(_ context: inout TypeContext) throws -> [TensorType]

  /// The results on host tensors: float results are computed in double precision and rounded once.
  func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor]

  /// Arithmetic operations for the given types; multiply and add count separately, a transcendental counts one.
  func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim

  var numericClass: NumericClass { get }

  /// The payload with the symbols in its sizes replaced.
  func substituting(_ values: [String: Dim]) -> Self

  /// Symbols that the attributes read.
  var symbols: [String] { get }
  /// Symbols that the node gives a value to when it runs.
  var definedSymbols: [String] { get }
}

extension OpDefinition {
  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { 0 }
  public func substituting(_ values: [String: Dim]) -> Self { self }
  public var symbols: [String] { [] }
  public var definedSymbols: [String] { [] }
}

/// How far two correct implementations may differ.
public enum NumericClass: Sendable {
  /// Bit for bit: data movement, integers, comparisons.
  case exact
  /// Each result is rounded a few times: elementwise arithmetic.
  case rounding
  /// Sums in any order: products, reductions.
  case accumulating
}

/// Why operands do not fit, in words with numbers.
public struct TypeFault: Error {
  public var message: String
  public init(_ message: String) { self.message = message }
}

/// A relation between sizes that a type rule relies on, to be checked once the sizes are known.
public struct SizeConstraint: Hashable, Sendable {
  public enum Relation: Hashable, Sendable {
    case equal
    /// Equal, or one of the two is one.
    case broadcast
    case atMost
  }

  public var left: Dim
  public var relation: Relation
  public var right: Dim
}

/// What a type rule sees, and where it notes what it takes for granted.
public struct TypeContext {
  public let operands: [TensorType?]
  public let regions: [Graph]
  public private(set) var constraints: [SizeConstraint] = []

  public init(operands: [TensorType?], regions: [Graph] = []) {
    self.operands = operands
    self.regions = regions
  }

  mutating func infer(_ op: Op) throws -> [TensorType] {
    for case let type? in operands where !op.takes(type.elementType) {
      throw TypeFault("\(op.mnemonic) takes no \(type.elementType == .string ? "strings" : "objects"), got \(type)")
    }
    return try op.definition.resultTypes(&self)
  }

  /// Checks the number of operands; those below `minimum` must be present.
  public func expectCount(_ range: ClosedRange<Int>) throws {
    guard range.contains(operands.count) else {
      throw TypeFault("takes \(range.lowerBound) to \(range.upperBound) operands, got \(operands.count)")
    }
    for index in 0..<range.lowerBound where operands[index] == nil {
      throw TypeFault("operand \(index) is missing")
    }
  }

  /// The type of a required operand.
  public func type(_ index: Int) throws -> TensorType {
    guard index < operands.count, let type = operands[index] else { throw TypeFault("operand \(index) is missing") }
    return type
  }

  /// The type of an optional operand.
  public func optional(_ index: Int) -> TensorType? { index < operands.count ? operands[index] : nil }

  public func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw TypeFault(message()) }
  }

  /// Two sizes must be the same; noted for run time where symbols hide it.
  public mutating func requireEqual(_ a: Dim, _ b: Dim, _ what: @autoclosure () -> String) throws {
    if a == b { return }
    if let x = a.constant, let y = b.constant, x != y { throw TypeFault("\(what()): \(x) against \(y)") }
    constraints.append(SizeConstraint(left: a, relation: .equal, right: b))
  }

  public mutating func requireAtMost(_ a: Dim, _ b: Dim, _ what: @autoclosure () -> String) throws {
    if let difference = (a - b).constant {
      guard difference <= 0 else { throw TypeFault("\(what()): \(a) exceeds \(b)") }
      return
    }
    constraints.append(SizeConstraint(left: a, relation: .atMost, right: b))
  }

  /// Strides, dilations, kernels and pads stay far below the numbers at which products of two of them overflow.
  public func requireModest(_ value: Int, _ what: String) throws {
    guard value.magnitude < 1 << 31 else { throw TypeFault("\(what) of \(value) is out of range") }
  }

  /// NumPy broadcasting of two shapes.
  public mutating func broadcast(_ a: [Dim], _ b: [Dim]) throws -> [Dim] {
    let rank = max(a.count, b.count)
    var result: [Dim] = []
    for axis in 0..<rank {
      let x = axis < rank - a.count ? Dim(1) : a[axis - (rank - a.count)]
      let y = axis < rank - b.count ? Dim(1) : b[axis - (rank - b.count)]
      result.append(try broadcast(x, y))
    }
    return result
  }

  mutating func broadcast(_ x: Dim, _ y: Dim) throws -> Dim {
    if x == y || y == 1 { return x }
    if x == 1 { return y }
    switch (x.constant, y.constant) {
    case (let p?, let q?): throw TypeFault("sizes \(p) and \(q) do not broadcast")
    case (let p?, nil):
      constraints.append(SizeConstraint(left: x, relation: .broadcast, right: y))
      return Dim(p)
    case (nil, let q?):
      constraints.append(SizeConstraint(left: x, relation: .broadcast, right: y))
      return Dim(q)
    case (nil, nil):
      constraints.append(SizeConstraint(left: x, relation: .broadcast, right: y))
      return .maximum(x, y)
    }
  }

  /// An axis counted from the front, after ONNX's negative axes.
  public static func axis(_ axis: Int, rank: Int) throws -> Int {
    let resolved = axis < 0 ? axis + rank : axis
    guard resolved >= 0, resolved < max(rank, 1) else {
      throw TypeFault("axis \(axis) is outside a tensor of rank \(rank)")
    }
    return resolved
  }
}
