import SwageGraph
import SwageTensor

/// Attention with heads as `com.microsoft` has it. Masks hide keys by adding `mask_filter_value` to the scores.
enum ContributedAttention {
  static let table: [String: Handler] = [
    "Attention": attention, "MultiHeadAttention": multiHead, "DecoderMaskedMultiHeadAttention": decoder,
    "DecoderMaskedSelfAttention": decoderSelf, "QAttention": quantized,
  ]

  /// Operands of one attention: `[batch, heads, length, size]` each, and what is added to the scores.
  struct Heads {
    var q: ImportedValue
    var k: ImportedValue
    var v: ImportedValue
    /// Broadcasts to `[batch, heads, length of q, length of k]`.
    var bias: ImportedValue?
  }

  static func headCount(_ call: Call, _ name: String = "num_heads") throws -> Int {
    guard let heads = try call.int(name), (1...(1 << 20)).contains(heads) else {
      throw NodeFault.invalid("\(name) is missing, or is no number of heads")
    }
    return heads
  }

  /// `scale`, or 1 / √size of the heads, where it is 0 or left out.
  static func scale(_ call: Call, _ q: ImportedValue) throws -> Double {
    if let given = try call.float("scale"), given != 0 { return given }
    guard let size = q.type.shape[3].constant, size > 0 else {
      throw call.unsupported("the size of the heads of \(q.type) is not known", remedy: "give sizes with --shape")
    }
    return 1 / Double(size).squareRoot()
  }

  /// softmax(scale · q · kᵀ + bias) · v as `[batch, length, heads · size]`, and the scores where they are read.
  static func attend(_ call: Call, _ heads: Heads, wantsScores: Bool = false) throws -> (
    y: ImportedValue, scores: ImportedValue?
  ) {
    let scale = try scale(call, heads.q)
    guard wantsScores else {
      let y = try call.emit(.attention(Attention(scale: scale)), [heads.q, heads.k, heads.v, heads.bias])
      return (try AttentionOperators.joinHeads(call, y), nil)
    }
    let product = try call.emit(.matmul(MatMul(transposeB: true)), [heads.q, heads.k])
    var scores = try call.unary(.linear, product, alpha: scale)
    if let bias = heads.bias { scores = try call.binary(.add, scores, bias) }
    let weights = try call.emit(.softmax(Softmax(axis: 3)), [scores])
    return (try AttentionOperators.joinHeads(call, try call.emit(.matmul(MatMul()), [weights, heads.v])), scores)
  }

  // MARK: - Masks

  /// Zero where a key counts and `mask_filter_value` where it does not, to broadcast to the scores; nil where all do.
  ///
  /// The mask is a truth value per key (`[batch, n]`), per query and key (`[batch, m, n]`), or the keys' lengths
  /// (`[batch]`), which `[2 · batch]` follows by where the keys start.
  static func bias(
    _ call: Call, mask: ImportedValue?, added: ImportedValue?, isCausal: Bool, batch: Dim, m: Dim, n: Dim,
    type: ElementType
  ) throws -> ImportedValue? {
    let filter = try call.float("mask_filter_value", default: -10000)
    var result: ImportedValue?
    func add(_ bias: ImportedValue) throws { result = try result.map { try call.binary(.add, $0, bias) } ?? bias }
    func hide(_ allowed: ImportedValue, _ value: Double) throws {
      try add(try call.emit(.select(Select()), [allowed, call.scalar(0, type), call.scalar(value, type)]))
    }
    if let mask, !isDummy(mask.type, n) {
      let shape = mask.type.shape
      switch mask.type.rank {
      case 1:
        let column = try call.counting(n)
        let integers = try call.cast(mask, to: .i64)
        func part(_ start: Dim) throws -> ImportedValue {
          try call.reshape(
            try MovementOperators.take(call, integers, starts: [start], sizes: [batch]), [batch, 1, 1, 1])
        }
        try hide(try call.binary(.less, column, try part(0)), filter)
        if shape[0] == batch * 2, shape[0] != batch {
          let isFrom = try call.binary(.greaterOrEqual, column, try part(batch))
          // Both conditions at once: a key is hidden once.
          result = nil
          try hide(try call.binary(.and, try call.binary(.less, column, try part(0)), isFrom), filter)
        } else if shape[0] != batch, shape[0].constant != nil, batch.constant != nil {
          throw call.unsupported("a mask of \(mask.type)")
        }
      case 2: try hide(try call.binary(.greater, try call.reshape(mask, [shape[0], 1, 1, shape[1]]), 0), filter)
      case 3:
        try hide(try call.binary(.greater, try call.reshape(mask, [shape[0], 1, shape[1], shape[2]]), 0), filter)
      default: throw call.unsupported("a mask of \(mask.type)")
      }
    }
    if isCausal {
      let past = ImportedValue(.scalar(n - m), .i64, sources: [call.source])
      let row = try call.binary(.add, try call.reshape(try call.counting(m), [m, 1]), past)
      try hide(try call.binary(.lessOrEqual, try call.counting(n), row), -.infinity)
    }
    if let added { try add(try call.cast(added, to: type)) }
    return result
  }

  /// Old exporters give a column where there is no mask.
  private static func isDummy(_ mask: TensorType, _ n: Dim) -> Bool {
    mask.rank == 2 && mask.shape[1] == 1 && n != 1
  }

  // MARK: - Attention with projection

  private static func attention(_ call: Call) throws -> [ImportedValue?] {
    let (x, w) = (try call.input(0), try call.input(1))
    try call.require(x.type.rank == 3 && w.type.rank == 2, "attention of \(x.type) with weights \(w.type)")
    var projected = try LinearOperators.matmul(call, x, w)
    if let bias = call.optional(2) { projected = try call.binary(.add, projected, bias) }
    return try selfAttention(
      call, projected, mask: call.optional(3), past: call.optional(4), added: call.optional(5),
      pastLength: call.optional(6))
  }

  private static func decoderSelf(_ call: Call) throws -> [ImportedValue?] {
    if call.optional(8) != nil { throw call.unsupported("it reads a cache of beams") }
    return try attention(call)
  }

  /// Attention of what the projection gave: queries, keys and values side by side.
  private static func selfAttention(
    _ call: Call, _ projected: ImportedValue, mask: ImportedValue?, past: ImportedValue?, added: ImportedValue?,
    pastLength: ImportedValue?
  ) throws -> [ImportedValue?] {
    let heads = try headCount(call)
    let (batch, length, width) = (projected.type.shape[0], projected.type.shape[1], projected.type.shape[2])
    guard try !call.flag("do_rotary") else { throw call.unsupported("do_rotary is set") }
    _ = try call.int("rotary_embedding_dim")
    let third = width.floorDivided(by: 3)
    let given = try call.ints("qkv_hidden_sizes")
    let sizes = given.map { $0.map { Dim($0) } } ?? [third, third, third]
    try call.require(sizes.count == 3 && sizes[0] + sizes[1] + sizes[2] == width, "qkv_hidden_sizes are \(sizes)")
    var start: Dim = 0
    let parts = try sizes.map { size in
      let part = try MovementOperators.take(call, projected, starts: [0, 0, start], sizes: [batch, length, size])
      start = start + size
      return try AttentionOperators.splitHeads(call, part, heads: heads)
    }
    var (k, v) = (parts[1], parts[2])
    var present: ImportedValue?
    if try call.flag("past_present_share_buffer") {
      guard let past, let pastLength else { throw NodeFault.invalid("past or past_sequence_length is missing") }
      let caches = try halves(call, past)
      let first = try ContributedCache.append(call, cache: caches.k, new: k, at: pastLength)
      let second = try ContributedCache.append(call, cache: caches.v, new: v, at: pastLength)
      (k, v) = (first.used, second.used)
      present = try stacked(call, first.cache, second.cache)
    } else {
      if let past {
        let caches = try halves(call, past)
        k = try call.emit(.concat(Concat(axis: 2)), [caches.k, k])
        v = try call.emit(.concat(Concat(axis: 2)), [caches.v, v])
      }
      if call.wants(output: 1) { present = try stacked(call, k, v) }
    }
    let bias = try bias(
      call, mask: mask, added: added, isCausal: try call.flag("unidirectional"), batch: batch, m: length,
      n: k.type.shape[2], type: k.type.elementType)
    return [try attend(call, Heads(q: parts[0], k: k, v: v, bias: bias)).y, present]
  }

  /// `[2, batch, heads, length, size]` as keys and values.
  private static func halves(_ call: Call, _ past: ImportedValue) throws -> (k: ImportedValue, v: ImportedValue) {
    let shape = past.type.shape
    try call.require(shape.count == 5 && shape[0] == 2, "the past is \(past.type)")
    func half(_ index: Int) throws -> ImportedValue {
      let part = try MovementOperators.take(
        call, past, starts: [Dim(index), 0, 0, 0, 0], sizes: [1] + Array(shape.dropFirst()))
      return try call.reshape(part, Array(shape.dropFirst()))
    }
    return (try half(0), try half(1))
  }

  private static func stacked(_ call: Call, _ k: ImportedValue, _ v: ImportedValue) throws -> ImportedValue {
    try call.emit(
      .concat(Concat(axis: 0)), [try call.reshape(k, [1] + k.type.shape), try call.reshape(v, [1] + v.type.shape)])
  }

  private static func quantized(_ call: Call) throws -> [ImportedValue?] {
    let (x, w) = (try call.input(0), try call.input(1))
    try call.require(x.type.rank == 3 && w.type.rank == 2, "attention of \(x.type) with weights \(w.type)")
    let projected = try ContributedQuantizedProducts.scaled(
      call, x, w, zeroA: call.optional(6), zeroB: call.optional(7), scaleA: try call.input(3),
      scaleB: try call.input(4), bias: try call.input(2))
    return try selfAttention(
      call, projected, mask: call.optional(5), past: call.optional(8), added: nil, pastLength: nil)
  }

  // MARK: - Attention of projections

  /// The part of a bias vector for queries (0), keys (1) or values (2), as `[1, 1, size]`.
  private static func biasPart(_ call: Call, _ bias: ImportedValue?, _ index: Int, q: Dim, v: Dim) throws
    -> ImportedValue?
  {
    guard let bias else { return nil }
    try call.require(bias.type.rank == 1, "the bias is \(bias.type)")
    return try MovementOperators.take(
      call, bias, starts: [[0, q, q * 2][index]], sizes: [index == 2 ? v : q])
  }

  private static func multiHead(_ call: Call) throws -> [ImportedValue?] {
    let count = try headCount(call)
    if call.optional(8) != nil || call.optional(9) != nil {
      throw call.unsupported("it shares a buffer with its past", remedy: "export the model for concatenated caches")
    }
    let given = try inputs(call, count)
    var (k, v) = (given.k, given.v)
    if let pastKey = call.optional(6), let pastValue = call.optional(7) {
      try call.require(pastKey.type.rank == 4 && pastValue.type.rank == 4, "the past is \(pastKey.type)")
      k = try call.emit(.concat(Concat(axis: 2)), [pastKey, k])
      v = try call.emit(.concat(Concat(axis: 2)), [pastValue, v])
    }
    let bias = try bias(
      call, mask: call.optional(4), added: call.optional(5), isCausal: try call.flag("unidirectional"),
      batch: given.q.type.shape[0], m: given.q.type.shape[2], n: k.type.shape[2], type: k.type.elementType)
    let result = try attend(
      call, Heads(q: given.q, k: k, v: v, bias: bias), wantsScores: call.wants(output: 3))
    return [result.y, k, v, result.scores]
  }

  /// Queries, keys and values with their biases: flat, with heads already, or packed.
  private static func inputs(_ call: Call, _ count: Int, biasIndex: Int = 3) throws -> Heads {
    let q = try call.input(0)
    let bias = call.optional(biasIndex)
    func split(_ x: ImportedValue, _ index: Int, q: Dim, v: Dim) throws -> ImportedValue {
      try call.require(x.type.rank == 3, "heads of \(x.type)")
      let sum = try biasPart(call, bias, index, q: q, v: v).map { try call.binary(.add, x, $0) } ?? x
      return try AttentionOperators.splitHeads(call, sum, heads: count)
    }
    /// `[batch, length, heads, parts, size]` as flat parts.
    func unpacked(_ x: ImportedValue) throws -> [ImportedValue] {
      let shape = x.type.shape
      guard let parts = shape[3].constant, parts <= 3 else { throw NodeFault.invalid("packed heads of \(x.type)") }
      return try (0..<parts).map { index in
        let part = try MovementOperators.take(
          call, x, starts: [0, 0, 0, Dim(index), 0], sizes: [shape[0], shape[1], shape[2], 1, shape[4]])
        return try call.reshape(part, [shape[0], shape[1], shape[2] * shape[4]])
      }
    }
    if q.type.rank == 5 {
      let parts = try unpacked(q)
      try call.require(parts.count == 3, "packed heads of \(q.type)")
      let size = parts[0].type.shape[2]
      return Heads(
        q: try split(parts[0], 0, q: size, v: size), k: try split(parts[1], 1, q: size, v: size),
        v: try split(parts[2], 2, q: size, v: size))
    }
    try call.require(q.type.rank == 3, "queries of \(q.type)")
    let (key, size) = (try call.input(1), q.type.shape[2])
    if key.type.rank == 5 {
      let parts = try unpacked(key)
      try call.require(parts.count == 2, "packed heads of \(key.type)")
      return Heads(
        q: try split(q, 0, q: size, v: size), k: try split(parts[0], 1, q: size, v: size),
        v: try split(parts[1], 2, q: size, v: size))
    }
    let value = try call.input(2)
    if key.type.rank == 4 {
      try call.require(value.type.rank == 4, "keys of \(key.type) and values of \(value.type)")
      return Heads(q: try split(q, 0, q: size, v: size), k: key, v: value)
    }
    try call.require(value.type.rank == 3, "values of \(value.type)")
    let width = value.type.shape[2]
    return Heads(
      q: try split(q, 0, q: size, v: width), k: try split(key, 1, q: size, v: width),
      v: try split(value, 2, q: size, v: width))
  }

  /// One query each; keys and values are written into their caches where they are the node's own.
  private static func decoder(_ call: Call) throws -> [ImportedValue?] {
    let count = try headCount(call)
    if call.optional(9) != nil { throw call.unsupported("it reads a cache of beams") }
    _ = try call.flag("output_qk")
    var heads = try inputs(call, count, biasIndex: 10)
    var (presentKey, presentValue): (ImportedValue?, ImportedValue?)
    if let cacheKey = call.optional(5), let cacheValue = call.optional(6) {
      if try call.flag("past_present_share_buffer") {
        let at = try call.input(7)
        let first = try ContributedCache.append(call, cache: cacheKey, new: heads.k, at: at)
        let second = try ContributedCache.append(call, cache: cacheValue, new: heads.v, at: at)
        (heads.k, heads.v, presentKey, presentValue) = (first.used, second.used, first.cache, second.cache)
      } else {
        heads.k = try call.emit(.concat(Concat(axis: 2)), [cacheKey, heads.k])
        heads.v = try call.emit(.concat(Concat(axis: 2)), [cacheValue, heads.v])
        (presentKey, presentValue) = (heads.k, heads.v)
      }
    } else {
      _ = try call.flag("past_present_share_buffer")
    }
    heads.bias = try bias(
      call, mask: call.optional(3), added: call.optional(4), isCausal: false, batch: heads.q.type.shape[0], m: 1,
      n: heads.k.type.shape[2], type: heads.k.type.elementType)
    let result = try attend(call, heads, wantsScores: call.wants(output: 3))
    return [result.y, presentKey, presentValue, result.scores]
  }
}
