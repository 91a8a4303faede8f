import SwageGraph
import SwageTensor

/// Mixtures of experts: each row goes through the few two-layer networks that a router picks for it.
///
/// Written out expert by expert: the rows that the router gave to an expert are gathered, go through its matrices, which
/// stay constants of their own, and are added to the result. So each row costs the arithmetic of its own experts, and an
/// expert without rows a few calls with nothing to do.
enum ContributedExperts {
  static let table: [String: Handler] = ["MoE": mixture, "QMoE": quantizedMixture]

  /// One of the matrices of all experts, `[experts, n, k]`, and its biases `[experts, n]`.
  private struct Layer {
    /// The matrix of one expert, `[n, k]`.
    var weights: (Int) throws -> ImportedValue
    var bias: ImportedValue?
  }

  private static func mixture(_ call: Call) throws -> [ImportedValue?] {
    func layer(_ weights: Int, _ bias: Int) throws -> Layer? {
      guard let given = call.optional(weights) else { return nil }
      try call.require(given.type.rank == 3, "the experts' weights are \(given.type)")
      return Layer(weights: { try expert($0, of: given, call) }, bias: call.optional(bias))
    }
    let layers = [try layer(2, 3), try layer(4, 5), try layer(6, 7)]
    let normalizes = try call.flag("normalize_routing_weights")
    return [try mixture(call, layers, aggregation: nil, normalizes: normalizes)]
  }

  private static func quantizedMixture(_ call: Call) throws -> [ImportedValue?] {
    let kind = try call.string("quant_type", default: "int")
    guard kind == "int" else { throw call.unsupported("quant_type \(kind)", remedy: "quantise it to integers") }
    guard try call.int("weights_prepacked", default: 0) < 1 else { throw call.unsupported("weights_prepacked is set") }
    _ = try call.int("accuracy_level")
    let block = try call.int("block_size", default: 0)
    let bits = try call.int("expert_weight_bits", default: 4)
    let type = try call.input(0).type.elementType
    func layer(_ number: Int, zero: Int) throws -> Layer? {
      let first = 3 * number - 1
      let own = try call.int("fc\(number)_expert_weight_bits", default: bits)
      guard let packed = call.optional(first) else { return nil }
      try call.require([2, 4, 8].contains(own), "\(own) bits")
      guard let scales = call.optional(first + 1) else { throw NodeFault.invalid("fc\(number) has no scales") }
      try call.require(
        packed.type.rank == 3 && packed.type.elementType == .u8 && (2...3).contains(scales.type.rank),
        "fc\(number) has \(packed.type) with scales \(scales.type)")
      return Layer(
        weights: { index in
          let values = try ContributedBlockQuantization.unpacked(call, try expert(index, of: packed, call), bits: own)
          let scale = try expert(index, of: scales, call)
          var zeros: ImportedValue
          if let given = call.optional(zero) {
            let all = try ContributedBlockQuantization.unpacked(call, try expert(index, of: given, call), bits: own)
            zeros = try MovementOperators.take(
              call, all, starts: scale.type.shape.map { _ in 0 }, sizes: scale.type.shape)
          } else {
            let middle = Tensor(.u8, [], integers: [Int64(1 << (own - 1))])
            zeros = try call.broadcast(call.constant(middle), scale.type.shape)
          }
          zeros = try call.cast(zeros, to: values.type.elementType)
          let op = scale.type.rank == 1 ? DequantizeLinear(axis: 0) : DequantizeLinear(axis: 1, blockSize: block)
          return try call.cast(try call.emit(.dequantizeLinear(op), [values, scale, zeros]), to: type)
        }, bias: call.optional(first + 2))
    }
    let layers = [try layer(1, zero: 11), try layer(2, zero: 12), try layer(3, zero: 13)]
    // What the router says alone is normalised, whatever the attribute says: onnxruntime has it so.
    let aggregation = call.optional(14)
    let normalizes = try call.flag("normalize_routing_weights") || aggregation == nil
    return [try mixture(call, layers, aggregation: aggregation, normalizes: normalizes)]
  }

  /// Element `index` along the first axis.
  private static func expert(_ index: Int, of x: ImportedValue, _ call: Call) throws -> ImportedValue {
    let rest = Array(x.type.shape.dropFirst())
    let part = try MovementOperators.take(
      call, x, starts: [Dim(index)] + rest.map { _ in 0 }, sizes: [1] + rest)
    return try call.reshape(part, rest)
  }

  private static func mixture(
    _ call: Call, _ layers: [Layer?], aggregation: ImportedValue?, normalizes: Bool
  ) throws -> ImportedValue {
    guard let first = layers[0], let second = layers[1] else { throw NodeFault.invalid("fc1 or fc2 is missing") }
    let (given, router) = (try call.input(0), try call.input(1))
    try call.require((2...3).contains(given.type.rank), "rows of \(given.type)")
    guard router.type.rank == 2, let experts = router.type.shape[1].constant else {
      throw NodeFault.invalid("the number of experts is not known: \(router.type)")
    }
    if try call.flag("use_sparse_mixer") {
      throw call.unsupported("use_sparse_mixer picks experts by thresholds", remedy: "export with another routing")
    }
    let routing = try route(call, router, aggregation, normalizes: normalizes)
    let hidden = given.type.shape[given.type.rank - 1]
    let x = try call.reshape(given, [router.type.shape[0], hidden])
    let gate = try Gate(call, third: layers[2])
    var result = try call.broadcast(call.scalar(0, x.type.elementType), x.type.shape)
    for index in 0..<experts {
      let count = Dim.symbol(call.importer.symbols.freshSize())
      let number = call.constant(Tensor(.i64, [], integers: [Int64(index)]))
      let isOwn = try call.binary(.equal, routing.experts, number)
      let hits = try call.emit(.nonZero(NonZero(symbol: count.symbolName ?? "")), [isOwn])
      let places = try call.transpose(hits, [1, 0])
      let row = try MovementOperators.take(call, places, starts: [0, 0], sizes: [count, 1])
      let own = try call.emit(.gatherND(GatherND(batchRank: 0)), [x, row])
      func apply(_ layer: Layer, _ x: ImportedValue) throws -> ImportedValue {
        let y = try LinearOperators.matmul(call, x, try layer.weights(index), op: MatMul(transposeB: true))
        return try layer.bias.map { try call.binary(.add, y, try expert(index, of: $0, call)) } ?? y
      }
      let inner = try gate.apply(call, try apply(first, own)) { try apply($0, own) }
      let weight = try call.emit(.gatherND(GatherND(batchRank: 0)), [routing.weights, places])
      let y = try call.binary(.mul, try apply(second, inner), try call.reshape(weight, [count, 1]))
      result = try call.emit(.scatterND(ScatterND(reduction: .add)), [result, row, y])
    }
    return try call.reshape(result, given.type.shape)
  }

  /// The experts of each row, `[rows, k]` (i64), and what their results count.
  private static func route(
    _ call: Call, _ router: ImportedValue, _ aggregation: ImportedValue?, normalizes: Bool
  ) throws -> (experts: ImportedValue, weights: ImportedValue) {
    let k = try call.int("k", default: 1)
    try call.require(k >= 1, "\(k) experts of each row")
    let softmax = try call.emit(.softmax(Softmax(axis: 1, isLog: false)), [router])
    let top = TopK(count: Dim(k), axis: 1, isLargest: true)
    let picked = try call.emitAll(.topK(top), [aggregation == nil ? softmax : router])
    var weights = picked[0]
    if let aggregation {
      weights = try call.emit(.gatherElements(GatherElements(axis: 1)), [aggregation, picked[1]])
    }
    if normalizes {
      let sum = try call.reduce(.sum, weights, axes: [1], keeps: true)
      weights = try call.binary(.div, weights, sum)
    }
    // An expert that counts less than nothing is left out.
    if aggregation != nil { weights = try call.unary(.relu, weights) }
    return (picked[1], weights)
  }

  /// What stands between the two layers.
  private struct Gate {
    private enum Form { case plain, interleaved, halves }
    private let function: Unary?
    private let form: Form
    private let third: Layer?
    private let alpha: Double
    private let beta: Double
    private let limit: Double

    init(_ call: Call, third: Layer?) throws {
      self.third = third
      alpha = try call.float("activation_alpha", default: 1)
      beta = try call.float("activation_beta", default: 0)
      limit = try call.float("swiglu_limit") ?? .infinity
      let name = try call.string("activation_type", default: "relu")
      let fusion = try call.int("swiglu_fusion", default: 0)
      switch name {
      case "relu": function = Unary(.relu)
      case "gelu": function = Unary(.geluTanh)
      case "silu": function = Unary(.silu)
      case "identity": function = Unary(.linear)
      case "swiglu": function = nil
      default: throw call.unsupported("the activation \(name)")
      }
      form = fusion == 1 ? .interleaved : fusion == 2 ? .halves : .plain
      try call.require((0...2).contains(fusion), "swiglu_fusion is \(fusion)")
      try call.require(
        function != nil || form != .plain || third != nil, "swiglu takes fc3 where it is not fused")
    }

    /// `x` comes from the first layer; `other` gives what another one makes of the same rows.
    func apply(
      _ call: Call, _ x: ImportedValue, _ other: (Layer) throws -> ImportedValue
    ) throws -> ImportedValue {
      if let function {
        let active =
          function.function == .linear
          ? x : try call.unary(function.function, x, alpha: function.function == .silu ? 1 : nil)
        return try third.map { try call.binary(.mul, active, try other($0)) } ?? active
      }
      var (gate, line) = (x, x)
      if let third, form == .plain {
        line = try other(third)
      } else {
        let (rows, width) = (x.type.shape[0], x.type.shape[1].floorDivided(by: 2))
        let isPaired = form == .interleaved
        let parts = try call.reshape(x, isPaired ? [rows, width, 2] : [rows, 2, width])
        func part(_ index: Int) throws -> ImportedValue {
          let start: [Dim] = isPaired ? [0, 0, Dim(index)] : [0, Dim(index), 0]
          let sizes: [Dim] = isPaired ? [rows, width, 1] : [rows, 1, width]
          return try call.reshape(
            try MovementOperators.take(call, parts, starts: start, sizes: sizes), [rows, width])
        }
        (gate, line) = (try part(0), try part(1))
      }
      if limit.isFinite {
        gate = try call.unary(.clip, gate, beta: limit)
        line = try call.unary(.clip, line, alpha: -limit, beta: limit)
      }
      if beta != 0 { line = try call.unary(.linear, line, alpha: 1, beta: beta) }
      return try call.binary(.mul, try call.unary(.silu, gate, alpha: alpha), line)
    }
  }
}
