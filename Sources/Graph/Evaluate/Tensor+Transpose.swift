import SwageTensor

extension Tensor {
  /// This tensor with its axes in another order: result axis i is axis `permutation[i]`.
  func transposed(_ permutation: [Int]) -> Tensor {
    let sizes = permutation.map { shape[$0] }
    guard elementType.bitWidth >= 8 else {
      let strides = Indexing.strides(shape)
      return gathering(Indexing.offsets(sizes, strides: permutation.map { strides[$0] }), shape: sizes)
    }
    var result = Tensor(zeros: elementType, sizes)
    result.withMutableBytes { writeTransposed(permutation, to: $0) }
    return result
  }

  /// Writes the elements of `transposed(permutation)`, which has whole bytes for elements, without memory of its own.
  public func writeTransposed(_ permutation: [Int], to target: UnsafeMutableRawBufferPointer) {
    precondition(elementType.bitWidth >= 8 && target.count >= byteCount)
    switch elementType.bitWidth / 8 {
    case 1: writeTransposed(permutation, to: target, as: UInt8.self)
    case 2: writeTransposed(permutation, to: target, as: UInt16.self)
    case 4: writeTransposed(permutation, to: target, as: UInt32.self)
    default: writeTransposed(permutation, to: target, as: UInt64.self)
    }
  }

  /// Goes over the axis that is last in the operand and the one that is last in the result in squares, so that both sides
  /// stay in the cache; over the other axes one by one.
  @inline(__always)
  private func writeTransposed<Word: FixedWidthInteger>(
    _ permutation: [Int], to target: UnsafeMutableRawBufferPointer, as _: Word.Type
  ) {
    let sizes = permutation.map { shape[$0] }
    guard count > 0, let last = sizes.indices.last, let base = target.baseAddress else {
      return withBytes { target.copyMemory(from: $0) }
    }
    let own = Indexing.strides(shape)
    let from = permutation.map { own[$0] }
    let to = Indexing.strides(sizes)
    // Where the result's last axis is the operand's, there is one line for each position of the others.
    let run = permutation.firstIndex(of: last) ?? last
    let width = MemoryLayout<Word>.size
    let outer = sizes.indices.filter { $0 != last && $0 != run }
    let outerSizes = outer.map { sizes[$0] }
    let lines = run == last ? 1 : sizes[run]
    let targets = Indexing.offsets(outerSizes, strides: outer.map { to[$0] })
    withBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      var index = 0
      Indexing.forEachOffset(outerSizes, strides: outer.map { from[$0] }) { offset in
        let start = targets[index]
        index += 1
        for block in stride(from: 0, to: lines, by: 32) {
          for column in stride(from: 0, to: sizes[last], by: 32) {
            for line in block..<min(block + 32, lines) {
              var read = source + (offset + line + column * from[last]) * width
              var write = base + (start + line * to[run] + column) * width
              for _ in column..<min(column + 32, sizes[last]) {
                write.storeBytes(of: read.loadUnaligned(as: Word.self), as: Word.self)
                read += from[last] * width
                write += width
              }
            }
          }
        }
      }
    }
  }
}
