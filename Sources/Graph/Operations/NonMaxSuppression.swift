import SwageTensor

/// Picks boxes by score, those aside that overlap a better one of their class too much: i64[symbol, 3] of batch, class
/// and box, by batch and class, the best first. The node gives `symbol` its value.
///
/// Operands: boxes f32[B, N, 4], scores f32[B, C, N], the most boxes of a class (i64, one element), the overlap
/// (intersection over union) above which a box is dropped (f32, one element), and optionally the score that a box must
/// exceed (f32, one element). A box is two opposite corners, y before x; with `isCentered` its centre and size, x before y.
///
/// Arithmetic is f32 in the order of onnxruntime's: the result is a decision, which rounding otherwise could change.
public struct NonMaxSuppression: OpDefinition {
  public static let mnemonic = "non_max_suppression"
  public var isCentered: Bool
  public var symbol: String

  public init(isCentered: Bool, symbol: String) {
    self.isCentered = isCentered
    self.symbol = symbol
  }

  public var attributes: AttributeList {
    AttributeList().with("centered", .bool(isCentered), unless: .bool(false)).with("symbol", .string(symbol))
  }
  public init(_ attributes: inout AttributeReader) throws {
    isCentered = try attributes.bool("centered", default: false)
    symbol = try attributes.string("symbol")
  }
  public var numericClass: NumericClass { .exact }
  public var definedSymbols: [String] { [symbol] }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(4...5)
    let (boxes, scores) = (try context.type(0), try context.type(1))
    try context.require(
      boxes.elementType == .f32 && scores.elementType == .f32 && boxes.rank == 3 && scores.rank == 3,
      "boxes \(boxes) with scores \(scores)")
    try context.requireEqual(boxes.shape[2], 4, "numbers of a box")
    try context.requireEqual(boxes.shape[0], scores.shape[0], "batch of boxes and scores")
    try context.requireEqual(boxes.shape[1], scores.shape[2], "boxes and their scores")
    for (index, type) in [(2, ElementType.i64), (3, .f32), (4, .f32)] {
      guard let operand = context.optional(index) else { continue }
      try context.require(operand.elementType == type && operand.rank <= 1, "operand \(index) is \(operand)")
      try context.requireEqual(operand.elementCount, 1, "elements of operand \(index)")
    }
    return [TensorType(.i64, [.symbol(symbol), 3])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (boxes, scores) = (operands[0]!, operands[1]!)
    let limit = operands[2]!.integers[0]
    let overlap = Float(operands[3]!.doubles[0])
    let threshold = operands.count > 4 ? operands[4].map { Float($0.doubles[0]) } : nil
    let (batches, classes, count) = (scores.shape[0], scores.shape[1], scores.shape[2])
    var rows: [Int64] = []
    if scores.count > 0, limit > 0 {
      let (corners, values) = (boxes.doubles.map { Float($0) }, scores.doubles.map { Float($0) })
      for batch in 0..<batches {
        let extents = (0..<count).map { extent(corners, (batch * count + $0) * 4) }
        for group in 0..<classes {
          let start = (batch * classes + group) * count
          func score(_ box: Int) -> Float { values[start + box] }
          let candidates = (0..<count).filter { box in threshold.map { score(box) > $0 } ?? true }
          var kept: [Int] = []
          for box in candidates.sorted(by: { Self.precedes(score($0), $0, score($1), $1) }) {
            if Int64(kept.count) >= limit { break }
            if kept.contains(where: { extents[box].overlaps(extents[$0], above: overlap) }) { continue }
            kept.append(box)
            rows += [Int64(batch), Int64(group), Int64(box)]
          }
        }
      }
    }
    context.symbols[symbol] = rows.count / 3
    return [Tensor(.i64, [rows.count / 3, 3], integers: rows)]
  }

  /// The higher score first, of equal ones the lower box; NaN last.
  private static func precedes(_ a: Float, _ i: Int, _ b: Float, _ j: Int) -> Bool {
    if a.isNaN || b.isNaN { return a.isNaN == b.isNaN ? i < j : b.isNaN }
    return a == b ? i < j : a > b
  }

  private struct Extent {
    var (low, high): ((x: Float, y: Float), (x: Float, y: Float))

    var area: Float { (high.x - low.x) * (high.y - low.y) }

    func overlaps(_ other: Extent, above limit: Float) -> Bool {
      let shared = Extent(
        low: (Swift.max(low.x, other.low.x), Swift.max(low.y, other.low.y)),
        high: (Swift.min(high.x, other.high.x), Swift.min(high.y, other.high.y)))
      guard shared.high.x > shared.low.x, shared.high.y > shared.low.y else { return false }
      let union = area + other.area - shared.area
      guard shared.area > 0, area > 0, other.area > 0, union > 0 else { return false }
      return shared.area / union > limit
    }
  }

  private func extent(_ corners: [Float], _ at: Int) -> Extent {
    if isCentered {
      let (x, y, width, height) = (corners[at], corners[at + 1], corners[at + 2] / 2, corners[at + 3] / 2)
      return Extent(low: (x - width, y - height), high: (x + width, y + height))
    }
    let (y1, x1, y2, x2) = (corners[at], corners[at + 1], corners[at + 2], corners[at + 3])
    return Extent(low: (Swift.min(x1, x2), Swift.min(y1, y2)), high: (Swift.max(x1, x2), Swift.max(y1, y2)))
  }

  /// Sorting, and each box against half of the others of its class.
  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let scores = operands[1] else { return 0 }
    return scores.elementCount * scores.shape[2] * 8
  }
}
