import SwageKernel
import SwagePartition
import SwageTensor

/// Layer and group normalisation.
enum NormKernels {
  static func make(_ op: LayerNorm, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    let compute = type.elementType.computeType
    let width = type.shape[op.axis...].reduce(1, *)
    let k = KernelBuilder(op.isRMS ? "rms_norm_\(type.elementType.name)" : "layer_norm_\(type.elementType.name)")
    let x = k.input(type.elementType)
    let given = (1..<3).filter { node.type($0, in: graph) != nil }
    let parameters = Dictionary(uniqueKeysWithValues: given.map { ($0, k.input(type.elementType)) })
    let y = k.output(type.elementType, mayAlias: [x])
    k.split(type.shape[..<op.axis].reduce(1, *), work: width * 8)
    let n = k.size(width)
    let start = k.let("start", k.unit * n)
    let (mean, variance) = k.moments(n, centered: !op.isRMS, type: compute) { k.load(x, start + $0) }
    let factor = k.let("factor", .call(.rsqrt, [variance + .float(op.epsilon, compute)]))
    k.loop("i", to: n, .vector) { i in
      var value = k.load(x, start + i)
      if !op.isRMS { value = value - mean }
      value = value * factor
      if let scale = parameters[1] { value = value * k.load(scale, i) }
      if let bias = parameters[2] { value = value + k.load(bias, i) }
      k.store(y, start + i, value)
    }
    return .kernel(
      k.finish(), operands: [0] + given, inPlace: true, label: op.isRMS ? "rms_norm" : "layer_norm")
  }

  static func make(_ op: GroupNorm, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph) else { return nil }
    switch op.layout {
    case .channelsFirst: return channelsFirst(op, node, type, in: graph)
    case .channelsLast: return channelsLast(op, node, type, in: graph)
    }
  }

  private static func activated(_ op: GroupNorm, _ value: Expression, _ type: ElementType) -> Expression {
    op.activation.map { ElementwiseExpressions.unary($0, value, type) } ?? value
  }

  private static func label(_ op: GroupNorm) -> String {
    "group_norm" + (op.activation.map { "+\($0.function.rawValue)" } ?? "")
  }

  /// A group is one run of memory: a unit is a group of one image.
  private static func channelsFirst(_ op: GroupNorm, _ node: Node, _ type: TensorType, in graph: Graph) -> Recipe {
    let element = type.elementType
    let compute = element.computeType
    let channels = type.shape[1]
    let perGroup = channels.floorDivided(by: Dim(op.groups))
    let area = type.shape[2...].reduce(1, *)
    let k = KernelBuilder("group_norm_\(element.name)")
    let x = k.input(element)
    let given = (1..<3).filter { node.type($0, in: graph) != nil }
    let parameters = Dictionary(uniqueKeysWithValues: given.map { ($0, k.input(element)) })
    let y = k.output(element, mayAlias: [x])
    k.split(type.shape[0] * Dim(op.groups), work: perGroup * area * 8)
    let (c, s) = (k.size(perGroup), k.size(area))
    let n = k.size(perGroup * area)
    let start = k.let("start", k.unit * n)
    let first = k.let("first", k.unit.remainder(by: .i64(op.groups)) * c)
    let (mean, variance) = k.moments(n, centered: true, type: compute) { k.load(x, start + $0) }
    let factor = k.let("factor", .call(.rsqrt, [variance + .float(op.epsilon, compute)]))
    k.loop("channel", to: c) { channel in
      let row = k.let("row", start + channel * s)
      let scale = k.let("scale", parameters[1].map { k.load($0, first + channel) * factor } ?? factor)
      let bias = parameters[2].map { k.let("bias", k.load($0, first + channel)) }
      k.loop("i", to: s, .vector) { i in
        let value = (k.load(x, row + i) - mean) * scale
        k.store(y, row + i, activated(op, bias.map { value + $0 } ?? value, element))
      }
    }
    return .kernel(k.finish(), operands: [0] + given, inPlace: true, label: label(op))
  }

  /// Channels of one position lie together, so that groups are strided. Three kernels, each going along memory:
  /// 1. mean and sum of squares of each channel over a chunk of positions;
  /// 2. the factors of each channel, from all chunks and channels of its group;
  /// 3. the result.
  private static func channelsLast(_ op: GroupNorm, _ node: Node, _ type: TensorType, in graph: Graph) -> Recipe {
    let element = type.elementType
    let compute = element.computeType
    let stored: ElementType = compute == .f64 ? .f64 : .f32
    let batch = type.shape[0]
    let channels = type.shape[type.rank - 1]
    let area = type.shape[1..<(type.rank - 1)].reduce(1, *)
    let perGroup = channels.floorDivided(by: Dim(op.groups))
    let chunk = channels.constant.map { max(1, 8192 / max($0, 1)) } ?? 32
    let chunks = area.ceilDivided(by: Dim(chunk))
    var recipe = Recipe()
    let parts = recipe.addTemporary(TensorType(stored, [batch, chunks, 2, channels]))
    let factors = recipe.addTemporary(TensorType(stored, [batch, 3, channels]))

    let first = KernelBuilder("group_norm_parts_\(element.name)")
    do {
      let k = first
      let x = k.input(element)
      let y = k.output(stored)
      k.split(batch * chunks, work: channels * Dim(chunk * 4))
      let (c, s, b) = (k.size(channels), k.size(area), k.size(chunks))
      let from = k.let("from", k.unit.remainder(by: b) * .i64(chunk))
      let count = k.let("count", (s - from).minimum(.i64(chunk)))
      let start = k.let("start", (k.unit.divided(by: b) * s + from) * c)
      let target = k.let("target", k.unit * 2 * c)
      let n = k.let("n", count.cast(compute))
      let width = 64
      k.loop("channel", to: c, step: width) { channel in
        let lanes = k.let("lanes", (c - channel).minimum(.i64(width)))
        let sum = k.array("sum", compute, count: width)
        let squares = k.array("squares", compute, count: width)
        k.loop("lane", to: .i64(width), .vector) { lane in
          k.store(sum, lane, .literal(0, compute))
          k.store(squares, lane, .literal(0, compute))
        }
        k.loop("i", to: count) { i in
          let row = k.let("row", start + i * c + channel)
          k.loop("lane", to: lanes, .vector) { k.store(sum, $0, k.load(sum, $0) + k.load(x, row + $0)) }
        }
        k.loop("lane", to: .i64(width), .vector) { k.store(sum, $0, k.load(sum, $0) / n) }
        k.loop("i", to: count) { i in
          let row = k.let("row", start + i * c + channel)
          k.loop("lane", to: lanes, .vector) { lane in
            let d = k.let("d", k.load(x, row + lane) - k.load(sum, lane))
            k.store(squares, lane, k.load(squares, lane) + d * d)
          }
        }
        k.loop("lane", to: lanes, .vector) { lane in
          k.store(y, target + channel + lane, k.load(sum, lane))
          k.store(y, target + c + channel + lane, k.load(squares, lane))
        }
      }
    }

    let given = (1..<3).filter { node.type($0, in: graph) != nil }
    let second = KernelBuilder("group_norm_factors_\(element.name)")
    do {
      let k = second
      let x = k.input(stored)
      let parameters = Dictionary(uniqueKeysWithValues: given.map { ($0, k.input(element)) })
      let y = k.output(stored)
      k.split(batch * Dim(op.groups), work: chunks * perGroup * 4)
      let (c, s, b, g) = (k.size(channels), k.size(area), k.size(chunks), k.size(perGroup))
      let image = k.let("image", k.unit.divided(by: .i64(op.groups)))
      let channel = k.let("channel", k.unit.remainder(by: .i64(op.groups)) * g)
      let source = k.let("source", image * b * 2 * c + channel)
      let target = k.let("target", image * 3 * c + channel)
      let total = k.let("total", (s * g).cast(compute))
      func weight(_ i: Expression) -> Expression { (s - i * .i64(chunk)).minimum(.i64(chunk)).cast(compute) }
      let sum = k.variable("sum", .literal(0, compute))
      k.loop("i", to: b) { i in
        let n = k.let("n", weight(i))
        let part = k.reduce("part", g, .sum(compute)) { k.load(x, source + i * 2 * c + $0) }
        k.assign(sum, sum.value + part * n)
      }
      let mean = k.let("mean", sum.value / total)
      let squares = k.variable("squares", .literal(0, compute))
      k.loop("i", to: b) { i in
        let n = k.let("n", weight(i))
        let part = k.reduce("part", g, .sum(compute)) { j in
          let d = k.load(x, source + i * 2 * c + j) - mean
          return k.load(x, source + (i * 2 + 1) * c + j) + n * d * d
        }
        k.assign(squares, squares.value + part)
      }
      let factor = k.let("factor", .call(.rsqrt, [squares.value / total + .float(op.epsilon, compute)]))
      k.loop("j", to: g, .vector) { j in
        k.store(y, target + j, mean)
        k.store(y, target + c + j, parameters[1].map { k.load($0, channel + j) * factor } ?? factor)
        k.store(y, target + c * 2 + j, parameters[2].map { k.load($0, channel + j) } ?? .literal(0, compute))
      }
    }

    let third = KernelBuilder("group_norm_apply_\(element.name)")
    do {
      let k = third
      let x = k.input(element)
      let f = k.input(stored)
      let y = k.output(element, mayAlias: [x])
      k.split(batch * area, work: channels * 4)
      let (c, s) = (k.size(channels), k.size(area))
      let start = k.let("start", k.unit * c)
      let source = k.let("source", k.unit.divided(by: s) * 3 * c)
      k.loop("i", to: c, .vector) { i in
        let value =
          (k.load(x, start + i) - k.load(f, source + i)) * k.load(f, source + c + i) + k.load(f, source + c * 2 + i)
        k.store(y, start + i, activated(op, value, element))
      }
    }

    let name = label(op)
    recipe.steps = [
      .init(
        action: .kernel(first.finish()), reads: [.operand(0)], writes: [parts], label: name + " (parts)",
        isMain: false),
      .init(
        action: .kernel(second.finish()), reads: [parts] + given.map { .operand($0) }, writes: [factors],
        label: name + " (factors)", isMain: false),
      .init(
        action: .kernel(third.finish()), reads: [.operand(0), factors], writes: [.result(0)],
        inPlace: [InPlace(operand: 0, result: 0)], label: name),
    ]
    return recipe
  }
}
