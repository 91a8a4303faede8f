import SwageGraph
import SwageTensor

/// Quantisation, and products of quantised tensors as exact integer arithmetic.
enum QuantizationOperators {
  static let table: [String: Handler] = [
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "DynamicQuantizeLinear": dynamicQuantize,
    "MatMulInteger": { call in
      [
        try integerMatmul(
          call, try call.input(0), try call.input(1), call.optional(2), call.optional(3))
      ]
    },
    "ConvInteger": { call in
      [try integerConvolution(call, try call.input(0), try call.input(1), call.optional(2), call.optional(3))]
    },
    "QLinearMatMul": quantizedMatmul, "QLinearConv": quantizedConvolution,
  ]

  private static func axis(_ call: Call, _ x: ImportedValue, _ scale: ImportedValue) throws -> Int {
    if scale.type.elementCount == 1 { return 0 }
    return try call.axis(try call.int("axis", default: 1), rank: x.type.rank)
  }

  /// One scale for all is a scalar.
  private static func single(_ call: Call, _ x: ImportedValue) throws -> ImportedValue {
    x.type.elementCount == 1 ? try call.reshape(x, []) : x
  }

  static func quantize(_ call: Call) throws -> [ImportedValue?] {
    let (x, scale, zero) = (
      try call.input(0), try single(call, call.input(1)), try call.optional(2).map { try single(call, $0) }
    )
    let type = try zero?.type.elementType ?? call.elementType("output_dtype").flatMap { $0 } ?? .u8
    // Without saturation the quotient, in full, becomes a float of 8 bits as a cast makes it.
    let saturates = try call.flag("saturate", default: true) || !type.isFloat || type.bitWidth != 8
    let op = QuantizeLinear(
      axis: try axis(call, x, scale), blockSize: try call.int("block_size", default: 0), to: saturates ? type : .f32)
    let wide = try call.cast(x, to: x.type.elementType.isFloat ? x.type.elementType : .f32)
    let y = try call.emit(.quantizeLinear(op), [wide, scale, zero])
    return [saturates ? y : try LogicalOperators.cast(call, y, to: type)]
  }

  static func dequantize(_ call: Call) throws -> [ImportedValue?] {
    let (x, scale) = (try call.input(0), try single(call, call.input(1)))
    let zero = try call.optional(2).map { try single(call, $0) }
    let op = DequantizeLinear(axis: try axis(call, x, scale), blockSize: try call.int("block_size", default: 0))
    let y = try call.emit(.dequantizeLinear(op), [x, scale, zero])
    return [try call.elementType("output_dtype").map { try call.cast(y, to: $0) } ?? y]
  }

  private static func dynamicQuantize(_ call: Call) throws -> [ImportedValue?] {
    let result = try dynamic(call, try call.input(0))
    return [result.value, result.scale, result.zero]
  }

  /// To u8, with the scale and zero point that the range of the elements, and zero, needs.
  static func dynamic(_ call: Call, _ x: ImportedValue) throws -> (
    value: ImportedValue, scale: ImportedValue, zero: ImportedValue
  ) {
    let axes = Array(0..<x.type.rank)
    let low = try call.binary(.min, try call.reduce(.min, x, axes: axes, keeps: false), 0)
    let high = try call.binary(.max, try call.reduce(.max, x, axes: axes, keeps: false), 0)
    let range = try call.binary(.sub, high, low)
    // Zeros alone have the scale 1.
    let isEmpty = try call.binary(.equal, range, 0)
    let scale = try call.emit(
      .select(Select()), [isEmpty, call.scalar(1, range.type.elementType), try call.binary(.div, range, 255)])
    let offset = try call.unary(.neg, try call.binary(.div, low, scale))
    let zero = try call.cast(
      try call.unary(.round, try call.unary(.clip, offset, alpha: 0, beta: 255)), to: .u8)
    return (try call.emit(.quantizeLinear(QuantizeLinear(axis: 0, to: .u8)), [x, scale, zero]), scale, zero)
  }

  // MARK: - Products

  /// x - zero point as i32; `trailing` axes of size one follow a vector of zero points.
  static func centered(_ call: Call, _ x: ImportedValue, _ zero: ImportedValue?, trailing: Int) throws
    -> ImportedValue
  {
    let wide = try call.cast(x, to: .i32)
    guard let zero else { return wide }
    let offset = try call.cast(zero, to: .i32)
    let shaped: ImportedValue
    if offset.type.elementCount == 1 {
      shaped = try call.reshape(offset, [])
    } else {
      shaped = offset.type.rank == 1 ? try call.perChannel(offset, trailing: trailing) : offset
    }
    return try call.binary(.sub, wide, shaped)
  }

  static func integerMatmul(
    _ call: Call, _ a: ImportedValue, _ b: ImportedValue, _ zeroA: ImportedValue?, _ zeroB: ImportedValue?
  ) throws -> ImportedValue {
    if let sum = try IntegerProducts.matmul(call, a, b, zeroA, zeroB) { return sum }
    // Zero points go by row of a and by column of b.
    let x = try centered(call, a, zeroA, trailing: 1)
    let y = try centered(call, b, zeroB, trailing: 0)
    guard let type = exactType(terms: x.type.shape.last?.constant) else {
      return try LinearOperators.matmul(call, x, y)
    }
    let sum = try LinearOperators.matmul(call, try call.cast(x, to: type), try call.cast(y, to: type))
    return try call.cast(sum, to: .i32)
  }

  /// The floats in which sums of so many products of 8-bit numbers are exact, and made faster than in integers; nil where
  /// the sums may exceed 32 bits, since integers wrap.
  private static func exactType(terms: Int?) -> ElementType? {
    guard let terms, terms < 1 << 15 else { return nil }
    return terms <= Convolution.exactTerms ? .f32 : .f64
  }

  /// Sums of products of integers, where not all are bytes with constant weights, are exact in floats wide enough.
  private static func integerConvolution(
    _ call: Call, _ x: ImportedValue, _ w: ImportedValue, _ zeroX: ImportedValue?, _ zeroW: ImportedValue?
  ) throws -> ImportedValue {
    if let sum = try IntegerProducts.convolution(call, x, w, zeroX, zeroW) { return sum }
    let (a, b) = (try centered(call, x, zeroX, trailing: 0), try centered(call, w, zeroW, trailing: w.type.rank - 1))
    let terms = w.type.shape.dropFirst().reduce(Dim(1), *).constant
    let type = exactType(terms: terms) ?? .f64
    let sum = try ConvolutionOperators.convolution(
      call, x: try call.cast(a, to: type), w: try call.cast(b, to: type), hasBias: false)
    return try call.cast(sum, to: .i32)
  }

  /// round(sum · multiplier) + zero point, saturated.
  private static func requantize(
    _ call: Call, _ sum: ImportedValue, _ multiplier: ImportedValue, _ zero: ImportedValue
  ) throws -> ImportedValue {
    let product = try call.binary(.mul, try call.cast(sum, to: .f32), multiplier)
    let op = QuantizeLinear(axis: 0, to: zero.type.elementType)
    return try call.emit(.quantizeLinear(op), [product, call.scalar(1, .f32), try call.reshape(zero, [])])
  }

  private static func quantizedMatmul(_ call: Call) throws -> [ImportedValue?] {
    let (a, b) = (try call.input(0), try call.input(3))
    let sum = try integerMatmul(call, a, b, try call.input(2), try call.input(5))
    func scale(_ index: Int, trailing: Int) throws -> ImportedValue {
      let value = try call.cast(try call.input(index), to: .f32)
      if value.type.elementCount == 1 { return try call.reshape(value, []) }
      return value.type.rank == 1 ? try call.perChannel(value, trailing: trailing) : value
    }
    let product = try call.binary(.mul, try scale(1, trailing: 1), try scale(4, trailing: 0))
    let multiplier = try call.binary(.div, product, try scale(6, trailing: 1))
    let result = try call.input(7)
    try call.require(result.type.elementCount == 1, "the result's zero point is \(result.type)")
    return [try requantize(call, sum, multiplier, result)]
  }

  private static func quantizedConvolution(_ call: Call) throws -> [ImportedValue?] {
    let (x, w) = (try call.input(0), try call.input(3))
    var sum = try integerConvolution(call, x, w, try call.input(2), try call.input(5))
    let rank = x.type.rank
    if let bias = call.optional(8) {
      sum = try call.binary(.add, sum, try ConvolutionOperators.perChannel(call, bias, rank: rank))
    }
    func scale(_ index: Int) throws -> ImportedValue {
      let value = try call.input(index)
      if value.type.elementCount == 1 { return try call.reshape(value, []) }
      return try ConvolutionOperators.perChannel(call, value, rank: rank)
    }
    let product = try call.binary(.mul, try scale(1), try scale(4))
    let multiplier = try call.binary(.div, product, try scale(6))
    return [try requantize(call, sum, multiplier, try call.input(7))]
  }
}
