import SwageKernel
import SwagePartition
import SwageTensor

/// Reductions over any axes. Neighbouring axes with the same fate become one; the last one decides the form: a reduced
/// one is summed up in lanes, a kept one is cut into blocks that are computed side by side.
struct ReduceKernels {
  static func make(_ op: Reduce, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    var kernels = ReduceKernels(op, type)
    return .kernel(kernels.function(), operands: [0], label: "reduce_\(op.function.rawValue)")
  }

  private struct Axis {
    var size: Dim
    var stride: Dim
    var isReduced: Bool
  }

  private let op: Reduce
  private let element: ElementType
  private var axes: [Axis] = []
  private var count: Dim = 1
  private let k: KernelBuilder
  private let x: KernelBuffer
  private let y: KernelBuffer
  /// The type in which elements are summed up.
  private let type: ScalarType

  private init(_ op: Reduce, _ type: TensorType) {
    self.op = op
    element = type.elementType
    var stride: Dim = 1
    for index in type.shape.indices.reversed() {
      let size = type.shape[index]
      let isReduced = op.axes.contains(index)
      if isReduced { count = count * size }
      if size != 1 {
        if let last = axes.first, last.isReduced == isReduced {
          axes[0].size = axes[0].size * size
        } else {
          axes.insert(Axis(size: size, stride: stride, isReduced: isReduced), at: 0)
        }
      }
      stride = stride * size
    }
    k = KernelBuilder("reduce_\(op.function.rawValue)_\(element.name)")
    x = k.input(element)
    y = k.output(element)
    let compute = element.computeType
    if compute.isFloat {
      self.type = compute
    } else {
      switch op.function {
      case .l2, .logSum, .logSumExp: self.type = .f64
      case .mean: self.type = element == .u64 ? .u64 : .i64
      case .sum, .prod, .min, .max, .sumSquare, .l1: self.type = compute
      }
    }
  }

  private mutating func function() -> KernelFunction {
    if axes.last?.isReduced ?? false { alongMemory() } else { sideBySide() }
    return k.finish()
  }

  // MARK: - What is summed up

  private var combination: Combination {
    switch op.function {
    case .sum, .mean, .sumSquare, .l1, .l2, .logSum, .logSumExp: .sum(type)
    case .prod: .product(type)
    case .min: element == .bool ? Combination(identity: .bool(true)) { $0.and($1) } : .min(element)
    case .max: element == .bool ? Combination(identity: .bool(false)) { $0.or($1) } : .max(element)
    }
  }

  private func term(_ value: Expression, peak: Expression?) -> Expression {
    let value = value.cast(type)
    switch op.function {
    case .sum, .mean, .prod, .min, .max, .logSum: return value
    case .sumSquare, .l2: return value.wrappingMultiply(value)
    case .l1:
      if type.isFloat { return .call(.abs, [value]) }
      if !element.isSignedInteger { return value }
      return .choose(value.lessThan(0), .literal(0, type).wrappingSubtract(value), value)
    case .logSumExp: return .call(.exp, [value - (peak ?? .literal(0, type))])
    }
  }

  private func finished(_ sum: Expression, peak: Expression?) -> Expression {
    let result: Expression
    switch op.function {
    case .sum, .prod, .min, .max, .sumSquare, .l1: result = sum
    case .mean:
      let n = k.size(count)
      result = type.isFloat ? sum / n.cast(type) : .call(.divide, [sum, n.cast(type)])
    case .l2: result = .call(.sqrt, [sum])
    case .logSum: result = .call(.log, [sum])
    case .logSumExp:
      guard let peak else { preconditionFailure("the largest element is needed") }
      // An infinite peak is the result itself, unless there was a NaN.
      let isFinite = (peak - peak).equal(.literal(0, type))
      result = .choose(isFinite, peak + .call(.log, [sum]), .choose(sum.equal(sum), peak, sum))
    }
    let compute = element.computeType
    if type == .f64, !compute.isFloat { return result.cast(.i64).cast(compute) }
    return result.cast(compute)
  }

  private func shift(_ peak: Expression) -> Expression {
    .choose((peak - peak).equal(.literal(0, type)), peak, .literal(0, type))
  }

  // MARK: - Forms

  /// The offset of a unit in the kept axes.
  private func offset(_ unit: Expression, of kept: [Axis]) -> Expression {
    var rest = unit
    var result: Expression = 0
    for (index, axis) in kept.enumerated().reversed() {
      let size = k.size(axis.size)
      let position = index == 0 ? rest : rest.remainder(by: size)
      result = result + position * k.size(axis.stride)
      if index > 0 { rest = k.let("rest", rest.divided(by: size)) }
    }
    return k.let("start", result)
  }

  private func nest(_ axes: ArraySlice<Axis>, _ base: Expression, _ body: (Expression) -> Void) {
    guard let axis = axes.first else { return body(base) }
    k.loop("i", to: k.size(axis.size)) { i in
      nest(axes.dropFirst(), k.let("at", base + i * k.size(axis.stride)), body)
    }
  }

  /// A unit is one element of the result; the innermost reduced axis is contiguous.
  private func alongMemory() {
    let kept = axes.filter { !$0.isReduced }
    let reduced = axes.filter(\.isReduced)
    guard let inner = reduced.last else { return }
    k.split(kept.reduce(1) { $0 * $1.size }, work: count)
    let start = offset(k.unit, of: kept)
    func total(_ combination: Combination, _ value: (Expression) -> Expression) -> Expression {
      if reduced.count == 1 {
        return k.reduce("sum", k.size(inner.size), combination) { value(k.load(x, start + $0)) }
      }
      let total = k.variable("total", combination.identity)
      nest(reduced.dropLast(), start) { at in
        let part = k.reduce("part", k.size(inner.size), combination) { value(k.load(x, at + $0)) }
        k.assign(total, combination.combine(total.value, part))
      }
      return total.value
    }
    var peak: Expression?
    var base: Expression?
    if op.function == .logSumExp {
      let largest = k.let("peak", total(.peak(type)) { $0.cast(type) })
      peak = largest
      base = k.let("shift", shift(largest))
    }
    let sum = total(combination) { term($0, peak: base) }
    k.store(y, k.unit, finished(sum, peak: peak))
  }

  /// A unit is a block of neighbouring elements of the result.
  private func sideBySide() {
    let width = 64
    let kept = axes.filter { !$0.isReduced }
    let reduced = axes.filter(\.isReduced)
    let inner = kept.last?.size ?? 1
    let blocks = inner.ceilDivided(by: Dim(width))
    k.split(kept.dropLast().reduce(1) { $0 * $1.size } * blocks, work: count * Dim(width))
    let b = k.size(blocks)
    let first = k.let("first", k.unit.remainder(by: b) * .i64(width))
    let outer = k.let("outer", k.unit.divided(by: b))
    let start = k.let("start", offset(outer, of: kept.dropLast()) + first)
    let n = k.size(inner)
    let lanes = k.let("lanes", (n - first).minimum(.i64(width)))

    func total(
      _ hint: String, _ combination: Combination, _ value: @escaping (Expression, Expression) -> Expression
    ) -> LocalArray {
      let sums = k.array(hint, combination.identity.type, count: width)
      k.fill(sums, with: combination.identity)
      func add(_ target: LocalArray, _ at: Expression) {
        k.loop("lane", to: lanes, .vector) { lane in
          k.store(target, lane, combination.combine(k.load(target, lane), value(k.load(x, at + lane), lane)))
        }
      }
      guard let last = reduced.last else {
        add(sums, start)
        return sums
      }
      nest(reduced.dropLast(), start) { base in
        let size = k.size(last.size)
        let stride = k.size(last.stride)
        let block = 512
        if let literal = size.literal, literal <= Int64(block) {
          k.loop("i", to: size) { i in add(sums, k.let("at", base + i * stride)) }
          return
        }
        // In blocks, so that rounding errors stay small.
        k.loop("from", to: size, step: block) { from in
          let part = k.array("part", combination.identity.type, count: width)
          k.fill(part, with: combination.identity)
          k.loop("i", from: from, to: k.let("until", (from + .i64(block)).minimum(size))) { i in
            add(part, k.let("at", base + i * stride))
          }
          k.loop("lane", to: .i64(width), .vector) { lane in
            k.store(sums, lane, combination.combine(k.load(sums, lane), k.load(part, lane)))
          }
        }
      }
      return sums
    }
    var peak: LocalArray?
    var base: LocalArray?
    if op.function == .logSumExp {
      let largest = total("peak", .peak(type)) { value, _ in value.cast(type) }
      let shifts = k.array("shift", type, count: width)
      k.loop("lane", to: .i64(width), .vector) { k.store(shifts, $0, shift(k.load(largest, $0))) }
      peak = largest
      base = shifts
    }
    let sums = total("sum", combination) { value, lane in term(value, peak: base.map { k.load($0, lane) }) }
    let target = k.let("target", outer * n + first)
    k.loop("lane", to: lanes, .vector) { lane in
      k.store(y, target + lane, finished(k.load(sums, lane), peak: peak.map { k.load($0, lane) }))
    }
  }
}
