import SwageGraph
import SwageTensor

/// Random well-typed graphs over small images, the same for the same seed: nodes that passes look for, in any company.
struct RandomGraph {
  private var state: UInt64
  private var graph: Graph
  private var values: [ValueID] = []

  static func make(seed: UInt64, nodes: Int) throws -> Graph {
    var random = RandomGraph(seed: seed)
    return try random.build(nodes)
  }

  private init(seed: UInt64) {
    state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493
    graph = Graph(name: "random\(seed)")
  }

  private mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  private mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }

  private mutating func add(_ op: Op, _ operands: [ValueID?]) throws {
    let source = Source(name: "n\(graph.nodeCount)", operatorName: op.mnemonic)
    let results = try graph.append(op, operands, names: ["v\(graph.nodeCount)"], sources: [source])
    values += results.filter { graph.type(of: $0).elementType == .f32 }
  }

  private mutating func constant(_ shape: [Int]) throws -> ValueID {
    let count = shape.reduce(1, *)
    let isUniform = below(3) == 0
    let first = pick([0, 1, 2, 0.5, -1, 3.0])
    let elements = (0..<count).map { _ in isUniform ? first : Double(below(16) - 8) / 8 }
    return try graph.constant(Tensor(.f32, shape, doubles: elements))
  }

  private mutating func build(_ nodes: Int) throws -> Graph {
    values.append(graph.addInput(name: "x", type: TensorType(.f32, sizes: [2, 3, 4, 5])))
    values.append(graph.addInput(name: "y", type: TensorType(.f32, sizes: [2, 3, 4, 5])))
    while graph.nodeCount < nodes { try step() }
    for (index, value) in values.suffix(3).enumerated() { graph.addOutput(value, name: "out\(index)") }
    return graph
  }

  private mutating func step() throws {
    // Recent values are likelier, so that chains form.
    let x = values[max(0, values.count - 1 - below(min(values.count, 4)))]
    let shape = graph.type(of: x).staticShape ?? []
    let rank = shape.count
    guard rank > 0, shape.reduce(1, *) <= 2000, !shape.contains(0) else {
      values.append(values[0])
      return
    }
    switch below(17) {
    case 0, 1:
      let function = pick([Unary.Function.relu, .neg, .sigmoid, .tanh, .clip, .linear, .silu, .abs])
      let isClip = function == .clip
      let isLine = function == .linear
      try add(
        .unary(Unary(function, alpha: isClip ? -0.5 : isLine ? 2 : nil, beta: isClip ? 1 : isLine ? 0.5 : nil)), [x])
    case 2, 3:
      let other = try constant(shape.suffix(below(rank + 1)).map { below(2) == 0 ? $0 : 1 })
      let function = pick([Binary.Function.add, .sub, .mul, .min, .max])
      try add(.binary(Binary(function)), below(2) == 0 ? [x, other] : [other, x])
    case 4:
      let same = values.filter { graph.type(of: $0) == graph.type(of: x) }
      try add(.binary(Binary(pick([.add, .mul, .sub]))), [x, pick(same)])
    case 5, 6, 7:
      guard rank >= 3, rank <= 5, shape[1] <= 8 else { return }
      let filters = 1 + below(4)
      let spatial = rank - 2
      let kernel = (0..<spatial).map { _ in pick([1, 3]) }
      let weights = try constant([filters, shape[1]] + kernel)
      let pads = kernel.map { Dim(($0 - 1) / 2) }
      let ones = [Int](repeating: 1, count: spatial)
      try add(
        .convolution(Convolution(strides: ones, dilations: ones, padsBegin: pads, padsEnd: pads)), [x, weights])
    case 8:
      guard rank >= 3 else { return }
      let ones = [Int](repeating: 1, count: rank - 2)
      let zeros = ones.map { _ in Dim(0) }
      try add(
        .pool(
          Pool(
            pick([.max, .average]), kernel: shape.dropFirst(2).map { min($0, 2) }, strides: ones, dilations: ones,
            padsBegin: zeros, padsEnd: zeros)), [x])
    case 9:
      var axes = Array(0..<rank)
      for index in axes.indices { axes.swapAt(index, below(rank)) }
      if rank == 4, below(2) == 0 { axes = pick([[0, 2, 3, 1], [0, 3, 1, 2]]) }
      try add(.transpose(Transpose(axes)), [x])
    case 10:
      let flat = shape.reduce(1, *)
      let choices = [
        [shape[0], flat / shape[0]], shape + [1], [flat], Array(shape.prefix(1)) + [1] + shape.dropFirst(),
      ]
      try add(.reshape(Reshape(pick(choices).map { Dim($0) })), [x])
    case 11:
      let starts = shape.map { below(2) == 0 ? 0 : below($0) }
      let sizes = zip(shape, starts).map { $0 - $1 }
      try add(.slice(Slice(starts: starts.map { Dim($0) }, sizes: sizes.map { Dim($0) })), [x])
    case 12:
      let axis = below(rank)
      let same = values.filter { graph.type(of: $0) == graph.type(of: x) }
      try add(.concat(Concat(axis: axis)), [x, pick(same)])
    case 13:
      let axes = (0..<rank).filter { _ in below(2) == 0 }
      guard !axes.isEmpty, axes.count < rank else { return }
      try add(.reduce(Reduce(pick([.mean, .sum, .max]), axes: axes, keepsAxes: below(2) == 0)), [x])
    case 14: try add(.softmax(Softmax(axis: below(rank))), [x])
    case 15:
      let axis = below(rank)
      let picks = below(2) == 0 ? [below(shape[axis])] : [below(shape[axis]), below(shape[axis])]
      let index = try graph.constant(
        Tensor(.i64, picks.count == 1 && below(2) == 0 ? [] : [picks.count], integers: picks.map { Int64($0) }))
      try add(.gather(Gather(axis: axis)), [x, index])
    default:
      guard rank >= 2 else { return }
      let weights = try constant([shape[rank - 1], 1 + below(5)])
      try add(.matmul(MatMul()), [x, weights])
    }
  }
}
