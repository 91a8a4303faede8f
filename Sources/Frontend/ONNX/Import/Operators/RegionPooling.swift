import SwageGraph
import SwageTensor

/// Pooling over regions of images that are data.
enum RegionOperators {
  static let table: [String: Handler] = ["RoiAlign": roiAlign, "MaxRoiPool": maxRoiPool]

  /// Samples along one axis of all regions: [regions, bins, samples of a bin].
  private struct Samples {
    var coordinates: ImportedValue
    /// Where bins of regions have different numbers of samples: which of the largest number exist.
    var exists: ImportedValue?
    /// [regions], or a scalar: samples of a bin.
    var count: ImportedValue

    /// The samples of rows stand before those of columns: [regions, rows, samples, columns, samples].
    static func shape(_ shape: [Dim], isRow: Bool) -> [Dim] {
      isRow ? shape + [1, 1] : [shape[0], 1, 1] + shape.dropFirst()
    }
  }

  private static func sizes(_ call: Call) throws -> (rows: Int, columns: Int) {
    if let shape = try call.ints("pooled_shape") {
      try call.require(shape.count == 2 && shape.allSatisfy { (1...1 << 20).contains($0) }, "pooled_shape \(shape)")
      return (shape[0], shape[1])
    }
    let (rows, columns) = (try call.int("output_height", default: 1), try call.int("output_width", default: 1))
    try call.require(
      (1...1 << 20).contains(rows) && (1...1 << 20).contains(columns), "a result of \(rows) by \(columns)")
    return (rows, columns)
  }

  /// Number `index` of each region.
  private static func column(_ call: Call, _ regions: ImportedValue, _ index: Int) throws -> ImportedValue {
    let count = regions.type.shape[0]
    let part = try MovementOperators.take(call, regions, starts: [0, Dim(index)], sizes: [count, 1])
    return try call.reshape(part, [count])
  }

  /// The largest of numbers that are not negative, as a size; zero without numbers.
  private static func largest(_ call: Call, _ counts: ImportedValue) throws -> Dim {
    let all = try call.reduce(.max, counts, axes: Array(0..<counts.type.rank), keeps: false)
    let numbers = try call.cast(try call.binary(.max, all, 0), to: .i64)
    return try call.sizes(of: try call.reshape(numbers, [1]), "samples", areSizes: true)[0]
  }

  // MARK: - RoiAlign

  /// Each bin of a region is the mean, or the largest, of points between pixels. Without a `sampling_ratio` a bin has about
  /// one point for each pixel: regions then have different numbers of points, of which those too many count nothing.
  private static func roiAlign(_ call: Call) throws -> [ImportedValue?] {
    let (x, regions, owners) = (try call.input(0), try call.input(1), try call.input(2))
    try call.require(
      x.type.rank == 4 && x.type.elementType.isFloat && regions.type.rank == 2 && owners.type.rank == 1,
      "regions \(regions.type) with owners \(owners.type) of \(x.type)")
    let (rows, columns) = try sizes(call)
    let name = try call.string("mode", default: "avg").lowercased()
    try call.require(["avg", "max"].contains(name), "mode cannot be \(name)")
    let ratio = try call.int("sampling_ratio", default: 0)
    try call.require((0...1 << 16).contains(ratio), "sampling_ratio is \(ratio)")
    let scale = try call.float("spatial_scale", default: 1)
    let transformation = try call.string(
      "coordinate_transformation_mode", default: call.opset < 16 ? "output_half_pixel" : "half_pixel")
    try call.require(
      ["half_pixel", "output_half_pixel"].contains(transformation),
      "coordinate_transformation_mode cannot be \(transformation)")
    let isHalf = transformation == "half_pixel"
    let count = regions.type.shape[0]
    let type: ElementType = regions.type.elementType == .f64 ? .f64 : .f32
    let corners = try call.cast(regions, to: type)
    let sampler = try ImageSampler(call, x, type: type)

    func samples(_ first: Int, bins: Int) throws -> Samples {
      func side(_ index: Int) throws -> ImportedValue {
        let scaled = try call.binary(.mul, try column(call, corners, index), scale)
        return isHalf ? try call.binary(.sub, scaled, 0.5) : scaled
      }
      let start = try side(first)
      var length = try call.binary(.sub, try side(first + 2), start)
      if !isHalf { length = try call.binary(.max, length, 1) }
      let bin = try call.binary(.div, length, Double(bins))
      func spread(_ value: ImportedValue) throws -> ImportedValue { try call.reshape(value, [count, 1, 1]) }
      var (number, points, exists): (ImportedValue, Dim, ImportedValue?)
      if ratio > 0 {
        (number, points, exists) = (call.scalar(Double(ratio), type), Dim(ratio), nil)
      } else {
        number = try call.unary(.ceil, bin)
        points = try largest(call, number)
        exists = try call.binary(.less, try sampler.counting(points), try spread(number))
      }
      let place = try call.binary(.add, try sampler.counting(points), 0.5)
      let divisor = ratio > 0 ? number : try spread(number)
      let inBin = try call.binary(.div, try call.binary(.mul, place, try spread(bin)), divisor)
      let binStart = try call.binary(.mul, try sampler.counting(Dim(bins), trailing: 1), try spread(bin))
      let coordinates = try call.binary(.add, try call.binary(.add, try spread(start), binStart), inBin)
      return Samples(coordinates: coordinates, exists: exists, count: number)
    }
    let axes = [try samples(1, bins: rows), try samples(0, bins: columns)]
    let positions = axes[0].coordinates.type.shape + axes[1].coordinates.type.shape.dropFirst()
    func placed(_ value: ImportedValue, _ axis: Int) throws -> ImportedValue {
      try call.reshape(value, Samples.shape(value.type.shape, isRow: axis == 0))
    }

    var isOutside: ImportedValue?
    var exists: ImportedValue?
    var taps: [[ImageSampler.Tap]] = []
    for (axis, samples) in axes.enumerated() {
      let size = try sampler.size(sampler.sizes[axis])
      let value = try placed(samples.coordinates, axis)
      // More than a pixel outside counts zero; less takes the outer pixel.
      let outside = try call.binary(
        .or, try call.binary(.less, value, -1), try call.binary(.greater, value, size))
      isOutside = try isOutside.map { try call.binary(.or, $0, outside) } ?? outside
      if let mask = try samples.exists.map({ try placed(try call.broadcast($0, samples.coordinates.type.shape), axis) })
      {
        exists = try exists.map { try call.binary(.and, $0, mask) } ?? mask
      }
      let bounded = try call.binary(.min, try call.binary(.max, value, 0), try call.binary(.sub, size, 1))
      taps.append(try sampler.linearTaps(bounded, axis: axis, isBounded: false))
    }
    guard let isOutside else { return [nil] }
    let images = try call.reshape(try call.cast(owners, to: .i64), [count, 1, 1, 1, 1])
    func perPosition(_ value: ImportedValue) throws -> ImportedValue {
      try call.reshape(try call.broadcast(value, positions), positions + [1])
    }
    let zero = call.scalar(0, x.type.elementType)
    var pooled: ImportedValue
    if name == "avg" {
      var value = try sampler.sum(images, taps, positions, type: x.type.elementType)
      var counts = try call.unary(.not, isOutside)
      if let exists { counts = try call.binary(.and, counts, exists) }
      value = try call.emit(.select(Select()), [try perPosition(counts), value, zero])
      pooled = try call.reduce(.sum, value, axes: [2, 4], keeps: false)
      let number = try call.binary(.max, try call.binary(.mul, axes[0].count, axes[1].count), 1)
      let divisor = ratio > 0 ? number : try call.reshape(number, [count, 1, 1, 1])
      pooled = try call.binary(.div, pooled, try call.cast(divisor, to: x.type.elementType))
    } else {
      // The largest share of a neighbour, not the largest point: as onnxruntime and the standard's tests have it.
      var value: ImportedValue?
      for row in taps[0] {
        for column in taps[1] {
          let share = try sampler.sum(images, [[row], [column]], positions, type: x.type.elementType)
          value = try value.map { try call.binary(.max, $0, share) } ?? share
        }
      }
      guard let value else { return [nil] }
      let shown = try call.emit(.select(Select()), [try perPosition(isOutside), zero, value])
      pooled = try largestPoint(call, shown, exists: try exists.map(perPosition))
    }
    return [try call.transpose(pooled, [0, 3, 1, 2])]
  }

  /// The largest of the points that exist, zero where none does: [regions, rows, columns, channels].
  private static func largestPoint(_ call: Call, _ value: ImportedValue, exists: ImportedValue?) throws
    -> ImportedValue
  {
    let axes = [2, 4]
    guard let exists else { return try call.reduce(.max, value, axes: axes, keeps: false) }
    let type = value.type.elementType
    let shown = try call.emit(.select(Select()), [exists, value, call.scalar(-.infinity, type)])
    let number = try call.reduce(.sum, try call.cast(exists, to: .i64), axes: axes, keeps: false)
    let hasPoints = try call.binary(.greater, number, 0)
    let largest = try call.reduce(.max, shown, axes: axes, keeps: false)
    return try call.emit(.select(Select()), [hasPoints, largest, call.scalar(0, type)])
  }

  // MARK: - MaxRoiPool

  /// Regions are [R, 5]: the image, then first and last column and row, rounded to pixels.
  private static func maxRoiPool(_ call: Call) throws -> [ImportedValue?] {
    let (x, regions) = (try call.input(0), try call.input(1))
    try call.require(
      x.type.rank == 4 && x.type.elementType.isFloat && regions.type.rank == 2, "regions \(regions.type) of \(x.type)")
    let (rows, columns) = try sizes(call)
    let scale = try call.float("spatial_scale", default: 1)
    let count = regions.type.shape[0]
    let type: ElementType = regions.type.elementType == .f64 ? .f64 : .f32
    let corners = try call.cast(regions, to: type)
    let sampler = try ImageSampler(call, x, type: type)

    /// To the nearest pixel, halves away from zero.
    func pixel(_ index: Int) throws -> ImportedValue {
      let value = try call.binary(.mul, try column(call, corners, index), scale)
      let up = try call.unary(.floor, try call.binary(.add, value, 0.5))
      let down = try call.unary(.ceil, try call.binary(.sub, value, 0.5))
      return try call.emit(.select(Select()), [try call.binary(.greaterOrEqual, value, 0), up, down])
    }
    func samples(_ first: Int, bins: Int, axis: Int) throws -> Samples {
      let start = try pixel(first)
      let length = try call.binary(.add, try call.binary(.sub, try pixel(first + 2), start), 1)
      let bin = try call.binary(.div, try call.binary(.max, length, 1), Double(bins))
      func spread(_ value: ImportedValue) throws -> ImportedValue { try call.reshape(value, [count, 1]) }
      func bound(_ place: ImportedValue, _ round: Unary.Function) throws -> ImportedValue {
        let offset = try call.unary(round, try call.binary(.mul, place, try spread(bin)))
        let moved = try call.binary(.add, offset, try spread(start))
        return try call.binary(.min, try call.binary(.max, moved, 0), try sampler.size(sampler.sizes[axis]))
      }
      let place = try sampler.counting(Dim(bins))
      let from = try bound(place, .floor)
      let to = try bound(try call.binary(.add, place, 1), .ceil)
      let number = try call.binary(.sub, to, from)
      let points = try largest(call, number)
      let step = try sampler.counting(points)
      let shape = [count, Dim(bins), 1]
      return Samples(
        coordinates: try call.binary(.add, try call.reshape(from, shape), step),
        exists: try call.binary(.less, step, try call.reshape(number, shape)), count: number)
    }
    let axes = [try samples(2, bins: rows, axis: 0), try samples(1, bins: columns, axis: 1)]
    let positions = axes[0].coordinates.type.shape + axes[1].coordinates.type.shape.dropFirst()
    var masks: [ImportedValue] = []
    var coordinates: [ImportedValue] = []
    for (axis, samples) in axes.enumerated() {
      func placed(_ value: ImportedValue) throws -> ImportedValue {
        try call.reshape(value, Samples.shape(value.type.shape, isRow: axis == 0))
      }
      coordinates.append(try placed(samples.coordinates))
      if let exists = samples.exists { masks.append(try placed(exists)) }
    }
    let images = try call.reshape(try call.cast(try column(call, corners, 0), to: .i64), [count, 1, 1, 1, 1])
    let value = try sampler.pixels(images, coordinates, positions)
    let exists = try call.broadcast(try call.binary(.and, masks[0], masks[1]), positions)
    let pooled = try largestPoint(call, value, exists: try call.reshape(exists, positions + [1]))
    return [try call.transpose(pooled, [0, 3, 1, 2])]
  }
}
