import SwageKernel
import SwagePartition
import SwageTensor

/// Sorting slices, and determinants: one unit of work that goes through its data many times.
enum OrderKernels {
  /// A heap of slice numbers, the last of the order at its root, that is emptied from the back.
  static func make(_ op: SliceOrder, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph), !type.elementType.isPacked, type.elementType != .string else {
      return nil
    }
    let k = KernelBuilder("slice_order_\(type.elementType.name)")
    let (x, y) = (k.input(type.elementType), k.output(.i64))
    let n = k.size(type.shape[op.axis])
    let outer = k.size(type.shape[..<op.axis].reduce(1, *))
    let inner = k.size(type.shape[(op.axis + 1)...].reduce(1, *))

    /// Whether slice `a` stands after slice `b`.
    func follows(_ a: Expression, _ b: Expression) -> Expression {
      // 1 after, -1 before, 0 while all elements are equal.
      let sign = k.variable("sign", .i64(0))
      k.loop("o", to: outer) { o in
        k.if(sign.value.equal(0)) {
          let (first, second) = (k.let("first", (o * n + a) * inner), k.let("second", (o * n + b) * inner))
          k.loop("i", to: inner) { i in
            k.if(sign.value.equal(0)) {
              let (p, q) = (k.let("p", k.load(x, first + i)), k.let("q", k.load(x, second + i)))
              if p.type == .bool {
                k.assign(sign, .choose(p.and(q.not), .i64(1), .choose(q.and(p.not), .i64(-1), .i64(0))))
              } else {
                let after = p.type.isFloat ? p.greaterThan(q).or(p.notEqual(p).and(q.equal(q))) : p.greaterThan(q)
                let before = p.type.isFloat ? p.lessThan(q).or(q.notEqual(q).and(p.equal(p))) : p.lessThan(q)
                k.assign(sign, .choose(after, .i64(1), .choose(before, .i64(-1), .i64(0))))
              }
            }
          }
        }
      }
      return sign.value.greaterThan(0).or(sign.value.equal(0).and(a.greaterThan(b)))
    }
    func sink(_ own: Expression, hole first: Expression, size: Expression) {
      let hole = k.variable("hole", first)
      let isOpen = k.variable("open", .bool(true))
      k.loop("level", to: 64) { _ in
        k.if(isOpen.value) {
          let child = k.variable("child", hole.value * 2 + 1)
          k.assign(isOpen, child.value.lessThan(size))
          k.if(isOpen.value) {
            let best = k.variable("best", k.load(y, child.value))
            k.if((child.value + 1).lessThan(size)) {
              let right = k.let("right", k.load(y, child.value + 1))
              k.if(follows(right, best.value)) {
                k.assign(best, right)
                k.assign(child, child.value + 1)
              }
            }
            k.assign(isOpen, follows(best.value, own))
            k.if(isOpen.value) {
              k.store(y, hole.value, best.value)
              k.assign(hole, child.value)
            }
          }
        }
      }
      k.store(y, hole.value, own)
    }

    k.loop("i", to: n) { k.store(y, $0, $0) }
    let half = k.let("half", n.divided(by: 2))
    k.loop("i", to: half) { i in
      let slot = k.let("slot", half - 1 - i)
      sink(k.let("own", k.load(y, slot)), hole: slot, size: n)
    }
    k.loop("i", from: 1, to: n) { i in
      let last = k.let("last", n - i)
      let own = k.let("own", k.load(y, last))
      k.store(y, last, k.load(y, 0))
      sink(own, hole: 0, size: last)
    }
    return .kernel(k.finish(), operands: [0], label: "slice_order")
  }

  /// Elimination on a copy in double precision, a unit for each matrix.
  static func make(_ op: Determinant, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph), let size = type.shape.last else { return nil }
    let k = KernelBuilder("determinant_\(type.elementType.name)")
    let (x, y, a) = (k.input(type.elementType), k.output(type.elementType), k.output(.f64))
    let matrices = type.shape.dropLast(2).reduce(1, *)
    k.split(matrices, work: size * size * size)
    let n = k.size(size)
    let start = k.let("start", k.unit * n * n)
    func row(_ index: Expression) -> Expression { k.let("row", start + index * n) }
    k.loop("i", to: n * n, .vector) { k.store(a, start + $0, k.load(x, start + $0).cast(.f64)) }
    let result = k.variable("result", .f64(1))
    k.loop("column", to: n) { column in
      let pivot = k.variable("pivot", column)
      let largest = k.variable("largest", .f64(-1))
      k.loop("i", from: column, to: n) { i in
        let size = k.let("size", .call(.abs, [k.load(a, start + i * n + column)]))
        k.if(size.greaterThan(largest.value)) {
          k.assign(largest, size)
          k.assign(pivot, i)
        }
      }
      let (own, other) = (row(column), row(pivot.value))
      k.if(pivot.value.notEqual(column)) {
        k.loop("i", to: n) { i in
          let (p, q) = (k.let("p", k.load(a, own + i)), k.let("q", k.load(a, other + i)))
          k.store(a, own + i, q)
          k.store(a, other + i, p)
        }
        k.assign(result, -result.value)
      }
      let head = k.let("head", k.load(a, own + column))
      k.assign(result, result.value * head)
      k.if(head.notEqual(.f64(0))) {
        k.loop("i", from: column + 1, to: n) { i in
          let target = row(i)
          let factor = k.let("factor", k.load(a, target + column) / head)
          k.loop("j", from: column, to: n, .vector) { j in
            k.store(a, target + j, k.load(a, target + j) - factor * k.load(a, own + j))
          }
        }
      }
    }
    k.store(y, k.unit, result.value.cast(type.elementType.computeType))
    var recipe = Recipe()
    let copy = recipe.addTemporary(TensorType(.f64, [matrices, size, size]))
    recipe.steps = [
      .init(
        action: .kernel(k.finish()), reads: [.operand(0)], writes: [.result(0), copy], label: "determinant")
    ]
    return recipe
  }
}
