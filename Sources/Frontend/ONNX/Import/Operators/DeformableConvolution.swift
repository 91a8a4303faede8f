import SwageGraph
import SwageTensor

/// Convolutions whose taps are moved by data.
enum DeformableOperators {
  static let table: [String: Handler] = ["DeformConv": convolution]

  /// Every tap of every window is gathered at its own place, between pixels and with zeros around the image; a product
  /// with the weights follows.
  ///
  /// Offsets are [N, groups of offsets · taps · axes, …], the mask is [N, groups of offsets · taps, …].
  private static func convolution(_ call: Call) throws -> [ImportedValue?] {
    let (x, w, offset) = (try call.input(0), try call.input(1), try call.input(2))
    let rank = x.type.rank - 2
    try call.require(
      (1...3).contains(rank) && w.type.rank == rank + 2 && offset.type.rank == rank + 2 && x.type.elementType.isFloat,
      "a convolution of \(x.type) with \(w.type) at \(offset.type)")
    guard let kernel = TensorType(.f32, Array(w.type.shape.dropFirst(2))).staticShape,
      let taps = Checked.product(kernel)
    else {
      throw call.unsupported("the sizes of the kernel \(w.type) are not known", remedy: "give sizes with --shape")
    }
    if let given = try call.ints("kernel_shape") {
      try call.require(given == kernel, "kernel_shape \(given) for weights \(w.type)")
    }
    let window = try ConvolutionOperators.window(call, kernel: kernel, spatial: Array(x.type.shape.dropFirst(2)))
    let groups = try call.int("group", default: 1)
    let offsetGroups = try call.int("offset_group", default: 1)
    let (batch, channels) = (x.type.shape[0], x.type.shape[1])
    let output = Array(offset.type.shape.dropFirst(2))
    let (g, og, k) = (Dim(groups), Dim(offsetGroups), Dim(taps))
    try call.require(
      groups >= 1 && offsetGroups >= 1 && groups <= 1 << 20 && offsetGroups <= 1 << 20 && taps >= 1,
      "\(groups) groups, and \(offsetGroups) of offsets")
    for (size, count) in [(channels, groups), (w.type.shape[0], groups), (channels, offsetGroups)] {
      if let size = size.constant { try call.require(size % count == 0, "\(size) channels in \(count) groups") }
    }
    let type: ElementType = offset.type.elementType == .f64 ? .f64 : .f32
    let sampler = try ImageSampler(call, x, groups: offsetGroups, type: type)

    // [N, groups of offsets, taps, …] is the shape of one coordinate of all taps.
    let positions = [batch, og, k] + output
    let split = try call.reshape(try call.cast(offset, to: type), [batch, og, k, Dim(rank)] + output)
    func coordinate(_ axis: Int) throws -> ImportedValue {
      var starts = [Dim](repeating: 0, count: rank + 4)
      starts[3] = Dim(axis)
      let moved = try call.reshape(
        try MovementOperators.take(call, split, starts: starts, sizes: [batch, og, k, 1] + output), positions)
      let stride = kernel[(axis + 1)...].reduce(1, &*)
      let tapPlaces = (0..<taps).map { Double($0 / stride % kernel[axis] * window.dilations[axis]) }
      let tap = call.constant(Tensor(type, [taps], doubles: tapPlaces))
      let start = try call.unary(
        .linear, try sampler.counting(output[axis], trailing: rank - 1 - axis), alpha: Double(window.strides[axis]))
      let padding = try sampler.size(window.begins[axis])
      let base = try call.binary(.sub, try call.perChannel(tap, trailing: rank), padding)
      return try call.binary(.add, try call.binary(.add, base, start), moved)
    }
    let lines = try (0..<rank).map { try sampler.linearTaps(try coordinate($0), axis: $0, isBounded: true) }
    let images = try call.perChannel(try call.counting(batch * og), trailing: 0)
    let owner = try call.reshape(images, [batch, og] + [Dim](repeating: 1, count: rank + 1))
    var samples = try sampler.sum(owner, lines, positions, type: x.type.elementType)
    if let mask = call.optional(4) { samples = try call.binary(.mul, samples, try call.reshape(mask, positions + [1])) }

    // [N, groups, channels of a group · taps, windows] times [groups, results of a group, channels of a group · taps].
    let area = output.reduce(1, *)
    let order = [0, 1, rank + 3, 2] + Array(3..<rank + 3)
    let perGroup = channels.floorDivided(by: g) * k
    let columns = try call.reshape(try call.transpose(samples, order), [batch, g, perGroup, area])
    let results = w.type.shape[0]
    let weights = try call.reshape(w, [g, results.floorDivided(by: g), perGroup])
    let product = try call.emit(.matmul(MatMul()), [weights, columns])
    var y = try call.reshape(product, [batch, results] + output)
    if let bias = call.optional(3) {
      try call.require(bias.type.rank == 1, "the bias is \(bias.type)")
      y = try call.binary(.add, y, try call.perChannel(bias, trailing: rank))
    }
    return [y]
  }
}
