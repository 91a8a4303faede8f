import SwageKernel
import SwagePartition
import SwageTensor

/// Coupling of pairwise probabilities, a row a unit; the matrix of the classes lies on the stack.
enum CouplingKernels {
  static let largestClassCount = 64

  static func make(_ op: PairwiseCoupling, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph), op.classes <= largestClassCount else { return nil }
    let classes = op.classes
    let n = Expression.i64(classes)
    let k = KernelBuilder("pairwise_coupling")
    let x = k.input(.f32)
    let y = k.output(.f32)
    k.split(type.shape[0], work: Dim(classes * classes * 40))
    let start = k.let("start", k.unit * .i64(classes * (classes - 1) / 2))
    let target = k.let("target", k.unit * n)
    let r = k.array("r", .f32, count: classes * classes)
    let q = k.array("q", .f32, count: classes * classes)
    let qp = k.array("qp", .f32, count: classes)
    let p = k.array("p", .f32, count: classes)

    let next = k.variable("next", start)
    k.loop("i", to: n) { i in
      k.loop("j", from: i + 1, to: n) { j in
        k.store(r, i * n + j, k.load(x, next.value))
        k.store(r, j * n + i, .f32(1) - k.load(r, i * n + j))
        k.assign(next, next.value + 1)
      }
    }
    k.loop("i", to: n) { i in
      let own = k.variable("own", .f32(0))
      k.loop("j", to: n) { j in
        k.if(j.notEqual(i)) {
          let other = k.let("other", k.load(r, j * n + i))
          k.assign(own, own.value + other * other)
          k.store(q, i * n + j, -other * k.load(r, i * n + j))
        }
      }
      k.store(q, i * n + i, own.value)
      k.store(p, i, .f32(Double(1 / Float(classes))))
    }
    let isOpen = k.variable("open", .bool(true))
    k.loop("round", to: .i64(PairwiseCoupling.rounds), while: isOpen.value) { _ in
      let total = k.variable("total", .f32(0))
      k.loop("i", to: n) { i in
        let sum = k.variable("sum", .f32(0))
        k.loop("j", to: n) { j in k.assign(sum, sum.value + k.load(q, i * n + j) * k.load(p, j)) }
        k.store(qp, i, sum.value)
        k.assign(total, total.value + k.load(p, i) * sum.value)
      }
      k.assign(isOpen, .bool(false))
      k.loop("i", to: n) { i in
        let error = Expression.call(.abs, [k.load(qp, i) - total.value])
        k.if(error.greaterOrEqual(.f32(Double(op.tolerance)))) { k.assign(isOpen, .bool(true)) }
      }
      k.if(isOpen.value) {
        k.loop("i", to: n) { i in
          let own = k.let("own", k.load(q, i * n + i))
          let step = k.let("step", (total.value - k.load(qp, i)) / own)
          let scale = k.let("scale", step + 1)
          k.store(p, i, k.load(p, i) + step)
          k.assign(total, (total.value + step * (step * own + .f32(2) * k.load(qp, i))) / scale / scale)
          k.loop("j", to: n) { j in
            k.store(qp, j, (k.load(qp, j) + step * k.load(q, i * n + j)) / scale)
            k.store(p, j, k.load(p, j) / scale)
          }
        }
      }
    }
    k.loop("i", to: n) { i in k.store(y, target + i, k.load(p, i)) }
    return .kernel(k.finish(), operands: [0], label: "pairwise_coupling")
  }
}
