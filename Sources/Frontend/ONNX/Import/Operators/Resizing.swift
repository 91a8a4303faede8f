import SwageGraph
import SwageTensor

/// Interpolation to other sizes. What one operation can say becomes that operation, the rest `Interpolation`.
enum ResizeOperators {
  static let table: [String: Handler] = ["Resize": resize, "Upsample": upsample]

  private static func upsample(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let name = try call.string("mode", default: "nearest")
    guard let mode = Resize.Mode(rawValue: ["bilinear", "trilinear"].contains(name) ? "linear" : name), mode != .cubic
    else { throw NodeFault.invalid("there is no mode \(name)") }
    let form = Resize(mode: mode, coordinates: .asymmetric, nearest: .floor, sizes: [])
    guard call.opset < 9 else { return [try resize(call, x, form, ratios: try call.input(1))] }
    guard let scales = try call.floats("scales") else { throw NodeFault.invalid("scales are missing") }
    return [try emit(call, x, form, scales: try checked(call, scales), axes: Array(0..<x.type.rank))]
  }

  /// Opset 10, where nearest neighbours are rounded up along axes that shrink.
  private static func resize(_ call: Call, _ x: ImportedValue, _ given: Resize, ratios: ImportedValue) throws
    -> ImportedValue
  {
    let axes = Array(0..<x.type.rank)
    var form = given
    if let sizes = try sizes(call, x, ratios: ratios, axes: axes) {
      form.sizes = sizes
      return try emit(call, x, form)
    }
    guard let scales = try constantScales(call, ratios) else {
      return try interpolate(call, x, form, coordinates: .asymmetric, axes: axes, scales: ratios)
    }
    guard call.node.opType == "Resize", form.mode == .nearest, scales.contains(where: { $0 < 1 }) else {
      return try emit(call, x, form, scales: scales, axes: axes)
    }
    form.nearest = .ceil
    let smaller = try emit(call, x, form, scales: scales.map { min($0, 1) }, axes: axes)
    return try emit(call, smaller, given, scales: scales.map { max($0, 1) }, axes: axes)
  }

  private static func resize(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    let name = try call.string("mode", default: "nearest")
    guard let mode = Resize.Mode(rawValue: name) else { throw NodeFault.invalid("there is no mode \(name)") }
    var form = Resize(mode: mode, coordinates: .asymmetric, nearest: .floor, sizes: [])
    if call.opset < 11 { return [try resize(call, x, form, ratios: try call.input(1))] }
    let transformation = try call.string("coordinate_transformation_mode", default: "half_pixel")
    let isCrop = transformation == "tf_crop_and_resize"
    guard let coordinates = isCrop ? .asymmetric : Resize.Coordinates(rawValue: transformation) else {
      throw call.unsupported(
        "coordinate_transformation_mode is \(transformation)", remedy: "export it with half_pixel")
    }
    let nearest = try call.string("nearest_mode", default: "round_prefer_floor")
    guard let rounding = Resize.Nearest(rawValue: nearest) else {
      throw NodeFault.invalid("nearest_mode cannot be \(nearest)")
    }
    form.coordinates = coordinates
    form.nearest = rounding
    form.cubicCoefficient = try call.float("cubic_coeff_a", default: -0.75)
    form.excludesOutside = try call.flag("exclude_outside")
    let axes = try call.axes(try call.ints("axes") ?? Array(0..<rank), rank: rank)
    let isAntialiased = try call.flag("antialias") && mode != .nearest
    let isPlain = !isCrop && !isAntialiased
    func parts(sizes: [Dim]? = nil, scales: ImportedValue) throws -> ImportedValue {
      try interpolate(
        call, x, form, coordinates: isCrop ? nil : coordinates, axes: axes, sizes: sizes, scales: scales,
        isAntialiased: isAntialiased)
    }
    if let sizeInput = call.optional(3), sizeInput.type.elementCount != 0 {
      let given = try call.sizes(of: sizeInput, "sizes", areSizes: true)
      try call.require(given.count == axes.count, "\(given.count) sizes for \(axes.count) axes")
      form.sizes = x.type.shape
      for (axis, size) in zip(axes, given) { form.sizes[axis] = size }
      let policy = try call.string("keep_aspect_ratio_policy", default: "stretch")
      if policy == "stretch" {
        if isPlain { return [try emit(call, x, form)] }
        return [try parts(sizes: given, scales: try quotients(call, given, axes.map { x.type.shape[$0] }))]
      }
      if isPlain, let (sizes, scales) = try keepRatio(x.type.shape, form.sizes, axes, policy) {
        (form.sizes, form.scales) = (sizes, scales)
        return [try emit(call, x, form)]
      }
      return [try parts(scales: try commonScale(call, given, axes.map { x.type.shape[$0] }, policy))]
    }
    let given = try call.input(2)
    if isPlain, let sizes = try sizes(call, x, ratios: given, axes: axes) {
      form.sizes = sizes
      return [try emit(call, x, form)]
    }
    if isPlain, let scales = try constantScales(call, given) {
      return [try emit(call, x, form, scales: scales, axes: axes)]
    }
    return [try parts(scales: given)]
  }

  // MARK: - In parts

  private static func singles(_ call: Call, _ sizes: [Dim]) throws -> ImportedValue {
    try call.cast(call.vector(sizes), to: .f32)
  }

  private static func quotients(_ call: Call, _ a: [Dim], _ b: [Dim]) throws -> ImportedValue {
    try call.binary(.div, try singles(call, a), try singles(call, b))
  }

  /// One scale for all axes, so that the result fits into the sizes, or covers them.
  private static func commonScale(_ call: Call, _ wanted: [Dim], _ input: [Dim], _ policy: String) throws
    -> ImportedValue
  {
    let scales = try quotients(call, wanted, input)
    let scale = try call.reduce(try isLeast(policy) ? .min : .max, scales, axes: [0], keeps: true)
    return try call.broadcast(scale, [Dim(wanted.count)])
  }

  private static func isLeast(_ policy: String) throws -> Bool {
    switch policy {
    case "not_larger": return true
    case "not_smaller": return false
    default: throw NodeFault.invalid("keep_aspect_ratio_policy cannot be \(policy)")
    }
  }

  /// `scales` has an element for each axis; the sizes follow from them unless they are given. Axes that keep their size
  /// are left alone where that is known.
  private static func interpolate(
    _ call: Call, _ x: ImportedValue, _ form: Resize, coordinates: Resize.Coordinates?, axes: [Int],
    sizes given: [Dim]? = nil, scales: ImportedValue, isAntialiased: Bool = false
  ) throws -> ImportedValue {
    let count = axes.count
    try call.require(
      scales.type.rank == 1 && scales.type.shape[0] == Dim(count) && scales.type.elementType.isFloat,
      "\(scales.type) scales for \(count) axes of \(x.type)")
    let factors = try call.cast(scales, to: .f32)
    let own = axes.map { x.type.shape[$0] }
    var sizes = given ?? []
    if given == nil {
      let exact = try call.binary(.mul, factors, try singles(call, own))
      let keepsRatio = call.optional(3).map { $0.type.elementCount != 0 } ?? false
      let whole = try call.unary(.floor, keepsRatio ? try call.binary(.add, exact, 0.5) : exact)
      sizes = try call.sizes(of: try call.cast(whole, to: .i64), "sizes", areSizes: true)
    }
    func element(_ values: ImportedValue, _ index: Int) throws -> ImportedValue {
      try call.emit(.gather(Gather(axis: 0)), [values, call.constant(Tensor(.i64, [], integers: [Int64(index)]))])
    }
    var regions: ImportedValue?
    if coordinates == nil {
      let roi = try call.input(1)
      try call.require(
        roi.type.rank == 1 && roi.type.elementType.isFloat && roi.type.shape[0] == Dim(2 * count),
        "roi is \(roi.type) for \(count) axes")
      regions = try call.cast(roi, to: .f32)
    }
    let known = call.folded(factors)?.doubles
    let knownRegions = regions.flatMap { call.folded($0)?.doubles }
    let plans = try axes.indices.compactMap { index -> Interpolation.Axis? in
      let isWhole = regions == nil || knownRegions.map { $0[index] == 0 && $0[count + index] == 1 } ?? false
      if known?[index] == 1, sizes[index] == own[index], isWhole { return nil }
      if given != nil, sizes[index] == own[index], isWhole { return nil }
      return Interpolation.Axis(
        axis: axes[index], size: sizes[index], scale: try element(factors, index),
        region: try regions.map { (try element($0, index), try element($0, count + index)) })
    }
    var work = Interpolation(
      call: call, form: form, coordinates: coordinates,
      extrapolation: try call.float("extrapolation_value", default: 0), isAntialiased: isAntialiased)
    work.roundsUpWhereItShrinks = call.opset == 10 && call.node.opType == "Resize"
    return try work.run(x, plans.sorted { $0.axis < $1.axis })
  }

  // MARK: - As one operation

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

  /// Nil where only the run knows them.
  private static func constantScales(_ call: Call, _ value: ImportedValue) throws -> [Double]? {
    guard let tensor = call.folded(value) else { return nil }
    try call.require(tensor.elementType.isFloat && tensor.shape.count <= 1, "the scales are \(value.type)")
    return try checked(call, tensor.doubles)
  }

  private static func checked(_ call: Call, _ scales: [Double]) throws -> [Double] {
    try call.require(scales.allSatisfy { $0 > 0 && $0 < 0x1p20 }, "scales \(scales)")
    return scales
  }

  /// Integers are interpolated as floats, whose fractions are dropped.
  private static func emit(_ call: Call, _ x: ImportedValue, _ form: Resize) throws -> ImportedValue {
    let type = x.type.elementType
    let works = form.mode == .nearest || type.isFloat ? x : try call.cast(x, to: .f32)
    let result = try call.cast(try call.emit(.resize(form), [works]), to: type)
    result.splat = nil
    return result
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
    return try emit(call, x, op)
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

  /// The sizes and scales of a result that keeps the ratio of its sides; nil where sizes are not known.
  private static func keepRatio(_ input: [Dim], _ wanted: [Dim], _ axes: [Int], _ policy: String) throws
    -> ([Dim], [Double])?
  {
    let takesLeast = try isLeast(policy)
    guard let from = TensorType(.f32, input).staticShape, let to = TensorType(.f32, wanted).staticShape,
      axes.allSatisfy({ from[$0] > 0 })
    else { return nil }
    let ratios = axes.map { Double(to[$0]) / Double(from[$0]) }
    guard let scale = takesLeast ? ratios.min() : ratios.max() else { throw NodeFault.invalid("no axes") }
    var (sizes, scales) = (input, [Double](repeating: 1, count: input.count))
    for axis in axes {
      sizes[axis] = try whole((Double(from[axis]) * scale).rounded(.toNearestOrAwayFromZero))
      scales[axis] = scale
    }
    return (sizes, scales)
  }
}
