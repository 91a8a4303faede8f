import Foundation
import SwageCPUTarget
import SwageGraph
import SwageKernel
import SwageTensor
import Testing

@Suite struct ElementwiseTests {
  static let floats: [ElementType] = [.f32, .f64, .f16, .bf16]
  static let integers: [ElementType] = [.i8, .u8, .i16, .u16, .i32, .u32, .i64, .u64]
  /// Numbers at which functions change their ways.
  static let special: [Double] = [
    0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 2.5, -2.5, 3, -3, 6, 20, -20, 88.72, 88.73, -87.4, -103.9, -104, 1e-45, -1e-45,
    1e-38, -1e-38, 3.4e38, -3.4e38, .infinity, -.infinity, .nan, 1e-4, -1e-4, 0.625, 0.9277, 1.5707963, 3.1415927, 100,
    1e4, -1e4, 65504, 7.5,
  ]

  /// One function of one operand over random and special numbers.
  private func unary(_ unary: Unary, _ type: ElementType, _ random: inout SeededNumbers) throws -> (Graph, Tensor) {
    var graph = Graph(name: "t")
    let count = 1000
    let x = graph.addInput(name: "x", type: TensorType(type, [Dim(count)]))
    let y = try graph.append(.unary(unary), [x])[0]
    graph.addOutput(y, name: "y")
    var tensor: Tensor
    if type.isFloat {
      let values = (0..<count).map { index in
        index < Self.special.count ? Self.special[index] : Double.random(in: -8...8, using: &random)
      }
      tensor = Tensor(type, [count], doubles: values)
    } else {
      tensor = random.tensor(type, [count])
    }
    return (graph, tensor)
  }

  @Test func everyUnaryFunctionAgreesForEveryType() throws {
    var random = SeededNumbers(1)
    let batch = KernelBatch()
    for function in Unary.Function.allCases {
      let parameters: [Unary] =
        switch function {
        case .clip: [Unary(.clip), Unary(.clip, alpha: -1.5, beta: 6), Unary(.clip, alpha: 3, beta: 1e15)]
        case .silu: [Unary(.silu), Unary(.silu, alpha: 1.702)]
        case .isInf: [Unary(.isInf), Unary(.isInf, alpha: 0), Unary(.isInf, beta: 0)]
        case .linear: [Unary(.linear, alpha: 2, beta: -3), Unary(.linear, alpha: 0.125, beta: 0.5)]
        case .celu: [Unary(.celu, alpha: 0.7)]
        case .shrink: [Unary(.shrink, alpha: 1, beta: 0.5)]
        default: [Unary(function)]
        }
      for parameter in parameters {
        for type in Self.floats + Self.integers + [.bool] {
          guard let (graph, x) = try? unary(parameter, type, &random) else { continue }
          let tolerance: KernelBatch.Tolerance
          switch (function, type) {
          case (_, .f16), (_, .bf16): tolerance = .near(ulps: 1, absolute: 1e-6)
          case (.gelu, .f32), (.geluTanh, .f32), (.mish, .f32), (.silu, .f32), (.selu, .f32):
            tolerance = .near(ulps: 4, absolute: 1e-6)
          case (.linear, .f32), (.hardSigmoid, .f32): tolerance = .near(ulps: 2, absolute: 1e-6)
          case (.linear, .f64), (.hardSigmoid, .f64), (.gelu, .f64), (.geluTanh, .f64):
            tolerance = .near(ulps: 2, absolute: 1e-14)
          case (.sin, .f32), (.cos, .f32): tolerance = .near(ulps: 4, absolute: 1e-7)
          case (_, .f32), (_, .f64): tolerance = .near(ulps: 4, absolute: 0)
          default: tolerance = .exact
          }
          // Angles beyond the documented range are left out.
          let isAngle = [.sin, .cos, .tan].contains(function)
          let input =
            isAngle && type.isFloat
            ? Tensor(type, x.shape, doubles: x.doubles.map { abs($0) > 1e9 && $0.isFinite ? 1 : $0 }) : x
          try batch.add("\(function) \(type.name)", graph, [input], tolerance: tolerance)
        }
      }
    }
    #expect(batch.caseCount > 200)
    try batch.check()
  }

  @Test func everyBinaryFunctionAgreesForEveryType() throws {
    var random = SeededNumbers(2)
    let batch = KernelBatch()
    for function in Binary.Function.allCases {
      for type in Self.floats + Self.integers + [.bool] {
        var graph = Graph(name: "t")
        let pairs = Self.special.flatMap { a in Self.special.map { (a, $0) } }
        let count = pairs.count
        let x = graph.addInput(name: "x", type: TensorType(type, [Dim(count)]))
        let y = graph.addInput(name: "y", type: TensorType(type, [Dim(count)]))
        guard let z = try? graph.append(.binary(Binary(function)), [x, y])[0] else { continue }
        graph.addOutput(z, name: "z")
        let a: Tensor
        let b: Tensor
        if type.isFloat {
          a = Tensor(type, [count], doubles: pairs.map(\.0))
          b = Tensor(type, [count], doubles: pairs.map(\.1))
        } else {
          // Small numbers, zeros, extremes, and anything.
          let ends: [Int64] = [0, 1, -1, 2, 3, 7, 8, 31, 32, 63, 64, -2, .max, .min, 127, -128, 255, 32767, -32768]
          func pick(_ random: inout SeededNumbers) -> Int64 {
            random.next() % 4 == 0 ? Int64(bitPattern: random.next()) : ends[Int(random.next() % UInt64(ends.count))]
          }
          a = Tensor(type, [count], integers: (0..<count).map { _ in pick(&random) })
          b = Tensor(type, [count], integers: (0..<count).map { _ in pick(&random) })
        }
        let tolerance: KernelBatch.Tolerance
        switch (function, type) {
        case (.mod, .f32), (.mod, .f64), (.mod, .f16), (.mod, .bf16): tolerance = .near(ulps: 1, absolute: 1e-5)
        case (_, .f16), (_, .bf16), (_, .f32): tolerance = .near(ulps: 1, absolute: 0)
        case (.pow, .f64): tolerance = .near(ulps: 1, absolute: 0)
        default: tolerance = .exact
        }
        // Integer powers of large numbers in u64 go through doubles, whose last bits differ between libraries.
        if function == .pow, type == .u64 { continue }
        try batch.add("\(function) \(type.name)", graph, [a, b], tolerance: tolerance)
      }
    }
    #expect(batch.caseCount > 150)
    try batch.check()
  }

  @Test func everyCastAgrees() throws {
    var random = SeededNumbers(3)
    let batch = KernelBatch()
    let types = ElementType.allCases.filter(\.isNumeric)
    for from in types {
      for to in types where to != from {
        var graph = Graph(name: "t")
        let x = graph.addInput(name: "x", type: TensorType(from, [Dim(777)]))
        graph.addOutput(try graph.append(.cast(Cast(to: to)), [x])[0], name: "y")
        var values: [Double] =
          Self.special + [255, 256, -129, 300.7, -300.7, 0x1p31, -0x1p31, 0x1p63, 1e20, 448, 464, 480]
        while values.count < 777 {
          values.append(
            values.count % 2 == 0 ? Double.random(in: -500...500, using: &random) : scalbn(1.3, values.count % 60 - 30))
        }
        let tensor = from.isFloat ? Tensor(from, [777], doubles: values) : random.tensor(from, [777])
        try batch.add("\(from.name) to \(to.name)", graph, [tensor])
      }
    }
    try batch.check()
  }

  @Test func broadcastsAgreeWithEverySizeAndSymbol() throws {
    var random = SeededNumbers(4)
    let batch = KernelBatch()
    func add(_ a: [Dim], _ b: [Dim], _ sizes: ([Int], [Int]), _ type: ElementType = .f32) throws {
      var graph = Graph(name: "t")
      let x = graph.addInput(name: "x", type: TensorType(type, a))
      let y = graph.addInput(name: "y", type: TensorType(type, b))
      graph.addOutput(try graph.append(.binary(Binary(.sub)), [x, y])[0], name: "z")
      try batch.add(
        "\(a) - \(b) at \(sizes)", graph, [random.tensor(type, sizes.0), random.tensor(type, sizes.1)])
    }
    func fixed(_ a: [Int], _ b: [Int], _ type: ElementType = .f32) throws {
      try add(a.map { Dim($0) }, b.map { Dim($0) }, (a, b), type)
    }
    try fixed([], [])
    try fixed([5], [])
    try fixed([], [3, 4])
    try fixed([2, 3, 4, 5], [2, 3, 4, 5])
    try fixed([2, 3, 4, 5], [5])
    try fixed([2, 3, 4, 5], [4, 1])
    try fixed([2, 3, 4, 5], [3, 1, 1])
    try fixed([2, 3, 4, 5], [2, 1, 4, 1])
    try fixed([7, 1], [1, 300])
    try fixed([1, 64, 40, 40], [64, 1, 1])
    try fixed([300, 3], [3], .f32)
    try fixed([9000, 3], [1, 3], .i32)
    try fixed([2, 9000], [2, 1])
    try fixed([40_000], [40_000])
    try fixed([40_000], [1], .u8)
    try fixed([3, 0, 4], [4])
    try fixed([2, 1, 3, 1, 9], [5, 1, 7, 1])
    let (n, m, h) = (Dim.symbol("n"), Dim.symbol("m"), Dim.symbol("h"))
    for size in [1, 2, 5, 33] {
      for other in [1, size] {
        try add([n, h], [m, h], ([size, 7], [other, 7]))
        try add([n, h], [m, 1], ([size, 7], [other, 1]))
        try add([3, n], [3, m], ([3, size], [3, other]))
        try add([3, m], [3, n], ([3, other], [3, size]))
        try add([n, 3, h], [m, 1, h], ([size, 3, 50], [other, 1, 50]))
        if size == 5 { try add([4, 5], [n, m], ([4, 5], [1, other])) }
      }
      try add([n, h, 3], [h, 3], ([size, 14, 3], [14, 3]))
      try add([n, 16, h, h], [16, 1, 1], ([size, 16, 9, 9], [16, 1, 1]), .bf16)
      try add([n], [n], ([size * 5000], [size * 5000]))
      try add([n], [1], ([size * 5000], [1]))
    }
    try batch.check()
  }

  @Test func selectsAndScalarsAgree() throws {
    var random = SeededNumbers(5)
    let batch = KernelBatch()
    for type in Self.floats + Self.integers + [.bool, .f8e4m3fn] {
      var graph = Graph(name: "t")
      let c = graph.addInput(name: "c", type: TensorType(.bool, [4, 1, 9]))
      let a = graph.addInput(name: "a", type: TensorType(type, [3, 9]))
      let b = try graph.constant(random.tensor(type, [1]))
      graph.addOutput(try graph.append(.select(Select()), [c, a, b])[0], name: "y")
      try batch.add(
        "select \(type.name)", graph, [random.tensor(.bool, [4, 1, 9]), random.tensor(type, [3, 9])])
    }
    for exponent in [0, 1, 2, 3, -1, 0.5, 1.5] {
      var graph = Graph(name: "t")
      let x = graph.addInput(name: "x", type: TensorType(.f32, [Dim(Self.special.count)]))
      let e = try graph.constant(Tensor(scalar: exponent))
      graph.addOutput(try graph.append(.binary(Binary(.pow)), [x, e])[0], name: "y")
      try batch.add(
        "power \(exponent)", graph, [Tensor(.f32, [Self.special.count], doubles: Self.special)],
        tolerance: .near(ulps: 2, absolute: 0))
    }
    try batch.check()
  }

  @Test func fusedRegionsAgree() throws {
    var random = SeededNumbers(6)
    let batch = KernelBatch()
    let h = Dim.symbol("h")
    for type in [ElementType.f32, .bf16, .i32] {
      let full = TensorType(type, [2, 8, h])
      let channel = TensorType(type, [8, 1])
      var region = Graph(name: "region")
      let (x, y, c) = (
        region.addInput(name: "x", type: full), region.addInput(name: "y", type: full),
        region.addInput(name: "c", type: channel)
      )
      let scaled = try region.append(.binary(Binary(.mul)), [x, c])[0]
      let shift = try region.append(.unary(Unary(.neg)), [c])[0]
      let sum = try region.append(.binary(Binary(.add)), [scaled, shift])[0]
      let relu = try region.append(.unary(Unary(.relu)), [sum])[0]
      let total = try region.append(.binary(Binary(.add)), [relu, y])[0]
      let mask = try region.append(.binary(Binary(.greater)), [total, y])[0]
      let number = try region.append(.cast(Cast(to: .i64)), [mask])[0]
      region.addOutput(total, name: "total")
      region.addOutput(mask, name: "mask")
      region.addOutput(shift, name: "shift")
      region.addOutput(number, name: "number")
      var graph = Graph(name: "t")
      let inputs = [full, full, channel].enumerated().map { graph.addInput(name: "i\($0.offset)", type: $0.element) }
      let results = try graph.append(.fused(Fused()), inputs, regions: [region])
      for (index, result) in results.enumerated() { graph.addOutput(result, name: "o\(index)") }
      for size in [1, 6, 700] {
        // Small whole numbers, so that a missing rounding in between changes nothing.
        let values = (0..<3).map { index -> Tensor in
          let shape = index < 2 ? [2, 8, size] : [8, 1]
          let count = shape.reduce(1, *)
          return Tensor(type, shape, integers: (0..<count).map { _ in Int64(random.next() % 7) - 3 })
        }
        try batch.add("fused \(type.name) \(size)", graph, values)
      }
    }
    try batch.check()
  }

  @Test func aFunctionOfOneSizeIsCompiledOnceForAll() throws {
    var library = KernelLibrary()
    var names: Set<String> = []
    for size in [Dim.symbol("a"), .symbol("b")] {
      var graph = Graph(name: "t")
      let x = graph.addInput(name: "x", type: TensorType(.f32, [size]))
      graph.addOutput(try graph.append(.unary(Unary(.exp)), [x])[0], name: "y")
      let kernels = try #require(ElementwiseKernels.make(Array(graph.nodes)[0], in: graph))
      names.insert(library.add(kernels[0].function))
    }
    #expect(names.count == 1)
    #expect(library.units.count == 1)
  }
}
