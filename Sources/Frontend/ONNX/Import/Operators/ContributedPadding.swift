import SwageGraph
import SwageTensor

/// Sequences of several lengths without the padding between them, and attention over those. A token's offset is its
/// place among `batch · length` padded ones; offsets of the padding follow those of the tokens.
enum ContributedPadding {
  static let table: [String: Handler] = [
    "RemovePadding": remove, "RestorePadding": restore, "PackedAttention": attention,
    "PackedMultiHeadAttention": multiHead,
  ]

  private static func remove(_ call: Call) throws -> [ImportedValue?] {
    let (x, counts) = (try call.input(0), try call.input(1))
    try call.require(x.type.rank == 3 && counts.type.rank == 1, "\(x.type) with lengths \(counts.type)")
    let (batch, length) = (x.type.shape[0], x.type.shape[1])
    let column = try call.reshape(try call.cast(counts, to: .i64), [counts.type.shape[0], 1])
    let isToken = try call.reshape(
      try call.binary(.less, try call.counting(length), column), [batch * length])
    func places(_ condition: ImportedValue) throws -> ImportedValue {
      let symbol = call.importer.symbols.freshSize()
      let found = try call.emit(.nonZero(NonZero(symbol: symbol)), [condition])
      return try call.reshape(found, [.symbol(symbol)])
    }
    let tokens = try places(isToken)
    let flat = try call.reshape(x, [batch * length, x.type.shape[2]])
    let y = try call.emit(.gather(Gather(axis: 0)), [flat, tokens])
    var offsets: ImportedValue?
    if call.wants(output: 1) {
      let rest = try places(try call.unary(.not, isToken))
      let all = try call.emit(.concat(Concat(axis: 0)), [tokens, rest])
      let known = try MovementOperators.take(call, try call.cast(all, to: .i32), starts: [0], sizes: [batch * length])
      offsets = try call.reshape(known, [batch, length])
    }
    let first = call.constant(Tensor(zeros: .i64, []))
    let summed = try call.standard(
      "CumSum", opset: 14, inputs: [try call.cast(counts, to: .i32), first], isRead: [true])
    guard let sums = summed.first ?? nil else { return [] }
    let zero = call.constant(Tensor(zeros: .i32, [1]))
    let longest = try call.reduce(.max, try call.cast(counts, to: .i32), axes: [0], keeps: true)
    return [y, offsets, try call.emit(.concat(Concat(axis: 0)), [zero, sums]), longest]
  }

  private static func restore(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let offsets = try call.input(1)
    try call.require(x.type.rank == 2 && offsets.type.rank == 2, "\(x.type) at \(offsets.type)")
    return [try padded(call, x, offsets)]
  }

  /// Offsets of the tokens, `[tokens, 1]`.
  private static func places(_ call: Call, _ offsets: ImportedValue, tokens: Dim) throws -> ImportedValue {
    let flat = try call.reshape(try call.cast(offsets, to: .i64), [offsets.type.elementCount])
    return try call.reshape(try MovementOperators.take(call, flat, starts: [0], sizes: [tokens]), [tokens, 1])
  }

  /// `[tokens, size]` as `[batch, length, size]`, with zeros for the padding.
  private static func padded(_ call: Call, _ x: ImportedValue, _ offsets: ImportedValue) throws -> ImportedValue {
    let (batch, length, size) = (offsets.type.shape[0], offsets.type.shape[1], x.type.shape[1])
    let empty = try call.broadcast(call.scalar(0, x.type.elementType), [batch * length, size])
    let index = try places(call, offsets, tokens: x.type.shape[0])
    let filled = try call.emit(.scatterND(ScatterND(reduction: .none)), [empty, index, x])
    return try call.reshape(filled, [batch, length, size])
  }

  private static func attention(_ call: Call) throws -> [ImportedValue?] {
    let (x, w) = (try call.input(0), try call.input(1))
    try call.require(x.type.rank == 2 && w.type.rank == 2, "attention of \(x.type) with weights \(w.type)")
    let projected = try call.binary(.add, try LinearOperators.matmul(call, x, w), try call.input(2))
    let width = projected.type.shape[1]
    let third = width.floorDivided(by: 3)
    let sizes = try call.ints("qkv_hidden_sizes").map { $0.map { Dim($0) } } ?? [third, third, third]
    try call.require(sizes.count == 3 && sizes[0] + sizes[1] + sizes[2] == width, "qkv_hidden_sizes are \(sizes)")
    var start: Dim = 0
    let parts = try sizes.map { size in
      defer { start = start + size }
      return try MovementOperators.take(call, projected, starts: [0, start], sizes: [x.type.shape[0], size])
    }
    return [
      try attend(call, parts, offsets: try call.input(3), ends: try call.input(4), added: call.optional(5))
    ]
  }

  private static func multiHead(_ call: Call) throws -> [ImportedValue?] {
    let q = try call.input(0)
    let tokens = q.type.shape.first ?? 1
    var parts: [ImportedValue]
    if q.type.rank == 4 {
      let (heads, size) = (q.type.shape[1], q.type.shape[3])
      try call.require(q.type.shape[2] == 3, "packed heads of \(q.type)")
      parts = try (0..<3).map { index in
        let part = try MovementOperators.take(
          call, q, starts: [0, 0, Dim(index), 0], sizes: [tokens, heads, 1, size])
        return try call.reshape(part, [tokens, heads * size])
      }
    } else {
      parts = [q, try call.input(1), try call.input(2)]
      try call.require(parts.allSatisfy { $0.type.rank == 2 }, "queries of \(q.type)")
    }
    if let bias = call.optional(3) {
      var start: Dim = 0
      parts = try parts.map { part in
        let size = part.type.shape[1]
        defer { start = start + size }
        let own = try MovementOperators.take(call, bias, starts: [start], sizes: [size])
        return try call.binary(.add, part, own)
      }
    }
    _ = try call.float("mask_filter_value")
    return [
      try attend(call, parts, offsets: try call.input(4), ends: try call.input(5), added: call.optional(6))
    ]
  }

  /// Attention within each sequence of the padded form, whose tokens are picked again.
  private static func attend(
    _ call: Call, _ parts: [ImportedValue], offsets: ImportedValue, ends: ImportedValue, added: ImportedValue?
  ) throws -> ImportedValue {
    try call.require(offsets.type.rank == 2 && ends.type.rank == 1, "offsets \(offsets.type), lengths \(ends.type)")
    let heads = try ContributedAttention.headCount(call)
    let (batch, length) = (offsets.type.shape[0], offsets.type.shape[1])
    let split = try parts.map {
      try AttentionOperators.splitHeads(call, try padded(call, $0, offsets), heads: heads)
    }
    let type = split[0].type.elementType
    let wide = try call.cast(ends, to: .i64)
    let first = try MovementOperators.take(call, wide, starts: [0], sizes: [batch])
    let next = try MovementOperators.take(call, wide, starts: [1], sizes: [batch])
    let counts = try call.reshape(try call.binary(.sub, next, first), [batch, 1, 1, 1])
    let isToken = try call.binary(.less, try call.counting(length), counts)
    var bias = try call.emit(
      .select(Select()), [isToken, call.scalar(0, type), call.scalar(-.infinity, type)])
    if let added { bias = try call.binary(.add, bias, added) }
    let y = try ContributedAttention.attend(
      call, ContributedAttention.Heads(q: split[0], k: split[1], v: split[2], bias: bias)
    ).y
    let flat = try call.reshape(y, [batch * length, y.type.shape[2]])
    let tokens = parts[0].type.shape[0]
    let index = try call.reshape(try places(call, offsets, tokens: tokens), [tokens])
    return try call.emit(.gather(Gather(axis: 0)), [flat, index])
  }
}
