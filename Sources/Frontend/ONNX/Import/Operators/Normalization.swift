import SwageGraph
import SwageTensor

/// Normalisations.
enum NormalizationOperators {
  static let table: [String: Handler] = [
    "BatchNormalization": batch, "InstanceNormalization": instance, "LayerNormalization": layer,
    "GroupNormalization": group, "RMSNormalization": rms,
    "SimplifiedLayerNormalization": rms, "LRN": localResponse,
    "MeanVarianceNormalization": meanVariance, "LpNormalization": lp,
  ]

  private static func batch(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let (scale, bias) = (try call.input(1), try call.input(2))
    let (mean, variance) = (try call.input(3), try call.input(4))
    try call.require(x.type.rank >= 2, "batch normalisation of \(x.type)")
    let isSpatial = try call.opset >= 9 || call.flag("spatial", default: true)
    for parameter in [scale, bias, mean, variance] {
      try call.require(parameter.type.rank == (isSpatial ? 1 : x.type.rank - 1), "a parameter is \(parameter.type)")
    }
    let epsilon = try call.float("epsilon", default: 1e-5)
    func shaped(_ parameter: ImportedValue) throws -> ImportedValue {
      isSpatial ? try ConvolutionOperators.perChannel(call, parameter, rank: x.type.rank) : parameter
    }
    guard try isTraining(call) else {
      return [try normalize(call, x, scale, bias, mean, variance, epsilon, shaped)]
    }
    let axes = [0] + (isSpatial ? Array(2..<x.type.rank) : [])
    let wide = try call.cast(x, to: mean.type.elementType)
    let batchMean = try call.reduce(.mean, wide, axes: axes, keeps: false)
    let centered = try call.binary(.sub, wide, try shaped(batchMean))
    let batchVariance = try call.reduce(.mean, try call.unary(.square, centered), axes: axes, keeps: false)
    let momentum = try call.float("momentum", default: 0.9)
    func running(_ old: ImportedValue, _ new: ImportedValue) throws -> ImportedValue {
      try call.binary(
        .add, try call.unary(.linear, old, alpha: momentum), try call.unary(.linear, new, alpha: 1 - momentum))
    }
    return [
      try normalize(call, x, scale, bias, batchMean, batchVariance, epsilon, shaped), try running(mean, batchMean),
      try running(variance, batchVariance), batchMean, batchVariance,
    ]
  }

  /// Whether the batch's own statistics count: an attribute tells, but for opsets 7 to 13 the outputs that are read.
  private static func isTraining(_ call: Call) throws -> Bool {
    switch call.opset {
    case ..<7: try !call.flag("is_test")
    case 14...: try call.flag("training_mode")
    default: (1..<5).contains { call.wants(output: $0) }
    }
  }

  /// x · f + g with f = scale / √(variance + epsilon), g = bias - mean · f, in the statistics' precision. `shaped` makes a
  /// parameter one that broadcasts to x.
  private static func normalize(
    _ call: Call, _ x: ImportedValue, _ scale: ImportedValue, _ bias: ImportedValue, _ mean: ImportedValue,
    _ variance: ImportedValue, _ epsilon: Double, _ shaped: (ImportedValue) throws -> ImportedValue
  ) throws -> ImportedValue {
    let type = mean.type.elementType
    let deviation = try call.unary(.sqrt, try call.unary(.linear, variance, beta: epsilon))
    let factor = try call.binary(.div, try call.cast(scale, to: type), deviation)
    let offset = try call.binary(.sub, try call.cast(bias, to: type), try call.binary(.mul, mean, factor))
    func ready(_ value: ImportedValue) throws -> ImportedValue {
      try shaped(try call.cast(value, to: x.type.elementType))
    }
    return try call.binary(.add, try call.binary(.mul, x, try ready(factor)), try ready(offset))
  }

  private static func instance(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    try call.require(x.type.rank >= 3, "instance normalisation of \(x.type)")
    let scale = try call.input(1)
    guard let channels = x.type.shape[1].constant ?? scale.type.shape.first?.constant, channels >= 1 else {
      throw call.unsupported("the number of channels of \(x.type) is not known", remedy: "give sizes with --shape")
    }
    let op = GroupNorm(groups: channels, epsilon: try call.float("epsilon", default: 1e-5))
    return [try call.emit(.groupNorm(op), [x, scale, try call.input(2)])]
  }

  private static func group(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    guard let groups = try call.int("num_groups"), groups >= 1, x.type.rank >= 2 else {
      throw NodeFault.invalid("num_groups is missing, or \(x.type) has no channels")
    }
    var (scale, bias) = (try call.input(1), try call.input(2))
    let channels = x.type.shape[1]
    if call.opset < 21 {
      // One scale and bias for each group.
      let width = channels.floorDivided(by: Dim(groups))
      func perChannel(_ value: ImportedValue) throws -> ImportedValue {
        let column = try call.reshape(value, [Dim(groups), 1])
        return try call.reshape(try call.broadcast(column, [Dim(groups), width]), [channels])
      }
      (scale, bias) = (try perChannel(scale), try perChannel(bias))
    }
    let op = GroupNorm(groups: groups, epsilon: try call.float("epsilon", default: 1e-5))
    return [try call.emit(.groupNorm(op), [x, scale, bias])]
  }

  /// A parameter in the shape of the normalised axes.
  static func parameter(_ call: Call, _ value: ImportedValue?, _ x: TensorType, axis: Int) throws -> ImportedValue? {
    guard let value else { return nil }
    let shape = Array(x.shape[axis...])
    try call.require(value.type.rank <= shape.count, "the parameter \(value.type) for \(x)")
    return try call.broadcast(try call.cast(value, to: x.elementType), shape)
  }

  private static func layer(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: -1), rank: x.type.rank)
    let epsilon = try call.float("epsilon", default: 1e-5)
    let scale = try parameter(call, call.optional(1), x.type, axis: axis)
    let bias = try parameter(call, call.optional(2), x.type, axis: axis)
    let y = try call.emit(.layerNorm(LayerNorm(axis: axis, epsilon: epsilon)), [x, scale, bias])
    guard call.wants(output: 1) || call.wants(output: 2) else { return [y] }
    return [y] + (try statistics(call, x, axes: Array(axis..<x.type.rank), epsilon))
  }

  /// Mean and inverse deviation along axes, in single precision.
  static func statistics(_ call: Call, _ x: ImportedValue, axes: [Int], _ epsilon: Double) throws -> [ImportedValue] {
    let wide = x.type.elementType == .f64 ? x : try call.cast(x, to: .f32)
    let mean = try call.reduce(.mean, wide, axes: axes, keeps: true)
    let square = try call.unary(.square, try call.binary(.sub, wide, mean))
    let variance = try call.reduce(.mean, square, axes: axes, keeps: true)
    return [mean, try call.unary(.rsqrt, try call.unary(.linear, variance, beta: epsilon))]
  }

  static func rms(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: -1), rank: x.type.rank)
    let scale = try parameter(call, call.optional(1), x.type, axis: axis)
    let op = LayerNorm(axis: axis, epsilon: try call.float("epsilon", default: 1e-5), isRMS: true)
    let y = try call.emit(.layerNorm(op), [x, scale])
    guard call.wants(output: 1) else { return [y] }
    return [y, try inverseRootMeanSquare(call, x, axes: Array(axis..<x.type.rank), op.epsilon)]
  }

  /// 1 / √(mean of squares + epsilon) along axes, in single precision.
  static func inverseRootMeanSquare(_ call: Call, _ x: ImportedValue, axes: [Int], _ epsilon: Double) throws
    -> ImportedValue
  {
    let wide = x.type.elementType == .f64 ? x : try call.cast(x, to: .f32)
    let mean = try call.reduce(.mean, try call.unary(.square, wide), axes: axes, keeps: true)
    return try call.unary(.rsqrt, try call.unary(.linear, mean, beta: epsilon))
  }

  /// The mean of squares over a window of channels is an average that counts the padding.
  private static func localResponse(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    guard let size = try call.int("size"), (1...(1 << 20)).contains(size), x.type.rank >= 3 else {
      throw NodeFault.invalid("size is missing, or \(x.type) is no image")
    }
    let shape = x.type.shape
    let area = shape[2...].reduce(1, *)
    let square = try call.reshape(try call.unary(.square, x), [shape[0], 1, shape[1], area])
    let op = Pool(
      .average, kernel: [size, 1], strides: [1, 1], dilations: [1, 1], padsBegin: [Dim((size - 1) / 2), 0],
      padsEnd: [Dim(size / 2), 0], countsPadding: true)
    let mean = try call.reshape(try call.emit(.pool(op), [square]), shape)
    let base = try call.unary(
      .linear, mean, alpha: try call.float("alpha", default: 1e-4), beta: try call.float("bias", default: 1))
    return [try call.binary(.div, x, try call.binary(.pow, base, try call.float("beta", default: 0.75)))]
  }

  private static func meanVariance(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axes = try call.axes(try call.ints("axes") ?? [0, 2, 3], rank: x.type.rank)
    let centered = try call.binary(.sub, x, try call.reduce(.mean, x, axes: axes, keeps: true))
    let variance = try call.reduce(.mean, try call.unary(.square, centered), axes: axes, keeps: true)
    return [try call.binary(.div, centered, try call.unary(.linear, try call.unary(.sqrt, variance), beta: 1e-9))]
  }

  private static func lp(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: -1), rank: x.type.rank)
    let p = try call.int("p", default: 2)
    try call.require(p == 1 || p == 2, "p is \(p)")
    let norm = try PoolingOperators.norm(call, x, p: p, axes: [axis])
    // Vectors of zeros stay zeros.
    let isZero = try call.binary(.equal, norm, 0)
    let divisor = try call.emit(.select(Select()), [isZero, call.scalar(1, x.type.elementType), norm])
    return [try call.binary(.div, x, divisor)]
  }
}
