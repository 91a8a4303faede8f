import SwageKernel
import SwagePartition
import SwageTensor

/// Operations that go along one axis and remember what they saw: positions of extrema, running sums and products, the largest few,
/// and the places that are not zero.
enum ScanKernels {
  // MARK: - arg_reduce

  static func make(_ op: ArgReduce, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    let inner = type.shape[(op.axis + 1)...].reduce(1, *)
    let outer = type.shape[..<op.axis].reduce(1, *)
    let k = KernelBuilder("arg_\(op.isMax ? "max" : "min")_\(type.elementType.name)")
    let x = k.input(type.elementType)
    let y = k.output(.i64)
    let n = k.size(type.shape[op.axis])
    let compute = type.elementType.computeType
    if inner == 1 {
      k.split(outer, work: type.shape[op.axis] * 2)
      let start = k.let("start", k.unit * n)
      let width = max(KernelBuilder.laneCount(compute, count: n) / 2, 1)
      let best = k.array("best", compute, count: width)
      let place = k.array("place", .i64, count: width)
      let first = k.let("first", n.minimum(.i64(width)))
      k.fill(place, with: -1)
      k.loop("lane", to: first, .vector) { lane in
        k.store(best, lane, k.load(x, start + lane))
        k.store(place, lane, lane)
      }
      // The first round meets each lane's own element again, which changes nothing.
      k.lanes(n, width: width) { index, lane in
        let value = k.let("value", k.load(x, start + index))
        let takes = k.let("takes", wins(op, value, k.load(best, lane)))
        k.store(best, lane, .choose(takes, value, k.load(best, lane)))
        k.store(place, lane, .choose(takes, index, k.load(place, lane)))
      }
      let value = k.variable("winner", k.load(best, 0))
      let index = k.variable("index", k.load(place, 0))
      k.loop("lane", from: 1, to: first) { lane in
        let other = k.let("other", k.load(best, lane))
        let at = k.let("at", k.load(place, lane))
        let isTie = other.equal(value.value).or(isNaN(other).and(isNaN(value.value)))
        let prefersPlace =
          op.selectsLast
          ? .choose(isNaN(other), at.lessThan(index.value), at.greaterThan(index.value)) : at.lessThan(index.value)
        k.if(wins(op, other, value.value, strict: true).or(isTie.and(prefersPlace))) {
          k.assign(value, other)
          k.assign(index, at)
        }
      }
      k.store(y, k.unit, index.value.maximum(0))
      return .kernel(k.finish(), operands: [0], label: "arg_reduce")
    }
    let width = 64
    let blocks = inner.ceilDivided(by: Dim(width))
    k.split(outer * blocks, work: type.shape[op.axis] * Dim(width * 2))
    let (m, b) = (k.size(inner), k.size(blocks))
    let first = k.let("first", k.unit.remainder(by: b) * .i64(width))
    let start = k.let("start", k.unit.divided(by: b) * n * m + first)
    let lanes = k.let("lanes", (m - first).minimum(.i64(width)))
    let best = k.array("best", compute, count: width)
    let place = k.array("place", .i64, count: width)
    k.fill(place, with: 0)
    k.if(n.greaterThan(0)) {
      k.loop("lane", to: lanes, .vector) { k.store(best, $0, k.load(x, start + $0)) }
    }
    k.loop("i", from: 1, to: n) { i in
      let row = k.let("row", start + i * m)
      k.loop("lane", to: lanes, .vector) { lane in
        let value = k.let("value", k.load(x, row + lane))
        let takes = k.let("takes", wins(op, value, k.load(best, lane)))
        k.store(best, lane, .choose(takes, value, k.load(best, lane)))
        k.store(place, lane, .choose(takes, i, k.load(place, lane)))
      }
    }
    let target = k.let("target", k.unit.divided(by: b) * m + first)
    k.loop("lane", to: lanes, .vector) { k.store(y, target + $0, k.load(place, $0)) }
    return .kernel(k.finish(), operands: [0], label: "arg_reduce")
  }

  private static func isNaN(_ x: Expression) -> Expression { x.type.isFloat ? x.notEqual(x) : .bool(false) }

  /// Whether `new`, met after `old`, takes its place. The first NaN stays for good.
  private static func wins(
    _ op: ArgReduce, _ new: Expression, _ old: Expression, strict: Bool = false
  ) -> Expression {
    let better =
      op.selectsLast && !strict
      ? (op.isMax ? new.greaterOrEqual(old) : new.lessOrEqual(old))
      : (op.isMax ? new.greaterThan(old) : new.lessThan(old))
    return new.type.isFloat ? isNaN(old).not.and(isNaN(new).or(better)) : better
  }

  // MARK: - cumulative

  static func make(_ op: Cumulative, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    let element = type.elementType
    let compute: ScalarType = element.computeType == .f32 ? .f64 : element.computeType
    let inner = type.shape[(op.axis + 1)...].reduce(1, *)
    let width = inner.constant.map { max(1, min($0, 64)) } ?? 64
    let blocks = inner.ceilDivided(by: Dim(width))
    let k = KernelBuilder("cumulative_\(op.function.rawValue)_\(element.name)")
    let x = k.input(element)
    let y = k.output(element, mayAlias: [x])
    k.split(type.shape[..<op.axis].reduce(1, *) * blocks, work: type.shape[op.axis] * Dim(width * 2))
    let (n, m, b) = (k.size(type.shape[op.axis]), k.size(inner), k.size(blocks))
    let first = k.let("first", k.unit.remainder(by: b) * .i64(width))
    let start = k.let("start", k.unit.divided(by: b) * n * m + first)
    let lanes = k.let("lanes", (m - first).minimum(.i64(width)))
    let sums = k.array("sums", compute, count: width)
    let combination: Combination = op.function == .sum ? .sum(compute) : .product(compute)
    k.fill(sums, with: combination.identity)
    k.loop("i", to: n) { i in
      let row = k.let("row", start + (op.isReverse ? n - 1 - i : i) * m)
      k.loop("lane", to: lanes, .vector) { lane in
        let old = k.let("old", k.load(sums, lane))
        let new = k.let("new", combination.combine(old, k.load(x, row + lane).cast(compute)))
        k.store(sums, lane, new)
        k.store(y, row + lane, (op.isExclusive ? old : new).cast(element.computeType))
      }
    }
    return .kernel(k.finish(), operands: [0], inPlace: true, label: "cumulative")
  }

  // MARK: - top_k

  /// A heap of the best elements so far grows in the results, its root the worst of them; then it is sorted in place.
  static func make(_ op: TopK, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    let element = type.elementType
    let inner = type.shape[(op.axis + 1)...].reduce(1, *)
    let k = KernelBuilder("top_k_\(element.name)")
    let x = k.input(element)
    let values = k.output(element)
    let places = k.output(.i64)
    k.split(type.shape[..<op.axis].reduce(1, *) * inner, work: type.shape[op.axis] * 4)
    let (n, m, count) = (k.size(type.shape[op.axis]), k.size(inner), k.size(op.count))
    let column = k.let("column", k.unit.remainder(by: m))
    let row = k.let("row", k.unit.divided(by: m))
    let source = k.let("source", row * n * m + column)
    let target = k.let("target", row * count * m + column)

    func isNaN(_ a: Expression) -> Expression { Self.isNaN(a) }
    /// Whether the first of two elements comes before the second in the result.
    func precedes(_ a: Expression, _ i: Expression, _ b: Expression, _ j: Expression) -> Expression {
      let better = op.isLargest ? a.greaterThan(b) : a.lessThan(b)
      let order = better.or(a.equal(b).and(i.lessThan(j)))
      guard a.type.isFloat else { return order }
      let bothNaN = isNaN(a).and(isNaN(b)).and(i.lessThan(j))
      let one = op.isLargest ? isNaN(a).and(isNaN(b).not) : isNaN(b).and(isNaN(a).not)
      return order.or(bothNaN).or(one)
    }
    func value(_ slot: Expression) -> Expression { k.load(values, target + slot * m) }
    func place(_ slot: Expression) -> Expression { k.load(places, target + slot * m) }
    func put(_ slot: Expression, _ a: Expression, _ i: Expression) {
      k.store(values, target + slot * m, a)
      k.store(places, target + slot * m, i)
    }
    /// Puts an element into the heap of `size` slots at a hole, moving worse ones up.
    func sink(_ a: Expression, _ i: Expression, hole start: Expression, size: Expression) {
      let hole = k.variable("hole", start)
      let isOpen = k.variable("open", .bool(true))
      k.loop("level", to: 64) { _ in
        k.if(isOpen.value) {
          let left = k.let("left", hole.value * 2 + 1)
          k.if(left.lessThan(size)) {
            let child = k.variable("child", left)
            k.if((left + 1).lessThan(size)) {
              k.if(precedes(value(left), place(left), value(left + 1), place(left + 1))) {
                k.assign(child, left + 1)
              }
            }
            let c = k.let("c", child.value)
            k.if(precedes(a, i, value(c), place(c))) {
              put(hole.value, value(c), place(c))
              k.assign(hole, c)
            } else: {
              k.assign(isOpen, .bool(false))
            }
          } else: {
            k.assign(isOpen, .bool(false))
          }
        }
      }
      put(hole.value, a, i)
    }

    k.loop("i", to: count) { i in put(i, k.load(x, source + i * m), i) }
    let half = k.let("half", count.divided(by: 2))
    k.loop("i", to: half) { i in
      let slot = k.let("slot", half - 1 - i)
      sink(k.let("a", value(slot)), k.let("at", place(slot)), hole: slot, size: count)
    }
    k.if(count.greaterThan(0)) {
      k.loop("i", from: count, to: n) { i in
        let a = k.let("a", k.load(x, source + i * m))
        k.if(precedes(a, i, value(0), place(0))) { sink(a, i, hole: 0, size: count) }
      }
    }
    k.loop("i", from: 1, to: count) { i in
      let last = k.let("last", count - i)
      let a = k.let("a", value(last))
      let at = k.let("at", place(last))
      put(last, value(0), place(0))
      sink(a, at, hole: 0, size: last)
    }
    return .kernel(k.finish(), operands: [0], results: [0, 1], label: "top_k")
  }

  // MARK: - nonzero

  /// Counts, binds the count to the result's symbol, then writes the positions.
  static func make(_ op: NonZero, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    let element = type.elementType
    func isSet(_ value: Expression) -> Expression {
      value.type == .bool ? value : value.notEqual(.literal(0, value.type))
    }
    let counting = KernelBuilder("count_nonzero_\(element.name)")
    do {
      let k = counting
      let x = k.input(element)
      let y = k.output(.i64)
      let count = k.reduce("count", k.size(type.elementCount), .sum(.i64)) { index in
        .choose(isSet(k.load(x, index)), .i64(1), .i64(0))
      }
      k.store(y, 0, count)
    }
    let placing = KernelBuilder("nonzero_\(element.name)")
    do {
      let k = placing
      let x = k.input(element)
      let y = k.output(.i64)
      let shape = type.shape.isEmpty ? [1] : type.shape
      let count = k.size(.symbol(op.symbol))
      let next = k.variable("next", 0)
      func nest(_ axis: Int, _ base: Expression, _ position: [Expression]) {
        if axis == shape.count {
          k.if(isSet(k.load(x, base))) {
            for (index, value) in position.enumerated() { k.store(y, .i64(index) * count + next.value, value) }
            k.assign(next, next.value + 1)
          }
          return
        }
        let size = k.size(shape[axis])
        k.loop("i", to: size) { i in
          let at = axis + 1 == shape.count ? base + i : k.let("at", (base + i) * k.size(shape[axis + 1]))
          nest(axis + 1, at, position + [i])
        }
      }
      nest(0, 0, [])
    }
    var recipe = Recipe()
    let count = recipe.addTemporary(TensorType(.i64, [1]))
    recipe.steps = [
      .init(
        action: .kernel(counting.finish()), reads: [.operand(0)], writes: [count], label: "nonzero (count)"),
      .init(action: .bindSymbols([op.symbol]), reads: [count], writes: [], label: "nonzero (size)", isMain: false),
      .init(
        action: .kernel(placing.finish()), reads: [.operand(0)], writes: [.result(0)], label: "nonzero", isMain: false),
    ]
    return recipe
  }
}
