import Foundation
import SwageGraph
import SwageTensor

/// Biases of attention that depend on the distance of tokens.
enum ContributedPositions {
  static let table: [String: Handler] = ["RelativePositionBias": relative, "GatedRelativePositionBias": gated]

  /// Distances fall into buckets: near ones exactly, far ones by their logarithm. The table lies by head.
  private static func relative(_ call: Call) throws -> [ImportedValue?] {
    let table = try call.input(0)
    try call.require(table.type.rank == 2, "the table is \(table.type)")
    let sizes =
      try call.sizes(of: try call.input(1), "query_length", areSizes: true)
      + call.sizes(of: try call.input(2), "key_length", areSizes: true)
    guard let given = table.type.shape[0].constant, let distance = try call.int("max_distance"), sizes.count == 2
    else { throw NodeFault.invalid("max_distance is missing, or the lengths are no numbers") }
    let isBidirectional = try call.flag("is_bidirectional")
    let buckets = isBidirectional ? given / 2 : given
    let exact = buckets / 2
    try call.require(exact >= 1 && distance > exact, "\(given) buckets for distances up to \(distance)")
    let row = try call.reshape(try call.counting(sizes[0]), [sizes[0], 1])
    let offset = try call.binary(.sub, try call.counting(sizes[1]), row)
    let away =
      isBidirectional
      ? try call.unary(.abs, offset) : try call.binary(.max, try call.unary(.neg, offset), 0)
    let ratio = try call.unary(
      .log, try call.unary(.linear, try call.cast(try call.binary(.max, away, 1), to: .f32), alpha: 1 / Double(exact)))
    let scale = Double(buckets - exact) / log(Double(distance) / Double(exact))
    let far = try call.binary(
      .min, try call.binary(.add, try call.cast(try call.unary(.linear, ratio, alpha: scale), to: .i64), Double(exact)),
      Double(buckets - 1))
    var bucket = try call.emit(
      .select(Select()), [try call.binary(.less, away, Double(exact)), away, far])
    if isBidirectional {
      let isAfter = try call.cast(try call.binary(.greater, offset, 0), to: .i64)
      bucket = try call.binary(.add, bucket, try call.binary(.mul, isAfter, Double(buckets)))
    }
    let heads = table.type.shape[1]
    let byHead = try call.reshape(table, [heads, Dim(given)])
    let picked = try call.emit(.gather(Gather(axis: 1)), [byHead, bucket])
    return [try call.reshape(picked, [1, heads, sizes[0], sizes[1]])]
  }

  /// rel_pos · (u · (r · eco_a - 1) + 2), where sums of halves of a product of the queries give the gates u and r.
  private static func gated(_ call: Call) throws -> [ImportedValue?] {
    let heads = try ContributedAttention.headCount(call)
    if call.optional(6) != nil { throw call.unsupported("its queries are packed") }
    let x = try call.binary(.add, try call.input(0), try call.input(1))
    try call.require(x.type.rank == 3, "queries of \(x.type)")
    let split = try AttentionOperators.splitHeads(call, x, heads: heads)
    let (w, bias) = (try call.input(3), try call.input(4))
    let product = try call.binary(.add, try LinearOperators.matmul(call, split, w), bias)
    try call.require(product.type.rank == 4, "weights \(w.type) for queries \(x.type)")
    let shape = product.type.shape
    let halves = try call.reshape(product, Array(shape[..<3]) + [2, shape[3].floorDivided(by: 2)])
    let gates = try call.unary(.sigmoid, try call.reduce(.sum, halves, axes: [4], keeps: false))
    func gate(_ index: Int) throws -> ImportedValue {
      try MovementOperators.take(
        call, gates, starts: [0, 0, 0, Dim(index)], sizes: Array(shape[..<3]) + [1])
    }
    let inner = try call.unary(.linear, try call.binary(.mul, try gate(1), try call.input(5)), beta: -1)
    let factor = try call.unary(.linear, try call.binary(.mul, try gate(0), inner), beta: 2)
    return [try call.binary(.mul, factor, try call.input(2))]
  }
}
