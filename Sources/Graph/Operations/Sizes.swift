import SwageTensor

/// Sizes as data: an i64 vector of the given expressions, or a scalar for one.
public struct Sizes: OpDefinition {
  public static let mnemonic = "sizes"
  public var values: [Dim]
  public var isScalar: Bool

  public init(_ values: [Dim], isScalar: Bool = false) {
    self.values = values
    self.isScalar = isScalar
  }

  public var attributes: AttributeList {
    AttributeList().with("values", values).with("scalar", .bool(isScalar), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    values = try attributes.dimensions("values")
    isScalar = try attributes.bool("scalar", default: false)
  }
  public var numericClass: NumericClass { .exact }
  public var symbols: [String] { values.flatMap(\.symbols) }
  public func substituting(_ map: [String: Dim]) -> Sizes {
    Sizes(values.map { $0.substituting(map) }, isScalar: isScalar)
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(0...0)
    try context.require(!isScalar || values.count == 1, "a scalar has one value, got \(values.count)")
    return [TensorType(.i64, isScalar ? [] : [Dim(values.count)])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let sizes = try values.map { Int64(try context.size($0)) }
    return [Tensor(.i64, isScalar ? [] : [values.count], integers: sizes)]
  }
}

/// Data as sizes: gives each symbol the value of one element of an integer vector (or scalar). No results; whatever
/// reads the symbols stands after it.
public struct BindSymbols: OpDefinition {
  public static let mnemonic = "bind_symbols"
  public var names: [String]
  public init(_ names: [String]) { self.names = names }
  public var attributes: AttributeList { AttributeList().with("names", .list(names.map { .string($0) })) }
  public init(_ attributes: inout AttributeReader) throws { names = try attributes.strings("names") }
  public var numericClass: NumericClass { .exact }
  public var definedSymbols: [String] { names }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(type.elementType == .i64 && type.rank <= 1, "symbols come from an i64 vector, got \(type)")
    try context.requireEqual(type.elementCount, Dim(names.count), "\(names.count) symbols from \(type)")
    return []
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let values = operands[0]!.integers
    guard values.count == names.count else { throw TypeFault("\(names.count) symbols from \(values.count) values") }
    for (name, value) in zip(names, values) { context.symbols[name] = Int(value) }
    return []
  }
}
