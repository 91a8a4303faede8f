import SwageGraph
import SwageTensor

/// Products of 8-bit integers less their zero points, with weights that are constant: sums of unsigned bytes times signed
/// ones, the pair that machines multiply, from which the shares of the zero points are taken afterwards:
///
///     Σ (x - zx)(w - zw) = Σ x w - zx Σ (w - zw) - zw Σ x
///
/// All of it is in i32, which wraps, so that the result is exact where it fits 32 bits. See Jacob et al., "Quantization and
/// Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), section 2.3.
enum IntegerProducts {
  /// Terms of one sum, at most: it fits 32 bits.
  static let mostTerms = 1 << 15

  /// Constant weights as signed bytes.
  struct Weights {
    var values: Tensor
    /// One for each filter; nil where all are zero.
    var zeroPoints: [Int64]?
    /// Σ (w - zw) of each filter.
    var sums: [Int64]

    /// `[filters, terms]`, or `[terms, filters]`. Weights from which the zero points can be taken at once become those.
    init?(_ tensor: Tensor, _ zero: Tensor?, filtersAreFirst: Bool) {
      guard [.i8, .u8].contains(tensor.elementType), tensor.shape.count >= 2, tensor.count > 0 else { return nil }
      let filters = filtersAreFirst ? tensor.shape[0] : tensor.shape[tensor.shape.count - 1]
      let terms = tensor.count / filters
      let given = zero?.integers ?? [0]
      guard terms < IntegerProducts.mostTerms, given.count == 1 || given.count == filters else { return nil }
      let isSigned = tensor.elementType == .i8
      var points = given.count == 1 ? [Int64](repeating: given[0], count: filters) : given
      var low = [Int64](repeating: .max, count: filters)
      var high = [Int64](repeating: .min, count: filters)
      var sums = [Int64](repeating: 0, count: filters)
      func value(_ byte: UInt8) -> Int64 { isSigned ? Int64(Int8(bitPattern: byte)) : Int64(byte) }
      func filter(_ index: Int) -> Int { filtersAreFirst ? index / terms : index % filters }
      tensor.withBytes { bytes in
        for index in bytes.indices {
          let (own, difference) = (filter(index), value(bytes[index]) - points[filter(index)])
          low[own] = min(low[own], difference)
          high[own] = max(high[own], difference)
          sums[own] += difference
        }
      }
      let fits = low.allSatisfy { $0 >= -128 } && high.allSatisfy { $0 <= 127 }
      let offset: Int64 = isSigned ? 0 : 128
      var shifted = Tensor(zeros: .i8, tensor.shape)
      shifted.withMutableBytes { target in
        tensor.withBytes { bytes in
          for index in bytes.indices {
            let less = fits ? points[filter(index)] : offset
            target[index] = UInt8(bitPattern: Int8(truncatingIfNeeded: value(bytes[index]) - less))
          }
        }
      }
      values = shifted
      points = points.map { $0 - offset }
      zeroPoints = fits || points.allSatisfy { $0 == 0 } ? nil : points
      self.sums = sums
    }
  }

  /// x as unsigned bytes, and its zero point as i32.
  private static func unsigned(
    _ call: Call, _ x: ImportedValue, _ zero: ImportedValue?
  ) throws -> (value: ImportedValue, zero: ImportedValue?) {
    let zero = try zero.map { try call.cast($0, to: .i32) }
    guard x.type.elementType == .i8 else { return (x, zero) }
    let moved = try call.cast(try call.binary(.add, try call.cast(x, to: .i32), 128), to: .u8)
    return (moved, try zero.map { try call.binary(.add, $0, 128) } ?? call.scalar(128, .i32))
  }

  private static func vector(_ call: Call, _ values: [Int64], trailing: Int) -> ImportedValue {
    call.constant(
      Tensor(.i32, [values.count] + [Int](repeating: 1, count: trailing), integers: values))
  }

  /// `sum - zx Σ (w - zw) - zw Σ x`
  private static func corrected(
    _ call: Call, _ sum: ImportedValue, _ weights: Weights, zero: ImportedValue?, trailing: Int,
    _ sumOfX: () throws -> ImportedValue
  ) throws -> ImportedValue {
    var result = sum
    if let zero, call.folded(zero)?.integers.allSatisfy({ $0 == 0 }) != true {
      let share = try call.binary(.mul, zero, vector(call, weights.sums, trailing: trailing))
      result = try call.binary(.sub, result, share)
    }
    if let points = weights.zeroPoints {
      let share = try call.binary(.mul, try sumOfX(), vector(call, points, trailing: trailing))
      result = try call.binary(.sub, result, share)
    }
    return result
  }

  /// `[…, m, k]` times constant `[k, n]`; nil where the operands are no such bytes. The zero point of `a` is one, or one for
  /// each row.
  static func matmul(
    _ call: Call, _ a: ImportedValue, _ b: ImportedValue, _ zeroA: ImportedValue?, _ zeroB: ImportedValue?
  ) throws -> ImportedValue? {
    guard isByte(a), b.type.rank == 2, a.type.rank >= 2, let weights = try weights(call, b, zeroB, false) else {
      return nil
    }
    var (x, zero) = try unsigned(call, a, zeroA)
    if let given = zero {
      if given.type.elementCount == 1 {
        zero = try call.reshape(given, [])
      } else if given.type.rank == 1 {
        zero = try call.perChannel(given, trailing: 1)
      }
    }
    let sum = try call.emit(.matmul(MatMul()), [x, call.constant(weights.values)])
    return try corrected(call, sum, weights, zero: zero, trailing: 0) {
      try call.reduce(.sum, try call.cast(x, to: .i32), axes: [x.type.rank - 1], keeps: true)
    }
  }

  /// A convolution with constant weights in one group, attributes from `call`; nil where the operands are no such bytes. What
  /// lies outside the image counts as the zero point.
  static func convolution(
    _ call: Call, _ x: ImportedValue, _ w: ImportedValue, _ zeroX: ImportedValue?, _ zeroW: ImportedValue?
  ) throws -> ImportedValue? {
    guard isByte(x), w.type.rank >= 3, x.type.rank == w.type.rank, try call.int("group", default: 1) == 1,
      let weights = try weights(call, w, zeroW, true)
    else { return nil }
    var (image, zero) = try unsigned(call, x, zeroX)
    if let given = zero {
      guard given.type.elementCount == 1 else { return nil }
      zero = try call.reshape(given, [])
    }
    let fill = try zero.map { try call.cast($0, to: .u8) }
    let (padded, place) = try ConvolutionOperators.padded(call, image, weights.values.shape, with: fill)
    image = padded
    let sum = try call.emit(.convolution(place), [image, call.constant(weights.values)])
    return try corrected(call, sum, weights, zero: zero, trailing: x.type.rank - 2) {
      // Sums over the channels, then over the window: exact in f32, as they stay below 2^23.
      let channels = try call.reduce(.sum, try call.cast(image, to: .i32), axes: [1], keeps: true)
      let window = [1, 1] + weights.values.shape.dropFirst(2)
      let ones = Tensor(.f32, window, doubles: [Double](repeating: 1, count: window.reduce(1, *)))
      let sums = try call.emit(.convolution(place), [try call.cast(channels, to: .f32), call.constant(ones)])
      return try call.cast(sums, to: .i32)
    }
  }

  private static func isByte(_ x: ImportedValue) -> Bool { [.i8, .u8].contains(x.type.elementType) }

  private static func weights(
    _ call: Call, _ value: ImportedValue, _ zero: ImportedValue?, _ filtersAreFirst: Bool
  ) throws -> Weights? {
    guard isByte(value), let tensor = call.folded(value) else { return nil }
    guard let zero else { return Weights(tensor, nil, filtersAreFirst: filtersAreFirst) }
    guard zero.type.rank <= 1, let points = call.folded(zero) else { return nil }
    return Weights(tensor, points, filtersAreFirst: filtersAreFirst)
  }
}
