import SwageKernel
import SwagePartition
import SwageTensor

/// Attention in one pass over the keys, without writing out the scores: maximum, sum and weighted values of a query are
/// corrected as blocks of keys come in (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao
/// et al., "FlashAttention", 2022).
///
/// A unit is a block of queries of one batch element. Keys and values are laid out as panels beforehand, once for all
/// queries. Products of bf16 take queries and weights in bf16; narrower floats are computed in f32.
struct AttentionKernels {
  /// Head sizes above which the blocks of a unit no longer fit the first-level cache.
  static let largestHead = 1024

  /// nil where the head sizes are not known or too large.
  static func make(_ op: Attention, _ node: Node, in graph: Graph) -> Recipe? {
    if let recipe = AttentionByColumns.make(op, node, in: graph) { return recipe }
    guard let q = node.type(0, in: graph), let keys = node.type(1, in: graph), let v = node.type(2, in: graph),
      let head = q.shape[q.rank - 1].constant, let width = v.shape[q.rank - 1].constant,
      (1...largestHead).contains(head), (1...largestHead).contains(width)
    else { return nil }
    let tile = ProductTile.of(q.elementType) ?? .f32
    let valueTile = ProductTile.of(tile.element, filling: width) ?? tile
    let count = v.shape[v.rank - 2]
    let batch = Array(keys.shape.dropLast(2))
    var recipe = Recipe()
    /// Lays out operand `index`, matrices `[rows, n]`, in a step of its own.
    func panels(
      _ index: Int, _ x: TensorType, _ tile: ProductTile, rows: Dim, _ n: Dim, isTransposed: Bool, _ what: String
    ) -> Recipe.Slot {
      let lines = tile.whole(rows).floorDivided(by: Dim(tile.together))
      let panelCount = n.ceilDivided(by: Dim(tile.columns))
      let slot = recipe.addTemporary(TensorType(tile.element, batch + [panelCount, lines, Dim(tile.line)]))
      let function = Self.panels(x, tile, rows: rows, n, isTransposed: isTransposed, what)
      recipe.steps.append(
        .init(
          action: .kernel(function), reads: [.operand(index)], writes: [slot], label: "attention (\(what))",
          isMain: false))
      return slot
    }
    let keySlot = panels(1, keys, tile, rows: Dim(head), count, isTransposed: !op.isKeyTransposed, "keys")
    let valueSlot = panels(2, v, valueTile, rows: count, Dim(width), isTransposed: false, "values")
    let mask = node.type(3, in: graph)
    let kernels = AttentionKernels(op, q: q, tile, valueTile, mask: mask, head: head, width: width, count: count)
    let reads: [Recipe.Slot?] = [.operand(0), keySlot, valueSlot] + (mask == nil ? [] : [.operand(3)])
    recipe.steps.append(
      .init(action: .kernel(kernels.function()), reads: reads, writes: [.result(0)], label: "attention"))
    return recipe
  }

  /// Matrices `[rows, n]` (or `[n, rows]` where `isTransposed`) as panels, with zeros behind the last column and the last
  /// row. A unit is one panel.
  private static func panels(
    _ x: TensorType, _ tile: ProductTile, rows: Dim, _ n: Dim, isTransposed: Bool, _ what: String
  ) -> KernelFunction {
    let panelCount = n.ceilDivided(by: Dim(tile.columns))
    let k = KernelBuilder("attention_\(what)_\(x.elementType.name)")
    let source = k.input(x.elementType)
    let target = k.output(tile.element)
    k.split(x.shape.dropLast(2).reduce(1, *) * panelCount, work: rows * Dim(tile.columns * 2))
    let (rowCount, count, panels) = (k.size(rows), k.size(n), k.size(panelCount))
    let together = tile.together
    let lines = k.let("lines", k.size(tile.whole(rows)).divided(by: .i64(together)))
    let matrix = k.let("matrix", k.unit.divided(by: panels) * rowCount * count)
    let first = k.let("first", k.unit.remainder(by: panels) * .i64(tile.columns))
    let lanes = k.let("lanes", (count - first).minimum(.i64(tile.columns)))
    let zero = Expression.literal(0, tile.element.computeType)
    k.loop("line", to: lines) { line in
      let to = k.let("to", (k.unit * lines + line) * .i64(tile.line))
      for term in 0..<together {
        let row = k.let("row", line * .i64(together) + .i64(term))
        func write(_ lane: Expression, _ value: Expression) {
          k.store(target, to + lane * .i64(together) + .i64(term), value)
        }
        let (start, step) =
          isTransposed
          ? (matrix + first * rowCount + row, rowCount) : (matrix + row * count + first, Expression.i64(1))
        k.if(row.lessThan(rowCount)) {
          let from = k.let("from", start)
          k.loop("lane", to: lanes, .vector) { write($0, k.load(source, from + $0 * step)) }
          k.loop("lane", from: lanes, to: .i64(tile.columns), .vector) { write($0, zero) }
        } else: {
          k.loop("lane", to: .i64(tile.columns), .vector) { write($0, zero) }
        }
      }
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
  private let tile: ProductTile
  private let valueTile: ProductTile
  private let k: KernelBuilder
  private let (q, keys, v): (KernelBuffer, KernelBuffer, KernelBuffer)
  private let mask: KernelBuffer?
  private let y: KernelBuffer
  /// Queries of a unit.
  private let block: Int
  /// Keys of a block.
  private let lanes: Int
  /// Terms of a score: the head's, and zeros behind them.
  private let depth: Int
  /// The width of the values in whole panels.
  private let sumWidth: Int
  /// Whether scores are powers of two that are scaled behind the product: queries stay as they are, and weights are as
  /// exact as bf16 is.
  private var isCoarse: Bool { tile.element == .bf16 }

  private init(
    _ op: Attention, q: TensorType, _ tile: ProductTile, _ valueTile: ProductTile, mask: TensorType?, head: Int,
    width: Int, count: Dim
  ) {
    self.op = op
    self.tile = tile
    self.valueTile = valueTile
    maskType = mask
    batch = Array(q.shape.dropLast(2))
    self.head = head
    self.width = width
    queries = q.shape[q.rank - 2]
    keyCount = count
    compute = q.elementType.computeType
    depth = tile.whole(Dim(head)).constant ?? head
    sumWidth = valueTile.panelCount(width) * valueTile.columns
    let largest = tile.usesMatrixUnit ? 64 : 48
    lanes = tile.usesMatrixUnit ? 512 : 256
    block = max(1, min(queries.constant ?? largest, head <= 256 && width <= 256 ? largest : largest / 2))
    let k = KernelBuilder("attention_\(q.elementType.name)")
    self.q = k.input(q.elementType)
    keys = k.input(tile.element)
    v = k.input(tile.element)
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
    let taken = k.array("queries", of: tile.element, count: block * depth)
    takeQueries(to: taken, from: k.let("source", (matrix * m + first) * .i64(head)), rows: valid)

    let sums = k.array("sums", compute, count: block * sumWidth)
    let peaks = k.array("peaks", compute, count: block)
    let totals = k.array("totals", compute, count: block)
    k.fill(sums, with: zero)
    k.loop("i", to: .i64(block), .vector) { i in
      k.store(peaks, i, .float(-.infinity, compute))
      k.store(totals, i, zero)
    }
    let scores = k.array("scores", compute, count: block * lanes)
    // Weights take the place of scores, unless they are narrower.
    let weights = isCoarse ? k.array("weights", of: tile.element, count: block * lanes) : scores
    let keyStart = k.let("keys", matrix * n.ceilDivided(by: tile.columns) * .i64(depth * tile.columns))
    let valueDepth = k.size(tile.whole(keyCount))
    let valueStart = k.let("values", matrix * valueDepth * .i64(sumWidth))
    let maskStrides = maskType.map { k.broadcastStrides($0.shape, to: batch + [queries, keyCount]) }
    let maskStart = maskStrides.map { strides in
      k.let("mask", offset(k.unravel(matrix, batch), strides.dropLast(2)))
    }
    // Causal queries see no key behind their own.
    let until = op.isCausal ? k.let("until", (first + valid).minimum(n)) : n
    let full = k.let("full", until.divided(by: .i64(lanes)) * .i64(lanes))

    func keyBlock(_ from: Expression, _ count: Expression) {
      score(taken, scores, k.let("line", keyStart + from * .i64(depth)), count, rows: valid)
      let whole = k.let("whole", tile.usesMatrixUnit ? count.ceilDivided(by: 32) * 32 : count)
      k.loop("row", to: valid) { row in
        let line = k.let("line", row * .i64(lanes))
        let isFinished = op.isCausal || mask != nil
        if isFinished {
          let query = k.let("query", (first + row).minimum(m - 1))
          k.lanes(count, width: 32) { lane, _ in
            var value = k.load(scores, line + lane)
            if isCoarse { value = value * .literal(exponentScale, compute) }
            if let mask, let maskStrides, let maskStart {
              let row = maskStart + query * maskStrides[batch.count]
              let term = k.load(mask, row + (from + lane) * maskStrides[batch.count + 1])
              value = value + (isCoarse ? term * .literal(Self.log2e, compute) : term)
            }
            if op.isCausal {
              value = .choose((from + lane).greaterThan(query), .float(-.infinity, compute), value)
            }
            k.store(scores, line + lane, value)
          }
        }
        accept(row, line, count, whole, scores, isFinished: isFinished, weights, peaks, totals, sums)
      }
      k.product(
        .init(
          to: .array(sums, 0), stride: .i64(sumWidth), left: .array(weights, 0), stride: .i64(lanes),
          panel: .buffer(v, valueStart + from * .i64(valueTile.columns)), size: valueDepth * .i64(valueTile.columns),
          count: .i64(sumWidth / valueTile.columns), rows: valid, depth: whole, columns: valueTile.columns,
          accumulates: true))
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
      // The softmax of scores that are all minus infinity is NaN. Without keys there is nothing to sum.
      let total = k.let("total", k.load(totals, row))
      let factor = k.let("factor", .choose(n.equal(.i64(0)), zero, .literal(1, compute) / total))
      k.loop("i", to: .i64(width), .vector) { i in
        k.store(y, target + row * .i64(width) + i, k.load(sums, row * .i64(sumWidth) + i) * factor)
      }
    }
    return k.finish()
  }

  private static let log2e = 1.4426950408889634
  /// What makes exponents of two of coarse scores.
  private var exponentScale: Double { op.scale * Self.log2e }

  /// The block's queries, scaled unless they are coarse, with zeros behind each.
  private func takeQueries(to taken: LocalArray, from source: Expression, rows: Expression) {
    func take(_ to: Expression, _ from: Expression) {
      let value = k.load(q, from)
      k.store(taken, to, isCoarse ? value : value * .literal(op.scale, compute))
    }
    if depth == head {
      let count = k.let("query_count", rows * .i64(head))
      k.loop("i", to: count, .vector) { take($0, source + $0) }
      return
    }
    k.loop("row", to: rows) { row in
      let (to, from) = (k.let("to", row * .i64(depth)), k.let("from", source + row * .i64(head)))
      k.loop("i", to: .i64(head), .vector) { take(to + $0, from + $0) }
      k.loop("i", from: .i64(head), to: .i64(depth), .vector) { k.store(taken, to + $0, .literal(0, compute)) }
    }
  }

  /// Scores of the block's queries with `count` keys, and with those behind them up to a whole panel.
  private func score(
    _ taken: LocalArray, _ scores: LocalArray, _ start: Expression, _ count: Expression, rows: Expression
  ) {
    k.product(
      .init(
        to: .array(scores, 0), stride: .i64(lanes), left: .array(taken, 0), stride: .i64(depth),
        panel: .buffer(keys, start), size: .i64(depth * tile.columns), count: count.ceilDivided(by: tile.columns),
        rows: rows, depth: .i64(depth), columns: tile.columns, accumulates: false))
  }

  /// Turns the scores of one query into weights, and corrects what it gathered so far.
  private func accept(
    _ row: Expression, _ line: Expression, _ count: Expression, _ whole: Expression, _ scores: LocalArray,
    isFinished: Bool, _ weights: LocalArray, _ peaks: LocalArray, _ totals: LocalArray, _ sums: LocalArray
  ) {
    let power: MathFunction = isCoarse ? .exp2Coarse : .expBelowZero
    func score(_ lane: Expression) -> Expression {
      let value = k.load(scores, line + lane)
      return isCoarse && !isFinished ? value * .literal(exponentScale, compute) : value
    }
    // The peak of scores that are scaled behind it is scaled once.
    let scalesPeak = isCoarse && !isFinished && exponentScale >= 0
    let highest = k.reduce("highest", count, .peak(compute)) { scalesPeak ? k.load(scores, line + $0) : score($0) }
    let peak = scalesPeak ? k.let("peak", highest * .literal(exponentScale, compute)) : highest
    let old = k.let("old", k.load(peaks, row))
    let new = k.let("new", .choose(peak.greaterThan(old), peak, old))
    // While everything is masked there is nothing to subtract.
    let shift = k.let("shift", .choose(new.equal(.float(-.infinity, compute)), .literal(0, compute), new))
    let drop = isCoarse ? (old - shift) * .literal(1 / Self.log2e, compute) : old - shift
    let correction = k.let("correction", .call(.expBelowZero, [drop]))
    // The sum is of weights before they are rounded.
    let sum = k.reduce("sum", count, .sum(compute)) { lane in
      let value = Expression.call(power, [score(lane) - shift])
      // It may take the score's place.
      let weight = isCoarse ? value : k.let("weight", value)
      k.store(weights, line + lane, weight)
      return weight
    }
    if tile.usesMatrixUnit {
      k.loop("lane", from: count, to: whole, .tail) { k.store(weights, line + $0, .literal(0, compute)) }
    }
    k.store(totals, row, k.load(totals, row) * correction + sum)
    k.store(peaks, row, new)
    k.if(correction.notEqual(.literal(1, compute))) {
      k.loop("i", to: .i64(width), .vector) { i in
        k.store(sums, row * .i64(sumWidth) + i, k.load(sums, row * .i64(sumWidth) + i) * correction)
      }
    }
  }
}
