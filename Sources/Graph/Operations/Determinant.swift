import SwageTensor

/// The determinant of each matrix in the last two axes, by elimination with row pivots. Operand: data.
public struct Determinant: OpDefinition {
  public static let mnemonic = "determinant"
  public init() {}
  public var attributes: AttributeList { AttributeList() }
  public init(_ attributes: inout AttributeReader) throws {}
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(type.rank >= 2 && type.elementType.isFloat, "the determinant of \(type)")
    try context.requireEqual(type.shape[type.rank - 2], type.shape[type.rank - 1], "rows and columns")
    return [TensorType(type.elementType, Array(type.shape.dropLast(2)))]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let n = x.shape[x.shape.count - 1]
    let shape = Array(x.shape.dropLast(2))
    guard let matrices = Checked.product(shape) else { return [Tensor(zeros: x.elementType, shape)] }
    let values = x.doubles
    let results = (0..<matrices).map { index in
      Self.determinant(Array(values[index * n * n..<(index + 1) * n * n]), n)
    }
    return [Tensor(x.elementType, shape, doubles: results)]
  }

  private static func determinant(_ matrix: [Double], _ n: Int) -> Double {
    var a = matrix
    var result = 1.0
    for column in 0..<n {
      var pivot = column
      for row in column..<n where abs(a[row * n + column]) > abs(a[pivot * n + column]) { pivot = row }
      if pivot != column {
        for index in 0..<n { a.swapAt(pivot * n + index, column * n + index) }
        result = -result
      }
      let head = a[column * n + column]
      result *= head
      if head == 0 { return 0 }
      for row in column + 1..<Swift.max(n, column + 1) {
        let factor = a[row * n + column] / head
        for index in column..<n { a[row * n + index] -= factor * a[column * n + index] }
      }
    }
    return result
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let type = operands[0], let n = type.shape.last else { return 0 }
    return type.elementCount * n
  }
}
