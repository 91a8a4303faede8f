import SwageKernel
import SwagePartition
import SwageTensor

/// Linear attention step by step. The columns of a state never mix, so a unit is a block of columns of one head of keys
/// of one batch element, whose part of the state stays on the stack from the first step to the last.
enum LinearAttentionKernels {
  /// Sizes of heads up to which a block of the state stays small.
  static let largestHead = 1024

  /// nil where the head sizes are not known or too large.
  static func make(_ op: LinearAttention, _ node: Node, in graph: Graph) -> Recipe? {
    guard let q = node.type(0, in: graph), let keys = node.type(1, in: graph), let v = node.type(2, in: graph),
      let sizes = try? op.headSizes(keys, v), let d = sizes.0.constant, let e = sizes.1.constant,
      (1...largestHead).contains(d), (1...largestHead).contains(e), op.keyHeads <= 1 << 16, op.queryHeads <= 1 << 16
    else { return nil }
    let stateType = graph.type(of: node.results[1]).elementType
    let element = q.elementType
    let compute: ScalarType = element == .f64 || stateType == .f64 ? .f64 : .f32
    let k = KernelBuilder("linear_attention_\(op.rule.rawValue)_\(element.name)")
    var operands: [Int] = []
    func input(_ index: Int) -> KernelBuffer? {
      guard let type = node.type(index, in: graph) else { return nil }
      operands.append(index)
      return k.input(type.elementType)
    }
    guard let queries = input(0), let keyBuffer = input(1), let values = input(2) else { return nil }
    let (past, decay, beta) = (input(3), input(4), input(5))
    let y = k.output(element)
    let present = k.output(stateType)
    let isPerHead = node.type(4, in: graph).map { $0.shape[2] == Dim(op.keyHeads) } ?? true
    let isShared = node.type(5, in: graph).map { $0.shape[2] == 1 } ?? true

    let width = min(e, 32)
    let blocks = (e + width - 1) / width
    k.split(q.shape[0] * Dim(op.keyHeads * blocks), work: q.shape[1] * Dim(d * width * 8))
    let steps = k.size(q.shape[1])
    let first = k.let("first", k.unit.remainder(by: .i64(blocks)) * .i64(width))
    let matrix = k.let("matrix", k.unit.divided(by: .i64(blocks)))
    let head = k.let("head", matrix.remainder(by: .i64(op.keyHeads)))
    let batch = k.let("batch", matrix.divided(by: .i64(op.keyHeads)))
    let lanes = k.let("lanes", (.i64(e) - first).minimum(.i64(width)))
    let state = k.array("state", compute, count: d * width)
    let stateStart = k.let("state_start", matrix * .i64(d * e) + first)
    k.loop("i", to: .i64(d)) { i in
      k.loop("lane", to: lanes, .vector) { lane in
        let old = past.map { k.load($0, stateStart + i * .i64(e) + lane).cast(compute) } ?? .literal(0, compute)
        k.store(state, i * .i64(width) + lane, old)
      }
    }
    let value = k.array("value", compute, count: width)
    let sum = k.array("sum", compute, count: width)
    k.loop("t", to: steps) { t in
      let row = k.let("row", batch * steps + t)
      let key = k.let("key", (row * .i64(op.keyHeads) + head) * .i64(d))
      func keyAt(_ i: Expression) -> Expression { k.let("k", k.load(keyBuffer, key + i).cast(compute)) }
      if let decay {
        k.loop("i", to: .i64(d)) { i in
          let at = isPerHead ? row * .i64(op.keyHeads) + head : key + i
          let factor = k.let("factor", .call(.exp, [k.load(decay, at).cast(compute)]))
          k.loop("lane", to: lanes, .vector) { lane in
            k.store(state, i * .i64(width) + lane, k.load(state, i * .i64(width) + lane) * factor)
          }
        }
      }
      let source = k.let("source", (row * .i64(op.keyHeads) + head) * .i64(e) + first)
      k.loop("lane", to: lanes, .vector) { k.store(value, $0, k.load(values, source + $0).cast(compute)) }
      if let beta {
        k.loop("i", to: .i64(d)) { i in
          let factor = keyAt(i)
          k.loop("lane", to: lanes, .vector) { lane in
            k.store(value, lane, k.load(value, lane) - k.load(state, i * .i64(width) + lane) * factor)
          }
        }
        let at = isShared ? row : row * .i64(op.keyHeads) + head
        let rate = k.let("rate", k.load(beta, at).cast(compute))
        k.loop("lane", to: lanes, .vector) { k.store(value, $0, k.load(value, $0) * rate) }
      }
      k.loop("i", to: .i64(d)) { i in
        let factor = keyAt(i)
        k.loop("lane", to: lanes, .vector) { lane in
          k.store(
            state, i * .i64(width) + lane, k.load(state, i * .i64(width) + lane) + factor * k.load(value, lane))
        }
      }
      let group = op.queryHeads / op.keyHeads
      k.loop("member", to: .i64(group)) { member in
        let reader = k.let("reader", row * .i64(op.queryHeads) + head * .i64(group) + member)
        k.loop("lane", to: lanes, .vector) { k.store(sum, $0, .literal(0, compute)) }
        k.loop("i", to: .i64(d)) { i in
          let factor = k.let("q", k.load(queries, reader * .i64(d) + i).cast(compute))
          k.loop("lane", to: lanes, .vector) { lane in
            k.store(sum, lane, k.load(sum, lane) + factor * k.load(state, i * .i64(width) + lane))
          }
        }
        k.loop("lane", to: lanes, .vector) { lane in
          let scaled = k.load(sum, lane) * .literal(op.scale, compute)
          k.store(y, reader * .i64(e) + first + lane, scaled.cast(element.computeType))
        }
      }
    }
    k.loop("i", to: .i64(d)) { i in
      k.loop("lane", to: lanes, .vector) { lane in
        k.store(
          present, stateStart + i * .i64(e) + lane,
          k.load(state, i * .i64(width) + lane).cast(stateType.computeType))
      }
    }
    return .kernel(k.finish(), operands: operands, results: [0, 1], label: "linear_attention")
  }
}
