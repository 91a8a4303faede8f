import SwageKernel
import SwagePartition
import SwageTensor

/// Non-maximum suppression.
enum DetectionKernels {
  /// Picks the boxes of each batch and class, counts them, binds the count to the result's symbol, then writes the rows.
  static func make(_ op: NonMaxSuppression, _ node: Node, in graph: Graph) -> Recipe? {
    guard let scores = node.type(1, in: graph) else { return nil }
    let hasThreshold = node.type(4, in: graph) != nil
    let groups = scores.shape[0] * scores.shape[1]
    var recipe = Recipe()
    let places = recipe.addTemporary(TensorType(.i64, [groups, scores.shape[2]]))
    let extents = recipe.addTemporary(TensorType(.f32, [scores.shape[0], scores.shape[2], 4]))
    let counts = recipe.addTemporary(TensorType(.i64, [groups]))
    let total = recipe.addTemporary(TensorType(.i64, [1]))
    let label = "non_max_suppression"
    recipe.steps = [
      .init(
        action: .kernel(extent(op, scores)), reads: [.operand(0)], writes: [extents], label: "\(label) (extents)",
        isMain: false),
      .init(
        action: .kernel(pick(scores, hasThreshold: hasThreshold)),
        reads: [extents, .operand(1), .operand(2), .operand(3)] + (hasThreshold ? [.operand(4)] : []),
        writes: [places, counts], label: label),
      .init(action: .kernel(count(groups)), reads: [counts], writes: [total], label: "\(label) (count)", isMain: false),
      .init(
        action: .bindSymbols([op.symbol]), reads: [total], writes: [], label: "\(label) (size)", isMain: false),
      .init(
        action: .kernel(rows(scores)), reads: [places, counts], writes: [.result(0)], label: "\(label) (rows)",
        isMain: false),
    ]
    return recipe
  }

  /// Boxes as lowest x, lowest y, highest x, highest y.
  private static func extent(_ op: NonMaxSuppression, _ scores: TensorType) -> KernelFunction {
    let k = KernelBuilder("box_extents_\(op.isCentered ? "centered" : "corners")")
    let (boxes, y) = (k.input(.f32), k.output(.f32))
    k.split(scores.shape[0] * scores.shape[2], work: 8)
    let at = k.let("at", k.unit * 4)
    let (a, b) = (k.let("a", k.load(boxes, at)), k.let("b", k.load(boxes, at + 1)))
    let (c, d) = (k.let("c", k.load(boxes, at + 2)), k.let("d", k.load(boxes, at + 3)))
    if op.isCentered {
      let (width, height) = (k.let("width", c * .f32(0.5)), k.let("height", d * .f32(0.5)))
      for (index, value) in [a - width, b - height, a + width, b + height].enumerated() {
        k.store(y, at + .i64(index), value)
      }
    } else {
      let values: [Expression] = [
        .choose(b.lessThan(d), b, d), .choose(a.lessThan(c), a, c), .choose(b.lessThan(d), d, b),
        .choose(a.lessThan(c), c, a),
      ]
      for (index, value) in values.enumerated() { k.store(y, at + .i64(index), value) }
    }
    return k.finish()
  }

  /// A unit is a batch and class. Its candidates are a heap at the start of its places; boxes that are taken go to the
  /// end, from back to front, where popped candidates have left room.
  private static func pick(_ scores: TensorType, hasThreshold: Bool) -> KernelFunction {
    let k = KernelBuilder("non_max_suppression\(hasThreshold ? "_above" : "")")
    let (extents, x, most, overlap) = (k.input(.f32), k.input(.f32), k.input(.i64), k.input(.f32))
    let threshold = hasThreshold ? k.input(.f32) : nil
    let (places, counts) = (k.output(.i64), k.output(.i64))
    k.split(scores.shape[0] * scores.shape[1], work: scores.shape[2] * 64)
    let n = k.size(scores.shape[2])
    let start = k.let("start", k.unit * n)
    let boxes = k.let("boxes", k.unit.divided(by: k.size(scores.shape[1])) * n)
    let limit = k.let("limit", k.load(most, 0))
    let largest = k.let("largest", k.load(overlap, 0))

    /// Whether a candidate comes before another: the higher score, then the lower index; NaN last.
    func precedes(_ a: Expression, _ i: Expression, _ b: Expression, _ j: Expression) -> Expression {
      let (aIsNaN, bIsNaN) = (a.notEqual(a), b.notEqual(b))
      let isTie = a.equal(b).or(aIsNaN.and(bIsNaN))
      return a.greaterThan(b).or(bIsNaN.and(aIsNaN.not)).or(isTie.and(i.lessThan(j)))
    }
    func candidate(_ slot: Expression) -> Expression { k.load(places, start + slot) }
    func score(_ box: Expression) -> Expression { k.load(x, start + box) }
    /// Puts a candidate into the heap of `size` slots at a hole, moving better ones up.
    func sink(_ box: Expression, hole first: Expression, size: Expression) {
      let own = k.let("own", score(box))
      let hole = k.variable("hole", first)
      let isOpen = k.variable("open", .bool(true))
      k.loop("level", to: 64) { _ in
        k.if(isOpen.value) {
          let child = k.variable("child", hole.value * 2 + 1)
          k.if(child.value.lessThan(size)) {
            let left = k.let("left", candidate(child.value))
            let best = k.variable("best", left)
            k.if((child.value + 1).lessThan(size)) {
              let right = k.let("right", candidate(child.value + 1))
              k.if(precedes(score(right), right, score(left), left)) {
                k.assign(best, right)
                k.assign(child, child.value + 1)
              }
            }
            k.if(precedes(score(best.value), best.value, own, box)) {
              k.store(places, start + hole.value, best.value)
              k.assign(hole, child.value)
            } else: {
              k.assign(isOpen, .bool(false))
            }
          } else: {
            k.assign(isOpen, .bool(false))
          }
        }
      }
      k.store(places, start + hole.value, box)
    }
    func side(_ box: Expression, _ index: Int) -> Expression {
      k.let("side", k.load(extents, (boxes + box) * 4 + .i64(index)))
    }
    func area(_ sides: [Expression]) -> Expression {
      k.let("area", (sides[2] - sides[0]) * (sides[3] - sides[1]))
    }

    let size = k.variable("size", 0)
    k.loop("i", to: n) { i in
      let takes = threshold.map { score(i).greaterThan(k.load($0, 0)) } ?? .bool(true)
      k.if(takes) {
        k.store(places, start + size.value, i)
        k.assign(size, size.value + 1)
      }
    }
    let candidates = k.let("candidates", size.value)
    let half = k.let("half", candidates.divided(by: 2))
    k.loop("i", to: half) { i in
      let slot = k.let("slot", half - 1 - i)
      sink(k.let("box", candidate(slot)), hole: slot, size: candidates)
    }
    let kept = k.variable("kept", 0)
    k.loop("i", to: candidates) { i in
      k.if(kept.value.lessThan(limit)) {
        let box = k.let("box", candidate(0))
        let rest = k.let("rest", candidates - 1 - i)
        k.if(rest.greaterThan(0)) { sink(k.let("last", candidate(rest)), hole: 0, size: rest) }
        let own = (0..<4).map { side(box, $0) }
        let ownArea = area(own)
        let isDropped = k.variable("dropped", .bool(false))
        k.loop("j", to: kept.value) { j in
          k.if(isDropped.value.not) {
            let other = k.let("other", candidate(n - 1 - j))
            let sides = (0..<4).map { side(other, $0) }
            let otherArea = area(sides)
            let low = (0..<2).map { k.let("low", .choose(own[$0].lessThan(sides[$0]), sides[$0], own[$0])) }
            let high = (2..<4).map { k.let("high", .choose(own[$0].lessThan(sides[$0]), own[$0], sides[$0])) }
            let shared = area(low + high)
            let sum = k.let("sum", ownArea + otherArea)
            let joint = k.let("joint", sum - shared)
            let share = k.let("share", shared / joint)
            let counts = high[0].greaterThan(low[0]).and(high[1].greaterThan(low[1])).and(shared.greaterThan(0))
              .and(ownArea.greaterThan(0)).and(otherArea.greaterThan(0)).and(joint.greaterThan(0))
            k.if(counts.and(share.greaterThan(largest))) { k.assign(isDropped, .bool(true)) }
          }
        }
        k.if(isDropped.value.not) {
          k.store(places, start + n - 1 - kept.value, box)
          k.assign(kept, kept.value + 1)
        }
      }
    }
    k.store(counts, k.unit, kept.value)
    return k.finish()
  }

  private static func count(_ groups: Dim) -> KernelFunction {
    let k = KernelBuilder("sum_counts")
    let (counts, y) = (k.input(.i64), k.output(.i64))
    k.store(y, 0, k.reduce("count", k.size(groups), .sum(.i64)) { k.load(counts, $0) })
    return k.finish()
  }

  private static func rows(_ scores: TensorType) -> KernelFunction {
    let k = KernelBuilder("non_max_suppression_rows")
    let (places, counts, y) = (k.input(.i64), k.input(.i64), k.output(.i64))
    let (classes, n) = (k.size(scores.shape[1]), k.size(scores.shape[2]))
    let next = k.variable("next", 0)
    k.loop("batch", to: k.size(scores.shape[0])) { batch in
      k.loop("group", to: classes) { group in
        let unit = k.let("unit", batch * classes + group)
        k.loop("j", to: k.let("count", k.load(counts, unit))) { j in
          k.store(y, next.value, batch)
          k.store(y, next.value + 1, group)
          k.store(y, next.value + 2, k.load(places, unit * n + n - 1 - j))
          k.assign(next, next.value + 3)
        }
      }
    }
    return k.finish()
  }
}
