import SwageTensor

/// How far results may be from the reference: not at all for integers, bools and indices; a few units of the last place
/// and of the largest element for floats. NaN equals NaN.
///
/// What goes beyond is not wrong yet: sums cancel, and steps such as rounding or comparison turn a difference in the
/// last place into a whole one. `Conditioning` tells.
enum Agreement {
  struct Tolerance {
    var relative: Double
    /// Of the largest magnitude of the tensor.
    var ofLargest: Double
  }

  static func tolerance(_ type: ElementType) -> Tolerance {
    switch type {
    case .f64: Tolerance(relative: 1e-10, ofLargest: 1e-12)
    case .f16: Tolerance(relative: 0x1p-8, ofLargest: 0x1p-9)
    case .bf16: Tolerance(relative: 0x1p-5, ofLargest: 0x1p-6)
    default: Tolerance(relative: 1e-4, ofLargest: 1e-5)
    }
  }

  /// Half the gap between two numbers of the type around one, and its smallest number.
  static func epsilon(_ type: ElementType) -> (relative: Double, tiny: Double) {
    switch type {
    case .f64: (0x1p-53, 0x1p-1074)
    case .f32: (0x1p-24, 0x1p-149)
    case .f16: (0x1p-11, 0x1p-24)
    case .bf16: (0x1p-8, 0x1p-133)
    case .f8e4m3fn, .f8e4m3fnuz: (0x1p-4, 0x1p-10)
    case .f8e5m2, .f8e5m2fnuz: (0x1p-3, 0x1p-16)
    case .f4e2m1: (0x1p-2, 0.5)
    default: (0, 0)
    }
  }

  /// Elements at which the two differ; nil where types or sizes do.
  static func differences(_ got: Tensor, _ want: Tensor) -> [Int]? {
    guard got.elementType == want.elementType, got.shape == want.shape else { return nil }
    guard isRounded(want.elementType) else {
      if got.elementType.isFloat {
        let (a, b) = (got.doubles, want.doubles)
        return a.indices.filter { !(a[$0] == b[$0] || (a[$0].isNaN && b[$0].isNaN)) }
      }
      let (a, b) = (got.integers, want.integers)
      return a.indices.filter { a[$0] != b[$0] }
    }
    let (a, b) = (got.doubles, want.doubles)
    let tolerance = tolerance(want.elementType)
    let largest = b.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    let tiny = epsilon(want.elementType).tiny * 4
    return a.indices.filter { index in
      let (x, y) = (a[index], b[index])
      if x == y || (x.isNaN && y.isNaN) { return false }
      return !(abs(x - y) <= tolerance.relative * abs(y) + tolerance.ofLargest * largest + tiny)
    }
  }

  static func isRounded(_ type: ElementType) -> Bool {
    switch type {
    case .f64, .f32, .f16, .bf16: true
    default: false
    }
  }

  /// Whether all bits are the same.
  static func isIdentical(_ a: Tensor, _ b: Tensor) -> Bool {
    a.elementType == b.elementType && a.shape == b.shape && a.withBytes { x in b.withBytes { x.elementsEqual($0) } }
  }
}
