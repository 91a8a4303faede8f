import SwageGraph
import SwageTensor

/// Interpolation to other sizes.
enum ResizeOperators {
  static let table: [String: Handler] = ["Resize": resize, "Upsample": upsample]

  private static func upsample(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let name = try call.string("mode", default: "nearest")
    guard let mode = Resize.Mode(rawValue: name == "bilinear" ? "linear" : name), mode != .cubic else {
      throw NodeFault.invalid("there is no mode \(name)")
    }
    let scales = call.opset < 9 ? try call.floats("scales") : try constantScales(call, try call.input(1))
    guard let scales else { throw NodeFault.invalid("scales are missing") }
    return [
      try emit(
        call, x, Resize(mode: mode, coordinates: .asymmetric, nearest: .floor, sizes: []), scales: scales,
        axes: Array(0..<x.type.rank))
    ]
  }

  private static func resize(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    let name = try call.string("mode", default: "nearest")
    guard let mode = Resize.Mode(rawValue: name) else { throw NodeFault.invalid("there is no mode \(name)") }
    var op = Resize(mode: mode, coordinates: .asymmetric, nearest: .floor, sizes: [])
    if call.opset < 11 {
      let given = try call.input(1)
      if let sizes = try sizes(call, x, ratios: given, axes: Array(0..<rank)) {
        op.sizes = sizes
        return [try call.emit(.resize(op), [x])]
      }
      let scales = try constantScales(call, given)
      return [try emit(call, x, op, scales: scales, axes: Array(0..<rank))]
    }
    let coordinates = try call.string("coordinate_transformation_mode", default: "half_pixel")
    guard let known = Resize.Coordinates(rawValue: coordinates) else {
      throw call.unsupported("coordinate_transformation_mode is \(coordinates)", remedy: "export it with half_pixel")
    }
    let nearest = try call.string("nearest_mode", default: "round_prefer_floor")
    guard let rounding = Resize.Nearest(rawValue: nearest) else {
      throw NodeFault.invalid("nearest_mode cannot be \(nearest)")
    }
    op.coordinates = known
    op.nearest = rounding
    op.cubicCoefficient = try call.float("cubic_coeff_a", default: -0.75)
    op.excludesOutside = try call.flag("exclude_outside")
    let axes = try call.axes(try call.ints("axes") ?? Array(0..<rank), rank: rank)
    var isDownsampling = false
    var result: ImportedValue
    if let sizeInput = call.optional(3) {
      let given = try call.sizes(of: sizeInput, "sizes", areSizes: true)
      try call.require(given.count == axes.count, "\(given.count) sizes for \(axes.count) axes")
      var sizes = x.type.shape
      for (axis, size) in zip(axes, given) { sizes[axis] = size }
      let policy = try call.string("keep_aspect_ratio_policy", default: "stretch")
      if policy != "stretch" { (sizes, op.scales) = try keepRatio(call, x.type.shape, sizes, axes, policy) }
      op.sizes = sizes
      isDownsampling = !zip(sizes, x.type.shape).allSatisfy { call.sizes.isAtLeast($0 - $1, 0) }
      result = try call.emit(.resize(op), [x])
    } else {
      let given = try call.input(2)
      if let sizes = try sizes(call, x, ratios: given, axes: axes) {
        op.sizes = sizes
        if try call.flag("antialias") {
          throw call.unsupported("antialias is set", remedy: "export it with antialias=0")
        }
        return [try call.emit(.resize(op), [x])]
      }
      let scales = try constantScales(call, given)
      isDownsampling = scales.contains { $0 < 1 }
      result = try emit(call, x, op, scales: scales, axes: axes)
    }
    if isDownsampling, mode != .nearest, try call.flag("antialias") {
      throw call.unsupported("antialias is set", remedy: "export it with antialias=0")
    }
    result.splat = nil
    return [result]
  }

  /// Sizes of the result where the scales are quotients of sizes, as exporters compute them from a wanted size.
  private static func sizes(_ call: Call, _ x: ImportedValue, ratios value: ImportedValue, axes: [Int]) throws -> [Dim]?
  {
    guard call.folded(value) == nil, let ratios = call.ratios(value) else { return nil }
    try call.require(ratios.count == axes.count, "\(ratios.count) scales for \(axes.count) axes of \(x.type)")
    var sizes = x.type.shape
    for (axis, ratio) in zip(axes, ratios) {
      if let fixed = ratio.denominator.constant { try call.require(fixed != 0, "a scale divides by zero") }
      sizes[axis] =
        sizes[axis] == ratio.denominator
        ? ratio.numerator : (sizes[axis] * ratio.numerator).floorDivided(by: ratio.denominator)
    }
    return sizes
  }

  private static func constantScales(_ call: Call, _ value: ImportedValue) throws -> [Double] {
    guard let tensor = call.folded(value), tensor.elementType.isFloat, tensor.shape.count <= 1 else {
      throw call.unsupported(
        "scales must be constants", remedy: "export it with sizes in place of scales, or fold constants in the exporter"
      )
    }
    let scales = tensor.doubles
    try call.require(scales.allSatisfy { $0 > 0 && $0 < 0x1p20 }, "scales \(scales)")
    return scales
  }

  private static func emit(_ call: Call, _ x: ImportedValue, _ given: Resize, scales: [Double], axes: [Int]) throws
    -> ImportedValue
  {
    try call.require(scales.count == axes.count, "\(scales.count) scales for \(axes.count) axes of \(x.type)")
    var op = given
    op.sizes = x.type.shape
    var all = [Double](repeating: 1, count: x.type.rank)
    for (axis, scale) in zip(axes, scales) {
      all[axis] = scale
      op.sizes[axis] = try scaled(x.type.shape[axis], by: scale)
    }
    op.scales = all
    return try call.emit(.resize(op), [x])
  }

  /// floor(size · scale), in single precision as exporters compute it; for a size that is not known with the simplest
  /// fraction that the scale stands for.
  static func scaled(_ size: Dim, by scale: Double) throws -> Dim {
    if scale == 1 { return size }
    if let size = size.constant { return try whole(Double((Float(size) * Float(scale)).rounded(.down))) }
    let (numerator, denominator) = fraction(Float(scale))
    return (size * Dim(numerator)).floorDivided(by: Dim(denominator))
  }

  private static func whole(_ size: Double) throws -> Dim {
    guard size.magnitude < 0x1p62 else { throw NodeFault.invalid("a size of \(size)") }
    return Dim(Int(size))
  }

  /// The fraction with the smallest denominator that rounds to `value`; else the exact one.
  static func fraction(_ value: Float) -> (Int, Int) {
    for denominator in 1...1024 {
      let numerator = (Double(value) * Double(denominator)).rounded()
      if Float(numerator) / Float(denominator) == value { return (Int(numerator), denominator) }
    }
    // A float below 2^20 is a multiple of 2^-40 up to a relative error that no size shows.
    return (Int((Double(value) * 0x1p40).rounded()), 1 << 40)
  }

  /// One scale for all axes, so that the result fits into the sizes, or covers them.
  private static func keepRatio(
    _ call: Call, _ input: [Dim], _ wanted: [Dim], _ axes: [Int], _ policy: String
  ) throws -> ([Dim], [Double]) {
    guard let from = TensorType(.f32, input).staticShape, let to = TensorType(.f32, wanted).staticShape,
      axes.allSatisfy({ from[$0] > 0 })
    else { throw call.unsupported("keep_aspect_ratio_policy needs known sizes", remedy: "give sizes with --shape") }
    let ratios = axes.map { Double(to[$0]) / Double(from[$0]) }
    guard let least = ratios.min(), let most = ratios.max() else { throw NodeFault.invalid("no axes") }
    let scale: Double
    switch policy {
    case "not_larger": scale = least
    case "not_smaller": scale = most
    default: throw NodeFault.invalid("keep_aspect_ratio_policy cannot be \(policy)")
    }
    var (sizes, scales) = (input, [Double](repeating: 1, count: input.count))
    for axis in axes {
      sizes[axis] = try whole((Double(from[axis]) * scale).rounded(.toNearestOrAwayFromZero))
      scales[axis] = scale
    }
    return (sizes, scales)
  }
}
