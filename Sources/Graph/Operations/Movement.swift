import SwageTensor

/// The same elements in the same order under another shape. Never moves data.
public struct Reshape: OpDefinition {
  public static let mnemonic = "reshape"
  public var shape: [Dim]
  public init(_ shape: [Dim]) { self.shape = shape }
  public var attributes: AttributeList { AttributeList().with("shape", shape) }
  public init(_ attributes: inout AttributeReader) throws { shape = try attributes.dimensions("shape") }
  public var numericClass: NumericClass { .exact }
  public var symbols: [String] { shape.flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Reshape { Reshape(shape.map { $0.substituting(values) }) }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    let result = TensorType(type.elementType, shape)
    try context.requireEqual(
      type.elementCount, result.elementCount, "cannot view \(type) as \(result): elements differ")
    return [result]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let sizes = try context.sizes(shape)
    guard Checked.product(sizes) == operands[0]!.count else {
      throw TypeFault("cannot view \(operands[0]!.shape) as \(sizes)")
    }
    return [operands[0]!.reshaped(sizes)]
  }
}

/// Reorders axes: result axis i is operand axis `permutation[i]`.
public struct Transpose: OpDefinition {
  public static let mnemonic = "transpose"
  public var permutation: [Int]
  public init(_ permutation: [Int]) { self.permutation = permutation }
  public var attributes: AttributeList { AttributeList().with("permutation", permutation) }
  public init(_ attributes: inout AttributeReader) throws { permutation = try attributes.integers("permutation") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(
      permutation.count == type.rank && permutation.sorted() == Array(0..<type.rank),
      "\(permutation.prefix(16)) is no permutation of the axes of \(type)")
    return [TensorType(type.elementType, permutation.map { type.shape[$0] })]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    [operands[0]!.transposed(permutation)]
  }
}

/// Repeats along axes of size one and along new leading axes, up to `shape`.
public struct Broadcast: OpDefinition {
  public static let mnemonic = "broadcast"
  public var shape: [Dim]
  public init(_ shape: [Dim]) { self.shape = shape }
  public var attributes: AttributeList { AttributeList().with("shape", shape) }
  public init(_ attributes: inout AttributeReader) throws { shape = try attributes.dimensions("shape") }
  public var numericClass: NumericClass { .exact }
  public var symbols: [String] { shape.flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Broadcast {
    Broadcast(shape.map { $0.substituting(values) })
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(type.rank <= shape.count, "cannot broadcast \(type) to rank \(shape.count)")
    for (size, target) in zip(type.shape, shape.suffix(type.rank)) where size != 1 && size != target {
      let merged = try context.broadcast(size, target)
      if let c = size.constant, let t = target.constant, c != t { throw TypeFault("size \(c) does not repeat to \(t)") }
      _ = merged
    }
    return [TensorType(type.elementType, shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let sizes = try context.sizes(shape)
    let x = operands[0]!
    for (size, target) in zip(x.shape, sizes.suffix(x.shape.count)) where size != 1 && size != target {
      throw TypeFault("size \(size) does not repeat to \(target)")
    }
    try context.checkAllocation(x.elementType, sizes)
    return [x.broadcast(to: sizes)]
  }
}

/// Takes `sizes[i]` elements of axis i, from `starts[i]` in steps of `steps[i]` (negative steps run backwards).
public struct Slice: OpDefinition {
  public static let mnemonic = "slice"
  public var starts: [Dim]
  public var sizes: [Dim]
  public var steps: [Dim]

  public init(starts: [Dim], sizes: [Dim], steps: [Dim]? = nil) {
    self.starts = starts
    self.sizes = sizes
    self.steps = steps ?? starts.map { _ in 1 }
  }

  public var attributes: AttributeList {
    let list = AttributeList().with("starts", starts).with("sizes", sizes)
    return steps.allSatisfy { $0 == 1 } ? list : list.with("steps", steps)
  }

  public init(_ attributes: inout AttributeReader) throws {
    starts = try attributes.dimensions("starts")
    sizes = try attributes.dimensions("sizes")
    steps = try attributes.dimensions("steps", default: starts.map { _ in 1 })
  }

  public var numericClass: NumericClass { .exact }
  public var symbols: [String] { (starts + sizes + steps).flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Slice {
    Slice(
      starts: starts.map { $0.substituting(values) }, sizes: sizes.map { $0.substituting(values) },
      steps: steps.map { $0.substituting(values) })
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(
      starts.count == type.rank && sizes.count == type.rank && steps.count == type.rank,
      "slice names \(starts.count) axes of \(type)")
    for axis in 0..<type.rank {
      if let start = starts[axis].constant, let size = sizes[axis].constant, let step = steps[axis].constant {
        try context.require(size >= 0, "slice of negative size \(size) on axis \(axis)")
        guard size > 0 else { continue }
        guard let reach = Checked.multiply(size - 1, step), let last = Checked.add(start, reach) else {
          throw TypeFault("slice bounds overflow on axis \(axis)")
        }
        try context.require(start >= 0 && last >= 0, "slice starts before axis \(axis) of \(type)")
        try context.requireAtMost(
          Dim(max(start, last)) + 1, type.shape[axis], "slice of axis \(axis) of \(type) ends too late")
      } else if steps[axis] == 1 {
        try context.requireAtMost(
          starts[axis] + sizes[axis], .maximum(type.shape[axis], starts[axis]), "slice of axis \(axis) ends too late")
      } else if steps[axis].constant == nil {
        // Both ends are inside, unless there are no elements.
        let (first, count) = (starts[axis], sizes[axis])
        for end in [first, first + (count - 1) * steps[axis]] {
          try context.requireAtMost(0, count * end, "slice starts before axis \(axis)")
          try context.requireAtMost(count * (end - type.shape[axis] + 1), 0, "slice of axis \(axis) ends too late")
        }
      }
    }
    return [TensorType(type.elementType, sizes)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let start = try starts.map { try context.size($0) }
    let size = try context.sizes(sizes)
    let step = try steps.map { try context.size($0) }
    let strides = Indexing.strides(x.shape)
    var base = 0
    for axis in start.indices where !size.contains(0) {
      guard let reach = Checked.multiply(size[axis] - 1, step[axis]), let last = Checked.add(start[axis], reach),
        start[axis] >= 0, last >= 0, start[axis] < x.shape[axis], last < x.shape[axis]
      else {
        throw TypeFault("slice leaves axis \(axis) of \(x.shape)")
      }
      base += start[axis] * strides[axis]
    }
    return [x.gathering(Indexing.offsets(size, strides: zip(strides, step).map(&*), base: base), shape: size)]
  }
}

/// Joins operands along an axis.
public struct Concat: OpDefinition {
  public static let mnemonic = "concat"
  public var axis: Int
  public init(axis: Int) { self.axis = axis }
  public var attributes: AttributeList { AttributeList().with("axis", axis) }
  public init(_ attributes: inout AttributeReader) throws { axis = try attributes.integer("axis") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    var type = try context.type(0)
    try context.require(axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    for index in context.operands.indices.dropFirst() {
      let other = try context.type(index)
      try context.require(
        other.rank == type.rank && other.elementType == type.elementType, "cannot join \(type) and \(other)")
      for other_axis in 0..<type.rank where other_axis != axis {
        try context.requireEqual(
          type.shape[other_axis], other.shape[other_axis], "operand \(index), axis \(other_axis)")
        if type.shape[other_axis].constant == nil { type.shape[other_axis] = other.shape[other_axis] }
      }
      type.shape[axis] = type.shape[axis] + other.shape[axis]
    }
    return [type]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let parts = operands.map { $0! }
    var shape = parts[0].shape
    shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    for part in parts {
      for other in shape.indices where other != axis && part.shape[other] != shape[other] {
        throw TypeFault("sizes of axis \(other) differ: \(part.shape[other]) and \(shape[other])")
      }
    }
    if Checked.product(shape) == 0 { return [Tensor(zeros: parts[0].elementType, shape)] }
    let outer = shape[..<axis].reduce(1, *)
    let bits = parts.map(\.integerBits)
    var joined: [Int64] = []
    joined.reserveCapacity(outer * shape[axis...].reduce(1, *))
    for row in 0..<outer {
      for (part, values) in zip(parts, bits) {
        let width = part.shape[axis...].reduce(1, *)
        joined += values[row * width..<(row + 1) * width]
      }
    }
    return [Tensor(bits: joined, parts[0].elementType, shape)]
  }
}

/// Adds elements around a tensor; negative amounts remove them. Operands: x, and for `constant` the value (scalar).
public struct Pad: OpDefinition {
  public enum Mode: String, Hashable, Sendable { case constant, reflect, edge, wrap }
  public static let mnemonic = "pad"
  public var mode: Mode
  public var begins: [Dim]
  public var ends: [Dim]

  public init(mode: Mode, begins: [Dim], ends: [Dim]) {
    self.mode = mode
    self.begins = begins
    self.ends = ends
  }

  public var attributes: AttributeList {
    AttributeList().with("mode", mode).with("begins", begins).with("ends", ends)
  }
  public init(_ attributes: inout AttributeReader) throws {
    mode = try attributes.word("mode")
    begins = try attributes.dimensions("begins")
    ends = try attributes.dimensions("ends")
  }
  public var numericClass: NumericClass { .exact }
  public var symbols: [String] { (begins + ends).flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Pad {
    Pad(mode: mode, begins: begins.map { $0.substituting(values) }, ends: ends.map { $0.substituting(values) })
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...2)
    let type = try context.type(0)
    try context.require(
      begins.count == type.rank && ends.count == type.rank, "pads name \(begins.count) axes of \(type)")
    if let value = context.optional(1) {
      try context.require(
        value.elementType == type.elementType && value.rank == 0, "the padding value is \(value) for \(type)")
    }
    for amount in (begins + ends).compactMap(\.constant) { try context.requireModest(amount, "a pad") }
    let shape = (0..<type.rank).map { type.shape[$0] + begins[$0] + ends[$0] }
    for (axis, size) in shape.enumerated() {
      if let size = size.constant { try context.require(size >= 0, "pads leave \(size) elements on axis \(axis)") }
      if mode == .reflect {
        for amount in [begins[axis], ends[axis]] where amount != 0 {
          try context.requireAtMost(amount + 1, type.shape[axis], "reflection on axis \(axis) of \(type)")
        }
      }
    }
    return [TensorType(type.elementType, shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let begin = try begins.map { try context.size($0) }
    let shape = try context.resultSizes()
    try context.checkAllocation(x.elementType, shape)
    let bits = x.integerBits
    let fill = operands.count > 1 ? operands[1]?.integerBits.first ?? 0 : 0
    let strides = Indexing.strides(x.shape)
    var result: [Int64] = []
    result.reserveCapacity(Checked.product(shape) ?? 0)
    let ownStrides = Indexing.strides(shape)
    guard !shape.contains(0) else { return [Tensor(zeros: x.elementType, shape)] }
    guard mode == .constant || x.count > 0 else { throw TypeFault("there is nothing to repeat in \(x.shape)") }
    for linear in 0..<shape.reduce(1, *) {
      var source = 0
      var inside = true
      for axis in shape.indices {
        let size = x.shape[axis]
        var index = linear / ownStrides[axis] % shape[axis] - begin[axis]
        if index < 0 || index >= size {
          switch mode {
          case .constant: inside = false
          case .edge: index = min(max(index, 0), size - 1)
          case .wrap: index = ((index % size) + size) % size
          case .reflect:
            let period = max(2 * (size - 1), 1)
            index = ((index % period) + period) % period
            if index >= size { index = period - index }
          }
        }
        source += index * strides[axis]
      }
      result.append(inside ? bits[source] : fill)
    }
    return [Tensor(bits: result, x.elementType, shape)]
  }
}

/// Counts: `start + i · step`, for i up to `count`. Operands: start, step (scalars of one type).
public struct Iota: OpDefinition {
  public static let mnemonic = "iota"
  public var count: Dim
  public init(count: Dim) { self.count = count }
  public var attributes: AttributeList { AttributeList().with("count", .dimension(count)) }
  public init(_ attributes: inout AttributeReader) throws { count = try attributes.dimension("count") }
  public var numericClass: NumericClass { .exact }
  public var symbols: [String] { count.symbols }
  public func substituting(_ values: [String: Dim]) -> Iota { Iota(count: count.substituting(values)) }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(2...2)
    let start = try context.type(0)
    let step = try context.type(1)
    try context.require(start == step && start.rank == 0, "start and step are scalars of one type: \(start), \(step)")
    return [TensorType(start.elementType, [count])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let shape = try context.resultSizes()
    let (start, step) = (operands[0]!, operands[1]!)
    try context.checkAllocation(start.elementType, shape)
    if start.elementType.isFloat {
      let (a, b) = (start.doubles[0], step.doubles[0])
      return [Tensor(start.elementType, shape, doubles: (0..<shape[0]).map { a + Double($0) * b })]
    }
    let (a, b) = (start.integers[0], step.integers[0])
    return [Tensor(start.elementType, shape, integers: (0..<shape[0]).map { a &+ Int64($0) &* b })]
  }
}
