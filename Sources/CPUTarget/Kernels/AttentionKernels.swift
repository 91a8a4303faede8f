import SwageKernel
import SwagePartition
import SwageTensor

/// Attention in one pass over the keys, without writing out the scores: maximum, sum and weighted values of a query are
/// corrected as blocks of keys come in (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao
/// et al., "FlashAttention", 2022).
///
/// A unit is a block of queries of one batch element. Keys and values are laid out as panels beforehand, once for all
/// queries, in the type that the products are computed in.
struct AttentionKernels {
  /// Head sizes above which the blocks of a unit no longer fit the first-level cache.
  static let largestHead = 1024
  /// Queries of a unit, in whole tiles.
  private static let largestBlock = 48

  /// nil where the head sizes are not known or too large.
  static func make(_ op: Attention, _ node: Node, in graph: Graph) -> Recipe? {
    guard let q = node.type(0, in: graph), let keys = node.type(1, in: graph), let v = node.type(2, in: graph),
      let head = q.shape[q.rank - 1].constant, let width = v.shape[q.rank - 1].constant,
      (1...largestHead).contains(head), (1...largestHead).contains(width)
    else { return nil }
    let compute = q.elementType.computeType
    let columns = ProductTile.columns(compute)
    let stored: ElementType = compute == .f64 ? .f64 : .f32
    let count = v.shape[v.rank - 2]
    let batch = Array(keys.shape.dropLast(2))
    var recipe = Recipe()
    let keyPanels = TensorType(stored, batch + [count.ceilDivided(by: Dim(columns)), Dim(head), Dim(columns)])
    let keySlot = recipe.addTemporary(keyPanels)
    recipe.steps.append(
      .init(
        action: .kernel(
          panels(keys, stored, rows: Dim(head), count, columns, isTransposed: !op.isKeyTransposed, "keys")),
        reads: [.operand(1)], writes: [keySlot], label: "attention (keys)", isMain: false))
    let valuePanels = TensorType(stored, batch + [Dim((width + columns - 1) / columns), count, Dim(columns)])
    let valueSlot = recipe.addTemporary(valuePanels)
    recipe.steps.append(
      .init(
        action: .kernel(panels(v, stored, rows: count, Dim(width), columns, isTransposed: false, "values")),
        reads: [.operand(2)], writes: [valueSlot], label: "attention (values)", isMain: false))
    let mask = node.type(3, in: graph)
    let kernels = AttentionKernels(
      op, q: q, panels: stored, mask: mask, head: head, width: width, count: count)
    let reads: [Recipe.Slot?] = [.operand(0), keySlot, valueSlot] + (mask == nil ? [] : [.operand(3)])
    recipe.steps.append(
      .init(action: .kernel(kernels.function()), reads: reads, writes: [.result(0)], label: "attention"))
    return recipe
  }

  /// Matrices `[rows, n]` (or `[n, rows]` where `isTransposed`) as panels `[⌈n / columns⌉, rows, columns]`, with zeros
  /// behind the last column. A unit is one panel.
  private static func panels(
    _ x: TensorType, _ stored: ElementType, rows: Dim, _ n: Dim, _ columns: Int, isTransposed: Bool, _ what: String
  ) -> KernelFunction {
    let panelCount = n.ceilDivided(by: Dim(columns))
    let k = KernelBuilder("attention_\(what)_\(x.elementType.name)")
    let source = k.input(x.elementType)
    let target = k.output(stored)
    k.split(x.shape.dropLast(2).reduce(1, *) * panelCount, work: rows * Dim(columns * 2))
    let (rowCount, count, panels) = (k.size(rows), k.size(n), k.size(panelCount))
    let matrix = k.let("matrix", k.unit.divided(by: panels) * rowCount * count)
    let first = k.let("first", k.unit.remainder(by: panels) * .i64(columns))
    let lanes = k.let("lanes", (count - first).minimum(.i64(columns)))
    k.loop("row", to: rowCount) { row in
      let to = k.let("to", (k.unit * rowCount + row) * .i64(columns))
      let (from, step) =
        isTransposed ? (matrix + first * rowCount + row, rowCount) : (matrix + row * count + first, Expression.i64(1))
      let start = k.let("from", from)
      k.loop("lane", to: lanes, .vector) { k.store(target, to + $0, k.load(source, start + $0 * step)) }
      k.loop("lane", from: lanes, to: .i64(columns), .vector) {
        k.store(target, to + $0, .literal(0, stored.computeType))
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
  private let k: KernelBuilder
  private let (q, keys, v): (KernelBuffer, KernelBuffer, KernelBuffer)
  private let mask: KernelBuffer?
  private let y: KernelBuffer
  /// Queries of a unit.
  private let block: Int
  /// Keys of a block.
  private let lanes = 256
  /// Columns of a panel.
  private let columns: Int
  /// The width of the values in whole panels.
  private let sumWidth: Int

  private init(
    _ op: Attention, q: TensorType, panels: ElementType, mask: TensorType?, head: Int, width: Int, count: Dim
  ) {
    self.op = op
    maskType = mask
    batch = Array(q.shape.dropLast(2))
    self.head = head
    self.width = width
    queries = q.shape[q.rank - 2]
    keyCount = count
    compute = q.elementType.computeType
    columns = ProductTile.columns(compute)
    sumWidth = (width + columns - 1) / columns * columns
    block = max(
      1, min(queries.constant ?? Self.largestBlock, head <= 256 && width <= 256 ? Self.largestBlock : 24))
    let k = KernelBuilder("attention_\(q.elementType.name)")
    self.q = k.input(q.elementType)
    keys = k.input(panels)
    v = k.input(panels)
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

    let sums = k.array("sums", compute, count: block * sumWidth)
    let peaks = k.array("peaks", compute, count: block)
    let totals = k.array("totals", compute, count: block)
    k.fill(sums, with: zero)
    k.loop("i", to: .i64(block), .vector) { i in
      k.store(peaks, i, .float(-.infinity, compute))
      k.store(totals, i, zero)
    }
    let scores = k.array("scores", compute, count: block * lanes)
    let keyStart = k.let("keys", matrix * n.ceilDivided(by: columns) * .i64(head * columns))
    let valueStart = k.let("values", matrix * n * .i64(sumWidth))
    let maskStrides = maskType.map { k.broadcastStrides($0.shape, to: batch + [queries, keyCount]) }
    let maskStart = maskStrides.map { strides in
      k.let("mask", offset(k.unravel(matrix, batch), strides.dropLast(2)))
    }
    // Causal queries see no key behind their own.
    let until = op.isCausal ? k.let("until", (first + valid).minimum(n)) : n
    let full = k.let("full", until.divided(by: .i64(lanes)) * .i64(lanes))

    func keyBlock(_ from: Expression, _ count: Expression) {
      score(scaled, scores, k.let("line", keyStart + from * .i64(head)), count, rows: valid)
      k.loop("row", to: valid) { row in
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
      k.loop("panel", to: .i64(sumWidth / columns)) { panel in
        let place = valueStart + (panel * n + from) * .i64(columns)
        k.product(
          .init(
            to: .array(sums, panel * .i64(columns)), stride: .i64(sumWidth), left: .array(scores, 0),
            stride: .i64(lanes), panel: .buffer(v, place), stride: .i64(columns), rows: valid, depth: count,
            columns: columns, accumulates: true))
      }
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

  /// Scores of the block's queries with `count` keys, and with those behind them up to a whole panel.
  private func score(
    _ scaled: LocalArray, _ scores: LocalArray, _ start: Expression, _ count: Expression, rows: Expression
  ) {
    k.loop("panel", to: count.ceilDivided(by: columns)) { panel in
      k.product(
        .init(
          to: .array(scores, panel * .i64(columns)), stride: .i64(lanes), left: .array(scaled, 0), stride: .i64(head),
          panel: .buffer(keys, start + panel * .i64(head * columns)), stride: .i64(columns), rows: rows,
          depth: .i64(head), columns: columns, accumulates: false))
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
    let correction = k.let("correction", .call(.expBelowZero, [old - shift]))
    k.loop("lane", to: count, .vector) { lane in
      k.store(scores, line + lane, .call(.expBelowZero, [k.load(scores, line + lane) - shift]))
    }
    let sum = k.reduce("sum", count, .sum(compute)) { k.load(scores, line + $0) }
    k.store(totals, row, k.load(totals, row) * correction + sum)
    k.store(peaks, row, new)
    k.if(correction.notEqual(.literal(1, compute))) {
      k.loop("i", to: .i64(width), .vector) { i in
        k.store(sums, row * .i64(sumWidth) + i, k.load(sums, row * .i64(sumWidth) + i) * correction)
      }
    }
  }
}
