import SwageGraph
import SwageTensor

/// Attention and rotary embeddings of opset 23.
enum AttentionOperators {
  static let table: [String: Handler] = ["Attention": attention, "RotaryEmbedding": rotary]

  /// `[batch, length, heads · size]` as `[batch, heads, length, size]`.
  static func splitHeads(_ call: Call, _ x: ImportedValue, heads: Int) throws -> ImportedValue {
    let shape = x.type.shape
    let size = shape[2].floorDivided(by: Dim(heads))
    let split = try call.reshape(x, [shape[0], shape[1], Dim(heads), size])
    return try call.transpose(split, [0, 2, 1, 3])
  }

  /// The reverse.
  static func joinHeads(_ call: Call, _ x: ImportedValue) throws -> ImportedValue {
    let shape = x.type.shape
    return try call.reshape(try call.transpose(x, [0, 2, 1, 3]), [shape[0], shape[2], shape[1] * shape[3]])
  }

  private static func attention(_ call: Call) throws -> [ImportedValue?] {
    var (q, k, v) = (try call.input(0), try call.input(1), try call.input(2))
    let isFlat = q.type.rank == 3
    if isFlat {
      guard let heads = try call.int("q_num_heads"), let others = try call.int("kv_num_heads"), heads >= 1, others >= 1
      else { throw NodeFault.invalid("q_num_heads or kv_num_heads is missing") }
      try call.require(k.type.rank == 3 && v.type.rank == 3, "attention of \(q.type), \(k.type), \(v.type)")
      q = try splitHeads(call, q, heads: heads)
      k = try splitHeads(call, k, heads: others)
      v = try splitHeads(call, v, heads: others)
    }
    try call.require(
      q.type.rank == 4 && k.type.rank == 4 && v.type.rank == 4, "attention of \(q.type), \(k.type), \(v.type)")
    var past: ImportedValue?
    if let pastKey = call.optional(4), let pastValue = call.optional(5) {
      try call.require(pastKey.type.rank == 4 && pastValue.type.rank == 4, "the past is \(pastKey.type)")
      past = ImportedValue(.scalar(pastKey.type.shape[2]), .i64, sources: [call.source])
      k = try call.emit(.concat(Concat(axis: 2)), [pastKey, k])
      v = try call.emit(.concat(Concat(axis: 2)), [pastValue, v])
    }
    let (presentKey, presentValue) = (k, v)
    k = try repeatHeads(call, k, to: q.type.shape[1])
    v = try repeatHeads(call, v, to: q.type.shape[1])
    guard let scale = try call.float("scale") ?? q.type.shape[3].constant.map({ 1 / Double($0).squareRoot() }) else {
      throw call.unsupported("the size of the heads of \(q.type) is not known", remedy: "give sizes with --shape")
    }
    let mask = try mask(call, m: q.type.shape[2], n: k.type.shape[2], past: past, type: q.type.elementType)
    let softcap = try call.float("softcap", default: 0)
    let mode = try call.int("qk_matmul_output_mode", default: 0)
    var y: ImportedValue
    var scores: ImportedValue?
    if softcap == 0, !call.wants(output: 3) {
      y = try call.emit(.attention(Attention(scale: scale)), [q, k, v, mask.bias])
    } else {
      var stages = [try call.unary(.linear, try call.emit(.matmul(MatMul(transposeB: true)), [q, k]), alpha: scale)]
      if softcap == 0 {
        stages.append(stages[0])
      } else {
        let bounded = try call.unary(.tanh, try call.unary(.linear, stages[0], alpha: 1 / softcap))
        stages.append(try call.unary(.linear, bounded, alpha: softcap))
      }
      stages.append(try mask.bias.map { try call.binary(.add, stages[1], $0) } ?? stages[1])
      let weights = try call.emit(.softmax(Softmax(axis: 3)), [stages[2]])
      stages.append(try guarded(call, weights, mask.allowed))
      try call.require(stages.indices.contains(mode), "qk_matmul_output_mode is \(mode)")
      scores = stages[mode]
      y = try call.emit(.matmul(MatMul()), [weights, v])
    }
    y = try guarded(call, y, mask.allowed)
    if isFlat { y = try joinHeads(call, y) }
    return [y, presentKey, presentValue, scores]
  }

  /// What is added to the scores, and where rows can be hidden altogether the truth values that decide.
  private static func mask(_ call: Call, m: Dim, n: Dim, past: ImportedValue?, type: ElementType) throws
    -> (bias: ImportedValue?, allowed: ImportedValue?)
  {
    var (bias, allowed): (ImportedValue?, ImportedValue?) = (nil, nil)
    func restrict(_ condition: ImportedValue) throws {
      allowed = try allowed.map { try call.binary(.and, $0, condition) } ?? condition
    }
    if let given = call.optional(3) {
      if given.type.elementType == .bool {
        try restrict(try padded(call, given, n, call.constant(Tensor(zeros: .bool, []))))
      } else {
        bias = try padded(call, try call.cast(given, to: type), n, call.scalar(-.infinity, type))
      }
    }
    var canHideRows = allowed != nil
    let isCausal = try call.flag("is_causal")
    let left = try call.int("left_window_size", default: -1)
    let right = try call.int("right_window_size", default: -1)
    let lengths = try call.optional(6).map { value in
      try call.require(value.type.rank == 1, "nonpad_kv_seqlen is \(value.type)")
      return try call.reshape(try call.cast(value, to: .i64), [value.type.shape[0], 1, 1, 1])
    }
    let column = try call.counting(n)
    if isCausal || left >= 0 || right >= 0 {
      var row = try call.reshape(try call.counting(m), [m, 1])
      if let past {
        row = try call.binary(.add, row, past)
      } else if let lengths {
        let length = ImportedValue(.scalar(m), .i64, sources: [call.source])
        row = try call.binary(.add, row, try call.binary(.sub, lengths, length))
      }
      if isCausal { try restrict(try call.binary(.lessOrEqual, column, row)) }
      if right >= 0 {
        try restrict(try call.binary(.lessOrEqual, column, try call.binary(.add, row, Double(right))))
      }
      if left >= 0 {
        canHideRows = true
        try restrict(try call.binary(.greaterOrEqual, column, try call.binary(.sub, row, Double(left))))
      }
    }
    if let lengths {
      canHideRows = true
      try restrict(try call.binary(.less, column, lengths))
    }
    if let allowed {
      let hidden = try call.emit(.select(Select()), [allowed, call.scalar(0, type), call.scalar(-.infinity, type)])
      bias = try bias.map { try call.binary(.add, $0, hidden) } ?? hidden
    }
    return (bias, canHideRows ? allowed : nil)
  }

  /// Rows in which everything is hidden are zero.
  private static func guarded(_ call: Call, _ y: ImportedValue, _ allowed: ImportedValue?) throws -> ImportedValue {
    guard let allowed, allowed.type.rank >= 1 else { return y }
    let any = try call.reduce(.max, allowed, axes: [allowed.type.rank - 1], keeps: true)
    return try call.emit(.select(Select()), [any, y, call.scalar(0, y.type.elementType)])
  }

  /// Masks that are shorter than the keys hide the rest.
  private static func padded(_ call: Call, _ mask: ImportedValue, _ n: Dim, _ fill: ImportedValue) throws
    -> ImportedValue
  {
    guard let size = mask.type.shape.last, size != 1, size != n else { return mask }
    let none = [Dim](repeating: 0, count: mask.type.rank)
    let missing = call.sizes.larger(n - size, 0)
    return try call.emit(
      .pad(Pad(mode: .constant, begins: none, ends: none.dropLast() + [missing])), [mask, fill])
  }

  /// Grouped queries: each head of keys serves several of queries.
  static func repeatHeads(_ call: Call, _ x: ImportedValue, to heads: Dim) throws -> ImportedValue {
    let shape = x.type.shape
    if shape[1] == heads { return x }
    let group = heads.floorDivided(by: shape[1])
    let split = try call.reshape(x, [shape[0], shape[1], 1, shape[2], shape[3]])
    let wide = try call.broadcast(split, [shape[0], shape[1], group, shape[2], shape[3]])
    return try call.reshape(wide, [shape[0], heads, shape[2], shape[3]])
  }

  private static func rotary(_ call: Call) throws -> [ImportedValue?] {
    var x = try call.input(0)
    var (cosine, sine) = (try call.input(1), try call.input(2))
    let isFlat = x.type.rank == 3
    if isFlat {
      guard let heads = try call.int("num_heads"), heads >= 1 else { throw NodeFault.invalid("num_heads is missing") }
      x = try splitHeads(call, x, heads: heads)
    }
    try call.require(x.type.rank == 4, "rotary embedding of \(x.type)")
    if let positions = call.optional(3) {
      let index = try call.cast(positions, to: .i64)
      cosine = try call.emit(.gather(Gather(axis: 0)), [cosine, index])
      sine = try call.emit(.gather(Gather(axis: 0)), [sine, index])
    }
    try call.require(cosine.type.rank == 3 && sine.type.rank == 3, "\(cosine.type) and \(sine.type)")
    func perHead(_ value: ImportedValue) throws -> ImportedValue {
      try call.reshape(value, [value.type.shape[0], 1, value.type.shape[1], value.type.shape[2]])
    }
    let y = try rotate(
      call, x, try perHead(cosine), try perHead(sine), count: try call.int("rotary_embedding_dim", default: 0),
      isInterleaved: try call.flag("interleaved"))
    return [isFlat ? try joinHeads(call, y) : y]
  }

  /// Turns pairs of the first `count` columns (0: all) of `[batch, heads, length, size]` by angles whose cosines and
  /// sines are `[batch or 1, 1, length, count / 2]`. Pairs are columns side by side, or halves of the columns.
  static func rotate(
    _ call: Call, _ x: ImportedValue, _ cosine: ImportedValue, _ sine: ImportedValue, count: Int, isInterleaved: Bool
  ) throws -> ImportedValue {
    let width = x.type.shape[3]
    let rotated = count == 0 ? width : Dim(count)
    func columns(_ value: ImportedValue, _ start: Dim, _ count: Dim, step: Int = 1) throws -> ImportedValue {
      var (starts, sizes) = ([Dim](repeating: 0, count: 4), value.type.shape)
      (starts[3], sizes[3]) = (start, count)
      let steps: [Dim]? = step == 1 ? nil : [1, 1, 1, Dim(step)]
      return try MovementOperators.take(call, value, starts: starts, sizes: sizes, steps: steps)
    }
    let turning = try columns(x, 0, rotated)
    let half = rotated.floorDivided(by: 2)
    let a = try columns(turning, 0, half, step: isInterleaved ? 2 : 1)
    let b = try columns(turning, isInterleaved ? 1 : half, half, step: isInterleaved ? 2 : 1)
    let real = try call.binary(.sub, try call.binary(.mul, a, cosine), try call.binary(.mul, b, sine))
    let imaginary = try call.binary(.add, try call.binary(.mul, a, sine), try call.binary(.mul, b, cosine))
    var y: ImportedValue
    if isInterleaved {
      let pair = real.type.shape + [1]
      let joined = try call.emit(
        .concat(Concat(axis: 4)), [try call.reshape(real, pair), try call.reshape(imaginary, pair)])
      y = try call.reshape(joined, turning.type.shape)
    } else {
      y = try call.emit(.concat(Concat(axis: 3)), [real, imaginary])
    }
    if rotated != width {
      y = try call.emit(.concat(Concat(axis: 3)), [y, try columns(x, rotated, width - rotated)])
    }
    return y
  }
}
