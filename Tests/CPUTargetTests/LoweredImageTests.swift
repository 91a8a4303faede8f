import SwageGraph
import SwagePartition
import SwageTensor
import Testing

@Suite struct LoweredImageTests {
  /// A shape with its channel axis where the layout wants it.
  private func shape(_ n: Int, _ c: Int, _ spatial: [Int], _ layout: ImageLayout) -> [Int] {
    layout == .channelsFirst ? [n, c] + spatial : [n] + spatial + [c]
  }

  private func symbolic(_ x: Tensor, _ layout: ImageLayout) -> LoweredCases.Operand {
    let rank = x.shape.count
    let channel = layout.channelAxis(rank: rank)
    return .symbolic(x, (0..<rank).map { $0 == channel ? Dim(x.shape[$0]) : .symbol("d\($0)") })
  }

  @Test func layerNorms() throws {
    var random = SeededNumbers(21)
    let cases = LoweredCases()
    for type in [ElementType.f32, .bf16, .f16, .f64] {
      for (shape, axis) in [([3, 40], 1), ([2, 5, 70], 1), ([2, 10_000], 1), ([4, 6], 0)] {
        for isRMS in [false, true] {
          let op = Op.layerNorm(LayerNorm(axis: axis, epsilon: 1e-5, isRMS: isRMS))
          // A mean far from zero shows cancellation.
          let x = Tensor(
            type, shape, doubles: random.tensor(.f64, shape).doubles.map { $0 + (type == .f32 ? 300 : 0) })
          let inner = Array(shape[axis...])
          let scale = random.tensor(type, inner)
          let bias = random.tensor(type, inner)
          try cases.single("norm", op, [.input(x), .constant(scale), .input(bias)], tolerance: 3e-4)
          try cases.single(
            "norm", op, [.symbolic(x, shape.indices.map { .symbol("d\($0)") }), .absent, .absent], tolerance: 3e-4)
          try cases.single("norm", op, [.input(x), .input(scale)], tolerance: 3e-4)
        }
      }
    }
    try cases.check()
  }

  @Test func groupNorms() throws {
    var random = SeededNumbers(22)
    let cases = LoweredCases()
    for type in [ElementType.f32, .bf16, .f64] {
      for layout in [ImageLayout.channelsFirst, .channelsLast] {
        for (c, groups, spatial) in [
          (12, 3, [9, 11]), (70, 70, [33]), (8, 1, [3, 4, 5]), (320, 32, [10, 8]), (6, 2, []),
        ] {
          for activation in [nil, Unary(.silu)] {
            let op = GroupNorm(groups: groups, epsilon: 1e-5, layout: layout, activation: activation)
            let size = shape(2, c, spatial, layout)
            let x = Tensor(type, size, doubles: random.tensor(.f64, size).doubles.map { $0 + (type == .f32 ? 100 : 0) })
            let scale = LoweredCases.Operand.constant(random.tensor(type, [c]))
            let bias = LoweredCases.Operand.input(random.tensor(type, [c]))
            try cases.single("group_norm", .groupNorm(op), [.input(x), scale, bias], tolerance: 2e-4)
            try cases.single(
              "group_norm symbolic", .groupNorm(op), [symbolic(x, layout), .absent, bias], tolerance: 2e-4)
          }
        }
      }
    }
    try cases.check()
  }

  @Test func pools() throws {
    var random = SeededNumbers(23)
    let cases = LoweredCases()
    let windows: [(kernel: [Int], strides: [Int], dilations: [Int], begin: [Int], end: [Int], spatial: [Int])] = [
      ([3, 3], [2, 2], [1, 1], [1, 1], [1, 1], [12, 15]), ([2, 2], [2, 2], [1, 1], [0, 0], [0, 0], [8, 130]),
      ([3], [1], [2], [2], [2], [30]), ([5, 5], [1, 1], [1, 1], [2, 2], [2, 2], [9, 9]),
      ([2, 3, 2], [1, 2, 2], [1, 1, 2], [0, 1, 0], [1, 0, 1], [5, 7, 9]),
      ([4, 1], [3, 1], [1, 1], [0, 0], [0, 0], [11, 6]),
    ]
    for type in [ElementType.f32, .bf16] {
      for layout in [ImageLayout.channelsFirst, .channelsLast] {
        for window in windows {
          for function in [Pool.Function.max, .average, .l2] {
            for (ceil, counts) in [(false, false), (true, true), (true, false)] {
              let op = Pool(
                function, kernel: window.kernel, strides: window.strides, dilations: window.dilations,
                padsBegin: window.begin.map { Dim($0) }, padsEnd: window.end.map { Dim($0) }, ceilMode: ceil,
                countsPadding: counts, layout: layout)
              let x = random.tensor(type, shape(2, 5, window.spatial, layout))
              // Sizes that are known and sizes that are not, in turn: each kernel is compiled.
              if type == .bf16 && !(window.spatial.count == 2 && !ceil) { continue }
              if cases.cases.count % 2 == 0 {
                try cases.single("\(function) \(layout) \(window)", .pool(op), [.input(x)])
              } else {
                try cases.single("\(function) \(layout) \(window) symbolic", .pool(op), [symbolic(x, layout)])
              }
            }
          }
        }
      }
    }
    let op = Pool(
      .max, kernel: [2, 2], strides: [2, 2], dilations: [1, 1], padsBegin: [0, 0], padsEnd: [1, 1],
      layout: .channelsLast)
    try cases.single("u8", .pool(op), [.input(random.tensor(.u8, [1, 7, 7, 66]))])
    try cases.check()
  }

  @Test func resizes() throws {
    var random = SeededNumbers(24)
    let cases = LoweredCases()
    let targets: [([Int], [Int], [Double]?)] = [
      ([1, 3, 8, 9], [1, 3, 16, 18], [1, 1, 2, 2]), ([2, 3, 8, 70], [2, 3, 5, 131], nil),
      ([2, 7, 5, 6], [2, 14, 15, 6], nil), ([1, 4, 4, 2], [1, 4, 10, 2], [1, 1, 2.6, 1]), ([9], [4], nil),
      ([2, 4, 5, 6], [4, 4, 3, 12], nil), ([1, 2, 1, 3], [1, 2, 1, 1], nil),
    ]
    for (from, to, scales) in targets {
      let x = random.tensor(.f32, from)
      let names = from.indices.map { Dim.symbol("d\($0)") }
      for coordinates in [
        Resize.Coordinates.halfPixel, .halfPixelSymmetric, .pytorchHalfPixel, .alignCorners, .asymmetric,
      ] {
        var ops: [Resize] = []
        let roundings = [Resize.Nearest.roundPreferFloor, .roundPreferCeil, .floor, .ceil]
        for nearest in from.count == 4 && from[2] == 8 ? roundings : [.roundPreferFloor] {
          ops.append(
            Resize(
              mode: .nearest, coordinates: coordinates, nearest: nearest, sizes: to.map { Dim($0) }, scales: scales))
        }
        ops.append(Resize(mode: .linear, coordinates: coordinates, sizes: to.map { Dim($0) }, scales: scales))
        for excludes in coordinates == .halfPixel ? [false, true] : coordinates == .alignCorners ? [false] : [] {
          ops.append(
            Resize(
              mode: .cubic, coordinates: coordinates, excludesOutside: excludes, sizes: to.map { Dim($0) },
              scales: scales))
        }
        for op in ops {
          // Sizes that are known and sizes that are not, in turn: each kernel is compiled.
          if cases.cases.count % 2 == 0 {
            try cases.single("\(op.mode) \(coordinates) \(from) \(to)", .resize(op), [.input(x)])
          } else {
            try cases.single("\(op.mode) \(coordinates) \(to) symbolic", .resize(op), [.symbolic(x, names)])
          }
        }
      }
    }
    for type in [ElementType.u8, .bf16, .i64] {
      let op = Resize(mode: .nearest, coordinates: .asymmetric, nearest: .floor, sizes: [1, 6, 8, 5])
      try cases.single("nearest \(type)", .resize(op), [.input(random.tensor(type, [1, 3, 4, 5]))])
    }
    try cases.check()
  }

  @Test func quantization() throws {
    var random = SeededNumbers(25)
    let cases = LoweredCases()
    func positive(_ type: ElementType, _ shape: [Int]) -> Tensor {
      Tensor(type, shape, doubles: random.tensor(.f64, shape).doubles.map { abs($0) + 0.05 })
    }
    for to in [ElementType.u8, .i8, .i16, .u16, .i32] {
      for (shape, axis, block, scales) in [
        ([6, 70], 0, 0, []), ([6, 70], 0, 0, [6]), ([6, 70], 1, 0, [70]), ([2, 5, 9], 1, 0, [5]),
        ([4, 8, 3], 1, 3, [4, 3, 3]), ([4, 8], 1, 4, [4, 2]),
      ] as [([Int], Int, Int, [Int])] {
        for type in [ElementType.f32, .bf16] {
          let x = random.tensor(type, shape, scale: 300)
          let scale = positive(type, scales)
          let zero = Tensor(to, scales, integers: random.tensor(to, scales).integers.map { $0 % 20 })
          try cases.single(
            "quantize", .quantizeLinear(QuantizeLinear(axis: axis, blockSize: block, to: to)),
            [.input(x), .input(scale), .constant(zero)])
          let q = random.tensor(to, shape)
          try cases.single(
            "dequantize", .dequantizeLinear(DequantizeLinear(axis: axis, blockSize: block)),
            [.input(q), .constant(scale), .input(zero)])
          try cases.single(
            "dequantize", .dequantizeLinear(DequantizeLinear(axis: axis, blockSize: block)), [.input(q), .input(scale)])
        }
      }
    }
    try cases.check()
  }
}
