import SwageGraph
import SwageTensor

/// Convolutions and their transposes.
enum ConvolutionOperators {
  static let table: [String: Handler] = ["Conv": { [try convolution($0)] }, "ConvTranspose": transpose]

  /// Sizes of windows over the spatial axes of an image, from a node's attributes.
  struct Window {
    var kernel: [Int]
    var strides: [Int]
    var dilations: [Int]
    var begins: [Dim]
    var ends: [Dim]
  }

  /// Reads strides, dilations and pads; `auto_pad` becomes pads, expressions where the sizes are.
  static func window(_ call: Call, kernel: [Int], spatial: [Dim]) throws -> Window {
    let rank = spatial.count
    func list(_ name: String, _ fallback: Int, count: Int) throws -> [Int] {
      let values = try call.ints(name) ?? [Int](repeating: fallback, count: count)
      try call.require(values.count == count, "\(values.count) \(name) for \(rank) spatial axes")
      return values
    }
    let strides = try list("strides", 1, count: rank)
    let dilations = try list("dilations", 1, count: rank)
    let limit = 1 << 31
    try call.require(
      kernel.count == rank && (kernel + strides + dilations).allSatisfy { (1...limit).contains($0) },
      "kernel \(kernel), strides \(strides), dilations \(dilations)")
    let pads = try list("pads", 0, count: 2 * rank)
    try call.require(pads.allSatisfy { $0.magnitude <= UInt(limit) }, "pads \(pads)")
    var result = Window(
      kernel: kernel, strides: strides, dilations: dilations, begins: pads.prefix(rank).map { Dim($0) },
      ends: pads.suffix(rank).map { Dim($0) })
    let mode = try call.string("auto_pad", default: "NOTSET")
    switch mode {
    case "NOTSET", "": break
    case "VALID":
      result.begins = [Dim](repeating: 0, count: rank)
      result.ends = result.begins
    case "SAME_UPPER", "SAME_LOWER":
      for axis in 0..<rank {
        let windows = spatial[axis].ceilDivided(by: Dim(strides[axis]))
        let span = dilations[axis] * (kernel[axis] - 1) + 1
        let missing = (windows - 1) * Dim(strides[axis]) + Dim(span) - spatial[axis]
        // Windows that touch or overlap reach the end: then nothing is left over.
        let total = span >= strides[axis] ? missing : call.sizes.larger(missing, 0)
        let half = total.floorDivided(by: 2)
        result.begins[axis] = mode == "SAME_UPPER" ? half : total - half
        result.ends[axis] = total - result.begins[axis]
      }
    default: throw NodeFault.invalid("auto_pad cannot be \(mode)")
    }
    return result
  }

  /// The kernel's sizes: the weights' own, which `kernel_shape` may repeat.
  private static func kernel(_ call: Call, _ x: ImportedValue, _ w: ImportedValue) throws -> [Int] {
    try call.require(x.type.rank >= 3 && w.type.rank == x.type.rank, "a convolution of \(x.type) with \(w.type)")
    let sizes = w.type.shape.dropFirst(2)
    guard let kernel = TensorType(.f32, Array(sizes)).staticShape else {
      throw call.unsupported("the sizes of the kernel \(w.type) are not known", remedy: "give sizes with --shape")
    }
    if let given = try call.ints("kernel_shape") {
      try call.require(given == kernel, "kernel_shape \(given) for weights \(w.type)")
    }
    return kernel
  }

  /// The convolution of the call's first two inputs, or of `x` and `w` in their place, with the bias at input 2.
  static func convolution(
    _ call: Call, x given: ImportedValue? = nil, w weights: ImportedValue? = nil, hasBias: Bool = true
  ) throws -> ImportedValue {
    let (x, w) = (try given ?? call.input(0), try weights ?? call.input(1))
    let kernel = try kernel(call, x, w)
    let window = try window(call, kernel: kernel, spatial: Array(x.type.shape.dropFirst(2)))
    let op = Convolution(
      strides: window.strides, dilations: window.dilations, padsBegin: window.begins, padsEnd: window.ends,
      groups: try call.int("group", default: 1))
    let y = try call.emit(.convolution(op), [x, w])
    guard hasBias, let bias = call.optional(2) else { return y }
    return try addBias(call, y, bias)
  }

  /// An image with its pads around it, filled with `fill` or zeros, and the convolution of it with weights of this shape.
  static func padded(
    _ call: Call, _ x: ImportedValue, _ weights: [Int], with fill: ImportedValue?
  ) throws -> (image: ImportedValue, op: Convolution) {
    let kernel = Array(weights.dropFirst(2))
    if let given = try call.ints("kernel_shape") {
      try call.require(given == kernel, "kernel_shape \(given) for weights of \(weights)")
    }
    let window = try window(call, kernel: kernel, spatial: Array(x.type.shape.dropFirst(2)))
    let none = [Dim](repeating: 0, count: kernel.count)
    let op = Convolution(strides: window.strides, dilations: window.dilations, padsBegin: none, padsEnd: none)
    if (window.begins + window.ends).allSatisfy({ $0 == 0 }) { return (x, op) }
    let pad = Pad(mode: .constant, begins: [0, 0] + window.begins, ends: [0, 0] + window.ends)
    return (try call.emit(.pad(pad), [x, fill]), op)
  }

  private static func addBias(_ call: Call, _ y: ImportedValue, _ bias: ImportedValue) throws -> ImportedValue {
    try call.require(bias.type.rank == 1, "the bias is \(bias.type)")
    return try call.binary(.add, y, try perChannel(call, bias, rank: y.type.rank))
  }

  /// A vector along the channel axis of an image; constants keep their storage.
  static func perChannel(_ call: Call, _ vector: ImportedValue, rank: Int) throws -> ImportedValue {
    try call.require(rank >= 2, "an image of rank \(rank)")
    if let tensor = vector.tensor, let count = tensor.shape.first, tensor.shape.count == 1 {
      let value = ImportedValue(
        constant: tensor.reshaped([count] + [Int](repeating: 1, count: rank - 2)), name: vector.name,
        sources: [call.source])
      return value
    }
    return try call.perChannel(vector, trailing: rank - 2)
  }

  private static func transpose(_ call: Call) throws -> [ImportedValue?] {
    let (x, w) = (try call.input(0), try call.input(1))
    let kernel = try kernel(call, x, w)
    let spatial = Array(x.type.shape.dropFirst(2))
    let mode = try call.string("auto_pad", default: "NOTSET")
    let padding = try call.ints("output_padding") ?? [Int](repeating: 0, count: spatial.count)
    try call.require(
      padding.count == spatial.count && padding.allSatisfy { (0...(1 << 31)).contains($0) }, "output_padding \(padding)"
    )
    // SAME means something else here than for a convolution: a result of stride times the input.
    let isSame = mode == "SAME_UPPER" || mode == "SAME_LOWER"
    var sizes: [Dim]? = try call.ints("output_shape").map { $0.map { Dim($0) } }
    if let given = sizes, given.count == spatial.count + 2 { sizes = Array(given.dropFirst(2)) }
    if let given = sizes { try call.require(given.count == spatial.count, "output_shape \(given)") }
    var window = Window(kernel: kernel, strides: [], dilations: [], begins: [], ends: [])
    if isSame {
      let without = call.replacing([
        "auto_pad": .string("NOTSET"), "pads": .ints([Int](repeating: 0, count: 2 * spatial.count)),
      ])
      window = try Self.window(without, kernel: kernel, spatial: spatial)
      sizes = sizes ?? zip(spatial, window.strides).map { $0 * Dim($1) }
    } else {
      window = try Self.window(call, kernel: kernel, spatial: spatial)
    }
    if let sizes {
      for axis in spatial.indices {
        let reach = Dim(window.dilations[axis] * (kernel[axis] - 1) + 1 + padding[axis])
        let total = Dim(window.strides[axis]) * (spatial[axis] - 1) + reach - sizes[axis]
        let taken = call.sizes.larger(total, 0)
        let half = taken.floorDivided(by: 2)
        window.begins[axis] = mode == "SAME_UPPER" ? half : taken - half
        window.ends[axis] = total - window.begins[axis]
      }
    }
    let op = Convolution(
      strides: window.strides, dilations: window.dilations, padsBegin: window.begins, padsEnd: window.ends,
      groups: try call.int("group", default: 1), isTransposed: true, outputPadding: padding)
    let y = try call.emit(.convolution(op), [x, w])
    return [try call.optional(2).map { try addBias(call, y, $0) } ?? y]
  }
}
