import SwageGraph
import SwageTensor

/// Where maxima of windows stand, and writing windows back into images.
enum UnpoolingOperators {
  static let table: [String: Handler] = ["MaxUnpool": maxUnpool, "Col2Im": columnsToImage]

  // MARK: - Indices of MaxPool

  /// The index, in the whole operand, of the first largest element of each window; `columnMajor` counts the spatial axes
  /// from the first on. Goes through the taps of the kernel, all windows at once.
  static func indices(_ call: Call, _ x: ImportedValue, _ op: Pool, result: [Dim], columnMajor: Bool) throws
    -> ImportedValue
  {
    let rank = op.kernel.count
    let type = x.type.elementType
    let spatial = Array(x.type.shape.dropFirst(2))
    let output = Array(result.dropFirst(2))
    guard let taps = Checked.product(op.kernel), taps <= 4096 else {
      throw call.unsupported("its indices are read, and a window has \(op.kernel) elements")
    }
    var ends = op.padsEnd
    for axis in 0..<rank {
      let reach = (output[axis] - 1) * Dim(op.strides[axis]) + Dim(op.dilations[axis] * (op.kernel[axis] - 1) + 1)
      ends[axis] = call.sizes.larger(reach - spatial[axis] - op.padsBegin[axis], op.padsEnd[axis])
    }
    var padded = x
    if (op.padsBegin + ends).contains(where: { $0 != 0 }) {
      let pad = Pad(mode: .constant, begins: [0, 0] + op.padsBegin, ends: [0, 0] + ends)
      padded = try call.emit(.pad(pad), [x, call.constant(Tensor(zeros: type, []))])
    }
    func number(_ dimension: Dim) -> ImportedValue {
      ImportedValue(.scalar(dimension), .i64, sources: [call.source])
    }
    var best: (value: ImportedValue, index: ImportedValue)?
    for tap in 0..<taps {
      var (starts, isInside, place) = ([Dim](repeating: 0, count: rank + 2), ImportedValue?.none, ImportedValue?.none)
      for axis in 0..<rank {
        let within = tap / op.kernel[(axis + 1)...].reduce(1, &*) % op.kernel[axis] * op.dilations[axis]
        starts[axis + 2] = Dim(within)
        let first = try call.binary(.mul, try call.counting(output[axis]), Double(op.strides[axis]))
        let line = try call.binary(.add, first, number(Dim(within) - op.padsBegin[axis]))
        let coordinate = try call.perChannel(line, trailing: rank - 1 - axis)
        let inside = try call.binary(
          .and, try call.binary(.greaterOrEqual, coordinate, 0),
          try call.binary(.less, coordinate, number(spatial[axis])))
        isInside = try isInside.map { try call.binary(.and, $0, inside) } ?? inside
        let stride = columnMajor ? spatial[..<axis].reduce(1, *) : spatial[(axis + 1)...].reduce(1, *)
        let offset = try call.binary(.mul, coordinate, number(stride))
        place = try place.map { try call.binary(.add, $0, offset) } ?? offset
      }
      let steps = [1, 1] + op.strides.map { Dim($0) }
      let value = try call.emit(.slice(Slice(starts: starts, sizes: result, steps: steps)), [padded])
      guard let isInside, let place else { continue }
      guard let old = best else {
        // -1 until a tap lies inside the image.
        let none = call.constant(Tensor(.i64, [], integers: [-1]))
        best = (value, try call.broadcast(try call.emit(.select(Select()), [isInside, place, none]), result))
        continue
      }
      let isNew = try call.binary(
        .or, try call.binary(.greater, value, old.value), try call.binary(.less, old.index, 0))
      let takes = try call.binary(.and, isNew, isInside)
      best = (
        try call.emit(.select(Select()), [takes, value, old.value]),
        try call.emit(.select(Select()), [takes, place, old.index])
      )
    }
    guard let best else { throw NodeFault.invalid("a window without elements") }
    let planes = try call.reshape(try call.counting(result[0] * result[1]), [result[0], result[1]])
    let start = try call.binary(.mul, try call.perChannel(planes, trailing: rank), number(spatial.reduce(1, *)))
    return try call.binary(.add, best.index, start)
  }

  // MARK: - MaxUnpool

  /// Writes elements to their indices in an image of zeros that the windows cover; a larger result has zeros at the ends
  /// of its axes.
  private static func maxUnpool(_ call: Call) throws -> [ImportedValue?] {
    let (x, indices) = (try call.input(0), try call.input(1))
    let rank = x.type.rank - 2
    guard let kernel = try call.ints("kernel_shape") else { throw NodeFault.invalid("kernel_shape is missing") }
    let strides = try call.ints("strides") ?? [Int](repeating: 1, count: kernel.count)
    let pads = try call.ints("pads") ?? [Int](repeating: 0, count: 2 * kernel.count)
    try call.require(
      rank >= 1 && kernel.count == rank && strides.count == rank && pads.count == 2 * rank
        && indices.type.rank == x.type.rank
        && (kernel + strides).allSatisfy { (1...1 << 31).contains($0) }
        && pads.allSatisfy { (0...1 << 31).contains($0) },
      "kernel \(kernel), strides \(strides) and pads \(pads) for \(x.type)")
    var shape = Array(x.type.shape.prefix(2))
    for axis in 0..<rank {
      shape.append(
        (x.type.shape[axis + 2] - 1) * Dim(strides[axis]) + Dim(kernel[axis] - pads[axis] - pads[axis + rank]))
    }
    let count = shape.reduce(1, *)
    let zeros = try call.broadcast(call.constant(Tensor(zeros: x.type.elementType, [1])), [count])
    let flat = [x.type.elementCount]
    let op = ScatterElements(axis: 0, reduction: .none)
    let places = try call.reshape(try call.cast(indices, to: .i64), flat)
    let written = try call.emit(.scatterElements(op), [zeros, places, try call.reshape(x, flat)])
    let image = try call.reshape(written, shape)
    guard let given = call.optional(2) else { return [image] }
    let wanted = try call.sizes(of: given, "sizes", areSizes: true)
    try call.require(wanted.allSatisfy { $0.constant ?? 0 >= 0 }, "output_shape is \(wanted)")
    try call.require(wanted.count == rank + 2, "output_shape has \(wanted.count) sizes for \(x.type)")
    if wanted == shape { return [image] }
    let begins = [Dim](repeating: 0, count: rank + 2)
    return [
      try call.emit(
        .pad(Pad(mode: .constant, begins: begins, ends: zip(wanted, shape).map { $0 - $1 })), [image])
    ]
  }

  // MARK: - Col2Im

  /// Adds the blocks [N, C · elements of a block, blocks] up to images [N, C, …].
  private static func columnsToImage(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let image = try call.sizes(of: try call.input(1), "sizes of the image", areSizes: true)
    let block = try call.sizes(of: try call.input(2), "sizes of a block", areSizes: true)
    let rank = image.count
    try call.require(x.type.rank == 3 && rank >= 1 && block.count == rank, "\(block) blocks of \(image) in \(x.type)")
    for size in (image + block).compactMap(\.constant) {
      try call.require((0...1 << 31).contains(size), "a block or an image of \(size) elements along an axis")
    }
    let strides = try call.ints("strides") ?? [Int](repeating: 1, count: rank)
    let dilations = try call.ints("dilations") ?? [Int](repeating: 1, count: rank)
    let pads = try call.ints("pads") ?? [Int](repeating: 0, count: 2 * rank)
    try call.require(
      strides.count == rank && dilations.count == rank && pads.count == 2 * rank
        && (strides + dilations).allSatisfy { (1...1 << 31).contains($0) }
        && pads.allSatisfy { (0...1 << 31).contains($0) },
      "strides \(strides), dilations \(dilations) and pads \(pads) for \(rank) axes")
    let padded = (0..<rank).map { image[$0] + Dim(pads[$0] + pads[$0 + rank]) }
    let counts = (0..<rank).map { axis in
      let reach = Dim(dilations[axis]) * (block[axis] - 1) + 1
      return (padded[axis] - reach).floorDivided(by: Dim(strides[axis])) + 1
    }
    for count in counts {
      try call.require(count.constant ?? 0 >= 0, "blocks of \(block) do not fit images of \(image)")
    }
    let (size, number) = (block.reduce(1, *), counts.reduce(1, *))
    let (batch, channels) = (x.type.shape[0], x.type.shape[1].floorDivided(by: size))
    if let all = x.type.shape[1].constant, let size = size.constant {
      try call.require(size > 0 && all % size == 0, "\(all) rows are no blocks of \(size) elements")
    }
    // Where each element of each block stands in the padded image: [elements of a block…, blocks…].
    var place: ImportedValue?
    for axis in 0..<rank {
      let stride = ImportedValue(.scalar(padded[(axis + 1)...].reduce(1, *)), .i64, sources: [call.source])
      let within = try call.binary(.mul, try call.counting(block[axis]), Double(dilations[axis]))
      let start = try call.binary(.mul, try call.counting(counts[axis]), Double(strides[axis]))
      let line = try call.binary(
        .add, try call.perChannel(within, trailing: 2 * rank - 1 - axis),
        try call.perChannel(start, trailing: rank - 1 - axis))
      let offset = try call.binary(.mul, line, stride)
      place = try place.map { try call.binary(.add, $0, offset) } ?? offset
    }
    guard let place else { return [nil] }
    let columns = [batch * channels, size * number]
    let targets = try call.broadcast(
      try call.reshape(try call.broadcast(place, block + counts), [1, columns[1]]), columns)
    let area = padded.reduce(1, *)
    let zeros = try call.broadcast(call.constant(Tensor(zeros: x.type.elementType, [1, 1])), [columns[0], area])
    let op = ScatterElements(axis: 1, reduction: .add)
    let sums = try call.emit(.scatterElements(op), [zeros, targets, try call.reshape(x, columns)])
    let whole = try call.reshape(sums, [batch, channels] + padded)
    let starts = [0, 0] + pads.prefix(rank).map { Dim($0) }
    return [try MovementOperators.take(call, whole, starts: starts, sizes: [batch, channels] + image)]
  }
}
