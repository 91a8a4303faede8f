import SwageKernel
import SwagePartition
import SwageTensor

/// Pooling: with channels last a unit is one window position and channels go side by side; with channels first a unit
/// is one row of the result, whose positions go side by side.
struct PoolKernels {
  static func make(_ op: Pool, _ node: Node, in graph: Graph) -> Recipe? {
    guard let x = node.type(0, in: graph) else { return nil }
    let result = graph.type(of: node.results[0])
    if op.layout == .channelsFirst, tile(op, result) == nil { return nil }
    var kernels = PoolKernels(op, x, result)
    let function = op.layout == .channelsLast ? kernels.channelsLast() : kernels.channelsFirst()
    return .kernel(function, operands: [0], label: "\(op.function.rawValue)_pool")
  }

  /// Input columns that a block of windows may meet; they lie on the stack.
  private static let largestTile = 1 << 16

  /// Windows of a block along the last axis with channels first, and the input columns they meet; nil where those are
  /// too many.
  private static func tile(_ op: Pool, _ result: TensorType) -> (windows: Int, columns: Int)? {
    let windows = result.shape[result.rank - 1].constant.map { min(max($0, 1), 64) } ?? 64
    guard let stride = op.strides.last, let dilation = op.dilations.last, let taps = op.kernel.last,
      let starts = Checked.multiply(windows - 1, stride), let reach = Checked.multiply(taps - 1, dilation),
      let sum = Checked.add(starts, reach), sum < largestTile
    else { return nil }
    return (windows, sum + 1)
  }

  private let op: Pool
  private let rank: Int
  private let element: ElementType
  private let compute: ScalarType
  private let result: TensorType
  private let batch: Dim
  private let channels: Dim
  private let input: [Dim]
  private let output: [Dim]
  private let k: KernelBuilder
  private let x: KernelBuffer
  private let y: KernelBuffer

  private init(_ op: Pool, _ type: TensorType, _ result: TensorType) {
    self.op = op
    self.result = result
    rank = type.rank - 2
    element = type.elementType
    compute = element.computeType
    batch = type.shape[0]
    channels = type.shape[op.layout.channelAxis(rank: type.rank)]
    let first = op.layout.firstSpatialAxis
    input = Array(type.shape[first..<first + rank])
    output = Array(result.shape[first..<first + rank])
    k = KernelBuilder("\(op.function.rawValue)_pool_\(op.layout.rawValue)_\(element.name)")
    x = k.input(element)
    y = k.output(element)
  }

  private var combination: Combination {
    switch op.function {
    case .max: .max(element)
    case .average, .l2: .sum(compute)
    }
  }

  private func term(_ value: Expression) -> Expression { op.function == .l2 ? value * value : value }

  private func finished(_ value: Expression, count: Expression?) -> Expression {
    switch op.function {
    case .max: value
    case .average: count.map { value / $0 } ?? value
    case .l2: .call(.sqrt, [value])
    }
  }

  /// The first input position of the window at `position` of an axis; negative inside the padding.
  private func origin(_ position: Expression, _ axis: Int) -> Expression {
    k.let("origin", position * .i64(op.strides[axis]) - k.size(op.padsBegin[axis]))
  }

  /// First and last-plus-one tap of a window from `origin` on that lie below `limit`.
  private func taps(_ origin: Expression, _ axis: Int, limit: Expression) -> (from: Expression, to: Expression) {
    let d = Expression.i64(op.dilations[axis])
    let from = k.let("from", (0 - origin + d - 1).maximum(0).divided(by: d))
    let to = k.let("until", (limit - origin + d - 1).maximum(0).divided(by: d).minimum(.i64(op.kernel[axis])))
    return (from, to)
  }

  /// How many taps of a window an average divides by, along one axis.
  private func counted(
    _ origin: Expression, _ axis: Int, inside: (from: Expression, to: Expression)
  ) -> Expression {
    guard op.countsPadding else { return (inside.to - inside.from).maximum(0) }
    return taps(origin, axis, limit: k.size(input[axis]) + k.size(op.padsEnd[axis])).to
  }

  // MARK: - Channels last

  private mutating func channelsLast() -> KernelFunction {
    let taps = op.kernel.reduce(1, &*)
    let width = 64
    k.split(batch * output.reduce(1, *), work: channels * Dim(taps))
    let c = k.size(channels)
    var rest = k.unit
    var positions = [Expression](repeating: 0, count: rank)
    for axis in (0..<rank).reversed() {
      let size = k.size(output[axis])
      positions[axis] = k.let("position", rest.remainder(by: size))
      rest = k.let("rest", rest.divided(by: size))
    }
    let image = k.let("image", rest * k.size(input.reduce(channels, *)))
    let target = k.let("target", k.unit * c)
    let origins = (0..<rank).map { origin(positions[$0], $0) }
    let ranges = (0..<rank).map { self.taps(origins[$0], $0, limit: k.size(input[$0])) }
    let count: Expression? =
      op.function == .average
      ? k.let(
        "count", (0..<rank).map { counted(origins[$0], $0, inside: ranges[$0]) }.reduce(1, *).cast(compute)) : nil
    k.loop("channel", to: c, step: width) { channel in
      let lanes = k.let("lanes", (c - channel).minimum(.i64(width)))
      let sums = k.array("sums", combination.identity.type, count: width)
      k.fill(sums, with: combination.identity)
      func nest(_ axis: Int, _ base: Expression) {
        if axis == rank {
          k.loop("lane", to: lanes, .vector) { lane in
            k.store(sums, lane, combination.combine(k.load(sums, lane), term(k.load(x, base + lane))))
          }
          return
        }
        let stride = input[(axis + 1)...].reduce(channels, *)
        k.loop("tap", from: ranges[axis].from, to: ranges[axis].to) { tap in
          let index = origins[axis] + tap * .i64(op.dilations[axis])
          nest(axis + 1, k.let("at", base + index * k.size(stride)))
        }
      }
      nest(0, k.let("base", image + channel))
      k.loop("lane", to: lanes, .vector) { lane in
        k.store(y, target + channel + lane, finished(k.load(sums, lane), count: count))
      }
    }
    return k.finish()
  }

  // MARK: - Channels first

  private mutating func channelsFirst() -> KernelFunction {
    let last = rank - 1
    guard let (width, tileWidth) = Self.tile(op, result) else { preconditionFailure("the tile was measured before") }
    let rows = output[..<last].reduce(1, *)
    k.split(batch * channels * rows, work: output[last] * Dim(op.kernel.reduce(1, &*)))
    var rest = k.unit
    var positions = [Expression](repeating: 0, count: last)
    for axis in (0..<last).reversed() {
      let size = k.size(output[axis])
      positions[axis] = k.let("position", rest.remainder(by: size))
      rest = k.let("rest", rest.divided(by: size))
    }
    let plane = k.let("plane", rest * k.size(input.reduce(1, *)))
    let (columns, length) = (k.size(output[last]), k.size(input[last]))
    let target = k.let("target", k.unit * columns)
    let origins = (0..<last).map { origin(positions[$0], $0) }
    let ranges = (0..<last).map { self.taps(origins[$0], $0, limit: k.size(input[$0])) }
    let counts = (0..<last).map { counted(origins[$0], $0, inside: ranges[$0]) }
    let rowCount = op.function == .average ? k.let("rows", counts.reduce(1, *).cast(compute)) : nil
    let (stride, dilation, taps) = (op.strides[last], op.dilations[last], op.kernel[last])
    k.loop("column", to: columns, step: width) { column in
      let lanes = k.let("lanes", (columns - column).minimum(.i64(width)))
      let tile = k.array("tile", combination.identity.type, count: tileWidth)
      k.fill(tile, with: combination.identity)
      // Input position of the tile's start.
      let shift = k.let("shift", column * .i64(stride) - k.size(op.padsBegin[last]))
      let from = k.let("from", (0 - shift).maximum(0))
      let to = k.let("until", (length - shift).minimum(.i64(tileWidth)))
      // The other axes first, along memory; then the windows within the tile.
      func nest(_ axis: Int, _ base: Expression) {
        if axis == last {
          let at = k.let("at", base + shift)
          k.loop("lane", from: from, to: to, .vector) { lane in
            k.store(tile, lane, combination.combine(k.load(tile, lane), term(k.load(x, at + lane))))
          }
          return
        }
        let size = input[(axis + 1)...].reduce(1, *)
        k.loop("tap", from: ranges[axis].from, to: ranges[axis].to) { tap in
          let index = origins[axis] + tap * .i64(op.dilations[axis])
          nest(axis + 1, k.let("at", base + index * k.size(size)))
        }
      }
      nest(0, plane)
      let sums = k.array("sums", combination.identity.type, count: width)
      k.fill(sums, with: combination.identity)
      k.loop("tap", to: .i64(taps), taps <= 8 ? .unroll : .plain) { tap in
        let at = k.let("at", tap * .i64(dilation))
        k.loop("lane", to: lanes, .vector) { lane in
          k.store(sums, lane, combination.combine(k.load(sums, lane), k.load(tile, at + lane * .i64(stride))))
        }
      }
      guard let rowCount else {
        k.loop("lane", to: lanes, .vector) { lane in
          k.store(y, target + column + lane, finished(k.load(sums, lane), count: nil))
        }
        return
      }
      if isAlwaysFull {
        k.loop("lane", to: lanes, .vector) { lane in
          let count = Expression.literal(Double(op.kernel.reduce(1, &*)), compute)
          k.store(y, target + column + lane, finished(k.load(sums, lane), count: count))
        }
        return
      }
      let counts = k.array("counts", compute, count: width)
      k.fill(counts, with: .literal(0, compute))
      k.loop("tap", to: .i64(taps)) { tap in
        let start = k.let("start", shift + tap * .i64(dilation))
        let limit = op.countsPadding ? length + k.size(op.padsEnd[last]) : length
        let step = Expression.i64(stride)
        let until = k.let("until", (limit - start + step - 1).maximum(0).divided(by: step).minimum(lanes))
        // Begin padding counts too.
        let from = op.countsPadding ? 0 : k.let("from", (0 - start + step - 1).maximum(0).divided(by: step))
        k.loop("lane", from: from, to: until, .vector) { lane in
          k.store(counts, lane, k.load(counts, lane) + .literal(1, compute))
        }
      }
      k.loop("lane", to: lanes, .vector) { lane in
        let count = k.load(counts, lane) * rowCount
        k.store(y, target + column + lane, finished(k.load(sums, lane), count: count))
      }
    }
    return k.finish()
  }

  /// Whether all windows lie inside the input.
  private var isAlwaysFull: Bool { !op.ceilMode && (op.padsBegin + op.padsEnd).allSatisfy { $0 == 0 } }
}
