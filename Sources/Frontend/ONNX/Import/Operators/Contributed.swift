import SwageGraph
import SwageTensor

/// Operators of ONNX Runtime's own domain, `com.microsoft`, that its optimiser leaves in models.
enum ContributedOperators {
  static let table: [String: Handler] = [
    "Gelu": { [try $0.unary(.gelu, try $0.input(0))] }, "BiasGelu": biasGelu, "FastGelu": fastGelu,
    "QuickGelu": { [try $0.unary(.silu, try $0.input(0), alpha: try $0.float("alpha", default: 1.702))] },
    "SimplifiedLayerNormalization": NormalizationOperators.rms, "FusedMatMul": fusedMatmul,
    "FusedConv": fusedConvolution,
    "SkipLayerNormalization": { try skipNormalization($0, isRMS: false) },
    "SkipSimplifiedLayerNormalization": { try skipNormalization($0, isRMS: true) },
  ]

  private static func biasGelu(_ call: Call) throws -> [ImportedValue?] {
    [try call.unary(.gelu, try call.binary(.add, try call.input(0), try call.input(1)))]
  }

  private static func fastGelu(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    return [try call.unary(.geluTanh, try call.optional(1).map { try call.binary(.add, x, $0) } ?? x)]
  }

  private static func fusedMatmul(_ call: Call) throws -> [ImportedValue?] {
    guard try !call.flag("transBatchA"), try !call.flag("transBatchB") else {
      throw call.unsupported("transBatchA or transBatchB is set")
    }
    let (a, b) = (try call.input(0), try call.input(1))
    let (ta, tb) = (try call.flag("transA") && a.type.rank > 1, try call.flag("transB") && b.type.rank > 1)
    let y = try LinearOperators.matmul(call, a, b, op: MatMul(transposeA: ta, transposeB: tb))
    let alpha = try call.float("alpha", default: 1)
    return [alpha == 1 ? y : try call.unary(.linear, y, alpha: alpha)]
  }

  private static func fusedConvolution(_ call: Call) throws -> [ImportedValue?] {
    var y = try ConvolutionOperators.convolution(call)
    if let other = call.optional(3) { y = try call.binary(.add, y, other) }
    let parameters = try call.floats("activation_params") ?? []
    func parameter(_ index: Int) -> Double? { index < parameters.count ? parameters[index] : nil }
    switch try call.string("activation", default: "") {
    case "": return [y]
    case "Relu": return [try call.unary(.relu, y)]
    case "Tanh": return [try call.unary(.tanh, y)]
    case "Sigmoid": return [try call.unary(.sigmoid, y)]
    case "LeakyRelu": return [try call.unary(.leakyRelu, y, alpha: parameter(0))]
    case "Clip": return [try call.unary(.clip, y, alpha: parameter(0), beta: parameter(1))]
    case "HardSigmoid": return [try call.unary(.hardSigmoid, y, alpha: parameter(0), beta: parameter(1))]
    case let other: throw call.unsupported("the activation \(other)")
    }
  }

  private static func skipNormalization(_ call: Call, isRMS: Bool) throws -> [ImportedValue?] {
    var sum = try call.binary(.add, try call.input(0), try call.input(1))
    let bias = call.optional(isRMS ? 3 : 4)
    if let bias { sum = try call.binary(.add, sum, bias) }
    guard sum.type.rank >= 1 else { throw NodeFault.invalid("it normalises a scalar") }
    let axis = sum.type.rank - 1
    let scale = try NormalizationOperators.parameter(call, call.input(2), sum.type, axis: axis)
    let offset = isRMS ? nil : try NormalizationOperators.parameter(call, call.optional(3), sum.type, axis: axis)
    let op = LayerNorm(axis: axis, epsilon: try call.float("epsilon", default: 1e-5), isRMS: isRMS)
    let y = try call.emit(.layerNorm(op), [sum, scale, offset])
    if call.wants(output: 1) || call.wants(output: 2) { throw call.unsupported("the statistics are read") }
    return [y, nil, nil, sum]
  }
}
