import SwageGraph
import SwageTensor

/// Caches of keys or values, `[batch, heads, capacity, size]`, that hold more places than are in use.
enum ContributedCache {
  /// Writes `new` into the cache from a position on that is one number for all batches: the cache, and the part in use.
  static func append(_ call: Call, cache: ImportedValue, new: ImportedValue, at position: ImportedValue) throws -> (
    cache: ImportedValue, used: ImportedValue
  ) {
    try call.require(cache.type.rank == 4 && new.type.rank == 4, "\(new.type) into a cache of \(cache.type)")
    let past = try call.sizes(of: position, "past_sequence_length", areSizes: true)
    try call.require(past.count == 1, "past_sequence_length is \(position.type)")
    let (shape, count) = (cache.type.shape, new.type.shape[2])
    func part(_ start: Dim, _ size: Dim) throws -> ImportedValue {
      try MovementOperators.take(
        call, cache, starts: [0, 0, start, 0], sizes: [shape[0], shape[1], size, shape[3]])
    }
    let used = try call.emit(.concat(Concat(axis: 2)), [try part(0, past[0]), new])
    let rest = try part(past[0] + count, shape[2] - past[0] - count)
    return (try call.emit(.concat(Concat(axis: 2)), [used, rest]), used)
  }

  /// The first `past` places of each batch's cache, then `new`, then zeros, `total` places in all. `past` is
  /// `[batch]`, i64.
  static func joined(_ call: Call, cache: ImportedValue?, new: ImportedValue, past: ImportedValue, total: Dim) throws
    -> ImportedValue
  {
    try call.require(
      new.type.rank == 4 && cache.map { $0.type.rank == 4 } ?? true, "the past is \(cache?.type ?? new.type)")
    let shape = new.type.shape
    let (batch, heads, count, size) = (shape[0], shape[1], shape[2], shape[3])
    guard let cache, cache.type.shape[2] != 0 else {
      guard total != count else { return new }
      let none: [Dim] = [0, 0, 0, 0]
      return try call.emit(.pad(Pad(mode: .constant, begins: none, ends: [0, 0, total - count, 0])), [new])
    }
    let capacity = cache.type.shape[2]
    let all = try call.emit(.concat(Concat(axis: 2)), [cache, new])
    let rows = try call.reshape(all, [batch * heads * (capacity + count), size])
    // Place t comes from the cache below past, then from what is new.
    let place = try call.counting(total)
    let start = try call.reshape(past, [past.type.shape[0], 1, 1])
    let isOld = try call.binary(.less, place, start)
    let isUsed = try call.binary(.less, place, try call.binary(.add, start, number(call, count)))
    let fresh = try call.binary(.add, try call.binary(.sub, place, start), number(call, capacity))
    let zero = number(call, 0)
    var index = try call.emit(
      .select(Select()), [isOld, place, try call.emit(.select(Select()), [isUsed, fresh, zero])])
    let head = try call.reshape(try call.counting(batch * heads), [batch, heads, 1])
    index = try call.binary(.add, index, try call.binary(.mul, head, number(call, capacity + count)))
    let picked = try call.emit(.gather(Gather(axis: 0)), [rows, index])
    let mask = try call.reshape(isUsed, [past.type.shape[0], 1, total, 1])
    return try call.emit(.select(Select()), [mask, picked, call.scalar(0, new.type.elementType)])
  }

  static func number(_ call: Call, _ size: Dim) -> ImportedValue {
    ImportedValue(.scalar(size), .i64, sources: [call.source])
  }
}
