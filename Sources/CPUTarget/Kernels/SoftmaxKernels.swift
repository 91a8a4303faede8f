import SwageKernel
import SwagePartition
import SwageTensor

/// Softmax: a row is read from the cache three times, from memory once.
enum SoftmaxKernels {
  static func make(_ op: Softmax, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    let inner = type.shape[(op.axis + 1)...].reduce(1, *)
    let function = inner == 1 ? rows(op, type) : columns(op, type, inner)
    return .kernel(function, operands: [0], inPlace: true, label: op.isLog ? "log_softmax" : "softmax")
  }

  /// The axis is the last one: a unit is one row.
  private static func rows(_ op: Softmax, _ type: TensorType) -> KernelFunction {
    let element = type.elementType
    let compute = element.computeType
    let size = type.shape[op.axis]
    let k = KernelBuilder("softmax_\(element.name)")
    let x = k.input(element)
    let y = k.output(element, mayAlias: [x])
    k.split(type.shape[..<op.axis].reduce(1, *), work: size * 16)
    let n = k.size(size)
    let start = k.let("start", k.unit * n)
    let peak = k.reduce("peak", n, .peak(compute)) { k.load(x, start + $0) }
    if op.isLog {
      let sum = k.reduce("sum", n, .sum(compute)) { .call(.expBelowZero, [k.load(x, start + $0) - peak]) }
      let shift = k.let("shift", .call(.log, [sum]))
      k.loop("i", to: n, .vector) { k.store(y, start + $0, k.load(x, start + $0) - peak - shift) }
      return k.finish()
    }
    // Exponentials are kept where that loses nothing.
    let kept = element == .f32 || element == .f64
    let local =
      kept ? nil : size.constant.flatMap { (1...8192).contains($0) ? k.array("row", compute, count: $0) : nil }
    let sum = exponentials(k, n, compute) { index in
      let value = k.let("e", .call(.expBelowZero, [k.load(x, start + index) - peak]))
      if kept { k.store(y, start + index, value) } else if let local { k.store(local, index, value) }
      return value
    }
    let factor = k.let("factor", .literal(1, compute) / sum)
    k.loop("i", to: n, .vector) { i in
      let value =
        kept
        ? k.load(y, start + i)
        : local.map { k.load($0, i) } ?? .call(.expBelowZero, [k.load(x, start + i) - peak])
      k.store(y, start + i, value * factor)
    }
    return k.finish()
  }

  /// A sum whose terms are also stored somewhere.
  private static func exponentials(
    _ k: KernelBuilder, _ n: Expression, _ compute: ScalarType, _ value: (Expression) -> Expression
  ) -> Expression {
    let width = max(KernelBuilder.laneCount(compute, count: n), 1)
    let sums = k.array("sums", compute, count: width)
    k.fill(sums, with: .literal(0, compute))
    k.lanes(n, width: width) { index, lane in k.store(sums, lane, k.load(sums, lane) + value(index)) }
    return k.let("sum", k.combineLanes(sums, .sum(compute)))
  }

  /// Axes follow: a unit is a block of neighbouring columns.
  private static func columns(_ op: Softmax, _ type: TensorType, _ inner: Dim) -> KernelFunction {
    let element = type.elementType
    let compute = element.computeType
    let width = 64
    let size = type.shape[op.axis]
    let k = KernelBuilder("softmax_columns_\(element.name)")
    let x = k.input(element)
    let y = k.output(element, mayAlias: [x])
    let blocks = inner.ceilDivided(by: Dim(width))
    k.split(type.shape[..<op.axis].reduce(1, *) * blocks, work: size * Dim(width * 16))
    let (n, m, b) = (k.size(size), k.size(inner), k.size(blocks))
    let first = k.let("first", k.unit.remainder(by: b) * .i64(width))
    let start = k.let("start", k.unit.divided(by: b) * n * m + first)
    let count = k.let("count", (m - first).minimum(.i64(width)))
    let peak = k.array("peak", compute, count: width)
    let sum = k.array("sum", compute, count: width)
    let peaks = Combination.peak(compute)
    k.loop("lane", to: .i64(width), .vector) { lane in
      k.store(peak, lane, peaks.identity)
      k.store(sum, lane, .literal(0, compute))
    }
    func each(_ body: @escaping (_ at: Expression, _ lane: Expression) -> Void) {
      k.loop("i", to: n) { i in
        let row = k.let("row", start + i * m)
        k.loop("lane", to: count, .vector) { body(row + $0, $0) }
      }
    }
    each { at, lane in k.store(peak, lane, peaks.combine(k.load(peak, lane), k.load(x, at))) }
    func exponential(_ at: Expression, _ lane: Expression) -> Expression {
      .call(.expBelowZero, [k.load(x, at) - k.load(peak, lane)])
    }
    let kept = !op.isLog && (element == .f32 || element == .f64)
    each { at, lane in
      let value = k.let("e", exponential(at, lane))
      k.store(sum, lane, k.load(sum, lane) + value)
      if kept { k.store(y, at, value) }
    }
    k.loop("lane", to: .i64(width), .vector) { lane in
      let value = k.load(sum, lane)
      k.store(sum, lane, op.isLog ? .call(.log, [value]) : .literal(1, compute) / value)
    }
    each { at, lane in
      let value: Expression =
        op.isLog
        ? k.load(x, at) - k.load(peak, lane) - k.load(sum, lane)
        : (kept ? k.load(y, at) : exponential(at, lane)) * k.load(sum, lane)
      k.store(y, at, value)
    }
    return k.finish()
  }
}
