import Foundation
import SwageTensor

/// Softmax along one axis, or its logarithm.
public struct Softmax: OpDefinition {
  public static let mnemonic = "softmax"
  public var axis: Int
  public var isLog: Bool

  public init(axis: Int, isLog: Bool = false) {
    self.axis = axis
    self.isLog = isLog
  }

  public var attributes: AttributeList {
    AttributeList().with("axis", axis).with("log", .bool(isLog), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    axis = try attributes.integer("axis")
    isLog = try attributes.bool("log", default: false)
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(type.elementType.isFloat && axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    return [type]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    if x.count == 0 { return [x] }
    let (outer, size, inner) = Indexing.split(x.shape, at: axis)
    let values = x.doubles
    var result = values
    for o in 0..<outer {
      for i in 0..<inner {
        let line = (0..<size).map { (o * size + $0) * inner + i }
        let row = Self.softmax(line.map { values[$0] }, isLog: isLog)
        for (index, value) in zip(line, row) { result[index] = value }
      }
    }
    return [Tensor(x.elementType, x.shape, doubles: result)]
  }

  static func softmax(_ row: [Double], isLog: Bool = false) -> [Double] {
    let peak = row.reduce(-.infinity) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
    let exponentials = row.map { exp($0 - peak) }
    let sum = exponentials.reduce(0, +)
    return isLog ? row.map { $0 - peak - log(sum) } : exponentials.map { $0 / sum }
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount * 4 }
}

/// Normalisation over the trailing axes from `axis` on. Operands: x, scale, bias (each optional, of the shape of the
/// normalised axes). `isRMS` leaves out the mean.
public struct LayerNorm: OpDefinition {
  public static let mnemonic = "layer_norm"
  public var axis: Int
  public var epsilon: Double
  public var isRMS: Bool

  public init(axis: Int, epsilon: Double, isRMS: Bool = false) {
    self.axis = axis
    self.epsilon = epsilon
    self.isRMS = isRMS
  }

  public var attributes: AttributeList {
    AttributeList().with("axis", axis).with("epsilon", .float(epsilon)).with("rms", .bool(isRMS), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    axis = try attributes.integer("axis")
    epsilon = try attributes.float("epsilon")
    isRMS = try attributes.bool("rms", default: false)
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.require((1...3).contains(context.operands.count), "layer_norm takes 1 to 3 operands")
    let type = try context.type(0)
    try context.require(type.elementType.isFloat && axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    for index in 1..<3 {
      guard let parameter = context.optional(index) else { continue }
      try context.require(
        parameter.elementType == type.elementType && parameter.rank == type.rank - axis, "\(parameter) for \(type)")
      for (a, b) in zip(parameter.shape, type.shape[axis...]) { try context.requireEqual(a, b, "parameter \(index)") }
    }
    return [type]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    if x.count == 0 { return [x] }
    let width = x.shape[axis...].reduce(1, *)
    let values = x.doubles
    let scale = operands.count > 1 ? operands[1]?.doubles : nil
    let bias = operands.count > 2 ? operands[2]?.doubles : nil
    var result = values
    for row in 0..<values.count / width {
      let line = values[row * width..<(row + 1) * width]
      let mean = isRMS ? 0 : line.reduce(0, +) / Double(width)
      let variance = line.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
      let factor = 1 / (variance + epsilon).squareRoot()
      for i in 0..<width {
        let scaled = (line[row * width + i] - mean) * factor * (scale?[i] ?? 1)
        result[row * width + i] = bias.map { scaled + $0[i] } ?? scaled
      }
    }
    return [Tensor(x.elementType, x.shape, doubles: result)]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount * 7 }
}

/// Where the channel axis of an image tensor stands: `[n, c, spatial…]` or `[n, spatial…, c]`.
public enum ImageLayout: String, Hashable, Sendable {
  case channelsFirst = "nchw"
  case channelsLast = "nhwc"

  public func channelAxis(rank: Int) -> Int { self == .channelsFirst ? 1 : rank - 1 }
  /// The first of the spatial axes.
  public var firstSpatialAxis: Int { self == .channelsFirst ? 2 : 1 }
}

/// Normalisation over groups of channels and all spatial axes, for each image. Operands: x, scale `[c]`, bias `[c]`
/// (both optional). As many groups as channels make it an instance normalisation.
public struct GroupNorm: OpDefinition {
  public static let mnemonic = "group_norm"
  public var groups: Int
  public var epsilon: Double
  public var layout: ImageLayout
  /// Applied to the result: nil, or for example SiLU.
  public var activation: Unary?

  public init(groups: Int, epsilon: Double, layout: ImageLayout = .channelsFirst, activation: Unary? = nil) {
    self.groups = groups
    self.epsilon = epsilon
    self.layout = layout
    self.activation = activation
  }

  public var attributes: AttributeList {
    let list = AttributeList().with("groups", groups).with("epsilon", .float(epsilon)).with("layout", layout)
    return activation.map { list.with("activation", .string(EpilogueText.unary($0))) } ?? list
  }
  public init(_ attributes: inout AttributeReader) throws {
    groups = try attributes.integer("groups")
    epsilon = try attributes.float("epsilon")
    layout = try attributes.word("layout")
    let text = try attributes.string("activation", default: "")
    activation = text.isEmpty ? nil : try EpilogueText.parseUnary(text)
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.require((1...3).contains(context.operands.count), "group_norm takes 1 to 3 operands")
    let type = try context.type(0)
    try context.require(type.elementType.isFloat && type.rank >= 2, "group_norm of \(type)")
    let channels = type.shape[layout.channelAxis(rank: type.rank)]
    try context.require(groups > 0, "\(groups) groups")
    if let c = channels.constant {
      try context.require(c % groups == 0, "\(c) channels in \(groups) groups")
    }
    for index in 1..<3 {
      guard let parameter = context.optional(index) else { continue }
      try context.require(parameter.elementType == type.elementType && parameter.rank == 1, "\(parameter) for \(type)")
      try context.requireEqual(parameter.shape[0], channels, "parameter \(index)")
    }
    return [type]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let given = operands[0]!
    if given.count == 0 { return [given] }
    let rank = given.shape.count
    let toFirst = [0, rank - 1] + Array(1..<max(rank - 1, 1))
    let x = layout == .channelsFirst ? given : given.transposed(toFirst)
    let channels = x.shape[1]
    guard groups > 0, channels % groups == 0 else { throw TypeFault("\(channels) channels in \(groups) groups") }
    let spatial = x.shape[2...].reduce(1, *)
    let width = channels / groups * spatial
    let values = x.doubles
    let scale = operands.count > 1 ? operands[1]?.doubles : nil
    let bias = operands.count > 2 ? operands[2]?.doubles : nil
    var result = values
    for block in 0..<(width == 0 ? 0 : values.count / width) {
      let line = values[block * width..<(block + 1) * width]
      let mean = line.reduce(0, +) / Double(width)
      let variance = line.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
      let factor = 1 / (variance + epsilon).squareRoot()
      for i in 0..<width {
        let channel = block % groups * (channels / groups) + i / spatial
        let scaled = (line[block * width + i] - mean) * factor * (scale?[channel] ?? 1)
        let y = bias.map { scaled + $0[channel] } ?? scaled
        result[block * width + i] = activation?.apply(y) ?? y
      }
    }
    let normalized = Tensor(x.elementType, x.shape, doubles: result)
    return [layout == .channelsFirst ? normalized : normalized.transposed([0] + Array(2..<rank) + [1])]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount * 8 }
}
