import SwageKernel
import SwageTensor

extension KernelBuilder {
  /// Indices of row-major `shape` from a linear one; nothing is computed for axes of size one.
  func unravel(_ linear: Expression, _ shape: [Dim]) -> [Expression] {
    var rest = linear
    var result = [Expression](repeating: 0, count: shape.count)
    let used = shape.indices.filter { shape[$0] != 1 }
    for axis in used.reversed() {
      if axis == used.first {
        result[axis] = rest
      } else {
        let n = size(shape[axis])
        result[axis] = self.let("index", rest.remainder(by: n))
        rest = self.let("rest", rest.divided(by: n))
      }
    }
    return result
  }

  /// How far apart neighbours along each axis of `result` lie in an operand of `shape` that broadcasts to it.
  func broadcastStrides(_ shape: [Dim], to result: [Dim]) -> [Expression] {
    let shift = result.count - shape.count
    var stride: Dim = 1
    var strides = [Expression](repeating: 0, count: result.count)
    for axis in shape.indices.reversed() {
      let own = shape[axis]
      if own == result[axis + shift] {
        if own != 1 { strides[axis + shift] = size(stride) }
      } else if own != 1 {
        // The size may turn out to be one.
        strides[axis + shift] = .choose(size(own).equal(1), 0, size(stride))
      }
      stride = stride * own
    }
    return strides
  }
}

/// Sum of indices times strides.
func offset(_ indices: some Sequence<Expression>, _ strides: some Sequence<Expression>) -> Expression {
  zip(indices, strides).reduce(0) { $0 + $1.0 * $1.1 }
}
