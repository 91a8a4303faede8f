import SwageGraph
import SwageTensor

/// Rotary embeddings of `com.microsoft`, whose positions pick rows of the caches.
enum ContributedRotary {
  static let table: [String: Handler] = [
    "RotaryEmbedding": rotary, "MRotaryEmbedding": sections, "GemmaRotaryEmbedding": gemma,
  ]

  /// Rows of a cache at positions `[batch or 1, length]`, for every head.
  static func angles(_ call: Call, _ cache: ImportedValue, at positions: ImportedValue) throws -> ImportedValue {
    try call.require(cache.type.rank == 2 && positions.type.rank == 2, "\(cache.type) at \(positions.type)")
    let rows = try call.emit(.gather(Gather(axis: 0)), [cache, positions])
    return try call.reshape(rows, [rows.type.shape[0], 1, rows.type.shape[1], rows.type.shape[2]])
  }

  /// The input with its heads apart, and how many columns turn (0: all).
  private static func heads(_ call: Call, cache: ImportedValue) throws -> (x: ImportedValue, count: Int) {
    guard try !call.flag("is_packed_batching") else { throw call.unsupported("is_packed_batching is set") }
    guard try call.float("scale", default: 1) == 1 else { throw call.unsupported("scale is not 1") }
    let x = try call.input(0)
    try call.require(cache.type.rank == 2, "the cache is \(cache.type)")
    let count = try call.int("rotary_embedding_dim", default: 0)
    let given = try call.int("num_heads", default: 0)
    try call.require(count >= 0 && given >= 0, "\(count) columns of \(given) heads")
    switch x.type.rank {
    case 4: return (x, count)
    case 3:
      if given > 0 { return (try AttentionOperators.splitHeads(call, x, heads: given), count) }
      let shape = x.type.shape
      let size = cache.type.shape[1] * 2
      let split = try call.reshape(x, [shape[0], shape[1], shape[2].floorDivided(by: size), size])
      return (try call.transpose(split, [0, 2, 1, 3]), count)
    default: throw NodeFault.invalid("rotary embedding of \(x.type)")
    }
  }

  private static func finished(
    _ call: Call, _ x: ImportedValue, _ cosine: ImportedValue, _ sine: ImportedValue, _ count: Int
  ) throws -> [ImportedValue?] {
    let y = try AttentionOperators.rotate(
      call, x, cosine, sine, count: count, isInterleaved: try call.flag("interleaved"))
    return [try call.input(0).type.rank == 3 ? AttentionOperators.joinHeads(call, y) : y]
  }

  private static func rotary(_ call: Call) throws -> [ImportedValue?] {
    let (cosine, sine) = (try call.input(2), try call.input(3))
    let (x, count) = try heads(call, cache: cosine)
    var positions = try call.cast(try call.input(1), to: .i64)
    if positions.type.rank <= 1 {
      // Where the first token stands.
      let place = try call.reshape(try call.counting(x.type.shape[2]), [1, x.type.shape[2]])
      positions = try call.binary(.add, place, try call.reshape(positions, [1, 1]))
    }
    return try finished(
      call, x, try angles(call, cosine, at: positions), try angles(call, sine, at: positions), count)
  }

  /// Each pair of columns turns by one of three positions of its token: time, height, width.
  private static func sections(_ call: Call) throws -> [ImportedValue?] {
    let (positions, cosine, sine) = (try call.input(1), try call.input(2), try call.input(3))
    let (x, count) = try heads(call, cache: cosine)
    guard let sizes = try call.ints("mrope_section"), sizes.count == 3,
      sizes.allSatisfy({ (0...(1 << 16)).contains($0) })
    else { throw NodeFault.invalid("mrope_section is missing, or has not three sizes") }
    let shape = positions.type.shape
    try call.require(shape.count == 3 && shape[0] == 3, "the positions are \(positions.type)")
    let half = sizes.reduce(0, +)
    let streams: [Int64]
    switch try call.int("mrope_layout", default: 0) {
    case 0: streams = sizes.enumerated().flatMap { [Int64](repeating: Int64($0.offset), count: $0.element) }
    case 1:
      // Height and width take every third column while theirs last; time has the rest.
      streams = (0..<half).map { column in
        let stream = column % 3
        return stream != 0 && column < sizes[stream] * 3 ? Int64(stream) : 0
      }
    case let other: throw NodeFault.invalid("mrope_layout is \(other)")
    }
    // Index [batch, length, half] of positions, then elements of the caches by row and column.
    let picked = try call.emit(
      .gather(Gather(axis: 0)),
      [try call.cast(positions, to: .i64), call.constant(Tensor(.i64, [half], integers: streams))])
    let rows = try call.transpose(picked, [1, 2, 0])
    let width = ContributedCache.number(call, cosine.type.shape[1])
    let column = try call.counting(Dim(half))
    let index = try call.binary(.add, try call.binary(.mul, rows, width), column)
    func angles(_ cache: ImportedValue) throws -> ImportedValue {
      let values = try call.emit(.gather(Gather(axis: 0)), [try call.reshape(cache, [cache.type.elementCount]), index])
      return try call.reshape(values, [shape[1], 1, shape[2], Dim(half)])
    }
    return try finished(call, x, try angles(cosine), try angles(sine), count)
  }

  /// q · cos + q_rot · sin, and k likewise, of angles `[batch, length, size]`.
  private static func gemma(_ call: Call) throws -> [ImportedValue?] {
    let angle = try call.input(0)
    try call.require(angle.type.rank == 3, "angles of \(angle.type)")
    let shape = [angle.type.shape[0], 1, angle.type.shape[1], angle.type.shape[2]]
    let type = try call.input(1).type.elementType
    let cosine = try call.cast(try call.reshape(try call.unary(.cos, angle), shape), to: type)
    let sine = try call.cast(try call.reshape(try call.unary(.sin, angle), shape), to: type)
    return try [(1, 2), (3, 4)].map { plain, turned in
      let a = try call.binary(.mul, try call.input(plain), cosine)
      return try call.binary(.add, a, try call.binary(.mul, try call.input(turned), sine))
    }
  }
}
