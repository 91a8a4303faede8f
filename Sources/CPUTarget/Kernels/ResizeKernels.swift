import SwageKernel
import SwagePartition
import SwageTensor

/// Interpolation: positions and weights along the last resized axis are computed for a block of places at once, then
/// used for all planes (channels first) or all channels (channels last) there.
struct ResizeKernels {
  static func make(_ op: Resize, _ node: Node, in graph: Graph) -> Recipe? {
    guard let x = node.type(0, in: graph) else { return nil }
    var kernels = ResizeKernels(op, x)
    return .kernel(kernels.function(), operands: [0], label: "resize \(op.mode.rawValue)")
  }

  private let op: Resize
  private let element: ElementType
  private let compute: ScalarType
  private let input: [Dim]
  private let output: [Dim]
  private let resized: [Int]
  private let k: KernelBuilder
  private let x: KernelBuffer
  private let y: KernelBuffer

  private init(_ op: Resize, _ type: TensorType) {
    self.op = op
    element = type.elementType
    compute = element.computeType
    input = type.shape
    output = op.sizes
    resized = type.shape.indices.filter { type.shape[$0] != op.sizes[$0] || (op.scales?[$0] ?? 1) != 1 }
    k = KernelBuilder("resize_\(op.mode.rawValue)_\(element.name)")
    x = k.input(element)
    y = k.output(element)
  }

  /// Places along an axis that one output place reads.
  private struct Tap {
    var index: Expression
    /// nil: one.
    var weight: Expression?
  }

  private mutating func function() -> KernelFunction {
    let hasData = k.size(input.reduce(1, *)).greaterThan(0)
    if let last = resized.last {
      let inner = output[(last + 1)...].reduce(1, *)
      if inner == 1 { planes(last, hasData) } else { channels(last, inner, hasData) }
    } else {
      let block = 4096
      let total = output.reduce(1, *)
      k.split(total.ceilDivided(by: Dim(block)), work: Dim(block))
      let start = k.let("start", k.unit * .i64(block))
      let count = k.let("count", (k.size(total) - start).minimum(.i64(block)))
      k.copy(to: y, at: start, from: x, at: start, count: count)
    }
    return k.finish()
  }

  // MARK: - Positions

  private func f64(_ x: Expression) -> Expression { x.cast(.f64) }

  /// Where output place `place` of `axis` lies in the input, in single precision.
  private func position(_ place: Expression, _ axis: Int) -> Expression {
    func single(_ x: Expression) -> Expression { x.cast(.f32) }
    let (i, o) = (k.size(input[axis]), k.size(output[axis]))
    let scale =
      op.scales.map { Expression.f32(Double(Float($0[axis]))) } ?? k.let("scale", single(o) / single(i))
    let p = single(place)
    switch op.coordinates {
    case .halfPixel: return (p + .f32(0.5)) / scale - .f32(0.5)
    case .halfPixelSymmetric:
      let adjustment = single(o) / (scale * single(i))
      return single(i) * .f32(0.5) * (.f32(1) - adjustment) + (p + .f32(0.5)) / scale - .f32(0.5)
    case .pytorchHalfPixel: return .choose(o.greaterThan(1), (p + .f32(0.5)) / scale - .f32(0.5), .f32(0))
    case .alignCorners: return .choose(o.equal(1), .f32(0), p * (single(i) - .f32(1)) / (single(o) - .f32(1)))
    case .asymmetric: return p / scale
    }
  }

  private func clamped(_ index: Expression, _ axis: Int) -> Expression {
    index.minimum(k.size(input[axis]) - 1).maximum(0)
  }

  private func taps(_ place: Expression, _ axis: Int) -> [Tap] {
    guard resized.contains(axis) else { return [Tap(index: place, weight: nil)] }
    let at = k.let("position", f64(position(place, axis)))
    switch op.mode {
    case .nearest:
      let rounded: Expression =
        switch op.nearest {
        case .roundPreferFloor: .call(.ceil, [at - .f64(0.5)])
        case .roundPreferCeil: .call(.floor, [at + .f64(0.5)])
        case .floor: .call(.floor, [at])
        case .ceil: .call(.ceil, [at])
        }
      return [Tap(index: k.let("index", clamped(rounded.cast(.i64), axis)), weight: nil)]
    case .linear:
      let most = f64(k.size(input[axis]) - 1)
      let inside = k.let("inside", at.maximum(.f64(0)).minimum(most))
      let low = k.let("low", inside.cast(.i64))
      let part = k.let("part", .choose(inside.equal(most), .f64(0.5), inside - f64(low)))
      return [
        Tap(index: low, weight: k.let("near", (.f64(1) - part).cast(compute))),
        Tap(index: k.let("high", clamped(low + 1, axis)), weight: k.let("far", part.cast(compute))),
      ]
    case .cubic:
      let base = k.let("base", .call(.floor, [at]))
      let fraction = k.let("fraction", at - base)
      let first = k.let("first", base.cast(.i64) - 1)
      let a = op.cubicCoefficient
      func inner(_ t: Expression) -> Expression { ((.f64(a + 2) * t - .f64(a + 3)) * t * t) + .f64(1) }
      func outer(_ t: Expression) -> Expression { ((.f64(a) * t - .f64(5 * a)) * t + .f64(8 * a)) * t - .f64(4 * a) }
      var weights = [
        outer(fraction + .f64(1)), inner(fraction), inner(.f64(1) - fraction), outer(.f64(2) - fraction),
      ]
      if op.excludesOutside {
        for tap in 0..<4 {
          let index = first + .i64(tap)
          let isOutside = index.lessThan(0).or(index.greaterOrEqual(k.size(input[axis])))
          weights[tap] = k.let("weight", .choose(isOutside, .f64(0), weights[tap]))
        }
        let sum = k.let("sum", weights[0] + weights[1] + weights[2] + weights[3])
        weights = weights.map { $0 / sum }
      }
      return (0..<4).map { tap in
        Tap(
          index: k.let("index", clamped(first + .i64(tap), axis)),
          weight: k.let("weight", weights[tap].cast(compute)))
      }
    }
  }

  /// All combinations of taps of several axes, as offsets and weights.
  private func combinations(_ perAxis: [(axis: Int, taps: [Tap])]) -> [(offset: Expression, weight: Expression?)] {
    var result: [(offset: Expression, weight: Expression?)] = [(0, nil)]
    for (axis, taps) in perAxis {
      let stride = k.size(input[(axis + 1)...].reduce(1, *))
      result = result.flatMap { old in
        taps.map { tap in
          let weight = tap.weight.map { w in old.weight.map { $0 * w } ?? w } ?? old.weight
          return (old.offset + tap.index * stride, weight)
        }
      }
    }
    return result.map { (k.let("row", $0.offset), $0.weight.map { k.let("weight", $0) }) }
  }

  /// Output places of the axes in `range` from one number.
  private func places(_ unit: Expression, _ range: Range<Int>) -> (places: [Expression], rest: Expression) {
    var rest = unit
    var result: [Expression] = []
    for axis in range.reversed() {
      let size = k.size(output[axis])
      result.insert(k.let("place", rest.remainder(by: size)), at: 0)
      rest = k.let("rest", rest.divided(by: size))
    }
    return (result, rest)
  }

  /// Taps of a block of places along the last resized axis, kept in arrays.
  private func block(
    _ axis: Int, from: Expression, count: Expression, width: Int
  ) -> [(index: LocalArray, weight: LocalArray?)] {
    let tapCount = op.mode == .nearest ? 1 : op.mode == .linear ? 2 : 4
    let arrays = (0..<tapCount).map { _ in
      (
        index: k.array("index", .i32, count: width),
        weight: tapCount > 1 ? k.array("weight", compute, count: width) : nil
      )
    }
    k.loop("lane", to: count, .vector) { lane in
      for (tap, array) in zip(taps(from + lane, axis), arrays) {
        k.store(array.index, lane, tap.index.cast(.i32))
        if let target = array.weight, let weight = tap.weight { k.store(target, lane, weight) }
      }
    }
    return arrays
  }

  private func sum(_ terms: [(value: Expression, weight: Expression?)]) -> Expression {
    let weighted = terms.map { term in term.weight.map { term.value * $0 } ?? term.value }
    return weighted.dropFirst().reduce(weighted[0]) { $0 + $1 }
  }

  // MARK: - Forms

  /// The last axis is resized. A unit is one row of the result for a few of the planes in front.
  private func planes(_ last: Int, _ hasData: Expression) {
    let first = resized[0]
    let (width, few) = (64, 8)
    let planes = output[..<first].reduce(1, *)
    let groups = planes.ceilDivided(by: Dim(few))
    let rows = output[first..<last].reduce(1, *)
    k.split(groups * rows, work: output[last] * Dim(few * 8))
    let (middle, group) = places(k.unit, first..<last)
    let row = k.let("row", k.unit.remainder(by: k.size(rows)))
    let from = k.let("from", group * .i64(few))
    let until = k.let("until", (from + .i64(few)).minimum(k.size(planes)))
    let columns = k.size(output[last])
    k.if(hasData) {
      let offsets = combinations(zip(first..<last, middle).map { ($0, taps($1, $0)) })
      k.loop("column", to: columns, step: width) { column in
        let lanes = k.let("lanes", (columns - column).minimum(.i64(width)))
        let arrays = block(last, from: column, count: lanes, width: width)
        k.loop("plane", from: from, to: until) { plane in
          let source = k.let("source", plane * k.size(input[first...].reduce(1, *)))
          let target = k.let("target", (plane * k.size(rows) + row) * columns + column)
          k.loop("lane", to: lanes, .vector) { lane in
            let lines = offsets.map { offset -> (value: Expression, weight: Expression?) in
              let terms = arrays.map { array -> (value: Expression, weight: Expression?) in
                let index = k.load(array.index, lane).cast(.i64)
                return (k.load(x, source + offset.offset + index), array.weight.map { k.load($0, lane) })
              }
              return (sum(terms), offset.weight)
            }
            k.store(y, target + lane, sum(lines))
          }
        }
      }
    }
  }

  /// Axes follow the last resized one. A unit is one place of the axes before it.
  private func channels(_ last: Int, _ inner: Dim, _ hasData: Expression) {
    let width = 64
    let rows = output[..<last].reduce(1, *)
    k.split(rows, work: output[last] * inner * 8)
    let (front, _) = places(k.unit, 0..<last)
    let (columns, c) = (k.size(output[last]), k.size(inner))
    k.if(hasData) {
      let offsets = combinations(zip(0..<last, front).map { ($0, taps($1, $0)) })
      k.loop("column", to: columns, step: width) { column in
        let lanes = k.let("lanes", (columns - column).minimum(.i64(width)))
        let arrays = block(last, from: column, count: lanes, width: width)
        k.loop("place", to: lanes) { place in
          let target = k.let("target", (k.unit * columns + column + place) * c)
          let terms = offsets.flatMap { offset in
            arrays.map { array -> (at: Expression, weight: Expression?) in
              let own = array.weight.map { k.load($0, place) }
              let weight = own.map { w in offset.weight.map { $0 * w } ?? w } ?? offset.weight
              let at = k.let("at", offset.offset + k.load(array.index, place).cast(.i64) * c)
              return (at, weight.map { k.let("weight", $0) })
            }
          }
          k.loop("channel", to: c, .vector) { channel in
            k.store(y, target + channel, sum(terms.map { (k.load(x, $0.at + channel), $0.weight) }))
          }
        }
      }
    }
  }
}
