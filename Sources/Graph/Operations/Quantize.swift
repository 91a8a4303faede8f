import Foundation
import SwageTensor

/// round(x / scale) + zero point, saturated to the result type where that is an integer or has 8 bits or less. Operands:
/// x, scale, zero point (optional); scale and zero point are scalars, or vectors along `axis`, or blocked along it with
/// `blockSize` elements to each scale.
public struct QuantizeLinear: OpDefinition {
  public static let mnemonic = "quantize_linear"
  public var axis: Int
  public var blockSize: Int
  public var to: ElementType

  public init(axis: Int, blockSize: Int = 0, to: ElementType) {
    self.axis = axis
    self.blockSize = blockSize
    self.to = to
  }

  public var attributes: AttributeList {
    AttributeList().with("axis", axis).with("block", .integer(blockSize), unless: .integer(0)).with("to", to)
  }
  public init(_ attributes: inout AttributeReader) throws {
    axis = try attributes.integer("axis")
    blockSize = try attributes.integer("block", default: 0)
    to = try attributes.elementType("to")
  }
  public var numericClass: NumericClass { .exact }

  /// The largest magnitude of a result; nil where storing it saturates by itself, or nothing does.
  public var largest: Double? { to == .f8e5m2 ? 57344 : nil }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    let type = try QuantizationShape.check(&context, axis: axis, blockSize: blockSize)
    try context.require(
      type.elementType.isFloat && (to.isInteger || to.isFloat), "cannot quantize \(type) to \(to.name)")
    return [TensorType(to, type.shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let picks = QuantizationShape.offsets(x.shape, operands[1]!, axis, blockSize)
    let scale = operands[1]!.doubles
    let zero = operands.count > 2 ? operands[2]?.doubles : nil
    let values = x.doubles
    let isInteger = to.isInteger
    return [
      Tensor(
        to, x.shape,
        doubles: values.indices.map { index in
          // ONNX divides in the precision of x.
          let ratio =
            x.elementType == .f64
            ? values[index] / scale[picks[index]]
            : Double(Float(values[index]) / Float(scale[picks[index]]))
          let rounded = isInteger ? ratio.rounded(.toNearestOrEven) : ratio
          let sum = zero.map { rounded + $0[picks[index]] } ?? rounded
          guard let largest, !sum.isNaN else { return sum }
          return min(max(sum, -largest), largest)
        })
    ]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount * 3 }
}

/// (x - zero point) · scale. Operands and shapes as for `QuantizeLinear`; the result has the scale's type.
public struct DequantizeLinear: OpDefinition {
  public static let mnemonic = "dequantize_linear"
  public var axis: Int
  public var blockSize: Int

  public init(axis: Int, blockSize: Int = 0) {
    self.axis = axis
    self.blockSize = blockSize
  }

  public var attributes: AttributeList {
    AttributeList().with("axis", axis).with("block", .integer(blockSize), unless: .integer(0))
  }
  public init(_ attributes: inout AttributeReader) throws {
    axis = try attributes.integer("axis")
    blockSize = try attributes.integer("block", default: 0)
  }
  public var numericClass: NumericClass { .rounding }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    let type = try QuantizationShape.check(&context, axis: axis, blockSize: blockSize)
    try context.require(
      type.elementType.isInteger || type.elementType.isFloat, "dequantize_linear takes numbers, got \(type)")
    return [TensorType(try context.type(1).elementType, type.shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let picks = QuantizationShape.offsets(x.shape, operands[1]!, axis, blockSize)
    let scale = operands[1]!.doubles
    let zero = operands.count > 2 ? operands[2]?.doubles : nil
    let values = x.doubles
    let result = values.indices.map { (values[$0] - (zero?[picks[$0]] ?? 0)) * scale[picks[$0]] }
    return [Tensor(operands[1]!.elementType, x.shape, doubles: result)]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount * 2 }
}

/// How scales lie over a tensor: one for all, one for each index of an axis, or one for each block along it.
enum QuantizationShape {
  static func check(_ context: inout TypeContext, axis: Int, blockSize: Int) throws -> TensorType {
    try context.require((2...3).contains(context.operands.count), "takes 2 or 3 operands")
    let type = try context.type(0)
    let scale = try context.type(1)
    try context.require(scale.elementType.isFloat, "the scale is \(scale)")
    try context.require(blockSize >= 0, "a block of \(blockSize) elements")
    if let zero = context.optional(2) {
      try context.require(zero.rank == scale.rank, "\(zero) beside \(scale)")
      for (a, b) in zip(zero.shape, scale.shape) { try context.requireEqual(a, b, "\(zero) beside \(scale)") }
    }
    if scale.rank == 0 || scale.elementCount == 1 { return type }
    try context.require(axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    if blockSize > 0 {
      try context.require(scale.rank == type.rank, "blocked scales \(scale) for \(type)")
      try context.requireEqual(
        scale.shape[axis], type.shape[axis].ceilDivided(by: Dim(blockSize)), "blocks of \(type)")
    } else {
      try context.require(scale.rank == 1, "scales \(scale) for \(type)")
      try context.requireEqual(scale.shape[0], type.shape[axis], "scales \(scale) for \(type)")
    }
    return type
  }

  static func offsets(_ shape: [Int], _ scale: Tensor, _ axis: Int, _ blockSize: Int) -> [Int] {
    let count = Checked.product(shape) ?? 0
    if scale.count == 1 { return [Int](repeating: 0, count: count) }
    let strides = Indexing.strides(shape)
    if blockSize == 0 { return (0..<count).map { $0 / strides[axis] % shape[axis] } }
    let scaleStrides = Indexing.strides(scale.shape)
    return (0..<count).map { linear in
      shape.indices.reduce(0) {
        let index = linear / strides[$1] % shape[$1]
        return $0 + ($1 == axis ? index / blockSize : index) * scaleStrides[$1]
      }
    }
  }
}
