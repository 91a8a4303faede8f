import SwageTensor

/// How often each n-gram of a pool occurs in the rows of a tensor, as ONNX TfIdfVectorizer counts. Operands: x, [c] or
/// [b, c]; the pool, [p], of x's type, with the grams of length 1, then those of length 2, …; places, i64 [n]: the column of
/// each gram. Result: f32, [width] or [b, width].
public struct NgramCount: OpDefinition {
  public static let mnemonic = "ngram_count"
  /// Where the grams of each length begin in the pool.
  public var starts: [Int]
  public var lengths: ClosedRange<Int>
  /// Elements that may stand between two of a gram.
  public var largestSkip: Int
  public var width: Int

  public init(starts: [Int], lengths: ClosedRange<Int>, largestSkip: Int, width: Int) {
    self.starts = starts
    self.lengths = lengths
    self.largestSkip = largestSkip
    self.width = width
  }

  public var attributes: AttributeList {
    AttributeList().with("starts", starts).with("lengths", [lengths.lowerBound, lengths.upperBound])
      .with("largest_skip", .integer(largestSkip), unless: .integer(0)).with("width", width)
  }
  public init(_ attributes: inout AttributeReader) throws {
    starts = try attributes.integers("starts")
    let given = try attributes.integers("lengths")
    guard given.count == 2, given[0] >= 1, given[0] <= given[1] else { throw TypeFault("lengths of \(given)") }
    lengths = given[0]...given[1]
    largestSkip = try attributes.integer("largest_skip", default: 0)
    width = try attributes.integer("width")
  }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(3...3)
    let (x, pool, places) = (try context.type(0), try context.type(1), try context.type(2))
    try context.require(
      x.elementType == pool.elementType && pool.rank == 1 && (x.elementType == .i64 || x.elementType == .string),
      "grams of \(pool) in \(x)")
    try context.require(places.elementType == .i64 && places.rank == 1, "places are \(places)")
    try context.require(x.rank == 1 || x.rank == 2, "rows are \(x)")
    try context.require(width >= 1 && width < 1 << 31, "a width of \(width)")
    try context.require(
      largestSkip >= 0 && largestSkip < 1 << 20 && lengths.upperBound < 1 << 20 && starts == starts.sorted()
        && (starts.first ?? 0) >= 0, "lengths \(lengths), skips to \(largestSkip), starts \(starts.prefix(16))")
    return [TensorType(.f32, x.shape.dropLast() + [Dim(width)])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    guard let x = operands[0], let pool = operands[1], let places = operands[2] else {
      throw TypeFault("an operand is missing")
    }
    let columns = try columns(pool.integers, places.integers)
    let size = x.shape.last ?? 1
    let rows = x.shape.count == 2 ? x.shape[0] : 1
    let values = x.integers
    var counts = [Double](repeating: 0, count: rows * width)
    for row in 0..<rows {
      var shortest = lengths.lowerBound
      for skip in 1...largestSkip + 1 {
        for start in 0..<size where start + skip * (shortest - 1) < size {
          for length in shortest...lengths.upperBound {
            let last = start + skip * (length - 1)
            guard last < size else { break }
            let gram = stride(from: row * size + start, through: row * size + last, by: skip).map { values[$0] }
            if let column = columns[gram] { counts[row * width + column] += 1 }
          }
        }
        // Skips make no difference to single elements: they count once.
        if shortest == 1 {
          shortest = 2
          if shortest > lengths.upperBound { break }
        }
      }
    }
    return [Tensor(.f32, x.shape.dropLast() + [width], doubles: counts)]
  }

  private func columns(_ pool: [Int64], _ places: [Int64]) throws -> [[Int64]: Int] {
    var columns: [[Int64]: Int] = [:]
    var gram = 0
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : pool.count
      guard start <= end, end <= pool.count else { throw TypeFault("grams from \(start) to \(end) of \(pool.count)") }
      let length = index + 1
      for number in 0..<(end - start) / length {
        defer { gram += 1 }
        guard lengths.contains(length) else { continue }
        guard gram < places.count, places[gram] >= 0, places[gram] < Int64(width) else {
          throw TypeFault("gram \(gram) has no place in \(width) columns")
        }
        let first = start + number * length
        columns[Array(pool[first..<first + length])] = Int(places[gram])
      }
    }
    return columns
  }
}
