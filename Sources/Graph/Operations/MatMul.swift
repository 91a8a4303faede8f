import SwageTensor

/// Matrix product over the last two axes, with NumPy's batch broadcasting. Operands: a `[…, m, k]` (or `[…, k, m]`
/// where `transposeA`), b `[…, k, n]`, then those that the epilogue names. Operands of rank 1 do not occur: the importer
/// reshapes them. Integers accumulate in the result type, which is that of the operands, or i32 where a is u8 and b i8.
public struct MatMul: OpDefinition {
  public static let mnemonic = "matmul"
  public var transposeA: Bool
  public var transposeB: Bool
  public var epilogue: Epilogue

  public init(transposeA: Bool = false, transposeB: Bool = false, epilogue: Epilogue = Epilogue()) {
    self.transposeA = transposeA
    self.transposeB = transposeB
    self.epilogue = epilogue
  }

  public var attributes: AttributeList {
    AttributeList().with("transpose_a", .bool(transposeA), unless: .bool(false))
      .with("transpose_b", .bool(transposeB), unless: .bool(false))
      .with("epilogue", epilogue.attribute, unless: .list([]))
  }
  public init(_ attributes: inout AttributeReader) throws {
    transposeA = try attributes.bool("transpose_a", default: false)
    transposeB = try attributes.bool("transpose_b", default: false)
    epilogue = try Epilogue(&attributes)
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    let a = try context.type(0)
    let b = try context.type(1)
    try context.require(a.rank >= 2 && b.rank >= 2, "matmul takes matrices, got \(a) and \(b)")
    let sums = ProductTypes.sums(a.elementType, b.elementType)
    guard let sums, sums.isFloat || sums.isInteger else {
      throw TypeFault("matmul takes one element type, or u8 and i8, got \(a) and \(b)")
    }
    let (m, ka) = transposeA ? (a.shape[a.rank - 1], a.shape[a.rank - 2]) : (a.shape[a.rank - 2], a.shape[a.rank - 1])
    let (kb, n) = transposeB ? (b.shape[b.rank - 1], b.shape[b.rank - 2]) : (b.shape[b.rank - 2], b.shape[b.rank - 1])
    try context.requireEqual(ka, kb, "inner sizes of \(a) and \(b)")
    let batch = try context.broadcast(a.shape.dropLast(2), b.shape.dropLast(2))
    let result = TensorType(sums, batch + [m, n])
    try context.require(epilogue.steps.isEmpty || a.elementType.isFloat, "an epilogue takes floats, got \(result)")
    try epilogue.check(&context, result: result, firstOperand: 2)
    return [result]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (a, b) = (operands[0]!, operands[1]!)
    let (ra, rb) = (a.shape.count, b.shape.count)
    let (m, k) = transposeA ? (a.shape[ra - 1], a.shape[ra - 2]) : (a.shape[ra - 2], a.shape[ra - 1])
    let (kb, n) = transposeB ? (b.shape[rb - 1], b.shape[rb - 2]) : (b.shape[rb - 2], b.shape[rb - 1])
    guard k == kb else { throw TypeFault("inner sizes \(k) and \(kb) differ") }
    let batch = try Binary.broadcastShape(a.shape.dropLast(2), b.shape.dropLast(2))
    let shape = batch + [m, n]
    let sums = ProductTypes.sums(a.elementType, b.elementType) ?? a.elementType
    try context.checkAllocation(sums, shape)
    if Checked.product(shape) == 0 { return [Tensor(zeros: sums, shape)] }
    let ia = Indexing.offsets(batch, strides: Indexing.broadcastStrides(a.shape.dropLast(2), to: batch))
    let ib = Indexing.offsets(batch, strides: Indexing.broadcastStrides(b.shape.dropLast(2), to: batch))
    let (rowA, stepA) = transposeA ? (1, m) : (k, 1)
    let (columnB, stepB) = transposeB ? (k, 1) : (1, n)

    func product<T>(_ x: [T], _ y: [T], _ zero: T, _ multiplyAdd: (T, T, T) -> T) -> [T] {
      var result: [T] = []
      result.reserveCapacity(ia.count * m * n)
      for (pa, pb) in zip(ia, ib) {
        for i in 0..<m {
          for j in 0..<n {
            var sum = zero
            for p in 0..<k {
              sum = multiplyAdd(
                sum, x[pa * m * k + i * rowA + p * stepA], y[pb * k * n + j * columnB + p * stepB])
            }
            result.append(sum)
          }
        }
      }
      return result
    }
    if a.elementType.isFloat {
      let values = product(a.doubles, b.doubles, 0) { $0 + $1 * $2 }
      return [try epilogue.apply(Tensor(a.elementType, shape, doubles: values), operands)]
    }
    return [Tensor(sums, shape, integers: product(a.integers, b.integers, 0) { $0 &+ $1 &* $2 })]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let a = operands[0] else { return 0 }
    let k = a.shape[transposeA ? a.rank - 2 : a.rank - 1]
    return results[0].elementCount * k * 2 + epilogue.flops(results[0])
  }
}
