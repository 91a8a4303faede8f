import SwageTensor

/// The order that sorts the slices along an axis: i64[size of the axis]. Slices compare by their elements in row-major
/// order, NaN after all numbers, strings by their bytes; equal ones keep their order. Operand: data.
public struct SliceOrder: OpDefinition {
  public static let mnemonic = "slice_order"
  public var axis: Int
  public init(axis: Int) { self.axis = axis }
  public var attributes: AttributeList { AttributeList().with("axis", axis) }
  public init(_ attributes: inout AttributeReader) throws { axis = try attributes.integer("axis") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    return [TensorType(.i64, [type.shape[axis]])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let count = x.shape[axis]
    if x.count == 0 { return [Tensor(.i64, [count], integers: (0..<count).map { Int64($0) })] }
    let (outer, _, inner) = Indexing.split(x.shape, at: axis)
    func order<T>(_ values: [T], _ compare: (T, T) -> Int) -> [Int64] {
      (0..<count).sorted { a, b in
        for o in 0..<outer {
          for i in 0..<inner {
            let sign = compare(values[(o * count + a) * inner + i], values[(o * count + b) * inner + i])
            if sign != 0 { return sign < 0 }
          }
        }
        return a < b
      }.map { Int64($0) }
    }
    let result: [Int64]
    if x.elementType == .string {
      result = order(x.stringBytes) { a, b in
        a.lexicographicallyPrecedes(b) ? -1 : b.lexicographicallyPrecedes(a) ? 1 : 0
      }
    } else if x.elementType.isFloat {
      result = order(x.doubles) { a, b in
        a.isNaN || b.isNaN ? (a.isNaN ? 1 : 0) - (b.isNaN ? 1 : 0) : a < b ? -1 : a > b ? 1 : 0
      }
    } else if x.elementType == .u64 {
      result = order(x.integers) { a, b in
        let (a, b) = (UInt64(bitPattern: a), UInt64(bitPattern: b))
        return a < b ? -1 : a > b ? 1 : 0
      }
    } else {
      result = order(x.integers) { a, b in a < b ? -1 : a > b ? 1 : 0 }
    }
    return [Tensor(.i64, [count], integers: result)]
  }

  /// Comparisons of a sort of up to a million slices.
  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    (operands[0]?.elementCount ?? 0) * 40
  }
}
