import SwageGraph
import SwageTensor

/// A graph with one node of every operation, and more where its attributes print in different ways.
enum OpSamples {
  /// A number for every case of `Op`. A new case stops compiling here: give it the next number, raise `caseCount`, and
  /// add a sample.
  static func number(of op: Op) -> Int {
    switch op {
    case .constant: 0
    case .unary: 1
    case .binary: 2
    case .select: 3
    case .cast: 4
    case .fused: 5
    case .reshape: 6
    case .transpose: 7
    case .broadcast: 8
    case .slice: 9
    case .concat: 10
    case .pad: 11
    case .iota: 12
    case .sizes: 13
    case .bindSymbols: 14
    case .gather: 15
    case .gatherElements: 16
    case .gatherND: 17
    case .scatterElements: 18
    case .scatterND: 19
    case .nonZero: 20
    case .reduce: 21
    case .argReduce: 22
    case .cumulative: 23
    case .topK: 24
    case .softmax: 25
    case .layerNorm: 26
    case .groupNorm: 27
    case .matmul: 28
    case .convolution: 29
    case .pool: 30
    case .resize: 31
    case .recurrent: 32
    case .attention: 33
    case .quantizeLinear: 34
    case .dequantizeLinear: 35
    case .if: 36
    case .loop: 37
    case .copy: 38
    case .fail: 39
    case .bitcast: 40
    case .random: 41
    case .linearAttention: 42
    case .treeEnsemble: 43
    case .pairwiseCoupling: 44
    case .sliceOrder: 45
    case .determinant: 46
    case .nonMaxSuppression: 47
    case .object: 48
    case .text: 49
    case .ngramCount: 50
    }
  }
  static let caseCount = 51

  static func all() throws -> [Graph] {
    try [
      elementwise(), movement(), indexed(), reductions(), products(), models(), quantized(), regions(), objects(),
      texts(),
    ]
  }

  static let source = [Source(name: "node", operatorName: "Op")]

  private static let h = Dim.symbol("h")
  private static let w = Dim.symbol("w")

  static func elementwise() throws -> Graph {
    var graph = Graph(name: "elementwise")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [h, 3]))
    let b = graph.addInput(name: "b", type: TensorType(.bool, [h, 1]))
    let i = graph.addInput(name: "i", type: TensorType(.i32, [3]))
    for function in Unary.Function.allCases {
      let operand = function == .not ? b : function == .bitNot ? i : x
      try graph.append(.unary(Unary(function)), [operand], sources: source)
      if function.defaults.alpha != nil {
        let hasBeta = function.defaults.beta != nil
        for (alpha, beta) in [(0.125, 6.0), (-.infinity, .infinity), (1e-300, -1e300)] {
          let unary = Unary(function, alpha: alpha, beta: hasBeta ? beta : nil)
          try graph.append(.unary(unary), [operand], sources: source)
        }
        try graph.append(.unary(Unary(function, alpha: .nan, beta: -0.0)), [operand], sources: source)
      }
    }
    for function in Binary.Function.allCases {
      let operand: ValueID
      switch function {
      case .and, .or, .xor: operand = b
      case .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight: operand = i
      default: operand = x
      }
      try graph.append(.binary(Binary(function)), [operand, operand], sources: source)
    }
    try graph.append(.select(Select()), [b, x, x], sources: source)
    for type in ElementType.allCases where type.isNumeric {
      try graph.append(.cast(Cast(to: type)), [x], sources: source)
    }
    var region = Graph(name: "region")
    let inner = region.addInput(name: "x", type: TensorType(.f32, [h, 3]))
    let half = try region.constant(Tensor(scalar: 0.5))
    let sum = try region.append(.binary(Binary(.add)), [inner, half])[0]
    region.addOutput(sum, name: "y")
    let fused = try graph.append(.fused(Fused()), [x], regions: [region], names: ["fused"], sources: source)[0]
    let copy = try graph.append(.copy(Copy(to: "reference")), [fused], sources: source)[0]
    if let id = graph.order.last { graph.setTarget("cpu", of: id) }
    graph.addOutput(copy, name: "y")
    return graph
  }

  static func movement() throws -> Graph {
    var graph = Graph(name: "movement")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [2, h, w]))
    let n = graph.addInput(name: "n", type: TensorType(.i64, [1]))
    let value = try graph.constant(Tensor(scalar: -1), name: "value")
    try graph.append(.bindSymbols(BindSymbols(["n"])), [n], sources: source)
    try graph.append(.reshape(Reshape([2, h * w])), [x], sources: source)
    try graph.append(.transpose(Transpose([2, 0, 1])), [x], sources: source)
    try graph.append(.broadcast(Broadcast([.symbol("n"), 2, h, w])), [x], sources: source)
    try graph.append(
      .slice(Slice(starts: [0, 1, w - 1], sizes: [2, h - 1, w], steps: [1, 1, -1])), [x], sources: source)
    try graph.append(.slice(Slice(starts: [0, 0, 0], sizes: [1, h, w])), [x], sources: source)
    try graph.append(.concat(Concat(axis: 1)), [x, x], sources: source)
    for mode in [Pad.Mode.constant, .reflect, .edge, .wrap] {
      let operands = mode == .constant ? [x, value] : [x]
      try graph.append(
        .pad(Pad(mode: mode, begins: [0, 1, 0], ends: [1, 0, mode == .reflect ? 0 : h])), operands, sources: source)
    }
    try graph.append(.iota(Iota(count: h.ceilDivided(by: 2))), [value, value], sources: source)
    try graph.append(.sizes(Sizes([h, w.remainder(by: 3), .maximum(h, w)])), [], sources: source)
    try graph.append(.sizes(Sizes([.minimum(h, w)], isScalar: true)), [], sources: source)
    try graph.append(.bitcast(Bitcast(to: .u32)), [x], sources: source)
    let stream = graph.addInput(name: "stream", type: TensorType(.i64))
    try graph.append(.random(Random(.uniform, type: TensorType(.f16, [h, 2]), seed: 7)), [], sources: source)
    try graph.append(
      .random(Random(.normal, type: TensorType(.f64), seed: .max, offset: -1, scale: 0.5)), [stream], sources: source)
    let image = graph.addInput(name: "image", type: TensorType(.f32, [1, 1, h, w]))
    for mode in [Resize.Mode.nearest, .linear, .cubic] {
      try graph.append(
        .resize(
          Resize(
            mode: mode, coordinates: .pytorchHalfPixel, nearest: .roundPreferFloor,
            cubicCoefficient: mode == .cubic ? -0.5 : -0.75,
            excludesOutside: mode == .cubic, sizes: [1, 1, h * 2, w])), [image], sources: source)
    }
    let last = try graph.append(
      .resize(
        Resize(
          mode: .nearest, coordinates: .asymmetric, nearest: .ceil, sizes: [1, 1, h, w * 3], scales: [1, 1, 1, 3])),
      [image], sources: source)[0]
    graph.addOutput(last, name: "y")
    return graph
  }

  static func indexed() throws -> Graph {
    var graph = Graph(name: "indexed")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [4, h]))
    let i = graph.addInput(name: "i", type: TensorType(.i64, [2, h]))
    let tuples = graph.addInput(name: "t", type: TensorType(.i32, [5, 1]))
    let updates = graph.addInput(name: "u", type: TensorType(.f32, [5, h]))
    let few = graph.addInput(name: "f", type: TensorType(.f32, [2, h]))
    try graph.append(.gather(Gather(axis: 1)), [x, i], sources: source)
    try graph.append(.gatherElements(GatherElements(axis: 0)), [x, i], sources: source)
    try graph.append(.gatherND(GatherND(batchRank: 0)), [x, tuples], sources: source)
    for reduction in [ScatterReduction.none, .add, .mul, .min, .max] {
      try graph.append(
        .scatterElements(ScatterElements(axis: 0, reduction: reduction)), [x, i, few], sources: source)
      try graph.append(.scatterND(ScatterND(reduction: reduction)), [x, tuples, updates], sources: source)
    }
    let boxes = graph.addInput(name: "boxes", type: TensorType(.f32, [1, h, 4]))
    let scores = graph.addInput(name: "scores", type: TensorType(.f32, [1, 2, h]))
    let most = graph.addInput(name: "most", type: TensorType(.i64, []))
    let overlap = graph.addInput(name: "overlap", type: TensorType(.f32, [1]))
    for (isCentered, name) in [(true, "kept"), (false, "picked")] {
      let threshold = isCentered ? nil : overlap
      try graph.append(
        .nonMaxSuppression(NonMaxSuppression(isCentered: isCentered, symbol: name)),
        [boxes, scores, most, overlap, threshold], sources: source)
    }
    let hits = try graph.append(.nonZero(NonZero(symbol: "hits")), [x], sources: source)[0]
    graph.addOutput(hits, name: "y")
    return graph
  }

  static func objects() throws -> Graph {
    var graph = Graph(name: "objects")
    let sequence = graph.addInput(name: "s", type: TensorType(.object))
    let x = graph.addInput(name: "x", type: TensorType(.f32, [h, 2]))
    let i = graph.addInput(name: "i", type: TensorType(.i64))
    func add(_ op: ObjectOp, _ operands: [ValueID?]) throws -> ValueID {
      try graph.append(.object(op), operands, sources: source)[0]
    }
    let row = TensorType(.f32, [.symbol("u0"), 2])
    _ = try add(ObjectOp(.construct), [x, x])
    _ = try add(ObjectOp(.at, result: row), [sequence, i])
    _ = try add(ObjectOp(.insert), [sequence, x, i])
    _ = try add(ObjectOp(.erase), [sequence])
    _ = try add(ObjectOp(.length, result: TensorType(.i64)), [sequence])
    _ = try add(ObjectOp(.split, axis: 1, keepsAxis: false), [x])
    _ = try add(ObjectOp(.concat, result: TensorType(.f32, [.symbol("u1"), 2])), [sequence])
    let optional = try add(ObjectOp(.optional), [x])
    _ = try add(ObjectOp(.hasElement, result: TensorType(.bool)), [optional])
    graph.addOutput(
      try add(ObjectOp(.getElement, result: TensorType(.f32, [.symbol("u2"), 2])), [optional]), name: "y")
    let keys = try graph.constant(Tensor(strings: ["a", "b"], [2]), name: "keys")
    _ = try add(ObjectOp(.zipMap), [keys, x])
    let map = graph.addInput(name: "m", type: TensorType(.object))
    _ = try add(ObjectOp(.castMap, result: TensorType(.f32, [1, .symbol("u3")])), [map])
    _ = try add(ObjectOp(.lookUp, result: TensorType(.f32, [1, 2])), [keys, map])
    return graph
  }

  static func texts() throws -> Graph {
    var graph = Graph(name: "texts")
    let x = graph.addInput(name: "x", type: TensorType(.string, [h]))
    let n = graph.addInput(name: "n", type: TensorType(.f32, [h]))
    func add(_ op: TextOp, _ operands: [ValueID]) throws { try graph.append(.text(op), operands, sources: source) }
    let same = TensorType(.string, [h])
    try add(TextOp(.concat, results: [same]), [x, x])
    try add(TextOp(.fullMatch, words: ["a+\\d\"é"], results: [TensorType(.bool, [h])]), [x])
    let parts = TensorType(.string, [h, .symbol("u0")])
    try add(TextOp(.split, words: [""], limit: 2, results: [parts, TensorType(.i64, [h])]), [x])
    let fewer = TensorType(.string, [.symbol("u1")])
    try add(TextOp(.normalize, words: ["LOWER", "", "the"], limit: 0, results: [fewer]), [x])
    try add(TextOp(.format, results: [same]), [n])
    try add(TextOp(.parse, results: [TensorType(.f32, [h])]), [x])
    let keys = try graph.constant(Tensor(strings: ["b", "a"], [2]), name: "keys")
    try add(TextOp(.find, results: [TensorType(.i64, [h])]), [x, keys])
    let places = try graph.constant(Tensor(.i64, [2], integers: [1, 0]), name: "places")
    let counts = try graph.append(
      .ngramCount(NgramCount(starts: [0], lengths: 1...1, largestSkip: 0, width: 2)), [x, keys, places],
      sources: source)[0]
    graph.addOutput(counts, name: "y")
    return graph
  }

  static func reductions() throws -> Graph {
    var graph = Graph(name: "reductions")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [2, 6, h]))
    let scale = graph.addInput(name: "scale", type: TensorType(.f32, [6]))
    let line = graph.addInput(name: "line", type: TensorType(.f32, [h]))
    for function in Reduce.Function.allCases {
      try graph.append(.reduce(Reduce(function, axes: [0, 2], keepsAxes: function == .sum)), [x], sources: source)
    }
    try graph.append(
      .argReduce(ArgReduce(isMax: true, axis: 1, keepsAxis: true, selectsLast: true)), [x], sources: source)
    try graph.append(
      .cumulative(Cumulative(.sum, axis: 1, isExclusive: true, isReverse: true)), [x], sources: source)
    try graph.append(
      .cumulative(Cumulative(.prod, axis: 0, isExclusive: false, isReverse: false)), [x], sources: source)
    try graph.append(.sliceOrder(SliceOrder(axis: 1)), [x], sources: source)
    let square = graph.addInput(name: "square", type: TensorType(.f32, [h, 3, 3]))
    try graph.append(.determinant(Determinant()), [square], sources: source)
    try graph.append(.topK(TopK(count: 2, axis: 1, isLargest: false)), [x], names: ["v", "i"], sources: source)
    try graph.append(.softmax(Softmax(axis: 2, isLog: true)), [x], sources: source)
    try graph.append(.layerNorm(LayerNorm(axis: 2, epsilon: 1e-5)), [x, line, nil], sources: source)
    try graph.append(.layerNorm(LayerNorm(axis: 2, epsilon: 1e-6, isRMS: true)), [x, nil, line], sources: source)
    let y = try graph.append(
      .groupNorm(GroupNorm(groups: 3, epsilon: 1e-5, layout: .channelsFirst, activation: Unary(.silu))),
      [x, scale, scale], sources: source)[0]
    graph.addOutput(y, name: "y")
    return graph
  }

  static func products() throws -> Graph {
    var graph = Graph(name: "products")
    let a = graph.addInput(name: "a", type: TensorType(.f32, [2, h, 4]))
    let b = graph.addInput(name: "b", type: TensorType(.f32, [8, 4]))
    let bias = graph.addInput(name: "bias", type: TensorType(.f32, [8]))
    let epilogue = Epilogue([
      .binary(.add, operand: 2), .unary(Unary(.clip, alpha: 0, beta: 6)), .unary(Unary(.gelu)),
    ])
    try graph.append(.matmul(MatMul(transposeB: true, epilogue: epilogue)), [a, b, bias], sources: source)
    try graph.append(.matmul(MatMul(transposeA: true)), [a, a], sources: source)
    let image = graph.addInput(name: "image", type: TensorType(.f32, [1, 4, h, w]))
    let filters = graph.addInput(name: "filters", type: TensorType(.f32, [8, 2, 3, 3]))
    let channels = graph.addInput(name: "channels", type: TensorType(.f32, [8, 1, 1]))
    try graph.append(
      .convolution(
        Convolution(
          strides: [2, 1], dilations: [1, 2], padsBegin: [1, 2], padsEnd: [1, 2], groups: 2,
          epilogue: Epilogue([.binary(.add, operand: 2), .unary(Unary(.leakyRelu, alpha: 0.1))]))),
      [image, filters, channels], sources: source)
    let last = graph.addInput(name: "last", type: TensorType(.f32, [1, h, w, 8]))
    try graph.append(
      .convolution(
        Convolution(
          strides: [2, 2], dilations: [1, 1], padsBegin: [0, 0], padsEnd: [h.remainder(by: 2), 0],
          layout: .channelsLast, isTransposed: true, outputPadding: [1, 0])), [last, filters], sources: source)
    for function in [Pool.Function.max, .average, .l2] {
      try graph.append(
        .pool(
          Pool(
            function, kernel: [3, 2], strides: [2, 2], dilations: [1, 2], padsBegin: [1, 0], padsEnd: [1, 0],
            ceilMode: function == .max, countsPadding: function == .average)), [image], sources: source)
    }
    for (cell, gates) in [(Recurrent.Cell.rnn, 1), (.gru, 3), (.lstm, 4)] {
      let x = graph.addInput(name: "x \(cell)", type: TensorType(.f32, [h, 1, 4]))
      let input = graph.addInput(name: "w \(cell)", type: TensorType(.f32, [2, Dim(gates * 5), 4]))
      let hidden = graph.addInput(name: "r \(cell)", type: TensorType(.f32, [2, Dim(gates * 5), 5]))
      let lengths = graph.addInput(name: "l \(cell)", type: TensorType(.i32, [1]))
      try graph.append(
        .recurrent(
          Recurrent(
            cell: cell, direction: .bidirectional, hiddenSize: 5, clip: cell == .rnn ? 3 : nil,
            linearBeforeReset: cell == .gru, inputForget: cell == .lstm)),
        [x, input, hidden, nil, lengths], sources: source)
    }
    let q = graph.addInput(name: "q", type: TensorType(.f32, [2, h, 8]))
    let mask = graph.addInput(name: "mask", type: TensorType(.f32, [h, h]))
    try graph.append(.attention(Attention(scale: 0.125, isCausal: true)), [q, q, q], sources: source)
    for rule in LinearAttention.Rule.allCases {
      let rate = graph.addInput(name: "rate \(rule)", type: TensorType(.f32, [2, h, 2]))
      let state = graph.addInput(name: "state \(rule)", type: TensorType(.f32, [2, 2, 4, 4]))
      let wide = graph.addInput(name: "wide \(rule)", type: TensorType(.f32, [2, h, 16]))
      try graph.append(
        .linearAttention(LinearAttention(rule, queryHeads: 4, keyHeads: 2, scale: 0.5)),
        [wide, q, q, rule == .delta ? nil : state, rule.hasDecay ? rate : nil, rule.hasBeta ? rate : nil],
        sources: source)
    }
    let y = try graph.append(.attention(Attention(scale: 1.0 / 3)), [q, q, q, mask], sources: source)[0]
    graph.addOutput(y, name: "y")
    return graph
  }

  static func models() throws -> Graph {
    var graph = Graph(name: "models")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [h, 3]))
    let tables = try [
      Tensor(.i32, [2, 4], integers: [2, 3, 1, -1, 0, 18, -2, -3]), Tensor(floats: [0.5, -1], [2]),
      Tensor(.i32, [2], integers: [0, -1]), Tensor(.i32, [4], integers: [0, 1, 1, 3]),
      Tensor(.i32, [3], integers: [0, 1, 0]), Tensor(floats: [1, 2, 4], [3]),
    ].map { try graph.append(.constant(Constant($0)), [], sources: source)[0] }
    for function in TreeEnsemble.Function.allCases {
      try graph.append(
        .treeEnsemble(TreeEnsemble(function, targets: 2, columns: 3)), [x] + tables, sources: source)
    }
    let y = try graph.append(.pairwiseCoupling(PairwiseCoupling(classes: 3)), [x], sources: source)[0]
    graph.addOutput(y, name: "y")
    return graph
  }

  static func quantized() throws -> Graph {
    var graph = Graph(name: "quantized")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [4, 8]))
    let scale = graph.addInput(name: "scale", type: TensorType(.f32, [4, 4]))
    let zero = graph.addInput(name: "zero", type: TensorType(.i8, [4, 4]))
    let q = try graph.append(
      .quantizeLinear(QuantizeLinear(axis: 1, blockSize: 2, to: .i8)), [x, scale, zero], sources: source)[0]
    let y = try graph.append(
      .dequantizeLinear(DequantizeLinear(axis: 1, blockSize: 2)), [q, scale, zero], sources: source)[0]
    graph.addOutput(y, name: "y")
    return graph
  }

  static func regions() throws -> Graph {
    var graph = Graph(name: "regions")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [h]))
    let condition = graph.addInput(name: "condition", type: TensorType(.bool))

    var whole = Graph(name: "then")
    let all = whole.addInput(name: "x", type: TensorType(.f32, [h]))
    whole.addOutput(all, name: "y")
    var part = Graph(name: "else")
    let some = part.addInput(name: "x", type: TensorType(.f32, [h]))
    let failed = try part.append(
      .fail(Fail(message: "\"quotes\" and\nlines", results: [TensorType(.f32, [1])])), [], sources: source)[0]
    _ = try part.append(.binary(Binary(.add)), [some, failed], sources: source)
    part.addOutput(failed, name: "y")
    let either = try graph.append(
      .if(If(results: [TensorType(.f32, [.symbol("either")])])), [condition, x], regions: [whole, part],
      names: ["either"], sources: source)[0]

    var body = Graph(name: "body")
    _ = body.addInput(name: "iteration", type: TensorType(.i64))
    let more = body.addInput(name: "more", type: TensorType(.bool))
    let carried = body.addInput(name: "carried", type: TensorType(.f32, [.symbol("either")]))
    let doubled = try body.append(.binary(Binary(.add)), [carried, carried], sources: source)[0]
    body.addOutput(more, name: "more")
    body.addOutput(doubled, name: "carried")
    body.addOutput(doubled, name: "stack")
    let trips = try graph.constant(Tensor(.i64, [], integers: [3]))
    let results = [
      TensorType(.f32, [.symbol("either")]), TensorType(.f32, [.symbol("trips"), .symbol("either")]),
    ]
    let loop = try graph.append(
      .loop(Loop(carried: 1, results: results)), [trips, nil, either], regions: [body], names: ["last", "stack"],
      sources: source)
    graph.addOutput(loop[0], name: "last")
    graph.addOutput(loop[1], name: "stack")
    return graph
  }
}
