import SwageTensor

/// Row-major index arithmetic of the reference evaluator. Products of sizes wrap around: a tensor without elements may
/// have sizes whose product does not fit, and then nothing reads them.
enum Indexing {
  static func strides(_ shape: [Int]) -> [Int] {
    var result = [Int](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) { result[axis] = result[axis + 1] &* shape[axis + 1] }
    return result
  }

  /// Strides of `shape` as seen from the broadcast shape `result`: zero along broadcast axes.
  static func broadcastStrides(_ shape: [Int], to result: [Int]) -> [Int] {
    let own = strides(shape)
    let shift = result.count - shape.count
    return result.indices.map { $0 < shift || shape[$0 - shift] == 1 ? 0 : own[$0 - shift] }
  }

  /// Calls `body` for every position of `shape`, in row-major order, with the offset under `strides`.
  @inline(__always)
  static func forEachOffset(_ shape: [Int], strides: [Int], base: Int = 0, _ body: (Int) throws -> Void) rethrows {
    guard !shape.contains(0) else { return }
    let rank = shape.count
    if rank == 0 { return try body(base) }
    var position = [Int](repeating: 0, count: rank)
    var offset = base
    let inner = shape[rank - 1]
    let innerStride = strides[rank - 1]
    while true {
      var current = offset
      for _ in 0..<inner {
        try body(current)
        current += innerStride
      }
      var axis = rank - 2
      while axis >= 0 {
        position[axis] += 1
        offset += strides[axis]
        if position[axis] < shape[axis] { break }
        offset -= strides[axis] * shape[axis]
        position[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }

  /// The offsets that `forEachOffset` visits.
  static func offsets(_ shape: [Int], strides: [Int], base: Int = 0) -> [Int] {
    var result: [Int] = []
    result.reserveCapacity(Checked.product(shape) ?? 0)
    forEachOffset(shape, strides: strides, base: base) { result.append($0) }
    return result
  }

  /// Splits a shape at an axis: product before, size of the axis, product after.
  static func split(_ shape: [Int], at axis: Int) -> (outer: Int, size: Int, inner: Int) {
    guard !shape.isEmpty else { return (1, 1, 1) }
    return (shape[..<axis].reduce(1, &*), shape[axis], shape[(axis + 1)...].reduce(1, &*))
  }
}
