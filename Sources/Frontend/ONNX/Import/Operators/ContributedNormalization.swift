import SwageGraph
import SwageTensor

/// Normalisations of `com.microsoft`, with the sums and lookups before them and the functions behind them.
enum ContributedNormalization {
  static let table: [String: Handler] = [
    "SimplifiedLayerNormalization": NormalizationOperators.rms,
    "SkipLayerNormalization": { try skip($0, isRMS: false) },
    "SkipSimplifiedLayerNormalization": { try skip($0, isRMS: true) },
    "EmbedLayerNormalization": embed, "GroupNorm": { try group($0, isSkip: false) },
    "SkipGroupNorm": { try group($0, isSkip: true) }, "BranchwiseRMSNorm": branches, "GatedRMSNorm": gated,
  ]

  private static func skip(_ call: Call, isRMS: Bool) throws -> [ImportedValue?] {
    var sum = try call.binary(.add, try call.input(0), try call.input(1))
    let bias = call.optional(isRMS ? 3 : 4)
    if let bias { sum = try call.binary(.add, sum, bias) }
    guard sum.type.rank >= 1 else { throw NodeFault.invalid("it normalises a scalar") }
    let axis = sum.type.rank - 1
    let scale = try NormalizationOperators.parameter(call, call.input(2), sum.type, axis: axis)
    let offset = isRMS ? nil : try NormalizationOperators.parameter(call, call.optional(3), sum.type, axis: axis)
    let epsilon = try call.float("epsilon", default: 1e-12)
    let y = try call.emit(.layerNorm(LayerNorm(axis: axis, epsilon: epsilon, isRMS: isRMS)), [sum, scale, offset])
    guard call.wants(output: 1) || call.wants(output: 2) else { return [y, nil, nil, sum] }
    if isRMS {
      return [y, nil, try NormalizationOperators.inverseRootMeanSquare(call, sum, axes: [axis], epsilon), sum]
    }
    let statistics = try NormalizationOperators.statistics(call, sum, axes: [axis], epsilon)
    return [y, statistics[0], statistics[1], sum]
  }

  /// Sums of rows of two or three tables, normalised, and the number of words that the mask leaves.
  private static func embed(_ call: Call) throws -> [ImportedValue?] {
    let ids = try call.input(0)
    try call.require(ids.type.rank == 2, "the ids are \(ids.type)")
    func rows(_ table: ImportedValue, _ index: ImportedValue) throws -> ImportedValue {
      try call.require(table.type.rank == 2, "the table is \(table.type)")
      return try call.emit(.gather(Gather(axis: 0)), [table, index])
    }
    let places = try call.optional(8) ?? call.cast(try call.counting(ids.type.shape[1]), to: .i32)
    let sum = try embedding(
      call, ids, words: try call.input(2), positions: try call.input(3), places: places,
      segments: try call.optional(4).map { try rows($0, try call.input(1)) })
    let scale = try NormalizationOperators.parameter(call, call.input(5), sum.type, axis: 2)
    let offset = try NormalizationOperators.parameter(call, call.input(6), sum.type, axis: 2)
    let epsilon = try call.float("epsilon", default: 1e-12)
    _ = try call.int("mask_index_type")
    let y = try call.emit(.layerNorm(LayerNorm(axis: 2, epsilon: epsilon)), [sum, scale, offset])
    return [y, call.wants(output: 1) ? try lengths(call, call.optional(7), ids) : nil, sum]
  }

  /// words[ids] + positions[places] + segments.
  static func embedding(
    _ call: Call, _ ids: ImportedValue, words: ImportedValue, positions: ImportedValue, places: ImportedValue,
    segments: ImportedValue?
  ) throws -> ImportedValue {
    let word = try call.emit(.gather(Gather(axis: 0)), [words, ids])
    let position = try call.emit(.gather(Gather(axis: 0)), [positions, places])
    let sum = try call.binary(.add, word, position)
    try call.require(sum.type.rank == 3, "the positions are \(places.type)")
    return try segments.map { try call.binary(.add, sum, $0) } ?? sum
  }

  /// Per sequence the number of ones in the mask; zeros without a mask.
  static func lengths(_ call: Call, _ mask: ImportedValue?, _ ids: ImportedValue) throws -> ImportedValue {
    guard let mask else { return try call.broadcast(call.constant(Tensor(zeros: .i32, [])), [ids.type.shape[0]]) }
    try call.require(mask.type.rank == 2, "the mask is \(mask.type)")
    return try call.reduce(.sum, try call.cast(mask, to: .i32), axes: [1], keeps: false)
  }

  private static func group(_ call: Call, isSkip: Bool) throws -> [ImportedValue?] {
    let isLast = try call.flag("channels_last", default: true)
    guard let groups = try call.int("groups"), groups >= 1 else { throw NodeFault.invalid("groups is missing") }
    var x = try call.input(0)
    try call.require(x.type.rank >= 3, "group normalisation of \(x.type)")
    if isSkip {
      var other = try call.input(3)
      if other.type.rank == 2 {
        let ones = [Dim](repeating: 1, count: x.type.rank - 2)
        let (n, c) = (other.type.shape[0], other.type.shape[1])
        other = try call.reshape(other, isLast ? [n] + ones + [c] : [n, c] + ones)
      }
      x = try call.binary(.add, x, other)
      if let bias = call.optional(4) {
        let place = isLast ? bias : try ConvolutionOperators.perChannel(call, bias, rank: x.type.rank)
        x = try call.binary(.add, x, place)
      }
    }
    let first = isLast ? try ContributedLinear.channelsFirst(call, x) : x
    let type = x.type.elementType
    let op = GroupNorm(groups: groups, epsilon: try call.float("epsilon", default: 1e-5))
    var y = try call.emit(
      .groupNorm(op), [first, try call.cast(try call.input(1), to: type), try call.cast(try call.input(2), to: type)])
    switch try call.int("activation", default: 0) {
    case 0: break
    case 1: y = try call.unary(.silu, y)
    case let other: throw call.unsupported("activation is \(other)")
    }
    return [isLast ? try ContributedLinear.channelsLast(call, y) : y, x]
  }

  /// Each branch of the channels by itself, in single precision.
  private static func branches(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    let count = try call.int("num_branches", default: 0)
    try call.require(count >= 0 && rank >= (count > 0 ? 1 : 2), "\(count) branches of \(x.type)")
    var shape = x.type.shape
    if count > 0 { shape = Array(shape.dropLast()) + [Dim(count), shape[rank - 1].floorDivided(by: Dim(count))] }
    let wide = try call.cast(try call.reshape(x, shape), to: .f32)
    let op = LayerNorm(axis: shape.count - 1, epsilon: try call.float("epsilon", default: 1e-5), isRMS: true)
    var y = try call.emit(.layerNorm(op), [wide])
    if let scale = call.optional(1) {
      let factor = try call.cast(scale, to: .f32)
      let isFlat = factor.type.rank == 1 && factor.type.shape[0] != shape[shape.count - 1]
      y = try call.binary(.mul, y, isFlat ? try call.reshape(factor, Array(shape.suffix(2))) : factor)
    }
    return [try call.reshape(try call.cast(y, to: x.type.elementType), x.type.shape)]
  }

  /// Groups of as many elements as the scale has, times a function of the gate, in single precision.
  private static func gated(_ call: Call) throws -> [ImportedValue?] {
    let (x, scale) = (try call.input(0), try call.input(1))
    let rank = x.type.rank
    try call.require(rank >= 1 && scale.type.rank == 1, "\(x.type) with a scale \(scale.type)")
    let width = scale.type.shape[0]
    let shape = Array(x.type.shape.dropLast()) + [x.type.shape[rank - 1].floorDivided(by: width), width]
    let wide = try call.cast(try call.reshape(x, shape), to: .f32)
    let op = LayerNorm(axis: rank, epsilon: try call.float("epsilon", default: 1e-5), isRMS: true)
    let y = try call.emit(.layerNorm(op), [wide, try call.cast(scale, to: .f32)])
    let gate = try call.cast(try call.input(2), to: .f32)
    let opening: ImportedValue
    switch try call.string("activation", default: "silu") {
    case "silu", "swish": opening = try call.unary(.silu, gate)
    case "sigmoid": opening = try call.unary(.sigmoid, gate)
    case let other: throw NodeFault.invalid("there is no activation \(other)")
    }
    let product = try call.binary(.mul, try call.reshape(y, x.type.shape), opening)
    return [try call.cast(product, to: x.type.elementType)]
  }
}
