import SwageTensor

/// Class probabilities from those of pairs of classes: the second method of Wu, Lin and Weng, "Probability estimates for
/// multi-class classification by pairwise coupling" (2004), as LIBSVM iterates it.
///
/// Operand: f32 [rows, pairs], for pairs (0, 1), (0, 2), …, (1, 2), … the probability of the first of the two. Result: f32
/// [rows, classes]. The iteration ends at a coarse error, so that every step is in single precision.
public struct PairwiseCoupling: OpDefinition {
  public static let mnemonic = "pairwise_coupling"
  /// Rounds after which the iteration ends in any case.
  public static let rounds = 100
  public static let largestClassCount = 65535

  public var classes: Int

  public init(classes: Int) { self.classes = classes }
  public var attributes: AttributeList { AttributeList().with("classes", classes) }
  public init(_ attributes: inout AttributeReader) throws { classes = try attributes.integer("classes") }
  public var numericClass: NumericClass { .rounding }

  /// The error below which the iteration ends.
  public var tolerance: Float { 0.005 / Float(classes) }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(type.rank == 2 && type.elementType == .f32, "pairs are f32 [rows, pairs], got \(type)")
    try context.require((1...Self.largestClassCount).contains(classes), "\(classes) classes")
    try context.requireEqual(type.shape[1], Dim(classes * (classes - 1) / 2), "pairs of \(classes) classes")
    return [TensorType(.f32, [type.shape[0], Dim(classes)])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let pairs = operands[0]!
    let rows = pairs.shape[0]
    try context.checkAllocation(.f32, [rows, classes])
    try context.checkAllocation(.f32, [classes, classes])
    let values = pairs.doubles.map { Float($0) }
    let count = pairs.shape[1]
    let result = (0..<rows).flatMap { row in couple(Array(values[row * count..<(row + 1) * count])) }
    return [Tensor(.f32, [rows, classes], doubles: result.map { Double($0) })]
  }

  private func couple(_ pairs: [Float]) -> [Float] {
    var r = [Float](repeating: 0, count: classes * classes)
    var next = 0
    for i in 0..<classes {
      for j in i + 1..<max(classes, i + 1) {
        r[i * classes + j] = pairs[next]
        r[j * classes + i] = 1 - pairs[next]
        next += 1
      }
    }
    var q = [Float](repeating: 0, count: classes * classes)
    for i in 0..<classes {
      for j in 0..<classes where j != i {
        let other = r[j * classes + i]
        q[i * classes + i] += other * other
        q[i * classes + j] = -other * r[i * classes + j]
      }
    }
    var p = [Float](repeating: 1 / Float(classes), count: classes)
    var qp = p
    for _ in 0..<Self.rounds {
      var total: Float = 0
      for i in 0..<classes {
        qp[i] = 0
        for j in 0..<classes { qp[i] += q[i * classes + j] * p[j] }
        total += p[i] * qp[i]
      }
      if !qp.contains(where: { abs($0 - total) >= tolerance }) { break }
      for i in 0..<classes {
        let own = q[i * classes + i]
        let step = (total - qp[i]) / own
        p[i] += step
        total = (total + step * (step * own + 2 * qp[i])) / (1 + step) / (1 + step)
        for j in 0..<classes {
          qp[j] = (qp[j] + step * q[i * classes + j]) / (1 + step)
          p[j] /= 1 + step
        }
      }
    }
    return p
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    results[0].elementCount * Dim(20 * classes)
  }
}
