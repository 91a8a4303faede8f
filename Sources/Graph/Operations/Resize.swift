import Foundation
import SwageTensor

/// Interpolation to other sizes, as ONNX Resize. Operand: x. `scales` are output / input per axis; `sizes` the result
/// shape. Axes of scale 1 are left alone.
public struct Resize: OpDefinition {
  public enum Mode: String, Hashable, Sendable { case nearest, linear, cubic }
  public enum Coordinates: String, Hashable, Sendable {
    case halfPixel = "half_pixel"
    case halfPixelSymmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case alignCorners = "align_corners"
    case asymmetric
  }
  public enum Nearest: String, Hashable, Sendable {
    case roundPreferFloor = "round_prefer_floor"
    case roundPreferCeil = "round_prefer_ceil"
    case floor, ceil
  }

  public static let mnemonic = "resize"
  public var mode: Mode
  public var coordinates: Coordinates
  public var nearest: Nearest
  public var cubicCoefficient: Double
  public var excludesOutside: Bool
  public var sizes: [Dim]
  /// Given scales; nil where the scale is the ratio of the sizes.
  public var scales: [Double]?

  public init(
    mode: Mode, coordinates: Coordinates, nearest: Nearest = .roundPreferFloor, cubicCoefficient: Double = -0.75,
    excludesOutside: Bool = false, sizes: [Dim], scales: [Double]? = nil
  ) {
    self.mode = mode
    self.coordinates = coordinates
    self.nearest = nearest
    self.cubicCoefficient = cubicCoefficient
    self.excludesOutside = excludesOutside
    self.sizes = sizes
    self.scales = scales
  }

  public var attributes: AttributeList {
    var list = AttributeList().with("mode", mode).with("coordinates", coordinates)
    if mode == .nearest { list = list.with("nearest", nearest) }
    if mode == .cubic {
      list = list.with("cubic", .float(cubicCoefficient)).with(
        "exclude_outside", .bool(excludesOutside), unless: .bool(false))
    }
    list = list.with("sizes", sizes)
    if let scales { list = list.with("scales", .list(scales.map { .float($0) })) }
    return list
  }
  public init(_ attributes: inout AttributeReader) throws {
    mode = try attributes.word("mode")
    coordinates = try attributes.word("coordinates")
    nearest = try attributes.word("nearest", default: .roundPreferFloor)
    cubicCoefficient = try attributes.float("cubic", default: -0.75)
    excludesOutside = try attributes.bool("exclude_outside", default: false)
    sizes = try attributes.dimensions("sizes")
    scales = try attributes.floats("scales")
  }
  public var numericClass: NumericClass { mode == .nearest ? .exact : .accumulating }
  public var symbols: [String] { sizes.flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Resize {
    var copy = self
    copy.sizes = sizes.map { $0.substituting(values) }
    return copy
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let x = try context.type(0)
    try context.require(
      sizes.count == x.rank && (scales?.count ?? x.rank) == x.rank, "resize names \(sizes.count) axes of \(x)")
    try context.require(mode == .nearest || x.elementType.isFloat, "interpolation takes floats, got \(x)")
    try context.require(
      (scales ?? []).allSatisfy { $0 > 0 && $0.isFinite }, "scales must be positive: \(scales ?? [])")
    return [TensorType(x.elementType, sizes)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    var x = operands[0]!
    let shape = try context.sizes(sizes)
    try context.checkAllocation(x.elementType, shape)
    guard !shape.contains(0) else { return [Tensor(zeros: x.elementType, shape)] }
    guard !x.shape.contains(0) else { throw TypeFault("cannot resize the empty tensor \(x.shape)") }
    if mode == .nearest {
      let maps = shape.indices.map { axis in
        (0..<shape[axis]).map { nearestSource($0, axis, x.shape[axis], shape[axis]) }
      }
      let strides = Indexing.strides(x.shape)
      let own = Indexing.strides(shape)
      let picks = (0..<shape.reduce(1, *)).map { linear in
        shape.indices.reduce(0) { $0 + maps[$1][linear / own[$1] % shape[$1]] * strides[$1] }
      }
      return [x.gathering(picks, shape: shape)]
    }
    // Interpolation is separable: one axis after the other, in double precision throughout.
    let type = x.elementType
    if type != .f64 { x = Tensor(.f64, x.shape, doubles: x.doubles) }
    for axis in shape.indices where x.shape[axis] != shape[axis] || (scales?[axis] ?? 1) != 1 {
      let (outer, size, inner) = Indexing.split(x.shape, at: axis)
      let taps = (0..<shape[axis]).map { weights($0, axis, size, shape[axis]) }
      let values = x.doubles
      var result: [Double] = []
      for o in 0..<outer {
        for tap in taps {
          for i in 0..<inner {
            result.append(tap.reduce(0) { $0 + values[(o * size + $1.index) * inner + i] * $1.weight })
          }
        }
      }
      var next = x.shape
      next[axis] = shape[axis]
      x = Tensor(.f64, next, doubles: result)
    }
    return [Tensor(type, shape, doubles: x.doubles)]
  }

  /// The position in the input that output position `index` of `axis` reads: in single precision, as onnxruntime has
  /// it, since the last bit may decide which neighbour is nearest.
  func source(_ index: Int, _ axis: Int, _ input: Int, _ output: Int) -> Double {
    let scale = scales.map { Float($0[axis]) } ?? Float(output) / Float(input)
    let position = Double(position(Float(index), scale, Float(input), Float(output)))
    // Far outside is as good as just outside, and fits an integer.
    return position.isNaN ? 0 : min(max(position, -8), Double(input) + 8)
  }

  private func position(_ x: Float, _ scale: Float, _ input: Float, _ output: Float) -> Float {
    switch coordinates {
    case .halfPixel: return (x + 0.5) / scale - 0.5
    case .halfPixelSymmetric:
      let adjustment = output / (scale * input)
      return input * 0.5 * (1 - adjustment) + (x + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return output > 1 ? (x + 0.5) / scale - 0.5 : 0
    case .alignCorners: return output == 1 ? 0 : x * (input - 1) / (output - 1)
    case .asymmetric: return x / scale
    }
  }

  private func nearestSource(_ index: Int, _ axis: Int, _ input: Int, _ output: Int) -> Int {
    if input == output && (scales?[axis] ?? 1) == 1 { return index }
    let position = source(index, axis, input, output)
    let rounded: Double =
      switch nearest {
      case .roundPreferFloor: Foundation.ceil(position - 0.5)
      case .roundPreferCeil: Foundation.floor(position + 0.5)
      case .floor: Foundation.floor(position)
      case .ceil: Foundation.ceil(position)
      }
    return min(max(Int(rounded), 0), input - 1)
  }

  private func weights(_ index: Int, _ axis: Int, _ input: Int, _ output: Int) -> [(index: Int, weight: Double)] {
    let position = source(index, axis, input, output)
    let base = Int(Foundation.floor(position))
    let fraction = position - Double(base)
    if mode == .linear {
      let clamped = min(max(position, 0), Double(input - 1))
      let low = Int(clamped)
      // At the end both neighbours are the last element: a part of nothing would make NaN of an infinity.
      let part = low == input - 1 ? 0.5 : clamped - Double(low)
      return [(low, 1 - part), (min(low + 1, input - 1), part)]
    }
    let a = cubicCoefficient
    func cubic(_ t: Double) -> Double {
      let t = abs(t)
      if t <= 1 { return ((a + 2) * t - (a + 3)) * t * t + 1 }
      return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0
    }
    var taps = (-1...2).map { (index: base + $0, weight: cubic(fraction - Double($0))) }
    if excludesOutside {
      taps = taps.map { $0.index < 0 || $0.index >= input ? ($0.index, 0) : $0 }
      let sum = taps.reduce(0) { $0 + $1.weight }
      taps = taps.map { ($0.index, $0.weight / sum) }
    }
    return taps.map { (min(max($0.index, 0), input - 1), $0.weight) }
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    results[0].elementCount * (mode == .nearest ? 0 : mode == .linear ? 8 : 32)
  }
}
