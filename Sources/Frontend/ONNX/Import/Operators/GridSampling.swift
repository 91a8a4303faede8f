import SwageGraph
import SwageTensor

/// Reading images at positions from -1 to 1, and making such positions.
enum GridOperators {
  static let table: [String: Handler] = ["GridSample": sample, "AffineGrid": affineGrid]

  private enum Padding: String { case zeros, border, reflection }

  /// Positions become coordinates of pixels; each neighbour of a coordinate is gathered with its weight. Images have any
  /// number of spatial axes.
  private static func sample(_ call: Call) throws -> [ImportedValue?] {
    let (x, grid) = (try call.input(0), try call.input(1))
    let mode = try call.string("mode", default: "linear")
    let name = try call.string("padding_mode", default: "zeros")
    guard let padding = Padding(rawValue: name) else { throw NodeFault.invalid("padding_mode cannot be \(name)") }
    let isAligned = try call.flag("align_corners")
    let rank = x.type.rank - 2
    try call.require(
      rank >= 1 && grid.type.rank == rank + 2 && grid.type.shape[rank + 1].constant ?? rank == rank,
      "it samples \(x.type) at \(grid.type)")
    let isNearest = mode == "nearest"
    try call.require(
      isNearest || x.type.elementType.isFloat, "mode \(mode) of \(x.type), which are no floating-point numbers")
    guard rank <= 3 else { throw call.unsupported("it samples \(x.type), with more than three spatial axes") }
    let positions = Array(grid.type.shape.dropLast())
    let sampler = try ImageSampler(call, x, type: grid.type.elementType)

    func bounded(_ value: ImportedValue, _ axis: Int) throws -> ImportedValue {
      let last = try call.binary(.sub, try sampler.size(sampler.sizes[axis]), 1)
      return try call.binary(.min, try call.binary(.max, value, 0), last)
    }
    /// A triangle wave between the centres, or the edges, of the outer pixels.
    func mirrored(_ value: ImportedValue, _ axis: Int) throws -> ImportedValue {
      let low = isAligned ? 0.0 : -0.5
      let count = try sampler.size(sampler.sizes[axis])
      let span = isAligned ? try call.binary(.max, try call.binary(.sub, count, 1), 1) : count
      let period = try call.unary(.linear, span, alpha: 2)
      let turned = try call.binary(.mod, try call.binary(.sub, value, low), period)
      let folded = try call.binary(.min, turned, try call.binary(.sub, period, turned))
      return try call.binary(.add, folded, low)
    }
    func taps(_ axis: Int) throws -> [ImageSampler.Tap] {
      // The grid names the last axis first.
      var starts = [Dim](repeating: 0, count: rank + 2)
      starts[rank + 1] = Dim(rank - 1 - axis)
      let part = try MovementOperators.take(call, grid, starts: starts, sizes: positions + [1])
      let value = try call.binary(.add, try call.reshape(part, positions), 1)
      let count = try sampler.size(sampler.sizes[axis])
      let scaled =
        isAligned
        ? try call.binary(.mul, value, try call.unary(.linear, count, alpha: 0.5, beta: -0.5))
        : try call.binary(.sub, try call.binary(.mul, value, try call.unary(.linear, count, alpha: 0.5)), 0.5)
      func tap(_ coordinate: ImportedValue, _ weight: ImportedValue?) throws -> ImageSampler.Tap {
        switch padding {
        case .zeros:
          .init(coordinate: coordinate, weight: weight, isInside: try sampler.isInside(coordinate, axis: axis))
        case .border: .init(coordinate: coordinate, weight: weight)
        case .reflection: .init(coordinate: try mirrored(coordinate, axis), weight: weight)
        }
      }
      switch mode {
      case "nearest": return [try tap(try call.unary(.round, scaled), nil)]
      case "linear", "bilinear":
        let inside =
          switch padding {
          case .zeros: scaled
          case .border: try bounded(scaled, axis)
          case .reflection: try mirrored(scaled, axis)
          }
        return try sampler.linearTaps(inside, axis: axis, isBounded: padding == .zeros)
      case "cubic", "bicubic":
        let low = try call.unary(.floor, scaled)
        let weights = try cubicWeights(call, try call.binary(.sub, scaled, low))
        return try weights.enumerated().map { try tap(try call.binary(.add, low, Double($0 - 1)), $1) }
      default: throw NodeFault.invalid("mode cannot be \(mode)")
      }
    }
    let images = try call.perChannel(try call.counting(positions[0]), trailing: rank)
    let result = try sampler.sum(images, try (0..<rank).map(taps), positions, type: x.type.elementType)
    return [try call.transpose(result, [0, rank + 1] + Array(1...rank))]
  }

  /// Weights of the pixels at -1, 0, 1 and 2 for a position `t` between 0 and 1: Keys' cubic convolution with a = -0.75.
  private static func cubicWeights(_ call: Call, _ t: ImportedValue) throws -> [ImportedValue] {
    let a = -0.75
    func polynomial(_ x: ImportedValue, _ coefficients: [Double]) throws -> ImportedValue {
      var sum = try call.unary(.linear, x, alpha: coefficients[0], beta: coefficients[1])
      for coefficient in coefficients.dropFirst(2) {
        sum = try call.binary(.add, try call.binary(.mul, sum, x), coefficient)
      }
      return sum
    }
    let (near, far) = ([a + 2, -a - 3, 0, 1], [a, -5 * a, 8 * a, -4 * a])
    return [
      try polynomial(try call.binary(.add, t, 1), far), try polynomial(t, near),
      try polynomial(try call.unary(.linear, t, alpha: -1, beta: 1), near),
      try polynomial(try call.unary(.linear, t, alpha: -1, beta: 2), far),
    ]
  }

  /// The positions of the pixels of an image of the given size, moved by one matrix [N, 2, 3] or [N, 3, 4] for each image.
  private static func affineGrid(_ call: Call) throws -> [ImportedValue?] {
    let theta = try call.input(0)
    let sizes = try call.sizes(of: try call.input(1), "sizes", areSizes: true)
    let isAligned = try call.flag("align_corners")
    let rank = sizes.count - 2
    try call.require(
      (2...3).contains(rank) && theta.type.rank == 3 && theta.type.elementType.isFloat,
      "\(theta.type) moves the pixels of an image of \(sizes.count) axes")
    let type: ElementType = theta.type.elementType == .f64 ? .f64 : .f32
    let spatial = Array(sizes.dropFirst(2))
    try call.require(spatial.allSatisfy { $0.constant ?? 0 >= 0 }, "an image of \(spatial)")
    func positions(_ axis: Int) throws -> ImportedValue {
      let count = try call.cast(ImportedValue(.scalar(spatial[axis]), .i64, sources: [call.source]), to: type)
      let index = try call.cast(try call.counting(spatial[axis]), to: type)
      let odd = try call.unary(.linear, index, alpha: 2, beta: isAligned ? 0 : 1)
      let steps = isAligned ? try call.binary(.max, try call.binary(.sub, count, 1), 1) : count
      let line = try call.binary(.sub, try call.binary(.div, odd, steps), 1)
      let wide = try call.broadcast(try call.perChannel(line, trailing: rank - 1 - axis), spatial)
      return try call.reshape(wide, [spatial.reduce(1, *), 1])
    }
    let one = try call.broadcast(call.scalar(1, type), [spatial.reduce(1, *), 1])
    // The last axis comes first, as in the grid.
    let base = try call.emit(.concat(Concat(axis: 1)), try (0..<rank).reversed().map(positions) + [one])
    let matrices = try call.transpose(try call.cast(theta, to: type), [0, 2, 1])
    let moved = try call.emit(.matmul(MatMul()), [base, matrices])
    let grid = try call.reshape(moved, [theta.type.shape[0]] + spatial + [Dim(rank)])
    return [try call.cast(grid, to: theta.type.elementType)]
  }
}
