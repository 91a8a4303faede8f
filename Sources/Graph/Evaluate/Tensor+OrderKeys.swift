import SwageTensor

extension Tensor {
  /// Whole numbers in the order of the elements, row-major and exact for every numeric type: doubles would take
  /// neighbouring integers of 64 bits for one. Zeros of both signs have one key; a NaN has none.
  var orderKeys: [Int64?] {
    if elementType == .u64 { return integers.map { $0 ^ .min } }
    guard elementType.isFloat else { return integers }
    return doubles.map { value in
      if value.isNaN { return nil }
      let bits = Int64(bitPattern: (value == 0 ? 0 : value).bitPattern)
      return bits < 0 ? bits ^ .max : bits
    }
  }
}
