import SwageTensor

/// A tensor known at compile time.
public struct Constant: OpDefinition {
  public static let mnemonic = "constant"
  public var value: Tensor

  public init(_ value: Tensor) { self.value = value }

  /// The printer writes the tensor itself; a payload read from text gets it from the parser.
  public var attributes: AttributeList { AttributeList() }
  public init(_ attributes: inout AttributeReader) throws { throw TypeFault("a constant needs its value") }

  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(0...0)
    return [value.type]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] { [value] }

  public static func == (a: Constant, b: Constant) -> Bool {
    guard a.value.elementType == b.value.elementType, a.value.shape == b.value.shape else { return false }
    if a.value.isKnownEqual(to: b.value) { return true }
    // Large weights are not computed only to find out whether two are the same; those of one recipe are.
    if a.value.isDeferred || b.value.isDeferred { return false }
    return a.value.withBytes { x in b.value.withBytes { y in x.elementsEqual(y) } }
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(value.elementType)
    hasher.combine(value.shape)
    if let recipe = value.storage.recipe { return hasher.combine(recipe) }
    // A prefix keeps hashing cheap for large weights; equality decides.
    value.withBytes { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0.prefix(256))) }
  }
}
