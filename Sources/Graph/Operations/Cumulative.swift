import SwageTensor

/// Running sums or products along an axis. An exclusive one leaves out the element at its place, so that it starts with
/// 0 or 1. Integers wrap around.
public struct Cumulative: OpDefinition {
  public enum Function: String, Hashable, Sendable, CaseIterable { case sum, prod }

  public static let mnemonic = "cumulative"
  public var function: Function
  public var axis: Int
  public var isExclusive: Bool
  public var isReverse: Bool

  public init(_ function: Function, axis: Int, isExclusive: Bool, isReverse: Bool) {
    self.function = function
    self.axis = axis
    self.isExclusive = isExclusive
    self.isReverse = isReverse
  }

  public var attributes: AttributeList {
    AttributeList().with("function", function).with("axis", axis)
      .with("exclusive", .bool(isExclusive), unless: .bool(false))
      .with("reverse", .bool(isReverse), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    function = try attributes.word("function")
    axis = try attributes.integer("axis")
    isExclusive = try attributes.bool("exclusive", default: false)
    isReverse = try attributes.bool("reverse", default: false)
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    try context.require(
      type.elementType.isFloat || type.elementType.isInteger, "\(Self.mnemonic) takes numbers, got \(type)")
    return [type]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    if x.count == 0 { return [x] }
    if x.elementType.isFloat {
      let values = function == .sum ? scan(x.doubles, x.shape, 0, +) : scan(x.doubles, x.shape, 1, *)
      return [Tensor(x.elementType, x.shape, doubles: values)]
    }
    let values = function == .sum ? scan(x.integers, x.shape, 0, &+) : scan(x.integers, x.shape, 1, &*)
    return [Tensor(x.elementType, x.shape, integers: values)]
  }

  private func scan<T>(_ values: [T], _ shape: [Int], _ start: T, _ combine: (T, T) -> T) -> [T] {
    let (outer, size, inner) = Indexing.split(shape, at: axis)
    var result = values
    for o in 0..<outer {
      for i in 0..<inner {
        var total = start
        for step in 0..<size {
          let k = isReverse ? size - 1 - step : step
          let index = (o * size + k) * inner + i
          let next = combine(total, values[index])
          result[index] = isExclusive ? total : next
          total = next
        }
      }
    }
    return result
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount }
}
