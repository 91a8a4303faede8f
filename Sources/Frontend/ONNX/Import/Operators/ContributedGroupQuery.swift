import SwageGraph
import SwageTensor

/// Grouped queries with a cache of keys and values. Each sequence of a batch has its own length: `seqlens_k` + 1 keys
/// in all, of which the last are new. Groups of queries that share keys lie side by side as rows, so keys and
/// values are not repeated.
enum ContributedGroupQuery {
  static let table: [String: Handler] = ["GroupQueryAttention": attention]

  private static func attention(_ call: Call) throws -> [ImportedValue?] {
    let (heads, groups) = (
      try ContributedAttention.headCount(call), try ContributedAttention.headCount(call, "kv_num_heads")
    )
    try call.require(heads % groups == 0, "\(heads) heads in \(groups) groups")
    for name in ["k_quant_type", "v_quant_type"] where try call.string(name, default: "NONE") != "NONE" {
      throw call.unsupported("its cache is quantised")
    }
    _ = try call.int("kv_cache_bit_width")
    guard try !call.flag("sliding_window_cache") else { throw call.unsupported("sliding_window_cache is set") }
    var (q, k, v) = try operands(call, heads, groups)
    let m = q.type.shape[2]
    let lengths = try call.input(5)
    // Padded prompts have fewer keys than queries.
    let all = try call.binary(.add, try call.reshape(try call.cast(lengths, to: .i64), [lengths.type.elementCount]), 1)
    let past = try call.binary(.max, try call.binary(.sub, all, ContributedCache.number(call, m)), 0)
    if let weight = call.optional(14), let other = call.optional(15) {
      let epsilon = try call.float("qk_norm_epsilon", default: 1e-6)
      q = try call.emit(.layerNorm(LayerNorm(axis: 3, epsilon: epsilon, isRMS: true)), [q, weight])
      k = try call.emit(.layerNorm(LayerNorm(axis: 3, epsilon: epsilon, isRMS: true)), [k, other])
    } else {
      _ = try call.float("qk_norm_epsilon")
    }
    if try call.flag("do_rotary") { (q, k) = try rotated(call, q, k, past: past) }
    _ = try call.flag("rotary_interleaved")

    let known = try call.sizes(of: try call.input(6), "total_sequence_length", areSizes: true)
    try call.require(known.count == 1, "total_sequence_length is no number")
    let capacity = call.optional(3).map { $0.type.rank == 4 ? $0.type.shape[2] : 0 } ?? 0
    let total = call.sizes.larger(known[0], capacity)
    k = try ContributedCache.joined(call, cache: call.optional(3), new: k, past: past, total: total)
    v = try ContributedCache.joined(call, cache: call.optional(4), new: v, past: past, total: total)

    let type = q.type.elementType
    let hidden = try mask(call, m: m, n: total, past: past, all: all, type: type)
    let result = try attend(call, q, k, v, hidden, known[0])
    return [try AttentionOperators.joinHeads(call, result.y), k, v, result.scores]
  }

  /// Heads apart, also where queries, keys and values come side by side.
  private static func operands(_ call: Call, _ heads: Int, _ groups: Int) throws -> (
    ImportedValue, ImportedValue, ImportedValue
  ) {
    let q = try call.input(0)
    try call.require(q.type.rank == 3, "queries of \(q.type)")
    let shape = q.type.shape
    if let k = call.optional(1) {
      let v = try call.input(2)
      try call.require(k.type.rank == 3 && v.type.rank == 3, "keys of \(k.type) and values of \(v.type)")
      return (
        try AttentionOperators.splitHeads(call, q, heads: heads),
        try AttentionOperators.splitHeads(call, k, heads: groups),
        try AttentionOperators.splitHeads(call, v, heads: groups)
      )
    }
    let size = shape[2].floorDivided(by: Dim(heads + 2 * groups))
    func part(_ start: Int, _ count: Int) throws -> ImportedValue {
      let columns = try MovementOperators.take(
        call, q, starts: [0, 0, size * Dim(start)], sizes: [shape[0], shape[1], size * Dim(count)])
      return try AttentionOperators.splitHeads(call, columns, heads: count)
    }
    return (try part(0, heads), try part(heads, groups), try part(heads + groups, groups))
  }

  private static func rotated(_ call: Call, _ q: ImportedValue, _ k: ImportedValue, past: ImportedValue) throws -> (
    ImportedValue, ImportedValue
  ) {
    let (batch, m) = (past.type.shape[0], q.type.shape[2])
    let positions: ImportedValue
    if let given = call.optional(9) {
      positions = try call.cast(given, to: .i64)
    } else {
      positions = try call.binary(.add, try call.reshape(past, [batch, 1]), try call.counting(m))
    }
    let cache = try call.input(7)
    let cosine = try ContributedRotary.angles(call, cache, at: positions)
    let sine = try ContributedRotary.angles(call, try call.input(8), at: positions)
    guard let count = cache.type.shape[1].constant, count <= 1 << 20 else {
      throw call.unsupported("the width of the cache \(cache.type) is not known")
    }
    let isInterleaved = try call.flag("rotary_interleaved")
    func rotate(_ x: ImportedValue) throws -> ImportedValue {
      try AttentionOperators.rotate(call, x, cosine, sine, count: 2 * count, isInterleaved: isInterleaved)
    }
    return (try rotate(q), try rotate(k))
  }

  /// Which keys each query sees, `[batch, m, n]`.
  private static func mask(
    _ call: Call, m: Dim, n: Dim, past: ImportedValue, all: ImportedValue, type: ElementType
  ) throws -> ImportedValue {
    let batch = past.type.shape[0]
    let column = try call.counting(n)
    let window = try call.int("local_window_size", default: -1)
    guard try call.flag("causal", default: true) else {
      try call.require(window == -1, "a window of \(window) where causal is 0")
      let end = try call.reshape(all, [batch, 1, 1])
      return try call.broadcast(try call.binary(.less, column, end), [batch, m, n])
    }
    let row = try call.binary(
      .add, try call.reshape(past, [batch, 1, 1]), try call.reshape(try call.counting(m), [1, m, 1]))
    var allowed = try call.binary(.lessOrEqual, column, row)
    if window > 0 {
      try call.require(window <= 1 << 40, "a window of \(window)")
      let first = try call.binary(.sub, row, Double(window))
      allowed = try call.binary(.and, allowed, try call.binary(.greater, column, first))
    }
    return allowed
  }

  private static func attend(
    _ call: Call, _ q: ImportedValue, _ k: ImportedValue, _ v: ImportedValue, _ allowed: ImportedValue, _ length: Dim
  ) throws -> (y: ImportedValue, scores: ImportedValue?) {
    let (shape, n, groups) = (q.type.shape, k.type.shape[2], k.type.shape[1])
    let (batch, heads, m, type) = (shape[0], shape[1], shape[2], q.type.elementType)
    let width = heads.floorDivided(by: groups)
    /// `[batch or 1, heads or 1, m, n]` as rows of groups.
    func grouped(_ x: ImportedValue) throws -> ImportedValue {
      let given = x.type.shape
      if given[1] == 1 {
        let wide = try call.broadcast(
          try call.reshape(x, [given[0], 1, 1, given[2], given[3]]), [given[0], 1, width, given[2], given[3]])
        let rows = try call.reshape(wide, [given[0], 1, width * given[2], given[3]])
        return rows
      }
      return try call.reshape(x, [given[0], groups, width * given[2], given[3]])
    }
    let hidden = try call.emit(.select(Select()), [allowed, call.scalar(0, type), call.scalar(-.infinity, type)])
    var bias = try grouped(try call.reshape(hidden, [hidden.type.shape[0], 1, m, n]))
    if let added = call.optional(10) {
      try call.require(added.type.rank == 4, "the bias is \(added.type)")
      var wide = added
      if n != added.type.shape[3] {
        wide = try call.emit(
          .pad(Pad(mode: .constant, begins: [0, 0, 0, 0], ends: [0, 0, 0, n - added.type.shape[3]])), [added])
      }
      bias = try call.binary(.add, bias, try grouped(wide))
    }
    let scale = try ContributedAttention.scale(call, q)
    let softcap = try call.float("softcap", default: 0)
    let rows = try call.reshape(q, [batch, groups, width * m, shape[3]])
    let output = try call.int("qk_output", default: 0)
    let sink = try sink(call, heads: heads, m: m, groups: groups, width: width, batch: batch, type: type)
    guard softcap != 0 || sink != nil || call.wants(output: 3) else {
      let y = try call.emit(.attention(Attention(scale: scale)), [rows, k, v, bias])
      return (try call.reshape(y, shape), nil)
    }
    let product = try call.emit(.matmul(MatMul(transposeB: true)), [rows, k])
    var scores = try call.unary(.linear, product, alpha: scale)
    if softcap != 0 {
      let bounded = try call.unary(.tanh, try call.unary(.linear, scores, alpha: 1 / softcap))
      scores = try call.unary(.linear, bounded, alpha: softcap)
    }
    scores = try call.binary(.add, scores, bias)
    var weights: ImportedValue
    if let sink {
      // One more key of no value.
      let joined = try call.emit(.concat(Concat(axis: 3)), [scores, sink])
      let all = try call.emit(.softmax(Softmax(axis: 3)), [joined])
      weights = try MovementOperators.take(call, all, starts: [0, 0, 0, 0], sizes: scores.type.shape)
    } else {
      weights = try call.emit(.softmax(Softmax(axis: 3)), [scores])
    }
    let y = try call.reshape(try call.emit(.matmul(MatMul()), [weights, v]), shape)
    guard call.wants(output: 3) else { return (y, nil) }
    try call.require(output == 1 || output == 2, "qk_output is \(output)")
    var read = try call.reshape(output == 1 ? scores : weights, [batch, heads, m, n])
    if output == 1 {
      let seen = try call.reshape(allowed, [allowed.type.shape[0], 1, m, n])
      read = try call.emit(.select(Select()), [seen, read, call.scalar(0, type)])
    }
    return (y, try MovementOperators.take(call, read, starts: [0, 0, 0, 0], sizes: [batch, heads, m, length]))
  }

  /// The score of a key that stands for nothing: 0, or one for each head.
  private static func sink(
    _ call: Call, heads: Dim, m: Dim, groups: Dim, width: Dim, batch: Dim, type: ElementType
  ) throws -> ImportedValue? {
    let isSmooth = try call.int("smooth_softmax", default: -1) == 1
    if let given = call.optional(11) {
      let column = try call.reshape(try call.cast(given, to: type), [1, groups, width, 1, 1])
      let wide = try call.broadcast(column, [batch, groups, width, m, 1])
      return try call.reshape(wide, [batch, groups, width * m, 1])
    }
    guard isSmooth else { return nil }
    return try call.broadcast(call.scalar(0, type), [batch, groups, width * m, 1])
  }
}
