import SwageKernel
import SwagePartition
import SwageTensor

/// Attention whose scores are columns, for elements without a matrix unit: `[key][query]`, a panel of queries at a time. Scores
/// are the product of keys, as they are, with queries as a panel, and become the panel that values are multiplied with:
/// every width of values fills its tiles, and maximum, sum and correction of a query each stay in one lane.
///
/// As in `AttentionKernels`, blocks of keys come in one after the other, and a unit is a block of queries of one batch
/// element.
struct AttentionByColumns {
  /// Keys of a block: with their panel of scores and the values they stay in the first-level cache.
  private static let keysOfBlock = 128
  /// Panels of queries of a unit: what a block of keys is read for.
  private static let panelsOfUnit = 2
  /// Largest head that the blocks were sized for; heads of 40, 64 and 80 were measured.
  private static let largestHead = 256

  /// nil where the other form is the better one: elements that are narrower than their sums, few queries (or an unknown
  /// number that is not that of the keys, as when words come one by one), masks that differ from query to query.
  static func make(_ op: Attention, _ node: Node, in graph: Graph) -> Recipe? {
    guard let q = node.type(0, in: graph), let keys = node.type(1, in: graph), let v = node.type(2, in: graph),
      let tile = ProductTile.of(q.elementType), tile.sums == tile.element,
      let head = q.shape[q.rank - 1].constant, let width = v.shape[q.rank - 1].constant,
      (1...largestHead).contains(head), (1...largestHead).contains(width),
      q.shape[q.rank - 2].constant.map({ $0 >= tile.columns }) ?? (q.shape[q.rank - 2] == v.shape[v.rank - 2])
    else { return nil }
    let mask = node.type(3, in: graph)
    if let mask, mask.rank > 1, mask.shape[mask.rank - 2] != 1 { return nil }
    let count = v.shape[v.rank - 2]
    let batch = Array(keys.shape.dropLast(2))
    var recipe = Recipe()
    func prepared(_ index: Int, _ shape: [Dim], _ what: String, _ function: KernelFunction) -> Recipe.Slot {
      let slot = recipe.addTemporary(TensorType(tile.element, batch + shape))
      recipe.steps.append(
        .init(
          action: .kernel(function), reads: [.operand(index)], writes: [slot], label: "attention (\(what))",
          isMain: false))
      return slot
    }
    var keySlot = Recipe.Slot.operand(1)
    if op.isKeyTransposed {
      keySlot = prepared(
        1, [count, Dim(head)], "keys", transposed(keys, batch, rows: Dim(head), count, block: nil, "keys"))
    }
    let valueSlot = prepared(
      2, [count.ceilDivided(by: Dim(keysOfBlock)), Dim(width), Dim(keysOfBlock)], "values",
      transposed(v, batch, rows: count, Dim(width), block: keysOfBlock, "values"))
    let kernels = AttentionByColumns(op, q, tile, mask: mask, head: head, width: width, count: count)
    let reads: [Recipe.Slot?] = [.operand(0), keySlot, valueSlot] + (mask == nil ? [] : [.operand(3)])
    recipe.steps.append(
      .init(action: .kernel(kernels.function()), reads: reads, writes: [.result(0)], label: "attention"))
    return recipe
  }

  /// Matrices `[rows, n]` as `[n, rows]`, or with a `block` as `[⌈rows / block⌉, n, block]`. A unit is a few rows.
  private static func transposed(
    _ x: TensorType, _ batch: [Dim], rows: Dim, _ n: Dim, block: Int?, _ what: String
  ) -> KernelFunction {
    let k = KernelBuilder("attention_\(what)_by_columns_\(x.elementType.name)")
    let type = x.elementType.patternType
    let source = k.input(type)
    let target = k.output(type)
    let tile = Statement.transposeTile
    let step = block ?? tile
    let parts = rows.ceilDivided(by: Dim(step))
    k.split(batch.reduce(1, *) * parts, work: n * Dim(step * 2))
    let (rowCount, count, partCount) = (k.size(rows), k.size(n), k.size(parts))
    let matrix = k.let("matrix", k.unit.divided(by: partCount))
    let first = k.let("first", k.unit.remainder(by: partCount) * .i64(step))
    let own = k.let("own", (rowCount - first).minimum(.i64(step)))
    let from = k.let("from", (matrix * rowCount + first) * count)
    let to = k.let(
      "to", block == nil ? matrix * rowCount * count + first : k.unit * count * .i64(step))
    let line = block == nil ? rowCount : .i64(step)
    k.exchange(rows: own, columns: count) { row, column in
      k.transpose(
        to: .buffer(target, to + column * line + row), stride: line,
        from: .buffer(source, from + row * count + column), stride: count)
    } single: { row, column in
      k.store(target, to + column * line + row, k.load(source, from + row * count + column))
    }
    return k.finish()
  }

  private let op: Attention
  private let batch: [Dim]
  private let head: Int
  private let width: Int
  private let queries: Dim
  private let keyCount: Dim
  private let compute: ScalarType
  private let columns: Int
  /// Lanes of a last panel that is no fuller, nil where there is none: 13 of 77 queries take one vector, not two.
  private let narrow: Int?
  private let maskType: TensorType?
  private let k: KernelBuilder
  private let (q, keys, v): (KernelBuffer, KernelBuffer, KernelBuffer)
  private let mask: KernelBuffer?
  private let y: KernelBuffer

  private init(
    _ op: Attention, _ q: TensorType, _ tile: ProductTile, mask: TensorType?, head: Int, width: Int, count: Dim
  ) {
    self.op = op
    batch = Array(q.shape.dropLast(2))
    self.head = head
    self.width = width
    queries = q.shape[q.rank - 2]
    keyCount = count
    compute = q.elementType.computeType
    columns = tile.columns
    let last = (queries.constant ?? 0) % columns
    narrow = ProductTile.of(q.elementType, filling: last).flatMap {
      last > 0 && $0.columns < tile.columns ? $0.columns : nil
    }
    maskType = mask
    let k = KernelBuilder("attention_by_columns_\(q.elementType.name)")
    self.q = k.input(q.elementType)
    keys = k.input(q.elementType)
    v = k.input(q.elementType)
    self.mask = mask.map { k.input($0.elementType) }
    y = k.output(q.elementType)
    self.k = k
  }

  /// What a unit knows of its queries: of each panel, lanes are queries.
  private struct State {
    /// `[panel][term][lane]`; lines of a narrow panel are shorter, here and below.
    var taken: LocalArray
    /// Weighted values, `[panel][column of values][lane]`.
    var sums: LocalArray
    /// `[panel][lane]`
    var peaks: LocalArray
    var totals: LocalArray
    /// Scores of a block, and then their weights: `[key][lane]`.
    var scores: LocalArray
    /// What is subtracted from scores, what corrects sums, the sums of weights: `[lane]`.
    var shifts: LocalArray
    var corrections: LocalArray
    var parts: LocalArray
  }

  private func function() -> KernelFunction {
    let block = columns * Self.panelsOfUnit
    let blocks = queries.ceilDivided(by: Dim(block))
    k.split(batch.reduce(1, *) * blocks, work: keyCount * Dim(block * (head + width)))
    let (m, n, b) = (k.size(queries), k.size(keyCount), k.size(blocks))
    let matrix = k.let("matrix", k.unit.divided(by: b))
    let first = k.let("first", k.unit.remainder(by: b) * .i64(block))
    let valid = k.let("valid", (m - first).minimum(.i64(block)))
    let panels = k.let("panels", valid.ceilDivided(by: columns))
    let state = State(
      taken: k.array("queries", compute, count: block * head), sums: k.array("sums", compute, count: block * width),
      peaks: k.array("peaks", compute, count: block), totals: k.array("totals", compute, count: block),
      scores: k.array("scores", compute, count: Self.keysOfBlock * columns),
      shifts: k.array("shifts", compute, count: columns), corrections: k.array("corrections", compute, count: columns),
      parts: k.array("parts", compute, count: columns))
    takeQueries(to: state.taken, from: k.let("source", (matrix * m + first) * .i64(head)), valid: valid)
    k.fill(state.sums, with: .literal(0, compute))
    k.fill(state.peaks, with: .float(-.infinity, compute))
    k.fill(state.totals, with: .literal(0, compute))

    let keyStart = k.let("keys", matrix * n * .i64(head))
    let valueStart = k.let("values", matrix * n.ceilDivided(by: Self.keysOfBlock) * .i64(width * Self.keysOfBlock))
    // Causal queries see no key behind their own.
    let until = op.isCausal ? k.let("until", (first + valid).minimum(n)) : n
    k.loop("key", to: until, step: Self.keysOfBlock) { key in
      let count = k.let("count", (until - key).minimum(.i64(Self.keysOfBlock)))
      k.loop("panel", to: panels) { panel in
        let lane = k.let("lane", panel * .i64(columns))
        let block = KeyBlock(
          matrix: matrix, first: key, count: count, keys: keyStart + key * .i64(head),
          values: valueStart + key * .i64(width))
        guard let narrow else { return gather(state, block, lane, query: first + lane, lanes: columns) }
        k.if((valid - lane).greaterThan(.i64(narrow))) {
          gather(state, block, lane, query: first + lane, lanes: columns)
        } else: {
          gather(state, block, lane, query: first + lane, lanes: narrow)
        }
      }
    }
    store(state, valid, panels, at: k.let("target", (matrix * m + first) * .i64(width)), n)
    return k.finish()
  }

  /// Keys and values that come in together.
  private struct KeyBlock {
    var matrix: Expression
    /// The number of the first key, and how many there are.
    var first: Expression
    var count: Expression
    /// Where they begin in their buffers.
    var keys: Expression
    var values: Expression
  }

  /// What the queries of one panel, of so many lanes, gather from a block of keys.
  private func gather(_ state: State, _ block: KeyBlock, _ lane: Expression, query: Expression, lanes: Int) {
    k.product(
      .init(
        to: .array(state.scores, 0), stride: .i64(lanes), left: .buffer(keys, block.keys), stride: .i64(head),
        panel: .array(state.taken, lane * .i64(head)), size: .i64(head * lanes), count: 1, rows: block.count,
        depth: .i64(head), columns: lanes, accumulates: false))
    finish(state.scores, block, query: k.let("query", query), lanes: lanes)
    accept(state, block.count, lane, lanes: lanes)
    k.product(
      .init(
        to: .array(state.sums, lane * .i64(width)), stride: .i64(lanes), left: .buffer(v, block.values),
        stride: .i64(Self.keysOfBlock), panel: .array(state.scores, 0), size: .i64(Self.keysOfBlock * lanes), count: 1,
        rows: .i64(width), depth: block.count, columns: lanes, accumulates: true))
  }

  /// Calls `body` for every lane of a panel.
  private func each(_ lanes: Int, _ body: (Expression) -> Void) { k.loop("i", to: .i64(lanes), .vector, body) }

  /// Lanes of the panel of so many queries.
  private func lanes(of own: Expression) -> Expression {
    narrow.map { k.let("lanes", .choose(own.greaterThan(.i64($0)), .i64(columns), .i64($0))) } ?? .i64(columns)
  }

  /// The block's queries, scaled, with zeros behind the last one.
  private func takeQueries(to taken: LocalArray, from source: Expression, valid: Expression) {
    k.loop("panel", to: .i64(Self.panelsOfUnit)) { panel in
      let lane = k.let("lane", panel * .i64(columns))
      let own = k.let("own", (valid - lane).maximum(0).minimum(.i64(columns)))
      let from = k.let("from", source + lane * .i64(head))
      let to = k.let("to", lane * .i64(head))
      let line = lanes(of: own)
      k.exchange(rows: own, columns: .i64(head)) { row, term in
        k.transpose(
          to: .array(taken, to + term * line + row), stride: line,
          from: .buffer(q, from + row * .i64(head) + term), stride: .i64(head))
      } single: { row, term in
        k.store(taken, to + term * line + row, k.load(q, from + row * .i64(head) + term))
      }
      k.if(own.lessThan(line)) {
        k.loop("term", to: .i64(head)) { term in
          k.loop("i", from: own, to: line, .vector) { k.store(taken, to + term * line + $0, .literal(0, compute)) }
        }
      }
    }
    guard op.scale != 1 else { return }
    k.loop("i", to: .i64(taken.count), .vector) { k.store(taken, $0, k.load(taken, $0) * .literal(op.scale, compute)) }
  }

  /// Adds the mask, and hides what a causal query does not see.
  private func finish(_ scores: LocalArray, _ block: KeyBlock, query: Expression, lanes: Int) {
    guard mask != nil || op.isCausal else { return }
    let strides = maskType.map { k.broadcastStrides($0.shape, to: batch + [queries, keyCount]) }
    let start = strides.map { k.let("mask", offset(k.unravel(block.matrix, batch), $0.dropLast(2))) }
    k.loop("row", to: block.count) { row in
      let term = mask.flatMap { mask in
        strides.flatMap { strides in
          start.map { k.let("term", k.load(mask, $0 + (block.first + row) * strides[batch.count + 1])) }
        }
      }
      let line = k.let("line", row * .i64(lanes))
      each(lanes) { i in
        var value = k.load(scores, line + i)
        if let term { value = value + term }
        if op.isCausal {
          value = .choose((block.first + row).greaterThan(query + i), .float(-.infinity, compute), value)
        }
        k.store(scores, line + i, value)
      }
    }
  }

  /// Turns the scores of a block into weights, and corrects what a panel's queries gathered so far.
  private func accept(_ state: State, _ count: Expression, _ lane: Expression, lanes: Int) {
    let zero = Expression.literal(0, compute)
    let (scores, shifts, parts) = (state.scores, state.shifts, state.parts)
    each(lanes) { k.store(shifts, $0, k.load(state.peaks, lane + $0)) }
    k.loop("row", to: count) { row in
      each(lanes) { i in
        let score = k.load(scores, row * .i64(lanes) + i)
        k.store(shifts, i, .choose(score.greaterThan(k.load(shifts, i)), score, k.load(shifts, i)))
      }
    }
    each(lanes) { i in
      let peak = k.let("peak", k.load(shifts, i))
      // While everything is masked there is nothing to subtract.
      let shift = k.let("shift", .choose(peak.equal(.float(-.infinity, compute)), zero, peak))
      let correction = k.let("correction", .call(.expBelowZero, [k.load(state.peaks, lane + i) - shift]))
      k.store(state.peaks, lane + i, peak)
      k.store(shifts, i, shift)
      k.store(state.corrections, i, correction)
      k.store(parts, i, zero)
    }
    k.loop("row", to: count) { row in
      let line = k.let("line", row * .i64(lanes))
      each(lanes) { i in
        let weight = k.let("weight", .call(.expBelowZero, [k.load(scores, line + i) - k.load(shifts, i)]))
        k.store(scores, line + i, weight)
        k.store(parts, i, k.load(parts, i) + weight)
      }
    }
    each(lanes) { i in
      k.store(state.totals, lane + i, k.load(state.totals, lane + i) * k.load(state.corrections, i) + k.load(parts, i))
    }
    k.loop("column", to: .i64(width)) { column in
      let line = k.let("line", (lane * .i64(width)) + column * .i64(lanes))
      each(lanes) { k.store(state.sums, line + $0, k.load(state.sums, line + $0) * k.load(state.corrections, $0)) }
    }
  }

  /// Divides the results of all queries by their weights' totals, and writes them.
  private func store(_ state: State, _ valid: Expression, _ panels: Expression, at target: Expression, _ n: Expression)
  {
    k.loop("panel", to: panels) { panel in
      let lane = k.let("lane", panel * .i64(columns))
      each(columns) { i in
        // The softmax of scores that are all minus infinity is NaN. Without keys there is nothing to sum.
        let total = k.load(state.totals, lane + i)
        k.store(
          state.corrections, i, .choose(n.equal(.i64(0)), .literal(0, compute), .literal(1, compute) / total))
      }
      let from = k.let("from", lane * .i64(width))
      let own = k.let("own", (valid - lane).minimum(.i64(columns)))
      let line = lanes(of: own)
      k.loop("column", to: .i64(width)) { column in
        let start = k.let("start", from + column * line)
        k.loop("i", to: line, .vector) {
          k.store(state.sums, start + $0, k.load(state.sums, start + $0) * k.load(state.corrections, $0))
        }
      }
      let to = k.let("to", target + from)
      k.exchange(rows: .i64(width), columns: own) { column, row in
        k.transpose(
          to: .buffer(y, to + row * .i64(width) + column), stride: .i64(width),
          from: .array(state.sums, from + column * line + row), stride: line)
      } single: { column, row in
        k.store(y, to + row * .i64(width) + column, k.load(state.sums, from + column * line + row))
      }
    }
  }
}
