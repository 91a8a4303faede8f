import SwageGraph
import SwageTensor

/// Interpolation along one axis after the other as core operations: for scales and regions that only the run knows, for
/// regions of the input, and for filters as wide as the input is shrunk.
///
/// Positions are worked out in single precision, as onnxruntime does: with nearest neighbours the last bit counts.
struct Interpolation {
  /// One axis on its way to another size.
  struct Axis {
    var axis: Int
    var size: Dim
    /// A scalar of f32: the new size over the old one, or what was given for it.
    var scale: ImportedValue
    /// Scalars of f32: where the region of `tf_crop_and_resize` starts and ends, 0 to 1 is the whole axis.
    var region: (start: ImportedValue, end: ImportedValue)?
  }

  let call: Call
  /// Mode, rounding and coefficient; the sizes are not read.
  let form: Resize
  /// Nil for the region of `tf_crop_and_resize`.
  let coordinates: Resize.Coordinates?
  let extrapolation: Double
  let isAntialiased: Bool
  /// The nearest neighbour of a place is the next one along axes that shrink, as opset 10 has it.
  var roundsUpWhereItShrinks = false

  func run(_ given: ImportedValue, _ axes: [Axis]) throws -> ImportedValue {
    let type = given.type.elementType
    guard !axes.isEmpty else { return given }
    // What moves elements needs no arithmetic.
    let isMoving = form.mode == .nearest
    let works: ElementType = type == .f64 ? .f64 : .f32
    var x = isMoving ? given : try call.cast(given, to: works)
    var outside: ImportedValue?
    for axis in axes.reversed() {
      let input = x.type.shape[axis.axis]
      let at = try positions(axis, input: input)
      if coordinates == nil {
        let beyond = try call.binary(
          .or, try call.binary(.less, at, 0), try call.binary(.greater, at, try single(input - 1)))
        let mask = try call.perChannel(beyond, trailing: x.type.rank - axis.axis - 1)
        outside = try outside.map { try call.binary(.or, $0, mask) } ?? mask
      }
      switch form.mode {
      case .nearest: x = try nearest(x, axis, at)
      case .linear, .cubic:
        if isAntialiased {
          x = try filtered(x, axis, at, type)
        } else {
          x = try weighted(x, axis, form.mode == .linear ? linear(at, input) : cubic(at, input))
        }
      }
    }
    if let outside {
      x = try call.emit(.select(Select()), [outside, call.scalar(extrapolation, x.type.elementType), x])
    }
    return try call.cast(x, to: type)
  }

  // MARK: - Positions

  private func single(_ size: Dim) throws -> ImportedValue {
    if let number = size.constant { return call.scalar(Double(number), .f32) }
    return try call.cast(whole(size), to: .f32)
  }

  private func whole(_ size: Dim) -> ImportedValue { ImportedValue(.scalar(size), .i64, sources: [call.source]) }

  private func choose(_ condition: ImportedValue, _ a: ImportedValue, _ b: ImportedValue) throws -> ImportedValue {
    try call.emit(.select(Select()), [condition, a, b])
  }

  /// Where each place of the new axis lies on the old one.
  private func positions(_ axis: Axis, input: Dim) throws -> ImportedValue {
    let place = try call.cast(try call.counting(axis.size), to: .f32)
    func centered() throws -> ImportedValue {
      try call.binary(.sub, try call.binary(.div, try call.binary(.add, place, 0.5), axis.scale), 0.5)
    }
    /// One of two formulas by whether there is more than one place.
    func single(_ one: ImportedValue, else many: ImportedValue) throws -> ImportedValue {
      if let size = axis.size.constant { return size > 1 ? many : try call.broadcast(one, [Dim(size)]) }
      return try choose(try call.binary(.greater, whole(axis.size), 1), many, one)
    }
    let (last, spaces) = (try self.single(input - 1), try self.single(axis.size - 1))
    switch coordinates {
    case .halfPixel: return try centered()
    case .halfPixelSymmetric:
      let length = try self.single(input)
      let adjustment = try call.binary(
        .div, try self.single(axis.size), try call.binary(.mul, axis.scale, length))
      let rest = try call.binary(.sub, call.scalar(1, .f32), adjustment)
      let offset = try call.binary(.mul, try call.binary(.mul, length, 0.5), rest)
      let scaled = try call.binary(.div, try call.binary(.add, place, 0.5), axis.scale)
      return try call.binary(.sub, try call.binary(.add, offset, scaled), 0.5)
    case .pytorchHalfPixel: return try single(call.scalar(0, .f32), else: try centered())
    case .alignCorners:
      return try single(
        call.scalar(0, .f32), else: try call.binary(.div, try call.binary(.mul, place, last), spaces))
    case .asymmetric: return try call.binary(.div, place, axis.scale)
    case nil:
      guard let region = axis.region else { throw NodeFault.invalid("roi is missing") }
      let middle = try call.binary(
        .mul, try call.binary(.mul, try call.binary(.add, region.start, region.end), 0.5), last)
      let extent = try call.binary(.sub, region.end, region.start)
      let within = try call.binary(
        .div, try call.binary(.mul, try call.binary(.mul, place, extent), last), spaces)
      return try single(middle, else: try call.binary(.add, try call.binary(.mul, region.start, last), within))
    }
  }

  private func clamped(_ index: ImportedValue, _ input: Dim) throws -> ImportedValue {
    try call.binary(.min, try call.binary(.max, index, 0), whole(input - 1))
  }

  // MARK: - Few neighbours

  private func nearest(_ x: ImportedValue, _ axis: Axis, _ given: ImportedValue) throws -> ImportedValue {
    // Adding a half must not round.
    let at = try call.cast(given, to: .f64)
    let rounded =
      switch form.nearest {
      case .roundPreferFloor: try call.unary(.ceil, try call.binary(.sub, at, 0.5))
      case .roundPreferCeil: try call.unary(.floor, try call.binary(.add, at, 0.5))
      case .floor where roundsUpWhereItShrinks:
        try choose(
          try call.binary(.less, axis.scale, 1), try call.unary(.ceil, at), try call.unary(.floor, at))
      case .floor: try call.unary(.floor, at)
      case .ceil: try call.unary(.ceil, at)
      }
    let index = try clamped(try call.cast(rounded, to: .i64), x.type.shape[axis.axis])
    return try call.emit(.gather(Gather(axis: axis.axis)), [x, index])
  }

  private typealias Tap = (index: ImportedValue, weight: ImportedValue)

  private func linear(_ at: ImportedValue, _ input: Dim) throws -> [Tap] {
    let inside = try call.binary(.min, try call.binary(.max, at, 0), try single(input - 1))
    let base = try call.unary(.floor, inside)
    let part = try call.binary(.sub, inside, base)
    let low = try clamped(try call.cast(base, to: .i64), input)
    let high = try clamped(try call.binary(.add, low, 1), input)
    return [(low, try call.binary(.sub, call.scalar(1, .f32), part)), (high, part)]
  }

  private func cubic(_ at: ImportedValue, _ input: Dim) throws -> [Tap] {
    let base = try call.unary(.floor, at)
    let part = try call.binary(.sub, at, base)
    let first = try call.cast(base, to: .i64)
    var taps: [Tap] = []
    for tap in -1...2 {
      let index = try call.binary(.add, first, Double(tap))
      var weight = try kernel(try call.binary(.sub, part, Double(tap)))
      if form.excludesOutside {
        let isInside = try call.binary(.equal, index, try clamped(index, input))
        weight = try choose(isInside, weight, call.scalar(0, .f32))
      }
      taps.append((try clamped(index, input), weight))
    }
    guard form.excludesOutside else { return taps }
    let sum = try taps.dropFirst().reduce(taps[0].weight) { try call.binary(.add, $0, $1.weight) }
    return try taps.map { ($0.index, try call.binary(.div, $0.weight, sum)) }
  }

  private func weighted(_ x: ImportedValue, _ axis: Axis, _ taps: [Tap]) throws -> ImportedValue {
    let terms = try taps.map { tap in
      let weight = try call.perChannel(
        try call.cast(tap.weight, to: x.type.elementType), trailing: x.type.rank - axis.axis - 1)
      return try call.binary(.mul, try call.emit(.gather(Gather(axis: axis.axis)), [x, tap.index]), weight)
    }
    return try terms.dropFirst().reduce(terms[0]) { try call.binary(.add, $0, $1) }
  }

  // MARK: - Filters

  /// The weight of a neighbour at a distance.
  private func kernel(_ distance: ImportedValue) throws -> ImportedValue {
    let t = try call.unary(.abs, distance)
    if form.mode == .linear {
      return try call.unary(.relu, try call.binary(.sub, call.scalar(1, .f32), t))
    }
    let a = form.cubicCoefficient
    /// ((p·t + q)·t + r)·t + s
    func polynomial(_ p: Double, _ q: Double, _ r: Double, _ s: Double) throws -> ImportedValue {
      let two = try call.binary(.mul, try call.unary(.linear, t, alpha: p, beta: q), t)
      return try call.binary(.add, try call.binary(.mul, try call.binary(.add, two, r), t), s)
    }
    let outer = try choose(
      try call.binary(.less, t, 2), try polynomial(a, -5 * a, 8 * a, -4 * a), call.scalar(0, .f32))
    return try choose(try call.binary(.lessOrEqual, t, 1), try polynomial(a + 2, -(a + 3), 0, 1), outer)
  }

  /// A filter over all neighbours that fall into one place, wide where the axis shrinks, as a product with a matrix: a
  /// row for each place, a column for each element. Elements beyond the ends repeat the last one, or do not count.
  private func filtered(_ x: ImportedValue, _ axis: Axis, _ at: ImportedValue, _ type: ElementType) throws
    -> ImportedValue
  {
    let input = x.type.shape[axis.axis]
    let shrink = try call.binary(.min, axis.scale, 1)
    let reach = form.mode == .linear ? 1.0 : 2.0
    var margin: Dim = 0
    if !form.excludesOutside {
      let support = try call.unary(.ceil, try call.binary(.div, call.scalar(reach, .f32), shrink))
      let width = try call.cast(try call.binary(.add, support, 1), to: .i64)
      margin = try call.sizes(of: width, "the filter's width", areSizes: true)[0]
    }
    let columns = try call.binary(.sub, try call.counting(input + margin * 2), whole(margin))
    let row = try call.reshape(at, [axis.size, 1])
    let distance = try call.binary(
      .mul, try call.binary(.sub, try call.cast(columns, to: .f32), row), shrink)
    let weights = try kernel(distance)
    let sum = try call.reduce(.sum, weights, axes: [1], keeps: true)
    let total = try choose(try call.binary(.equal, sum, 0), call.scalar(1, .f32), sum)
    var matrix = try call.binary(.div, weights, total)
    // Bytes have fixed-point weights of 22 bits, and are rounded after each axis.
    let isByte = type == .u8 || type == .i8
    let unit = 0x1p22
    var y = x
    if isByte {
      matrix = try rounded(try call.binary(.mul, try call.cast(matrix, to: .f64), unit))
      y = try call.cast(y, to: .f64)
    } else {
      matrix = try call.cast(matrix, to: x.type.elementType)
    }
    if margin != 0 {
      var pads = [Dim](repeating: 0, count: x.type.rank)
      pads[axis.axis] = margin
      y = try call.emit(.pad(Pad(mode: .edge, begins: pads, ends: pads)), [y])
    }
    let shape = y.type.shape
    let (outer, inner) = (shape[..<axis.axis].reduce(1, *), shape[(axis.axis + 1)...].reduce(1, *))
    let stack = try call.reshape(y, [outer, shape[axis.axis], inner])
    let product = try call.emit(
      .matmul(MatMul()), [try call.reshape(matrix, [1] + matrix.type.shape), stack])
    y = try call.reshape(product, shape[..<axis.axis] + [axis.size] + shape[(axis.axis + 1)...])
    if isByte {
      let (low, high) = type == .u8 ? (0.0, 255.0) : (-128.0, 127.0)
      let shifted = try call.unary(.floor, try call.unary(.linear, y, alpha: 1 / unit, beta: 0.5))
      y = try call.unary(.clip, try call.cast(shifted, to: x.type.elementType), alpha: low, beta: high)
    } else if type.isInteger {
      y = try rounded(y)
    }
    return y
  }

  /// Halves away from zero.
  private func rounded(_ x: ImportedValue) throws -> ImportedValue {
    let size = try call.unary(.floor, try call.binary(.add, try call.unary(.abs, x), 0.5))
    return try call.binary(.mul, try call.unary(.sign, x), size)
  }
}
