import SwageTensor

/// The same bits as elements of another type of the same width. Truth values have no bits of their own: the importer
/// compares with zero instead.
public struct Bitcast: OpDefinition {
  public static let mnemonic = "bitcast"
  public var to: ElementType
  public init(to: ElementType) { self.to = to }
  public var attributes: AttributeList { AttributeList().with("to", to) }
  public init(_ attributes: inout AttributeReader) throws { to = try attributes.elementType("to") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(
      type.elementType.bitWidth == to.bitWidth && type.elementType != .string && to != .string && to != .bool,
      "the bits of \(type) are no \(to.name)")
    return [TensorType(to, type.shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    return [Tensor(bits: x.integerBits, to, x.shape)]
  }
}
