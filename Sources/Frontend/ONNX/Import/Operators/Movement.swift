import SwageGraph
import SwageTensor

/// Operators that move elements.
enum MovementOperators {
  static let table: [String: Handler] = [
    "Transpose": transpose, "Expand": expand, "Tile": tile, "Concat": concat, "Split": split,
    "Slice": SliceOperator.slice,
    "Pad": pad,
    "DepthToSpace": depthToSpace, "SpaceToDepth": spaceToDepth, "Trilu": trilu, "ReverseSequence": reverseSequence,
    "CenterCropPad": centerCropPad,
  ]

  private static func transpose(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let permutation = try call.ints("perm") ?? Array((0..<x.type.rank).reversed())
    try call.require(
      permutation.count == x.type.rank && permutation.sorted() == Array(0..<x.type.rank),
      "\(permutation.prefix(16)) is no permutation of the axes of \(x.type)")
    return [try call.transpose(x, permutation)]
  }

  private static func expand(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let target = try call.sizes(of: try call.input(1), "sizes", areSizes: true)
    let result = try call.broadcast(x, try merged(call, x.type.shape, target))
    result.splat = result.splat ?? x.splat
    return [result]
  }

  /// The shape that two shapes broadcast to.
  static func merged(_ call: Call, _ a: [Dim], _ b: [Dim]) throws -> [Dim] {
    var context = TypeContext(operands: [])
    do { return try context.broadcast(a, b) } catch let fault as TypeFault { throw NodeFault.invalid(fault.message) }
  }

  private static func tile(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let repeats = try call.sizes(of: try call.input(1), "repeats", areSizes: true)
    try call.require(repeats.count == x.type.rank, "\(repeats.count) repeats for \(x.type)")
    try call.require(repeats.allSatisfy { $0.constant.map { $0 >= 0 } ?? true }, "negative repeats \(repeats)")
    var (split, repeated): ([Dim], [Dim]) = ([], [])
    for (size, count) in zip(x.type.shape, repeats) {
      if count != 1 {
        split.append(1)
        repeated.append(count)
      }
      split.append(size)
      repeated.append(size)
    }
    let wide = try call.broadcast(try call.reshape(x, split), repeated)
    return [try call.reshape(wide, zip(x.type.shape, repeats).map { $0 * $1 })]
  }

  private static func concat(_ call: Call) throws -> [ImportedValue?] {
    let inputs = try call.allInputs()
    guard let given = try call.int("axis") else { throw NodeFault.invalid("attribute axis is missing") }
    try call.require(inputs[0].type.rank >= 1, "scalars cannot be joined")
    let axis = try call.axis(given, rank: inputs[0].type.rank)
    if inputs.count == 1 { return [inputs[0]] }
    return [try call.emit(.concat(Concat(axis: axis)), inputs)]
  }

  private static func split(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: 0), rank: x.type.rank)
    let size = x.type.shape[axis]
    var parts: [Dim]
    // Opset 1 has both.
    let given =
      call.opset >= 13 || call.optional(1) != nil
      ? try call.optional(1).map { try call.sizes(of: $0, "sizes of the parts", areSizes: true) }
      : try call.ints("split").map { $0.map { Dim($0) } }
    if let given {
      parts = given
      try call.require(
        parts.count == call.node.outputs.count, "\(parts.count) parts for \(call.node.outputs.count) outputs")
      if let sum = parts.reduce(0, +).constant, let size = size.constant {
        try call.require(sum == size, "the parts \(parts) do not add up to axis \(axis) of \(x.type)")
      }
    } else {
      let count = try call.int("num_outputs", default: call.node.outputs.count)
      try call.require(
        count == call.node.outputs.count && count >= 1, "\(count) parts for \(call.node.outputs.count) outputs")
      let isEven = call.opset < 18
      if isEven, let size = size.constant { try call.require(size % count == 0, "\(size) elements in \(count) parts") }
      let part = isEven ? size.floorDivided(by: Dim(count)) : size.ceilDivided(by: Dim(count))
      parts = [Dim](repeating: part, count: count - 1)
      parts.append(size - part * Dim(count - 1))
    }
    var start = Dim(0)
    return try parts.map { part in
      var starts = [Dim](repeating: 0, count: x.type.rank)
      var sizes = x.type.shape
      starts[axis] = start
      sizes[axis] = part
      start = start + part
      return try take(call, x, starts: starts, sizes: sizes)
    }
  }

  /// A slice, unless it is everything.
  static func take(_ call: Call, _ x: ImportedValue, starts: [Dim], sizes: [Dim], steps: [Dim]? = nil) throws
    -> ImportedValue
  {
    if steps == nil, sizes == x.type.shape, starts.allSatisfy({ $0 == 0 }) { return x }
    return try call.emit(.slice(Slice(starts: starts, sizes: sizes, steps: steps)), [x])
  }

  // MARK: - Pad

  private static func pad(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    let name = try call.string("mode", default: "constant")
    guard let mode = Pad.Mode(rawValue: name) else { throw NodeFault.invalid("there is no mode \(name)") }
    let pads: [Dim]
    var axes = Array(0..<rank)
    var fill: ImportedValue?
    if call.opset >= 18, let given = call.optional(3), try call.knownConstants(of: given) == nil {
      let spread = try padsOfAllAxes(call, x.type, given)
      return try pad(call.changing(inputs: [x, spread, call.optional(2)]))
    }
    if call.opset < 11 {
      guard let given = try call.ints("pads") ?? call.ints("paddings") else {
        throw NodeFault.invalid("pads are missing")
      }
      pads = given.map { Dim($0) }
      let value = try call.float("value", default: 0)
      if mode == .constant, value != 0 { fill = call.scalar(value, x.type.elementType) }
    } else {
      pads = try call.sizes(of: try call.input(1), "pads")
      if mode == .constant, let value = call.optional(2) {
        fill = try call.cast(try call.reshape(value, []), to: x.type.elementType)
      }
      if let given = call.optional(3) { axes = try call.axes(try call.constants(of: given, "axes"), rank: rank) }
    }
    try call.require(pads.count == 2 * axes.count, "\(pads.count) pads for \(axes.count) axes")
    var (begins, ends) = ([Dim](repeating: 0, count: rank), [Dim](repeating: 0, count: rank))
    for (index, axis) in axes.enumerated() { (begins[axis], ends[axis]) = (pads[index], pads[index + axes.count]) }
    if (begins + ends).allSatisfy({ $0 == 0 }) { return [x] }
    return [try call.emit(.pad(Pad(mode: mode, begins: begins, ends: ends)), [x, fill])]
  }

  /// Amounts for axes that only the run knows, as amounts for all axes.
  private static func padsOfAllAxes(_ call: Call, _ x: TensorType, _ given: ImportedValue) throws -> ImportedValue {
    let pads = try call.cast(try call.input(1), to: .i64)
    let count = given.type.elementCount
    try call.require(
      pads.type.rank == 1 && given.type.rank <= 1 && pads.type.shape[0].constant.map { Dim($0) == count * 2 } ?? true,
      "\(pads.type) pads for \(given.type) axes")
    let axes = try RuntimeAxes(call, given, rank: x.rank)
    let none = call.constant(Tensor(zeros: .i64, [x.rank]))
    let parts = try [0, count].map { start in
      try call.emit(
        .scatterElements(ScatterElements(axis: 0, reduction: .none)),
        [none, axes.positions, try take(call, pads, starts: [start], sizes: [count])])
    }
    // Where the axes are not valid, more is taken away than there is.
    let amounts = try call.emit(.concat(Concat(axis: 0)), parts)
    return try axes.checked(call, amounts, else: -1 << 31)
  }

  private static func centerCropPad(_ call: Call) throws -> [ImportedValue?] {
    var x = try call.input(0)
    let target = try call.sizes(of: try call.input(1), "sizes", areSizes: true)
    let axes = try call.axes(try call.ints("axes") ?? Array(0..<x.type.rank), rank: x.type.rank)
    try call.require(target.count == axes.count, "\(target.count) sizes for \(axes.count) axes")
    var (starts, sizes) = ([Dim](repeating: 0, count: x.type.rank), x.type.shape)
    var (begins, ends) = (starts, starts)
    for (axis, wanted) in zip(axes, target) {
      let size = x.type.shape[axis]
      let crop = call.sizes.larger(size - wanted, 0)
      let grow = call.sizes.larger(wanted - size, 0)
      starts[axis] = crop.floorDivided(by: 2)
      sizes[axis] = call.sizes.smaller(size, wanted)
      begins[axis] = grow.floorDivided(by: 2)
      ends[axis] = grow - begins[axis]
    }
    x = try take(call, x, starts: starts, sizes: sizes)
    if (begins + ends).allSatisfy({ $0 == 0 }) { return [x] }
    return [try call.emit(.pad(Pad(mode: .constant, begins: begins, ends: ends)), [x])]
  }

  // MARK: - Space and depth

  private static func block(_ call: Call, _ x: ImportedValue) throws -> Dim {
    guard let size = try call.int("blocksize"), size >= 1, x.type.rank == 4 else {
      throw NodeFault.invalid("blocksize is missing, or \(x.type) is no image")
    }
    return Dim(size)
  }

  private static func depthToSpace(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let b = try block(call, x)
    let (n, c, h, w) = (x.type.shape[0], x.type.shape[1], x.type.shape[2], x.type.shape[3])
    let depth = c.floorDivided(by: b * b)
    let isCRD = try call.string("mode", default: "DCR") == "CRD"
    let split = try call.reshape(x, isCRD ? [n, depth, b, b, h, w] : [n, b, b, depth, h, w])
    let moved = try call.transpose(split, isCRD ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2])
    return [try call.reshape(moved, [n, depth, h * b, w * b])]
  }

  private static func spaceToDepth(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let b = try block(call, x)
    let (n, c, h, w) = (x.type.shape[0], x.type.shape[1], x.type.shape[2], x.type.shape[3])
    let (rows, columns) = (h.floorDivided(by: b), w.floorDivided(by: b))
    let split = try call.reshape(x, [n, c, rows, b, columns, b])
    let isCRD = try call.string("mode", default: "DCR") == "CRD"
    let moved = try call.transpose(split, isCRD ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4])
    return [try call.reshape(moved, [n, c * b * b, rows, columns])]
  }

  // MARK: - By position

  private static func trilu(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    try call.require(rank >= 2, "trilu of \(x.type)")
    let (rows, columns) = (x.type.shape[rank - 2], x.type.shape[rank - 1])
    let row = try call.reshape(try call.counting(rows), [rows, 1])
    var offset = try call.binary(.sub, try call.counting(columns), row)
    if let k = call.optional(1) { offset = try call.binary(.sub, offset, try call.reshape(k, [])) }
    let isUpper = try call.flag("upper", default: true)
    let zero = call.constant(Tensor(.i64, [], integers: [0]))
    let keeps = try call.binary(isUpper ? .greaterOrEqual : .lessOrEqual, offset, zero)
    return [try call.emit(.select(Select()), [keeps, x, call.constant(Tensor(zeros: x.type.elementType, []))])]
  }

  private static func reverseSequence(_ call: Call) throws -> [ImportedValue?] {
    let (x, lengths) = (try call.input(0), try call.input(1))
    let batch = try call.int("batch_axis", default: 1)
    let time = try call.int("time_axis", default: 0)
    try call.require(
      x.type.rank >= 2 && [batch, time].sorted() == [0, 1] && lengths.type.rank == 1,
      "batch axis \(batch) and time axis \(time) of \(x.type)")
    let steps = try call.counting(x.type.shape[time])
    let step = time == 0 ? try call.perChannel(steps, trailing: 1) : steps
    let length = try call.cast(lengths, to: .i64)
    let perBatch = batch == 0 ? try call.perChannel(length, trailing: 1) : length
    let mirrored = try call.binary(.sub, try call.binary(.sub, perBatch, step), 1)
    let isInside = try call.binary(.less, step, perBatch)
    let index = try call.emit(.select(Select()), [isInside, mirrored, step])
    let wide = try call.broadcast(try call.perChannel(index, trailing: x.type.rank - 2), x.type.shape)
    return [try call.emit(.gatherElements(GatherElements(axis: time)), [x, wide])]
  }
}
