import SwageKernel
import SwagePartition
import SwageTensor

/// Attention in one pass over the keys, without writing out the scores: maximum, sum and weighted values of a query are
/// corrected as blocks of keys come in (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao
/// et al., "FlashAttention", 2022).
///
/// A unit is a block of queries of one batch element. Keys are read transposed, so that the scores of neighbouring keys
/// lie side by side; keys that are not stored so are transposed once, beforehand.
struct AttentionKernels {
  /// Head sizes above which the blocks of a unit no longer fit the first-level cache.
  static let largestHead = 1024

  /// nil where the head sizes are not known or too large.
  static func make(_ op: Attention, _ node: Node, in graph: Graph) -> Recipe? {
    guard let q = node.type(0, in: graph), let keys = node.type(1, in: graph), let v = node.type(2, in: graph),
      let head = q.shape[q.rank - 1].constant, let width = v.shape[q.rank - 1].constant,
      (1...largestHead).contains(head), (1...largestHead).contains(width)
    else { return nil }
    var recipe = Recipe()
    var keySlot = Recipe.Slot.operand(1)
    var keyType = keys
    let count = v.shape[v.rank - 2]
    if !op.isKeyTransposed {
      let stored: ElementType = keys.elementType == .f64 ? .f64 : .f32
      keyType = TensorType(stored, Array(keys.shape.dropLast(2)) + [Dim(head), count])
      keySlot = recipe.addTemporary(keyType)
      recipe.steps.append(
        .init(
          action: .kernel(transpose(keys, stored, head: head)), reads: [.operand(1)], writes: [keySlot],
          label: "attention (keys)", isMain: false))
    }
    let mask = node.type(3, in: graph)
    let kernels = AttentionKernels(
      op, q: q, keys: keyType, v: v, mask: mask, head: head, width: width, count: count)
    let reads: [Recipe.Slot?] = [.operand(0), keySlot, .operand(2)] + (mask == nil ? [] : [.operand(3)])
    recipe.steps.append(
      .init(action: .kernel(kernels.function()), reads: reads, writes: [.result(0)], label: "attention"))
    return recipe
  }

  private static func transpose(_ keys: TensorType, _ stored: ElementType, head: Int) -> KernelFunction {
    let block = 16
    let count = keys.shape[keys.rank - 2]
    let blocks = count.ceilDivided(by: Dim(block))
    let k = KernelBuilder("attention_keys_\(keys.elementType.name)")
    let x = k.input(keys.elementType)
    let y = k.output(stored)
    k.split(keys.shape.dropLast(2).reduce(1, *) * blocks, work: Dim(block * head * 2))
    let (n, b) = (k.size(count), k.size(blocks))
    let first = k.let("first", k.unit.remainder(by: b) * .i64(block))
    let matrix = k.let("matrix", k.unit.divided(by: b) * n * .i64(head))
    let lanes = k.let("lanes", (n - first).minimum(.i64(block)))
    k.loop("c", to: .i64(head)) { c in
      let source = k.let("source", matrix + first * .i64(head) + c)
      let target = k.let("target", matrix + c * n + first)
      k.loop("lane", to: lanes, .vector) { k.store(y, target + $0, k.load(x, source + $0 * .i64(head))) }
    }
    return k.finish()
  }

  private let op: Attention
  private let maskType: TensorType?
  private let batch: [Dim]
  private let head: Int
  private let width: Int
  private let queries: Dim
  private let keyCount: Dim
  private let compute: ScalarType
  private let k: KernelBuilder
  private let (q, keys, v): (KernelBuffer, KernelBuffer, KernelBuffer)
  private let mask: KernelBuffer?
  private let y: KernelBuffer
  /// Queries of a unit, a multiple of `rows`.
  private let block: Int
  /// Queries whose sums are kept in registers together.
  private let rows = 4
  /// Keys of a block, and values that go side by side.
  private let lanes = 64

  private init(
    _ op: Attention, q: TensorType, keys: TensorType, v: TensorType, mask: TensorType?, head: Int, width: Int,
    count: Dim
  ) {
    self.op = op
    maskType = mask
    batch = Array(q.shape.dropLast(2))
    self.head = head
    self.width = width
    queries = q.shape[q.rank - 2]
    keyCount = count
    compute = q.elementType.computeType
    block = queries.constant.map { $0 <= 4 ? 4 : $0 <= 16 ? ($0 + 3) / 4 * 4 : 32 } ?? 32
    let k = KernelBuilder("attention_\(q.elementType.name)")
    self.q = k.input(q.elementType)
    self.keys = k.input(keys.elementType)
    self.v = k.input(v.elementType)
    self.mask = mask.map { k.input($0.elementType) }
    y = k.output(q.elementType)
    self.k = k
  }

  private func function() -> KernelFunction {
    let blocks = queries.ceilDivided(by: Dim(block))
    k.split(batch.reduce(1, *) * blocks, work: keyCount * Dim(block * (head + width)))
    let (m, n, b) = (k.size(queries), k.size(keyCount), k.size(blocks))
    let matrix = k.let("matrix", k.unit.divided(by: b))
    let first = k.let("first", k.unit.remainder(by: b) * .i64(block))
    let valid = k.let("valid", (m - first).minimum(.i64(block)))
    let zero = Expression.literal(0, compute)
    let scaled = k.array("scaled", compute, count: block * head)
    let source = k.let("source", (matrix * m + first) * .i64(head))
    let queryCount = k.let("query_count", valid * .i64(head))
    k.loop("i", to: queryCount, .vector) { k.store(scaled, $0, k.load(q, source + $0) * .literal(op.scale, compute)) }
    k.loop("i", from: queryCount, to: .i64(block * head), .vector) { k.store(scaled, $0, zero) }

    let sums = k.array("sums", compute, count: block * width)
    let peaks = k.array("peaks", compute, count: block)
    let totals = k.array("totals", compute, count: block)
    k.fill(sums, with: zero)
    k.loop("i", to: .i64(block), .vector) { i in
      k.store(peaks, i, .float(-.infinity, compute))
      k.store(totals, i, zero)
    }
    let scores = k.array("scores", compute, count: block * lanes)
    let keyStart = k.let("keys", matrix * n * .i64(head))
    let valueStart = k.let("values", matrix * n * .i64(width))
    let maskStrides = maskType.map { k.broadcastStrides($0.shape, to: batch + [queries, keyCount]) }
    let maskStart = maskStrides.map { strides in
      k.let("mask", offset(k.unravel(matrix, batch), strides.dropLast(2)))
    }
    // Causal queries see no key behind their own.
    let until = op.isCausal ? k.let("until", (first + valid).minimum(n)) : n
    let full = k.let("full", until.divided(by: .i64(lanes)) * .i64(lanes))

    func keyBlock(_ from: Expression, _ count: Expression) {
      score(scaled, scores, keyStart + from, count, n)
      k.loop("row", to: .i64(block)) { row in
        let line = k.let("line", row * .i64(lanes))
        if op.isCausal || mask != nil {
          let query = k.let("query", (first + row).minimum(m - 1))
          k.loop("lane", to: count, .vector) { lane in
            var value = k.load(scores, line + lane)
            if let mask, let maskStrides, let maskStart {
              let row = maskStart + query * maskStrides[batch.count]
              value = value + k.load(mask, row + (from + lane) * maskStrides[batch.count + 1])
            }
            if op.isCausal {
              value = .choose((from + lane).greaterThan(query), .float(-.infinity, compute), value)
            }
            k.store(scores, line + lane, value)
          }
        }
        accept(row, line, count, scores, peaks, totals, sums)
      }
      add(scores, sums, valueStart + from * .i64(width), count)
    }
    if full.literal != 0 {
      k.loop("key", to: full, step: lanes) { keyBlock($0, .i64(lanes)) }
    }
    if full.literal == nil || full.literal != until.literal {
      let rest = k.let("rest", until - full)
      k.if(rest.greaterThan(0)) { keyBlock(full, rest) }
    }

    let target = k.let("target", (matrix * m + first) * .i64(width))
    k.loop("row", to: valid) { row in
      // Without keys there is nothing to sum, and the total stays zero.
      let total = k.let("total", k.load(totals, row))
      let factor = k.let("factor", .choose(total.equal(zero), zero, .literal(1, compute) / total))
      k.loop("i", to: .i64(width), .vector) { i in
        k.store(y, target + row * .i64(width) + i, k.load(sums, row * .i64(width) + i) * factor)
      }
    }
    return k.finish()
  }

  /// Scores of all queries of the block with `count` keys.
  private func score(
    _ scaled: LocalArray, _ scores: LocalArray, _ start: Expression, _ count: Expression, _ n: Expression
  ) {
    k.loop("group", to: .i64(block), step: rows) { group in
      let parts = (0..<rows).map { _ in k.array("part", compute, count: lanes) }
      k.loop("lane", to: .i64(lanes), .vector) { lane in
        for part in parts { k.store(part, lane, .literal(0, compute)) }
      }
      let at = k.let("at", start)
      k.loop("c", to: .i64(head)) { c in
        let factors = (0..<rows).map { k.let("factor", k.load(scaled, (group + .i64($0)) * .i64(head) + c)) }
        let line = k.let("line", at + c * n)
        k.loop("lane", to: count, .vector) { lane in
          let key = k.let("key", k.load(keys, line + lane))
          for (part, factor) in zip(parts, factors) {
            k.store(part, lane, k.load(part, lane) + factor * key)
          }
        }
      }
      k.loop("lane", to: .i64(lanes), .vector) { lane in
        for (index, part) in parts.enumerated() {
          k.store(scores, (group + .i64(index)) * .i64(lanes) + lane, k.load(part, lane))
        }
      }
    }
  }

  /// Turns the scores of one query into weights, and corrects what it gathered so far.
  private func accept(
    _ row: Expression, _ line: Expression, _ count: Expression, _ scores: LocalArray, _ peaks: LocalArray,
    _ totals: LocalArray, _ sums: LocalArray
  ) {
    let peak = k.reduce("peak", count, .peak(compute)) { k.load(scores, line + $0) }
    let old = k.let("old", k.load(peaks, row))
    let new = k.let("new", .choose(peak.greaterThan(old), peak, old))
    // While everything is masked there is nothing to subtract.
    let shift = k.let("shift", .choose(new.equal(.float(-.infinity, compute)), .literal(0, compute), new))
    let correction = k.let("correction", .call(.exp, [old - shift]))
    k.loop("lane", to: count, .vector) { lane in
      k.store(scores, line + lane, .call(.exp, [k.load(scores, line + lane) - shift]))
    }
    let sum = k.reduce("sum", count, .sum(compute)) { k.load(scores, line + $0) }
    k.store(totals, row, k.load(totals, row) * correction + sum)
    k.store(peaks, row, new)
    k.if(correction.notEqual(.literal(1, compute))) {
      k.loop("i", to: .i64(width), .vector) { i in
        k.store(sums, row * .i64(width) + i, k.load(sums, row * .i64(width) + i) * correction)
      }
    }
  }

  /// Adds the values of `count` keys, weighted.
  private func add(_ scores: LocalArray, _ sums: LocalArray, _ start: Expression, _ count: Expression) {
    let at = k.let("at", start)
    k.loop("group", to: .i64(block), step: rows) { group in
      for from in stride(from: 0, to: width, by: lanes) {
        let size = min(lanes, width - from)
        let parts = (0..<rows).map { _ in k.array("part", compute, count: size) }
        func place(_ row: Int, _ lane: Expression) -> Expression {
          (group + .i64(row)) * .i64(width) + .i64(from) + lane
        }
        k.loop("lane", to: .i64(size), .vector) { lane in
          for (row, part) in parts.enumerated() { k.store(part, lane, k.load(sums, place(row, lane))) }
        }
        k.loop("key", to: count) { key in
          let weights = (0..<rows).map { k.let("weight", k.load(scores, (group + .i64($0)) * .i64(lanes) + key)) }
          let line = k.let("line", at + key * .i64(width) + .i64(from))
          k.loop("lane", to: .i64(size), .vector) { lane in
            let value = k.let("value", k.load(v, line + lane))
            for (part, weight) in zip(parts, weights) {
              k.store(part, lane, k.load(part, lane) + weight * value)
            }
          }
        }
        k.loop("lane", to: .i64(size), .vector) { lane in
          for (row, part) in parts.enumerated() { k.store(sums, place(row, lane), k.load(part, lane)) }
        }
      }
    }
  }
}
