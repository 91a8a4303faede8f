import Foundation
import SwageTensor

/// Scaled dot-product attention: softmax(scale · q · kᵀ + mask) · v. Operands: q `[…, m, d]`, k `[…, n, d]`
/// (`[…, d, n]` where `isKeyTransposed`), v `[…, n, e]`, mask (optional, broadcasts to `[…, m, n]`). Batch axes are
/// the same for q, k and v.
public struct Attention: OpDefinition {
  public static let mnemonic = "attention"
  public var scale: Double
  public var isCausal: Bool
  public var isKeyTransposed: Bool

  public init(scale: Double, isCausal: Bool = false, isKeyTransposed: Bool = false) {
    self.scale = scale
    self.isCausal = isCausal
    self.isKeyTransposed = isKeyTransposed
  }

  public var attributes: AttributeList {
    AttributeList().with("scale", .float(scale)).with("causal", .bool(isCausal), unless: .bool(false))
      .with("key_transposed", .bool(isKeyTransposed), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    scale = try attributes.float("scale")
    isCausal = try attributes.bool("causal", default: false)
    isKeyTransposed = try attributes.bool("key_transposed", default: false)
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.require((3...4).contains(context.operands.count), "attention takes 3 or 4 operands")
    let (q, k, v) = (try context.type(0), try context.type(1), try context.type(2))
    let rank = q.rank
    try context.require(rank >= 2 && k.rank == rank && v.rank == rank, "attention of \(q), \(k), \(v)")
    try context.require(
      q.elementType.isFloat && k.elementType == q.elementType && v.elementType == q.elementType,
      "attention of \(q), \(k), \(v)")
    for axis in 0..<rank - 2 {
      try context.requireEqual(q.shape[axis], k.shape[axis], "batch axis \(axis) of keys")
      try context.requireEqual(q.shape[axis], v.shape[axis], "batch axis \(axis) of values")
    }
    let (n, d) =
      isKeyTransposed ? (k.shape[rank - 1], k.shape[rank - 2]) : (k.shape[rank - 2], k.shape[rank - 1])
    try context.requireEqual(q.shape[rank - 1], d, "head sizes of \(q) and \(k)")
    try context.requireEqual(v.shape[rank - 2], n, "lengths of \(k) and \(v)")
    if let mask = context.optional(3) {
      let scores = q.shape.dropLast() + [n]
      try context.require(
        mask.elementType == q.elementType && mask.rank <= rank, "a mask of \(mask) for scores of \(q.elementType)")
      for (a, b) in zip(mask.shape, scores.suffix(mask.rank)) where a != 1 {
        try context.requireEqual(a, b, "mask \(mask)")
      }
    }
    return [TensorType(q.elementType, q.shape.dropLast() + [v.shape[rank - 1]])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let q = operands[0]!
    let rank = q.shape.count
    let swap = Array(0..<rank - 2) + [rank - 1, rank - 2]
    let k = isKeyTransposed ? operands[1]!.transposed(swap) : operands[1]!
    let v = operands[2]!
    let (m, d, n, e) = (q.shape[rank - 2], q.shape[rank - 1], k.shape[rank - 2], v.shape[rank - 1])
    let shape = Array(q.shape.dropLast()) + [e]
    if Checked.product(shape) == 0 { return [Tensor(zeros: q.elementType, shape)] }
    let batch = q.shape.dropLast(2).reduce(1, *)
    let mask =
      operands.count > 3 ? operands[3]?.broadcast(to: Array(q.shape.dropLast()) + [n]).doubles : nil
    let (qv, kv, vv) = (q.doubles, k.doubles, v.doubles)
    var result: [Double] = []
    for b in 0..<batch {
      for i in 0..<m {
        var scores = [Double](repeating: 0, count: n)
        for j in 0..<n {
          var sum = 0.0
          for c in 0..<d { sum += qv[(b * m + i) * d + c] * kv[(b * n + j) * d + c] }
          scores[j] = sum * scale + (mask?[(b * m + i) * n + j] ?? 0)
          if isCausal && j > i { scores[j] = -.infinity }
        }
        let weights = Softmax.softmax(scores)
        for c in 0..<e { result.append((0..<n).reduce(0) { $0 + weights[$1] * vv[(b * n + $1) * e + c] }) }
      }
    }
    return [Tensor(q.elementType, shape, doubles: result)]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let q = operands[0], let v = operands[2] else { return 0 }
    let n = v.shape[v.rank - 2]
    let scores = q.shape.dropLast().reduce(n, *)
    return q.elementCount * n * 2 + results[0].elementCount * n * 2 + scores * 4
  }
}
