import SwageGraph
import SwageTensor

/// Products of `com.microsoft` that do more than multiply: scales, transposes, activations.
enum ContributedLinear {
  static let table: [String: Handler] = [
    "FusedMatMul": { [try product($0)] }, "TransposeMatMul": { [try product($0)] },
    "FusedMatMulActivation": { call in
      [try activated(call, try product(call), try parameters(call, named: true))]
    },
    "FusedGemm": fusedGemm, "GemmFastGelu": gemmFastGelu, "FusedConv": fusedConvolution, "NhwcConv": nhwcConvolution,
    "NhwcFusedConv": nhwcConvolution, "ConvTransposeWithDynamicPads": dynamicTranspose, "CDist": distances,
    "Inverse": inverse,
  ]

  private static func product(_ call: Call) throws -> ImportedValue {
    /// Rows that stand before the batch axes go behind them.
    func arranged(_ x: ImportedValue, _ name: String) throws -> ImportedValue {
      guard try call.flag(name), x.type.rank > 2 else { return x }
      return try call.transpose(x, Array(1..<x.type.rank - 1) + [0, x.type.rank - 1])
    }
    let a = try arranged(try call.input(0), "transBatchA")
    let b = try arranged(try call.input(1), "transBatchB")
    let (ta, tb) = (try call.flag("transA") && a.type.rank > 1, try call.flag("transB") && b.type.rank > 1)
    let y = try LinearOperators.matmul(call, a, b, op: MatMul(transposeA: ta, transposeB: tb))
    return try ContributedOperators.scaled(call, y, try call.float("alpha", default: 1))
  }

  private static func fusedGemm(_ call: Call) throws -> [ImportedValue?] {
    let names = ["activation", "activation_alpha", "activation_beta", "activation_gamma"]
    let plain = call.attributes.filter { !names.contains($0.key) }
    guard let y = try call.standard("Gemm", opset: 13, attributes: plain).first ?? nil else { return [] }
    return [try activated(call, y, try parameters(call, named: true))]
  }

  private static func gemmFastGelu(_ call: Call) throws -> [ImportedValue?] {
    let y = try LinearOperators.matmul(call, try call.input(0), try call.input(1))
    return [try call.unary(.geluTanh, try call.optional(2).map { try call.binary(.add, y, $0) } ?? y)]
  }

  // MARK: - Convolutions

  private static func fusedConvolution(_ call: Call) throws -> [ImportedValue?] {
    var y = try ConvolutionOperators.convolution(call)
    if let other = call.optional(3) { y = try call.binary(.add, y, other) }
    return [try activated(call, y, try parameters(call, named: false))]
  }

  /// Images and kernels with the channels last.
  private static func nhwcConvolution(_ call: Call) throws -> [ImportedValue?] {
    let x = try channelsFirst(call, try call.input(0))
    let w = try channelsFirst(call, try call.input(1))
    var y = try ConvolutionOperators.convolution(call, x: x, w: w)
    if let other = call.optional(3) { y = try call.binary(.add, y, try channelsFirst(call, other)) }
    return [try channelsLast(call, try activated(call, y, try parameters(call, named: false)))]
  }

  static func channelsFirst(_ call: Call, _ x: ImportedValue) throws -> ImportedValue {
    try call.require(x.type.rank >= 3, "an image of \(x.type)")
    return try call.transpose(x, [0, x.type.rank - 1] + Array(1..<x.type.rank - 1))
  }

  static func channelsLast(_ call: Call, _ x: ImportedValue) throws -> ImportedValue {
    try call.transpose(x, [0] + Array(2..<x.type.rank) + [1])
  }

  /// The pads are an input.
  private static func dynamicTranspose(_ call: Call) throws -> [ImportedValue?] {
    var attributes = call.attributes
    if let given = call.optional(2) {
      let pads = try call.constants(of: given, "pads")
      attributes["pads"] = .ints(pads)
    }
    let inputs = [try call.input(0), try call.input(1), call.optional(3)]
    return try call.standard("ConvTranspose", opset: 11, inputs: inputs, attributes: attributes)
  }

  // MARK: - Activations

  /// alpha and beta of the activation, from attributes of their names or from one list.
  static func parameters(_ call: Call, named: Bool) throws -> (alpha: Double?, beta: Double?) {
    guard named else {
      let list = try call.floats("activation_params") ?? []
      return (list.first, list.count > 1 ? list[1] : nil)
    }
    _ = try call.float("activation_gamma")
    return (try call.float("activation_alpha"), try call.float("activation_beta"))
  }

  /// The function that the attribute `activation` names.
  static func activated(_ call: Call, _ y: ImportedValue, _ parameters: (alpha: Double?, beta: Double?)) throws
    -> ImportedValue
  {
    let (alpha, beta) = parameters
    func linear(_ x: ImportedValue, _ scale: Double?) throws -> ImportedValue {
      try ContributedOperators.scaled(call, x, scale ?? 1)
    }
    switch try call.string("activation", default: "") {
    case "": return y
    case "Relu": return try call.unary(.relu, y)
    case "Tanh": return try call.unary(.tanh, y)
    case "Sigmoid": return try call.unary(.sigmoid, y)
    case "Softplus": return try call.unary(.softplus, y)
    case "Softsign": return try call.unary(.softsign, y)
    case "Gelu": return try call.unary(.gelu, y)
    case "FastGelu": return try call.unary(.geluTanh, y)
    case "HardSwish": return try call.unary(.hardSwish, y)
    case "LeakyRelu": return try call.unary(.leakyRelu, y, alpha: alpha)
    case "ThresholdedRelu": return try call.unary(.thresholdedRelu, y, alpha: alpha)
    case "Elu": return try call.unary(.elu, y, alpha: alpha)
    case "Clip": return try call.unary(.clip, y, alpha: alpha, beta: beta)
    case "HardSigmoid": return try call.unary(.hardSigmoid, y, alpha: alpha, beta: beta)
    case "ParametricSoftplus": return try linear(try call.unary(.softplus, try linear(y, beta)), alpha)
    case "ScaledTanh": return try linear(try call.unary(.tanh, try linear(y, beta)), alpha)
    case let other: throw call.unsupported("the activation \(other)")
    }
  }

  // MARK: - Matrices

  /// Distances between each row of a and each row of b: |a|² - 2 a·b + |b|².
  private static func distances(_ call: Call) throws -> [ImportedValue?] {
    let (a, b) = (try call.input(0), try call.input(1))
    try call.require(a.type.rank == 2 && b.type.rank == 2, "distances of \(a.type) and \(b.type)")
    let metric = try call.string("metric", default: "sqeuclidean")
    guard metric == "sqeuclidean" || metric == "euclidean" else { throw call.unsupported("the metric \(metric)") }
    let column = try call.reduce(.sumSquare, a, axes: [1], keeps: true)
    let row = try call.reduce(.sumSquare, b, axes: [1], keeps: false)
    let product = try call.emit(.matmul(MatMul(transposeB: true)), [a, b])
    let sum = try call.binary(.add, column, row)
    let square = try call.binary(.max, try call.binary(.add, sum, try call.unary(.linear, product, alpha: -2)), 0)
    return [metric == "euclidean" ? try call.unary(.sqrt, square) : square]
  }

  /// Newton's iteration X ← X (2 - A X) from Aᵀ / (|A|₁ |A|∞), which converges for every invertible matrix: about
  /// twice the logarithm of the condition number in steps, then a handful.
  private static func inverse(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    try call.require(rank >= 2 && x.type.shape[rank - 1] == x.type.shape[rank - 2], "the inverse of \(x.type)")
    let a = try call.cast(x, to: .f64)
    let magnitude = try call.unary(.abs, a)
    func norm(_ axis: Int) throws -> ImportedValue {
      let sums = try call.reduce(.sum, magnitude, axes: [axis], keeps: true)
      return try call.reduce(.max, sums, axes: [rank - 2, rank - 1], keeps: true)
    }
    let scale = try call.binary(.mul, try norm(rank - 1), try norm(rank - 2))
    let swap = Array(0..<rank - 2) + [rank - 1, rank - 2]
    var y = try call.binary(.div, try call.transpose(a, swap), scale)
    for _ in 0..<30 {
      let residual = try call.emit(.matmul(MatMul()), [y, try call.emit(.matmul(MatMul()), [a, y])])
      y = try call.binary(.sub, try call.unary(.linear, y, alpha: 2), residual)
    }
    return [try call.cast(y, to: x.type.elementType)]
  }
}
