import SwageTensor

/// `condition ? a : b`, elementwise, with broadcasting. Operands: condition (bool), a, b.
public struct Select: OpDefinition {
  public static let mnemonic = "select"
  public init() {}
  public var attributes: AttributeList { AttributeList() }
  public init(_ attributes: inout AttributeReader) throws {}
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(3...3)
    let condition = try context.type(0)
    let a = try context.type(1)
    let b = try context.type(2)
    try context.require(condition.elementType == .bool, "the condition is bool, got \(condition)")
    try context.require(a.elementType == b.elementType, "both choices have one element type, got \(a) and \(b)")
    let choices = try context.broadcast(a.shape, b.shape)
    return [TensorType(a.elementType, try context.broadcast(condition.shape, choices))]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (c, a, b) = (operands[0]!, operands[1]!, operands[2]!)
    let shape = try Binary.broadcastShape(c.shape, Binary.broadcastShape(a.shape, b.shape))
    let conditions = c.broadcast(to: shape).integers
    let x = a.broadcast(to: shape).integerBits
    let y = b.broadcast(to: shape).integerBits
    return [Tensor(bits: conditions.indices.map { conditions[$0] != 0 ? x[$0] : y[$0] }, a.elementType, shape)]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount }
}

/// Converts to another element type. Integers keep their low bits; floats become integers as `integer(_:_:)` has it.
/// 8-bit floats without infinities saturate.
public struct Cast: OpDefinition {
  public static let mnemonic = "cast"
  public var to: ElementType
  public init(to: ElementType) { self.to = to }
  public var attributes: AttributeList { AttributeList().with("to", to) }
  public init(_ attributes: inout AttributeReader) throws { to = try attributes.elementType("to") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(type.elementType.isNumeric && to.isNumeric, "only numbers are cast, not \(type) to \(to.name)")
    return [TensorType(to, type.shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    if x.elementType == to { return [x] }
    if let narrow = x.narrowed(to: to) { return [narrow] }
    if to == .bool { return [Tensor(.bool, x.shape, doubles: x.doubles)] }
    if x.elementType.isFloat, to.isFloat { return [Tensor(to, x.shape, doubles: x.doubles)] }
    if x.elementType == .u64, to.isFloat { return [Tensor(to, x.shape, doubles: x.doubles)] }
    if x.elementType.isFloat { return [Tensor(to, x.shape, integers: x.doubles.map { Self.integer($0, to) })] }
    return [Tensor(to, x.shape, integers: x.integers)]
  }

  /// Truncation towards zero, out of range as x86 processors have it: to types of up to 16 bits and i32 through 32 bits,
  /// to others through 64, and what does not fit there, NaN too, is the lowest number, whose low bits stay. u64 takes
  /// what lies below 2^64, and what lies above gives zero.
  static func integer(_ value: Double, _ type: ElementType) -> Int64 {
    let truncated = value.rounded(.towardZero)
    if type.bitWidth <= 16 || type == .i32 { return Int64(Int32(exactly: truncated) ?? .min) }
    if type == .u64, value >= 0x1p63 { return Int64(bitPattern: UInt64(exactly: truncated) ?? 0) }
    return Int64(exactly: truncated) ?? .min
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount }
}

/// A chain of elementwise operations as one: region 0 computes the results from inputs of the operands' types. It may
/// hold constants of one element.
public struct Fused: OpDefinition {
  public static let mnemonic = "fused"
  public init() {}
  public var attributes: AttributeList { AttributeList() }
  public init(_ attributes: inout AttributeReader) throws {}
  public var numericClass: NumericClass { .rounding }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.require(context.regions.count == 1, "fused has one region")
    let region = context.regions[0]
    try context.require(
      region.inputs.count == context.operands.count,
      "the region takes \(region.inputs.count) inputs, the node has \(context.operands.count) operands")
    for (index, input) in region.inputs.enumerated() {
      let type = try context.type(index)
      try context.require(type == region.type(of: input), "operand \(index) is \(type), not \(region.type(of: input))")
    }
    for node in region.nodes {
      if case .constant(let constant) = node.op, constant.value.count == 1 { continue }
      guard node.op.isElementwise else { throw TypeFault("\(node.op.mnemonic) is not elementwise") }
    }
    return region.outputs.map { region.type(of: $0) }
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    try Evaluator.run(context.regions[0], operands.map { $0! }, &context)
  }
}
