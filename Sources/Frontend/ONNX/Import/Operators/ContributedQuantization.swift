import SwageGraph
import SwageTensor

/// Quantised operators of `com.microsoft`: those that are not products compute in floats between a dequantisation and
/// a quantisation.
enum ContributedQuantization {
  static let table: [String: Handler] = [
    "QLinearAdd": { try pair($0, .add) }, "QLinearMul": { try pair($0, .mul) },
    "QLinearSigmoid": { call in try single(call) { try call.unary(.sigmoid, $0) } },
    "QLinearLeakyRelu": { call in
      let alpha = try call.float("alpha", default: 0.01)
      return try single(call) { try call.unary(.leakyRelu, $0, alpha: alpha) }
    },
    "QLinearSoftmax": { call in
      guard try call.int("opset", default: 13) >= 13 else {
        throw call.unsupported("the softmax is of an opset below 13")
      }
      let axis = try call.axis(try call.int("axis", default: -1), rank: try call.input(0).type.rank)
      return try single(call) { try call.emit(.softmax(Softmax(axis: axis)), [$0]) }
    },
    "QLinearGlobalAveragePool": { call in
      guard try !call.flag("channels_last") else { throw call.unsupported("channels_last is set") }
      return try single(call) { try call.reduce(.mean, $0, axes: Array(2..<max($0.type.rank, 2)), keeps: true) }
    },
    "QLinearConcat": concat, "DynamicQuantizeMatMul": dynamicMatmul, "MatMulIntegerToFloat": matmulToFloat,
    "QGemm": gemm, "QuantizeLinear": QuantizationOperators.quantize,
    "DequantizeLinear": QuantizationOperators.dequantize,
  ]

  private static func dequantized(_ call: Call, _ index: Int) throws -> ImportedValue {
    let (x, scale) = (try call.input(index), try call.input(index + 1))
    let zero = call.optional(index + 2)
    try call.require(scale.type.elementCount == 1, "the scale \(scale.type) is not one number")
    return try call.emit(
      .dequantizeLinear(DequantizeLinear(axis: 0)),
      [x, try call.reshape(scale, []), try zero.map { try call.reshape($0, []) }])
  }

  private static func quantized(_ call: Call, _ y: ImportedValue, _ scale: ImportedValue, _ zero: ImportedValue?) throws
    -> [ImportedValue?]
  {
    let op = QuantizeLinear(axis: 0, to: zero?.type.elementType ?? .u8)
    return [
      try call.emit(
        .quantizeLinear(op), [y, try call.reshape(scale, []), try zero.map { try call.reshape($0, []) }])
    ]
  }

  private static func pair(_ call: Call, _ function: Binary.Function) throws -> [ImportedValue?] {
    let y = try call.binary(function, try dequantized(call, 0), try dequantized(call, 3))
    return try quantized(call, y, try call.input(6), call.optional(7))
  }

  private static func single(_ call: Call, _ function: (ImportedValue) throws -> ImportedValue) throws
    -> [ImportedValue?]
  {
    try quantized(call, try function(try dequantized(call, 0)), try call.input(3), call.optional(4))
  }

  private static func concat(_ call: Call) throws -> [ImportedValue?] {
    guard let given = try call.int("axis"), call.inputs.count >= 5, call.inputs.count % 3 == 2 else {
      throw NodeFault.invalid("axis is missing, or \(call.inputs.count) inputs do not fit")
    }
    let parts = try stride(from: 2, to: call.inputs.count, by: 3).map { try dequantized(call, $0) }
    let axis = try call.axis(given, rank: parts[0].type.rank)
    let joined = parts.count == 1 ? parts[0] : try call.emit(.concat(Concat(axis: axis)), parts)
    return try quantized(call, joined, try call.input(0), call.optional(1))
  }

  /// The exact product of integers times the scales, plus a bias.
  static func scaledProduct(
    _ call: Call, _ a: ImportedValue, _ b: ImportedValue, zeroA: ImportedValue?, zeroB: ImportedValue?,
    scaleA: ImportedValue, scaleB: ImportedValue, bias: ImportedValue?
  ) throws -> ImportedValue {
    let sum = try QuantizationOperators.integerMatmul(call, a, b, zeroA, zeroB)
    let scale = try call.binary(.mul, scaleA, scaleB)
    let y = try call.binary(.mul, try call.cast(sum, to: .f32), scale)
    return try bias.map { try call.binary(.add, y, $0) } ?? y
  }

  private static func dynamicMatmul(_ call: Call) throws -> [ImportedValue?] {
    let a = try QuantizationOperators.dynamic(call, try call.input(0))
    return [
      try scaledProduct(
        call, a.value, try call.input(1), zeroA: a.zero, zeroB: call.optional(3), scaleA: a.scale,
        scaleB: try call.input(2), bias: call.optional(4))
    ]
  }

  private static func matmulToFloat(_ call: Call) throws -> [ImportedValue?] {
    [
      try scaledProduct(
        call, try call.input(0), try call.input(1), zeroA: call.optional(4), zeroB: call.optional(5),
        scaleA: try call.input(2), scaleB: try call.input(3), bias: call.optional(6))
    ]
  }

  private static func gemm(_ call: Call) throws -> [ImportedValue?] {
    var (a, b) = (try call.input(0), try call.input(3))
    try call.require(a.type.rank == 2 && b.type.rank == 2, "a product of \(a.type) and \(b.type)")
    if try call.flag("transA") { a = try call.transpose(a, [1, 0]) }
    if try call.flag("transB") { b = try call.transpose(b, [1, 0]) }
    var sum = try QuantizationOperators.integerMatmul(call, a, b, call.optional(2), call.optional(5))
    if let bias = call.optional(6) { sum = try call.binary(.add, sum, try call.cast(bias, to: .i32)) }
    let scale = try call.unary(
      .linear, try call.binary(.mul, try call.input(1), try call.input(4)), alpha: try call.float("alpha", default: 1))
    let y = try call.binary(.mul, try call.cast(sum, to: .f32), scale)
    guard let resultScale = call.optional(7) else { return [y] }
    return try quantized(call, y, resultScale, call.optional(8))
  }
}
