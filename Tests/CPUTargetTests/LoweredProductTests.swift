import SwageCPUTarget
import SwageGraph
import SwagePartition
import SwagePlan
import SwageTensor
import Testing

@Suite struct LoweredProductTests {
  @Test func convolutions() throws {
    var random = SeededNumbers(31)
    let cases = LoweredCases()
    struct Setting {
      var c: Int, m: Int, spatial: [Int], kernel: [Int], strides: [Int], dilations: [Int], pads: [Int], groups: Int
      var transposed = false
      var outputPadding: [Int]?
    }
    let settings = [
      Setting(
        c: 4, m: 6, spatial: [9, 8], kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1], groups: 1),
      Setting(
        c: 8, m: 8, spatial: [9, 8], kernel: [3, 3], strides: [2, 2], dilations: [1, 1], pads: [1, 1], groups: 8),
      Setting(c: 6, m: 9, spatial: [20], kernel: [5], strides: [2], dilations: [2], pads: [3], groups: 3),
      Setting(
        c: 3, m: 4, spatial: [4, 5, 6], kernel: [2, 3, 2], strides: [1, 2, 1], dilations: [1, 1, 1], pads: [0, 1, 0],
        groups: 1),
      Setting(
        c: 4, m: 6, spatial: [5, 6], kernel: [3, 2], strides: [2, 2], dilations: [1, 1], pads: [1, 0], groups: 2,
        transposed: true, outputPadding: [1, 0]),
      // Windows that do not overlap, over one to three axes.
      Setting(
        c: 7, m: 1, spatial: [5, 6], kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0], groups: 1,
        transposed: true),
      Setting(
        c: 5, m: 3, spatial: [9], kernel: [4], strides: [4], dilations: [1], pads: [0], groups: 1, transposed: true),
      Setting(
        c: 4, m: 2, spatial: [2, 3, 4], kernel: [2, 1, 3], strides: [2, 1, 3], dilations: [1, 1, 1], pads: [0, 0, 0],
        groups: 1, transposed: true),
    ]
    for setting in settings {
      for layout in [ImageLayout.channelsFirst, .channelsLast] {
        for type in [ElementType.f32, .bf16, .f16, .f64] {
          let own = setting.transposed
          let w = random.tensor(
            type,
            (own ? [setting.c, setting.m / setting.groups] : [setting.m, setting.c / setting.groups]) + setting.kernel,
            scale: 1)
          let size =
            layout == .channelsFirst ? [2, setting.c] + setting.spatial : [2] + setting.spatial + [setting.c]
          let x = random.tensor(type, size, scale: 1)
          let channel = layout.channelAxis(rank: size.count)
          let biasShape = layout == .channelsFirst ? [setting.m] + setting.spatial.map { _ in 1 } : [setting.m]
          let bias = random.tensor(type, biasShape, scale: 1)
          for epilogue in [
            Epilogue(), Epilogue([.binary(.add, operand: 2), .unary(Unary(.relu))]),
            Epilogue([.unary(Unary(.hardSigmoid, alpha: 1.0 / 6, beta: 0.5)), .binary(.mul, operand: 2)]),
            Epilogue([.binary(.add, operand: 2), .unary(Unary(.mish)), .unary(Unary(.silu))]),
          ] {
            let op = Convolution(
              strides: setting.strides, dilations: setting.dilations, padsBegin: setting.pads.map { Dim($0) },
              padsEnd: setting.pads.map { Dim($0) }, groups: setting.groups, layout: layout,
              isTransposed: setting.transposed, outputPadding: setting.outputPadding, epilogue: epilogue)
            let extra: [LoweredCases.Operand] = epilogue.steps.isEmpty ? [] : [.constant(bias)]
            try cases.single("conv \(type) \(layout)", .convolution(op), [.input(x), .constant(w)] + extra)
            guard type == .f32 else { continue }
            let names = size.indices.map { $0 == channel ? Dim(size[$0]) : .symbol("d\($0)") }
            try cases.single("conv symbolic", .convolution(op), [.symbolic(x, names), .input(w)] + extra)
          }
        }
      }
    }
    try cases.check()
  }

  @Test func products() throws {
    var random = SeededNumbers(32)
    let cases = LoweredCases()
    let sizes: [(a: [Int], b: [Int], ta: Bool, tb: Bool)] = [
      ([5, 7], [7, 9], false, false), ([7, 5], [9, 7], true, true), ([1, 130], [130, 77], false, false),
      ([1, 130], [77, 130], false, true), ([2, 3, 4, 5], [5, 6], false, false),
      ([3, 1, 4, 5], [2, 5, 70], false, false),
      ([2, 5, 4], [1, 6, 5], true, true),
    ]
    for (a, b, ta, tb) in sizes {
      for type in [ElementType.f32, .bf16, .f16, .f64, .i32, .u8, .i64] {
        let n = tb ? b[b.count - 2] : b[b.count - 1]
        let (x, w) = (random.tensor(type, a, scale: 1), random.tensor(type, b, scale: 1))
        var epilogues = [Epilogue()]
        if type.isFloat {
          epilogues += [
            Epilogue([.binary(.add, operand: 2), .unary(Unary(.gelu))]),
            Epilogue([.unary(Unary(.erf)), .binary(.sub, operand: 2)]),
            // Functions that occur twice.
            Epilogue([
              .unary(Unary(.linear, alpha: 0.25)), .unary(Unary(.tanh)), .unary(Unary(.linear, alpha: 2, beta: 0.5)),
              .binary(.mul, operand: 2),
            ]),
            Epilogue([.unary(Unary(.silu)), .binary(.add, operand: 2), .unary(Unary(.silu, alpha: 1.7))]),
            Epilogue([
              .binary(.mul, operand: 2), .unary(Unary(.clip, alpha: -0.5, beta: 0.5)), .binary(.add, operand: 2),
            ]),
          ]
        }
        for epilogue in epilogues {
          let op = MatMul(transposeA: ta, transposeB: tb, epilogue: epilogue)
          let extra: [LoweredCases.Operand] =
            epilogue.steps.isEmpty ? [] : [.constant(random.tensor(type, [n], scale: 1))]
          try cases.single("matmul \(type) \(a) \(b)", .matmul(op), [.input(x), .constant(w)] + extra)
          let names = a.indices.map { Dim.symbol("a\($0)") }
          let depth = names[ta ? a.count - 2 : a.count - 1]
          var others = b.indices.map { Dim(b[$0]) }
          others[tb ? b.count - 1 : b.count - 2] = depth
          try cases.single(
            "matmul symbolic \(type) \(a) \(b)", .matmul(op), [.symbolic(x, names), .symbolic(w, others)] + extra)
        }
      }
    }
    try cases.check()
  }

  @Test func attention() throws {
    var random = SeededNumbers(33)
    let cases = LoweredCases()
    for type in [ElementType.f32, .bf16, .f64] {
      for (batch, m, n, d, e) in [
        ([2], 5, 7, 8, 8), ([1, 3], 70, 150, 40, 40), ([2, 2], 33, 64, 16, 70), ([], 1, 9, 4, 3),
      ] {
        for (isCausal, transposed) in [(false, false), (true, false), (false, true)] {
          let q = random.tensor(type, batch + [m, d], scale: 2)
          let k = random.tensor(type, batch + (transposed ? [d, n] : [n, d]), scale: 2)
          let v = random.tensor(type, batch + [n, e], scale: 2)
          let op = Op.attention(Attention(scale: 0.4, isCausal: isCausal, isKeyTransposed: transposed))
          try cases.single("attention", op, [.input(q), .input(k), .input(v)], tolerance: 1e-4)
          let mask = random.tensor(type, [m, n], scale: 3)
          try cases.single("attention masked", op, [.input(q), .input(k), .input(v), .input(mask)], tolerance: 1e-4)
          let names = batch.indices.map { Dim.symbol("b\($0)") }
          let kn: [Dim] = transposed ? [Dim(d), .symbol("n")] : [.symbol("n"), Dim(d)]
          let row = Tensor(
            type, [1, n], doubles: (0..<n).map { $0 < (n + 1) / 2 ? 0 : -.infinity })
          // Keys are hidden from every query of a batch element; from one element, all.
          let elements = batch.reduce(1, *)
          let hidden = Tensor(
            type, batch + [1, n], doubles: (0..<elements * n).map { $0 < n || $0 % 3 == 0 ? -.infinity : 0.5 })
          for mask in elements > 1 ? [row, hidden] : [row] {
            try cases.single(
              "attention with hidden keys", op, [.input(q), .input(k), .input(v), .input(mask)], tolerance: 1e-4)
          }
          if n == 64, !transposed {
            let names: [Dim] = [2, 2, .symbol("n")]
            try cases.single(
              "attention to itself", op,
              [.symbolic(k, names + [Dim(d)]), .symbolic(k, names + [Dim(d)]), .symbolic(v, names + [Dim(e)])],
              tolerance: 1e-4)
          }
          try cases.single(
            "attention symbolic", op,
            [
              .symbolic(q, names + [.symbol("m"), Dim(d)]), .symbolic(k, names + kn),
              .symbolic(v, names + [.symbol("n"), Dim(e)]), .symbolic(row, [1, .symbol("n")]),
            ], tolerance: 1e-4)
        }
      }
    }
    try cases.check()
  }

  @Test func recurrentLayers() throws {
    var random = SeededNumbers(34)
    let cases = LoweredCases()
    for cell in [Recurrent.Cell.lstm, .gru, .rnn] {
      for direction in [Recurrent.Direction.forward, .reverse, .bidirectional] {
        for (t, b, input, h, type) in [
          (1, 1, 12, 16, ElementType.f32), (6, 3, 10, 70, .f32), (4, 2, 5, 140, .f32), (3, 2, 4, 6, .f64),
          (5, 2, 6, 8, .bf16),
        ] {
          for way in type == .f32 && h == 70 ? [0, 1, 2, 3] : [0, 2] {
            let d = direction == .bidirectional ? 2 : 1
            let g = cell.gates
            func part(_ shape: [Int]) -> Tensor { random.tensor(type, shape, scale: 0.4) }
            let isConstant = way % 2 == 0
            func weight(_ shape: [Int]) -> LoweredCases.Operand {
              isConstant ? .constant(part(shape)) : .input(part(shape))
            }
            var operands: [LoweredCases.Operand] = [
              way == 3
                ? .symbolic(part([t, b, input]), [.symbol("t"), .symbol("b"), Dim(input)])
                : .input(part([t, b, input])),
              weight([d, g * h, input]), weight([d, g * h, h]),
            ]
            if way > 0 {
              operands += [
                .input(part([d, 2 * g * h])),
                way == 2
                  ? .input(Tensor(.i32, [b], integers: (0..<b).map { Int64(max(t - $0, 0)) })) : .absent,
              ]
            }
            if way == 2 {
              operands.append(.input(part([d, b, h])))
              if cell == .lstm { operands += [.input(part([d, b, h])), .input(part([d, 3 * h]))] }
            }
            let activations: [Unary]? =
              way == 2 && cell == .rnn ? (0..<d).map { $0 == 0 ? Unary(.relu) : Unary(.tanh) } : nil
            let op = Recurrent(
              cell: cell, direction: direction, hiddenSize: h, activations: activations, clip: way == 2 ? 0.7 : nil,
              linearBeforeReset: way >= 2, inputForget: way == 2)
            try cases.single(
              "\(cell) \(direction) \(type) t\(t) b\(b) h\(h) way\(way)", .recurrent(op), operands, tolerance: 5e-5)
          }
        }
      }
    }
    try cases.check()
  }

  /// A product of a few rows with constant weights and its epilogue is one call of the library.
  @Test func epiloguesBecomeBiasAndPostOps() throws {
    let cases = LoweredCases()
    let op = MatMul(
      epilogue: Epilogue([.binary(.add, operand: 2), .unary(Unary(.relu)), .binary(.mul, operand: 3)]))
    try cases.single(
      "matmul", .matmul(op),
      [
        .input(Tensor(zeros: .bf16, [2, 4])), .constant(Tensor(zeros: .bf16, [4, 6])),
        .constant(Tensor(zeros: .bf16, [1, 6])), .input(Tensor(zeros: .bf16, [2, 6])),
      ])
    let body = try cases.plan().entryPoints[0].body.instructions
    #expect(body.count == 1)
    guard case .library(.matmul(let call)) = body[0].operation else {
      Issue.record("\(body[0].operation)")
      return
    }
    #expect(call.hasBias)
    #expect(call.postOps == [.function(.relu, alpha: 0, beta: 0), .combine(.multiply, operand: 3)])
    #expect(body[0].label == "matmul+bias+relu+mul")
  }

  /// More sequences than a tile has rows; the input's share given; weights of bytes.
  @Test func recurrentLayersOfManySequences() throws {
    var random = SeededNumbers(36)
    let cases = LoweredCases()
    for cell in [Recurrent.Cell.lstm, .gru, .rnn] {
      for (b, h, linear) in [(14, 9, false), (29, 33, true), (1, 200, false)] {
        let g = cell.gates
        func part(_ shape: [Int]) -> Tensor { random.tensor(.f32, shape, scale: 0.4) }
        let op = Recurrent(cell: cell, direction: .bidirectional, hiddenSize: h, linearBeforeReset: linear)
        let (r, bias) = (part([2, g * h, h]), part([2, 2 * g * h]))
        try cases.single(
          "input", .recurrent(op),
          [.input(part([3, b, 5])), .constant(part([2, g * h, 5])), .constant(r), .constant(bias)], tolerance: 5e-5)
        try cases.single(
          "share", .recurrent(op), [.input(part([3, b, 2 * g * h])), .absent, .constant(r), .constant(bias)],
          tolerance: 5e-5)
      }
    }
    for (b, h) in [(1, 8), (5, 20), (15, 33)] {
      let op = Recurrent(cell: .lstm, direction: .bidirectional, hiddenSize: h)
      let share = random.tensor(.f32, [3, b, 8 * h], scale: 1)
      let scales = random.tensor(.f32, [2, 4 * h], scale: 1e-3)
      let absent = [LoweredCases.Operand](repeating: .absent, count: 5)
      // Where a state falls between two bytes, either is right.
      try cases.single(
        "bytes", .recurrent(op),
        [.input(share), .absent, .constant(random.tensor(.i8, [2, 4 * h, h]))] + absent
          + [.constant(scales)], tolerance: 2e-3)
    }
    try cases.check()
  }

  /// Fewer sequences than threads: threads share the units of a step. Sizes that leave panels and shares unequal, no step
  /// at all, states that are given, more sequences than a tile has rows.
  @Test func recurrentLayersInPasses() throws {
    var random = SeededNumbers(37)
    let cases = LoweredCases()
    for cell in [Recurrent.Cell.lstm, .gru, .rnn] {
      for direction in [Recurrent.Direction.forward, .reverse, .bidirectional] {
        for (t, b, h, isSymbolic) in [(5, 1, 377, false), (6, 3, 520, true), (0, 1, 512, true), (2, 13, 513, true)] {
          let (d, g) = (direction == .bidirectional ? 2 : 1, cell.gates)
          func part(_ shape: [Int]) -> Tensor { random.tensor(.f32, shape, scale: 0.05) }
          let x = part([t, b, 7])
          var operands: [LoweredCases.Operand] = [
            isSymbolic ? .symbolic(x, [.symbol("t"), .symbol("b"), 7]) : .input(x),
            .constant(part([d, g * h, 7])), .constant(part([d, g * h, h])), .constant(part([d, 2 * g * h])),
          ]
          if t == 6 {
            operands += [.absent, .input(part([d, b, h]))]
            if cell == .lstm { operands += [.input(part([d, b, h])), .input(part([d, 3 * h]))] }
          }
          let op = Recurrent(cell: cell, direction: direction, hiddenSize: h, linearBeforeReset: true)
          for share in 0..<2 {
            try cases.single(
              "\(cell) \(direction) t\(t) b\(b) h\(h) \(share)", .recurrent(op), operands, tolerance: 5e-5)
          }
        }
      }
    }
    let op = Recurrent(cell: .lstm, direction: .reverse, hiddenSize: 300)
    let absent = [LoweredCases.Operand](repeating: .absent, count: 5)
    for share in 0..<2 {
      try cases.single(
        "bytes \(share)", .recurrent(op),
        [.input(random.tensor(.f32, [4, 1, 1200], scale: 1)), .absent, .constant(random.tensor(.i8, [1, 1200, 300]))]
          + absent + [.constant(random.tensor(.f32, [1, 1200], scale: 1e-3))], tolerance: 2e-3)
    }
    for entry in try cases.plan(threads: 5).entryPoints {
      let inPasses = entry.body.instructions.contains {
        if case .kernel(let call) = $0.operation { call.passes != nil } else { false }
      }
      #expect(inPasses || entry.name.hasPrefix("rnn"), "\(entry.name)")
    }
    try cases.check(threads: 5)
  }

  /// Weights that a target keeps in another form stand in the plan once.
  @Test func repackedWeightsAreStoredOnce() throws {
    let cases = LoweredCases()
    try cases.single(
      "lstm", .recurrent(Recurrent(cell: .lstm, direction: .forward, hiddenSize: 16)),
      [
        .input(Tensor(zeros: .f32, [1, 1, 4])),
        .constant(Tensor(.f32, [1, 64, 4], doubles: (0..<256).map(Double.init))),
        .constant(Tensor(.f32, [1, 64, 16], doubles: (0..<1024).map(Double.init))),
      ])
    let plan = try cases.plan()
    #expect(plan.weights.reduce(0) { $0 + $1.tensor.byteCount } == (256 + 1024) * 4)
  }

  @Test func refusalsSayWhy() throws {
    var graph = Graph(name: "g")
    let q = graph.addInput(name: "q", type: TensorType(.f32, [4, .symbol("d")]))
    try graph.append(.attention(Attention(scale: 1)), [q, q, q])
    let node = try #require(Array(graph.nodes).last)
    guard case .no(let refusal) = CPUTarget().support(for: node, in: graph) else {
      Issue.record("an unknown head size was taken")
      return
    }
    #expect(refusal.reason.contains("f32[4, d]"))
    #expect(refusal.reason.contains("1024"))
  }

  /// Numbers of a hostile file must not become sizes on the stack.
  @Test func hugeWindowsAreRefused() throws {
    for (stride, dilation) in [(1 << 20, 1), (1, 1 << 20), (1 << 20, 1 << 20)] {
      var graph = Graph(name: "g")
      let x = graph.addInput(name: "x", type: TensorType(.f32, [1, 1, .symbol("w")]))
      let op = Pool(
        .max, kernel: [3], strides: [stride], dilations: [dilation], padsBegin: [0], padsEnd: [0])
      try graph.append(.pool(op), [x])
      let node = try #require(Array(graph.nodes).last)
      guard case .no = CPUTarget().support(for: node, in: graph) else {
        Issue.record("stride \(stride), dilation \(dilation) was taken")
        continue
      }
    }
  }
}
