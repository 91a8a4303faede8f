import SwageGraph
import SwageTensor

/// Quantised operators of `com.microsoft` that are not products. Most compute in single precision between a
/// dequantisation and a quantisation, as ONNX Runtime does; global pooling adds integers.
enum ContributedQuantization {
  static let table: [String: Handler] = [
    "QLinearAdd": { try pair($0, .add) }, "QLinearMul": { try pair($0, .mul) },
    "QLinearSigmoid": { call in try single(call) { try call.unary(.sigmoid, $0) } },
    "QLinearLeakyRelu": { call in
      let alpha = try call.float("alpha", default: 0.01)
      return try single(call) { try call.unary(.leakyRelu, $0, alpha: alpha) }
    },
    "QLinearSoftmax": softmax, "QLinearGlobalAveragePool": globalPool, "QLinearAveragePool": averagePool,
    "QLinearReduceMean": mean, "QLinearConcat": concat, "QLinearWhere": choose, "MulInteger": integerProduct,
    "ReduceSumInteger": integerSum, "QuantizeLinear": QuantizationOperators.quantize,
    "DequantizeLinear": QuantizationOperators.dequantize, "QEmbedLayerNormalization": embed,
  ]

  /// A scale or zero point that is one number, as a scalar.
  static func number(_ call: Call, _ value: ImportedValue, _ what: String) throws -> ImportedValue {
    try call.require(value.type.elementCount == 1, "the \(what) \(value.type) is not one number")
    return try call.reshape(value, [])
  }

  /// (x - zero point) · scale of three inputs from `index` on.
  private static func dequantized(_ call: Call, _ index: Int) throws -> ImportedValue {
    try dequantized(call, try call.input(index), try call.input(index + 1), call.optional(index + 2))
  }

  static func dequantized(_ call: Call, _ x: ImportedValue, _ scale: ImportedValue, _ zero: ImportedValue?) throws
    -> ImportedValue
  {
    let operands = [
      x, try number(call, scale, "scale"), try zero.map { try number(call, $0, "zero point") },
    ]
    return try call.emit(.dequantizeLinear(DequantizeLinear(axis: 0)), operands)
  }

  static func quantized(_ call: Call, _ y: ImportedValue, _ scale: ImportedValue, _ zero: ImportedValue?) throws
    -> ImportedValue
  {
    // Without a zero point the result has the type of the input.
    let type = try zero?.type.elementType ?? call.input(0).type.elementType
    let op = QuantizeLinear(axis: 0, to: type)
    return try call.emit(
      .quantizeLinear(op),
      [y, try number(call, scale, "scale"), try zero.map { try number(call, $0, "zero point") }])
  }

  private static func pair(_ call: Call, _ function: Binary.Function) throws -> [ImportedValue?] {
    let y = try call.binary(function, try dequantized(call, 0), try dequantized(call, 3))
    return [try addedBeforeRounding(call, y, try call.input(6), call.optional(7))]
  }

  /// round(y / scale + zero point): where y / scale lies between two integers, the zero point decides which is even.
  private static func addedBeforeRounding(
    _ call: Call, _ y: ImportedValue, _ scale: ImportedValue, _ zero: ImportedValue?
  ) throws -> ImportedValue {
    var ratio = try call.binary(.div, y, try number(call, scale, "scale"))
    if let zero { ratio = try call.binary(.add, ratio, try call.cast(try number(call, zero, "zero point"), to: .f32)) }
    let type = try zero?.type.elementType ?? call.input(0).type.elementType
    return try call.emit(.quantizeLinear(QuantizeLinear(axis: 0, to: type)), [ratio, call.scalar(1, .f32)])
  }

  private static func single(_ call: Call, _ function: (ImportedValue) throws -> ImportedValue) throws
    -> [ImportedValue?]
  {
    [try quantized(call, try function(try dequantized(call, 0)), try call.input(3), call.optional(4))]
  }

  private static func concat(_ call: Call) throws -> [ImportedValue?] {
    guard let given = try call.int("axis"), call.inputs.count >= 5, call.inputs.count % 3 == 2 else {
      throw NodeFault.invalid("axis is missing, or \(call.inputs.count) inputs do not fit")
    }
    let zero = try call.input(1)
    let parts = try stride(from: 2, to: call.inputs.count, by: 3).map { index in
      // Inputs that are floats already are quantised alone.
      let x = try call.input(index)
      let wide = x.type.elementType.isFloat ? x : try dequantized(call, index)
      return try quantized(call, wide, try call.input(0), zero)
    }
    let axis = try call.axis(given, rank: parts[0].type.rank)
    return [parts.count == 1 ? parts[0] : try call.emit(.concat(Concat(axis: axis)), parts)]
  }

  private static func choose(_ call: Call) throws -> [ImportedValue?] {
    let (scale, zero) = (try call.input(7), try call.input(8))
    let x = try quantized(call, try dequantized(call, 1), scale, zero)
    let y = try quantized(call, try dequantized(call, 4), scale, zero)
    return [try call.emit(.select(Select()), [try call.input(0), x, y])]
  }

  // MARK: - Pooling and means

  /// The sum of integers times x's scale / (y's scale · count), rounded.
  private static func globalPool(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let isLast = try call.flag("channels_last")
    try call.require(x.type.rank >= 3, "pooling of \(x.type)")
    let axes = isLast ? Array(1..<x.type.rank - 1) : Array(2..<x.type.rank)
    let centered = try QuantizationOperators.centered(call, x, call.optional(2), trailing: 0)
    let sum = try call.reduce(.sum, centered, axes: axes, keeps: true)
    let count = ContributedCache.number(call, axes.reduce(Dim(1)) { $0 * x.type.shape[$1] })
    let scaled = try call.binary(.mul, try number(call, try call.input(3), "scale"), try call.cast(count, to: .f32))
    let factor = try call.binary(.div, try number(call, try call.input(1), "scale"), scaled)
    return [try requantized(call, sum, factor, call.optional(4))]
  }

  /// round(sum · factor) + zero point, saturated.
  static func requantized(_ call: Call, _ sum: ImportedValue, _ factor: ImportedValue, _ zero: ImportedValue?) throws
    -> ImportedValue
  {
    let product = try call.binary(.mul, try call.cast(sum, to: .f32), factor)
    return try quantized(call, product, call.scalar(1, .f32), zero)
  }

  private static func averagePool(_ call: Call) throws -> [ImportedValue?] {
    let isLast = try call.flag("channels_last")
    let given = try call.input(0).type
    // A window over the whole image is a global pool, which adds integers.
    let sizes = isLast ? given.shape.dropFirst().dropLast() : given.shape.dropFirst(2)
    let pads = try call.ints("pads") ?? []
    if given.rank >= 3, let kernel = try call.ints("kernel_shape"), Array(sizes) == kernel.map({ Dim($0) }),
      pads.allSatisfy({ $0 == 0 })
    {
      let others = ["strides", "auto_pad", "ceil_mode", "count_include_pad", "dilations"]
      for name in others { _ = call.attribute(name) }
      return try globalPool(call)
    }
    let x = try dequantized(call, 0)
    let image = isLast ? try ContributedLinear.channelsFirst(call, x) : x
    let attributes = call.attributes.filter { $0.key != "channels_last" }
    guard
      let mean = try call.standard("AveragePool", opset: 11, inputs: [image], attributes: attributes).first ?? nil
    else { return [] }
    let y = try addedBeforeRounding(call, mean, try call.input(3), call.optional(4))
    return [isLast ? try ContributedLinear.channelsLast(call, y) : y]
  }

  private static func mean(_ call: Call) throws -> [ImportedValue?] {
    let x = try dequantized(call, 0)
    let axes = try call.axes(try call.ints("axes") ?? Array(0..<x.type.rank), rank: x.type.rank)
    let y = try call.reduce(.mean, x, axes: axes, keeps: try call.flag("keepdims", default: true))
    return [try quantized(call, y, try call.input(3), call.optional(4))]
  }

  // MARK: - Softmax

  /// Exponentials from a table that holds the largest at its end, and ⌊1 / scale⌋ of them over their sum, rounded.
  private static func softmax(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    guard let opset = try call.int("opset") else { throw NodeFault.invalid("opset is missing") }
    let axis = try call.axis(try call.int("axis", default: opset < 13 ? 1 : -1), rank: rank)
    guard opset < 13, axis < rank - 1 else { return [try normalized(call, x, axis: axis)] }
    let rows = x.type.shape[..<axis].reduce(1, *)
    let flat = try call.reshape(x, [rows, x.type.shape[axis...].reduce(1, *)])
    return [try call.reshape(try normalized(call, flat, axis: 1), x.type.shape)]
  }

  private static func normalized(_ call: Call, _ x: ImportedValue, axis: Int) throws -> ImportedValue {
    let scale = try call.cast(try number(call, try call.input(1), "scale"), to: .f64)
    // As large as a sum of so many floats may be, less a reserve.
    let count = try call.cast(ContributedCache.number(call, x.type.shape[axis]), to: .f64)
    let most = try call.binary(.div, call.scalar(Double(Float.greatestFiniteMagnitude), .f64), count)
    let room = try call.binary(.max, try call.unary(.linear, try call.unary(.log, most), beta: -5), 0)
    let places = try call.emit(
      .iota(Iota(count: 256)), [call.scalar(-255, .f64), call.scalar(1, .f64)])
    let exponent = try call.binary(.mul, try call.binary(.add, places, try call.binary(.div, room, scale)), scale)
    let table = try call.cast(try call.unary(.exp, exponent), to: .f32)

    let wide = try call.cast(x, to: .i32)
    let peak = try call.reduce(.max, wide, axes: [axis], keeps: true)
    let index = try call.binary(.add, try call.binary(.sub, wide, peak), 255)
    let values = try call.emit(.gather(Gather(axis: 0)), [table, index])
    let sum = try call.reduce(.sum, values, axes: [axis], keeps: true)
    let one = call.scalar(1, .f32)
    let steps = try call.unary(.floor, try call.binary(.div, one, try number(call, try call.input(3), "scale")))
    let ratio = try call.binary(.div, try call.binary(.mul, values, steps), sum)
    return try quantized(call, ratio, one, call.optional(4))
  }

  // MARK: - Integers

  private static func integerProduct(_ call: Call) throws -> [ImportedValue?] {
    let a = try QuantizationOperators.centered(call, try call.input(0), call.optional(1), trailing: 0)
    let b = try QuantizationOperators.centered(call, try call.input(2), call.optional(3), trailing: 0)
    return [try call.binary(.mul, a, b)]
  }

  private static func integerSum(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axes = try call.axes(try call.ints("axes") ?? Array(0..<x.type.rank), rank: x.type.rank)
    let wide = try call.cast(x, to: x.type.elementType.isSignedInteger ? .i32 : .u32)
    return [try call.reduce(.sum, wide, axes: axes, keeps: try call.flag("keepdims", default: true))]
  }

  // MARK: - Embeddings

  /// Rows of quantised tables; the normalisation's parameters are quantised too.
  private static func embed(_ call: Call) throws -> [ImportedValue?] {
    let ids = try call.input(0)
    try call.require(ids.type.rank == 2, "the ids are \(ids.type)")
    func parameter(_ index: Int, _ scale: Int, _ zero: Int) throws -> ImportedValue {
      try dequantized(call, try call.input(index), try call.input(scale), try call.input(zero))
    }
    var segments: ImportedValue?
    if let table = call.optional(4) {
      let rows = try call.emit(.gather(Gather(axis: 0)), [table, try call.input(1)])
      segments = try dequantized(call, rows, try call.input(10), try call.input(15))
    }
    func rows(_ index: Int, _ scale: Int, _ zero: Int, _ places: ImportedValue) throws -> ImportedValue {
      let picked = try call.emit(.gather(Gather(axis: 0)), [try call.input(index), places])
      return try dequantized(call, picked, try call.input(scale), try call.input(zero))
    }
    let places = try call.counting(ids.type.shape[1])
    var sum = try call.binary(.add, try rows(2, 8, 13, ids), try rows(3, 9, 14, places))
    if let segments { sum = try call.binary(.add, sum, segments) }
    let op = LayerNorm(axis: 2, epsilon: try call.float("epsilon", default: 1e-12))
    let y = try call.emit(.layerNorm(op), [sum, try parameter(5, 11, 16), try parameter(6, 12, 17)])
    return [y, try ContributedNormalization.lengths(call, call.optional(7), ids)]
  }
}
