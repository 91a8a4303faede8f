import SwageGraph
import SwageTensor

/// Reads pixels of images at computed positions: all channels of a pixel lie together, and one index names it.
struct ImageSampler {
  let call: Call
  /// [images · pixels of an image, channels]
  private let pixels: ImportedValue
  /// Sizes of the spatial axes.
  let sizes: [Dim]
  /// The element type of coordinates.
  let type: ElementType

  /// `x` is [N, C, d1, …]; with `groups`, image n · groups + g holds the g-th part of the channels of x[n].
  init(_ call: Call, _ x: ImportedValue, groups: Int = 1, type: ElementType) throws {
    self.call = call
    self.type = type
    sizes = Array(x.type.shape.dropFirst(2))
    let channels = x.type.shape[1].floorDivided(by: Dim(groups))
    let split = try call.reshape(x, [x.type.shape[0] * Dim(groups), channels] + sizes)
    let last = try call.transpose(split, [0] + Array(2..<x.type.rank) + [1])
    pixels = try call.reshape(last, [sizes.reduce(x.type.shape[0] * Dim(groups), *), channels])
  }

  func size(_ dimension: Dim) throws -> ImportedValue {
    try call.cast(ImportedValue(.scalar(dimension), .i64, sources: [call.source]), to: type)
  }

  /// 0, 1, … of an axis of `rank`, with `trailing` axes after it, as coordinates.
  func counting(_ count: Dim, trailing: Int = 0) throws -> ImportedValue {
    try call.perChannel(try call.cast(try call.counting(count), to: type), trailing: trailing)
  }

  /// Pixels of `image` (i64) at whole coordinates, one for each spatial axis, which are clamped to the image. All operands
  /// broadcast to `positions`; the result is [positions, channels].
  func pixels(_ image: ImportedValue, _ coordinates: [ImportedValue], _ positions: [Dim]) throws -> ImportedValue {
    var index = image
    for (coordinate, dimension) in zip(coordinates, sizes) {
      let last = try call.binary(.sub, try size(dimension), 1)
      let inside = try call.binary(.min, try call.binary(.max, coordinate, 0), last)
      let count = ImportedValue(.scalar(dimension), .i64, sources: [call.source])
      index = try call.binary(.add, try call.binary(.mul, index, count), try call.cast(inside, to: .i64))
    }
    return try call.emit(.gather(Gather(axis: 0)), [pixels, try call.broadcast(index, positions)])
  }

  /// Whether a coordinate lies within the pixels of spatial axis `axis`.
  func isInside(_ coordinate: ImportedValue, axis: Int) throws -> ImportedValue {
    try call.binary(
      .and, try call.binary(.greaterOrEqual, coordinate, 0), try call.binary(.less, coordinate, try size(sizes[axis])))
  }

  /// A neighbour along one axis: its coordinate, its share of the result (nil for all), and where it counts.
  struct Tap {
    var coordinate: ImportedValue
    var weight: ImportedValue?
    var isInside: ImportedValue?
  }

  /// The pixels on both sides of a coordinate.
  func linearTaps(_ coordinate: ImportedValue, axis: Int, isBounded: Bool) throws -> [Tap] {
    let low = try call.unary(.floor, coordinate)
    let share = try call.binary(.sub, coordinate, low)
    return try [
      (low, try call.unary(.linear, share, alpha: -1, beta: 1)), (try call.binary(.add, low, 1), share),
    ].map { at, weight in Tap(coordinate: at, weight: weight, isInside: isBounded ? try isInside(at, axis: axis) : nil)
    }
  }

  /// The weighted sum over all combinations of taps, one list for each axis; taps that lie outside count zero.
  func sum(_ image: ImportedValue, _ taps: [[Tap]], _ positions: [Dim], type: ElementType) throws -> ImportedValue {
    var combinations: [[Tap]] = [[]]
    for axis in taps { combinations = combinations.flatMap { head in axis.map { head + [$0] } } }
    var total: ImportedValue?
    for combination in combinations {
      var value = try pixels(image, combination.map(\.coordinate), positions)
      func perPosition(_ parts: [ImportedValue], _ function: Binary.Function) throws -> ImportedValue? {
        guard var joined = parts.first else { return nil }
        for part in parts.dropFirst() { joined = try call.binary(function, joined, part) }
        return try call.reshape(try call.broadcast(joined, positions), positions + [1])
      }
      if let inside = try perPosition(combination.compactMap(\.isInside), .and) {
        value = try call.emit(
          .select(Select()), [inside, value, call.constant(Tensor(zeros: value.type.elementType, []))])
      }
      if let weight = try perPosition(combination.compactMap(\.weight), .mul) {
        value = try call.binary(.mul, value, try call.cast(weight, to: type))
      }
      total = try total.map { try call.binary(.add, $0, value) } ?? value
    }
    guard let total else { throw NodeFault.invalid("an image has no axes") }
    return total
  }
}
