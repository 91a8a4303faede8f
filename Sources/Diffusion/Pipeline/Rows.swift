import Foundation
import SwageTensor

// Tensors as rows along their first axis: one row for each picture or prompt of a batch.

extension Tensor {
  /// Rows `range`, then the last of them again until there are `count`.
  func rows(_ range: Range<Int>, paddedTo count: Int) -> Tensor {
    if range == 0..<shape[0], count == range.count { return self }
    let rowBytes = byteCount / max(shape[0], 1)
    var result = Tensor(zeros: elementType, [count] + shape.dropFirst())
    withBytes { source in
      result.withMutableBytes { target in
        for row in 0..<count {
          let from = min(range.lowerBound + row, range.upperBound - 1) * rowBytes
          target.baseAddress?.advanced(by: row * rowBytes).copyMemory(
            from: source.baseAddress! + from, byteCount: rowBytes)
        }
      }
    }
    return result
  }

  /// Row `indices[0]`, row `indices[1]`, and so on.
  func rows(_ indices: [Int]) -> Tensor {
    Tensor.joined(indices.map { rows($0..<$0 + 1, paddedTo: 1) })
  }

  /// One under the other. All have the same type and the same sizes but the first; there is at least one.
  static func joined(_ parts: [Tensor]) -> Tensor {
    if parts.count == 1 { return parts[0] }
    let rows = parts.reduce(0) { $0 + $1.shape[0] }
    var result = Tensor(zeros: parts[0].elementType, [rows] + parts[0].shape.dropFirst())
    result.withMutableBytes { target in
      var offset = 0
      for part in parts {
        part.withBytes { source in
          guard let from = source.baseAddress else { return }
          target.baseAddress?.advanced(by: offset).copyMemory(from: from, byteCount: source.count)
          offset += source.count
        }
      }
    }
    return result
  }

  /// Beside each other along the last axis; all other sizes are equal.
  static func joinedAlongLastAxis(_ parts: [Tensor]) -> Tensor {
    if parts.count == 1 { return parts[0] }
    let widths = parts.map { $0.byteCount / max($0.shape.dropLast().reduce(1, *), 1) }
    let last = parts.reduce(0) { $0 + ($1.shape.last ?? 0) }
    let lines = parts[0].shape.dropLast().reduce(1, *)
    var result = Tensor(zeros: parts[0].elementType, parts[0].shape.dropLast() + [last])
    let stride = widths.reduce(0, +)
    result.withMutableBytes { target in
      var column = 0
      for (part, width) in zip(parts, widths) {
        part.withBytes { source in
          for line in 0..<lines {
            target.baseAddress?.advanced(by: line * stride + column).copyMemory(
              from: source.baseAddress! + line * width, byteCount: width)
          }
        }
        column += width
      }
    }
    return result
  }

  /// Whether all elements of an f32 tensor are finite.
  var isFinite: Bool {
    withBytes { bytes in
      let values = bytes.assumingMemoryBound(to: Float.self)
      // The difference is zero for numbers and NaN for the rest; a sum of them vectorises.
      var sum: Float = 0
      for index in 0..<count { sum += values[index] - values[index] }
      return sum == 0
    }
  }
}
