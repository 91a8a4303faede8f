import SwageGraph
import SwagePartition
import SwageTensor
import Testing

@Suite struct LoweredReductionTests {
  static let floats: [ElementType] = [.f32, .bf16, .f16, .f64]

  @Test func reductionsOverAnyAxes() throws {
    var random = SeededNumbers(11)
    let cases = LoweredCases()
    let shapes: [([Int], [[Int]])] = [
      ([5, 37], [[0], [1], [0, 1]]), ([3, 4, 5, 70], [[1], [3], [1, 3], [0, 2], [2, 3], [0, 1, 2, 3]]),
      ([2, 1, 3], [[1], [0, 1]]), ([9], [[0]]), ([1, 20_000], [[1]]), ([1300, 3], [[0]]), ([2, 700, 65], [[1]]),
    ]
    for function in Reduce.Function.allCases {
      for (shape, axisSets) in shapes {
        for axes in axisSets {
          let isLarge = shape.reduce(1, *) > 5000
          let types = isLarge || cases.cases.count % 3 > 0 ? [.f32] : Self.floats + [.i32, .u8, .i64]
          for type in types {
            // Products of many numbers leave the range of f16; logarithms want positive sums.
            let scale = function == .prod ? 1.1 : 4.0
            var tensor = random.tensor(type, shape, scale: scale)
            if function == .logSum, type.isFloat { tensor = Tensor(type, shape, doubles: tensor.doubles.map(abs)) }
            if !type.isFloat, [.l2, .logSum, .logSumExp].contains(function) || type == .i64 {
              tensor = Tensor(type, shape, integers: tensor.integers.map { abs($0 % 50) })
            }
            if function == .prod, type == .f16 || type == .bf16 { continue }
            try cases.single(
              "\(function) \(type) \(shape) \(axes)",
              .reduce(Reduce(function, axes: axes, keepsAxes: axes.count % 2 == 0)), [.input(tensor)])
          }
        }
      }
    }
    try cases.check()
  }

  @Test func reductionsOfSymbolicSizesAndSpecialValues() throws {
    var random = SeededNumbers(12)
    let cases = LoweredCases()
    for function in [Reduce.Function.sum, .mean, .max, .min, .logSumExp, .l2] {
      for axes in [[1], [2], [0, 2], [1, 2]] {
        let x = random.tensor(.f32, [3, 130, 67])
        try cases.single(
          "\(function) \(axes)", .reduce(Reduce(function, axes: axes, keepsAxes: false)),
          [.symbolic(x, [.symbol("n"), .symbol("h"), .symbol("w")])])
        try cases.single(
          "empty \(function) \(axes)", .reduce(Reduce(function, axes: axes, keepsAxes: true)),
          [.symbolic(Tensor(zeros: .f32, [2, 0, 0]), [.symbol("n"), .symbol("h"), .symbol("w")])])
      }
    }
    let odd = Tensor(
      .f32, [4, 4],
      doubles: [1, .nan, 2, 3, .infinity, 1, 2, 3, -.infinity, -.infinity, -.infinity, -.infinity, 1, 2, 3, -.infinity])
    for function in Reduce.Function.allCases where function != .logSumExp {
      for axis in 0..<2 {
        try cases.single("\(function)", .reduce(Reduce(function, axes: [axis], keepsAxes: false)), [.input(odd)])
      }
    }
    try cases.single(
      "any", .reduce(Reduce(.max, axes: [1], keepsAxes: false)), [.input(random.tensor(.bool, [7, 3]))])
    try cases.single(
      "all", .reduce(Reduce(.min, axes: [0], keepsAxes: false)), [.input(random.tensor(.bool, [2, 90]))])
    try cases.check()
  }

  /// A sum of a million terms must not drift as one running sum would.
  @Test func longSumsKeepTheirPrecision() throws {
    let cases = LoweredCases()
    let x = Tensor(.f32, [1 << 20], doubles: (0..<1 << 20).map { 1 + Double($0 % 7) * 0.125 })
    try cases.single("sum", .reduce(Reduce(.sum, axes: [0], keepsAxes: false)), [.input(x)], tolerance: 1e-6)
    try cases.single(
      "columns", .reduce(Reduce(.mean, axes: [0], keepsAxes: false)), [.input(x.reshaped([1 << 17, 8]))],
      tolerance: 1e-6)
    try cases.check()
  }

  @Test func positionsOfExtrema() throws {
    var random = SeededNumbers(13)
    let cases = LoweredCases()
    for type in [ElementType.f32, .bf16, .i32, .u8, .i64, .f64] {
      for (shape, axis) in [([6, 301], 1), ([6, 5], 1), ([40, 3], 0), ([3, 9, 70], 1)] {
        for isMax in [true, false] {
          for last in [true, false] {
            // Few distinct values, so that there are ties.
            let values = (0..<shape.reduce(1, *)).map { _ in Int64(random.next() % 9) }
            try cases.single(
              "arg \(type) \(shape)",
              .argReduce(ArgReduce(isMax: isMax, axis: axis, keepsAxis: last, selectsLast: last)),
              [.input(Tensor(type, shape, integers: values))])
          }
        }
      }
    }
    var odd = (0..<200).map { Double($0 % 17) }
    odd[77] = .nan
    odd[150] = .nan
    for isMax in [true, false] {
      for last in [true, false] {
        let op = ArgReduce(isMax: isMax, axis: 0, keepsAxis: false, selectsLast: last)
        try cases.single(
          "nan", .argReduce(op), [.symbolic(Tensor(.f32, [200, 1], doubles: odd), [.symbol("n"), .symbol("m")])])
        try cases.single("nan", .argReduce(op), [.input(Tensor(.f32, [200], doubles: odd))])
      }
    }
    try cases.check()
  }

  @Test func runningSums() throws {
    var random = SeededNumbers(14)
    let cases = LoweredCases()
    for type in [ElementType.f32, .bf16, .i32, .f64, .i64] {
      for axis in 0..<3 {
        for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
          let x = random.tensor(type, [3, 7, 70])
          for function in Cumulative.Function.allCases where function == .sum || type != .bf16 {
            try cases.single(
              "cumulative \(function)",
              .cumulative(Cumulative(function, axis: axis, isExclusive: exclusive, isReverse: reverse)),
              [axis == 1 ? .symbolic(x, [3, .symbol("h"), .symbol("w")]) : .input(x)])
          }
        }
      }
    }
    try cases.check()
  }

  @Test func theLargestFew() throws {
    var random = SeededNumbers(15)
    let cases = LoweredCases()
    for type in [ElementType.f32, .f16, .i32, .u8] {
      for (shape, axis, count) in [
        ([4, 50], 1, 5), ([4, 50], 1, 50), ([33, 4], 0, 1), ([2, 20, 3], 1, 7), ([9], 0, 0),
      ] {
        for largest in [true, false] {
          let values = (0..<shape.reduce(1, *)).map { _ in Int64(random.next() % 30) }
          var x = Tensor(type, shape, integers: values)
          if type == .f32 {
            var doubles = x.doubles
            for index in stride(from: 3, to: doubles.count, by: 11) { doubles[index] = .nan }
            x = Tensor(type, shape, doubles: doubles)
          }
          try cases.single(
            "top_k \(type) \(shape) \(count)", .topK(TopK(count: Dim(count), axis: axis, isLargest: largest)),
            [.input(x)], tolerance: 0)
        }
      }
    }
    try cases.single(
      "top_k symbolic", .topK(TopK(count: .minimum(.symbol("n"), 100), axis: 1, isLargest: true)),
      [.symbolic(random.tensor(.f32, [2, 300]), [2, .symbol("n")])], tolerance: 0)
    try cases.check()
  }

  @Test func placesThatAreNotZero() throws {
    var random = SeededNumbers(16)
    let cases = LoweredCases()
    for type in [ElementType.f32, .bool, .i64, .u8] {
      let x = Tensor(type, [4, 5, 3], integers: (0..<60).map { _ in Int64(random.next() % 3 == 0 ? 1 : 0) })
      try cases.single("nonzero", .nonZero(NonZero(symbol: "k")), [.input(x)])
      try cases.single(
        "nonzero", .nonZero(NonZero(symbol: "k")), [.symbolic(x.reshaped([60]), [.symbol("n")])])
    }
    try cases.single("nonzero", .nonZero(NonZero(symbol: "k")), [.input(Tensor(zeros: .f32, [3, 3]))])
    try cases.single("nonzero", .nonZero(NonZero(symbol: "k")), [.input(Tensor(scalar: 2))])
    try cases.check()
  }

  @Test func softmax() throws {
    var random = SeededNumbers(17)
    let cases = LoweredCases()
    for type in Self.floats {
      for (shape, axis) in [([5, 100], 1), ([5, 3], 1), ([3, 70, 2], 1), ([70, 90], 0), ([2, 9000], 1)] {
        for isLog in [false, true] {
          let x = random.tensor(type, shape, scale: 9)
          let names = shape.indices.map { Dim.symbol("d\($0)") }
          try cases.single("softmax \(type) \(shape)", .softmax(Softmax(axis: axis, isLog: isLog)), [.input(x)])
          try cases.single(
            "softmax \(type) \(shape) symbolic", .softmax(Softmax(axis: axis, isLog: isLog)), [.symbolic(x, names)])
        }
      }
    }
    let odd = Tensor(.f32, [4, 2], doubles: [1, .nan, -.infinity, 2, 500, -500, -.infinity, -.infinity])
    try cases.single("softmax", .softmax(Softmax(axis: 1)), [.input(odd)])
    try cases.single("softmax", .softmax(Softmax(axis: 0)), [.input(odd)])
    try cases.check()
  }
}
