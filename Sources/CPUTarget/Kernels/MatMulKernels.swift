import SwageKernel
import SwagePartition
import SwageTensor

/// Products that neither panels nor the library have (integers, f64) or that are so small that calling it costs more than the
/// work. A unit is one row of a block of columns.
enum MatMulKernels {
  static func make(_ op: MatMul, _ node: Node, in graph: Graph) -> Recipe? {
    guard let a = node.type(0, in: graph), let b = node.type(1, in: graph) else { return nil }
    let element = a.elementType
    let compute = element.computeType
    let result = graph.type(of: node.results[0])
    let rank = result.rank
    let (rows, columns) = (result.shape[rank - 2], result.shape[rank - 1])
    let depth = a.shape[op.transposeA ? a.rank - 2 : a.rank - 1]
    let k = KernelBuilder("matmul_\(element.name)")
    let x = k.input(element)
    let w = k.input(b.elementType)
    let rest = KernelEpilogue(op.epilogue, node, in: graph, result: result.shape, element: result.elementType, k)
    let y = k.output(result.elementType)
    let width = columns.constant.map { max(1, min(64, $0)) } ?? 64
    let blocks = columns.ceilDivided(by: Dim(width))
    let batch = Array(result.shape.dropLast(2))
    k.split(batch.reduce(1, *) * rows * blocks, work: depth * Dim(width))

    let (m, n, p) = (k.size(rows), k.size(columns), k.size(depth))
    let place = k.unravel(k.unit, batch + [rows, blocks])
    let row = place[rank - 2]
    let column = k.let("column", place[rank - 1] * .i64(width))
    let batchPlace = place.dropLast(2)
    func start(_ type: TensorType) -> Expression {
      let own = k.size(type.shape[type.rank - 1]) * k.size(type.shape[type.rank - 2])
      // Strides count matrices.
      return offset(batchPlace, k.broadcastStrides(Array(type.shape.dropLast(2)), to: batch)) * own
    }
    let left = k.let("left", start(a) + row * (op.transposeA ? 1 : p))
    let step = op.transposeA ? m : Expression.i64(1)
    let right = k.let("right", start(b))
    let lanes = k.let("lanes", (n - column).minimum(.i64(width)))
    let target = k.let(
      "target", offset(batchPlace + [row], k.broadcastStrides(result.shape, to: result.shape)) + column)
    let sums = k.array("sums", compute, count: width)
    if op.transposeB {
      k.loop("lane", to: lanes) { lane in
        let line = k.let("line", right + (column + lane) * p)
        let sum = k.reduce("sum", p, .sum(compute)) { i in
          k.load(x, left + i * step).wrappingMultiply(k.load(w, line + i))
        }
        k.store(sums, lane, sum)
      }
    } else {
      k.fill(sums, with: .literal(0, compute))
      k.loop("i", to: p) { i in
        let factor = k.let("factor", k.load(x, left + i * step))
        let line = k.let("line", right + i * n + column)
        k.loop("lane", to: lanes, .vector) { lane in
          let product = factor.wrappingMultiply(k.load(w, line + lane))
          k.store(sums, lane, k.load(sums, lane).wrappingAdd(product))
        }
      }
    }
    let finish = rest.line(batchPlace + [row], from: column, k)
    k.loop("lane", to: lanes, .vector) { lane in k.store(y, target + lane, finish(k.load(sums, lane), lane)) }
    return .kernel(k.finish(), operands: [0, 1] + rest.indices, label: EpilogueOperands.label("matmul", op.epilogue))
  }
}

enum EpilogueOperands {
  /// Operands that an epilogue names, each once, in order of appearance.
  static func indices(_ epilogue: Epilogue) -> [Int] {
    var result: [Int] = []
    for case .binary(_, let operand) in epilogue.steps where !result.contains(operand) { result.append(operand) }
    return result
  }

  /// `conv+add+relu`
  static func label(_ name: String, _ epilogue: Epilogue) -> String {
    epilogue.steps.reduce(name) { text, step in
      switch step {
      case .unary(let unary): "\(text)+\(unary.function.rawValue)"
      case .binary(let function, _): "\(text)+\(function.rawValue)"
      }
    }
  }
}
