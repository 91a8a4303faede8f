import SwageCPUTarget
import SwageGraph
import SwageKernel
import SwageTensor
import Testing

@Suite struct MovementTests {
  static let types: [ElementType] = [.f32, .bf16, .u8, .i64, .bool, .u4]
  private let n = Dim.symbol("n")
  private let m = Dim.symbol("m")
  private let h = Dim.symbol("h")

  /// Adds a node of one operand, or more, with random data of the given sizes.
  private func add(
    _ batch: KernelBatch, _ name: String, _ op: Op, _ operands: [TensorType], _ sizes: [[Int]],
    _ random: inout SeededNumbers, indices: [Int: Tensor] = [:], tolerance: KernelBatch.Tolerance = .exact
  ) throws {
    var graph = Graph(name: "t")
    let ids = operands.enumerated().map { graph.addInput(name: "i\($0.offset)", type: $0.element) }
    graph.addOutput(try graph.append(op, ids)[0], name: "y")
    let tensors = operands.indices.map { indices[$0] ?? random.tensor(operands[$0].elementType, sizes[$0]) }
    try batch.add("\(name) \(operands[0]) at \(sizes)", graph, tensors, tolerance: tolerance)
  }

  @Test func transpositions() throws {
    var random = SeededNumbers(11)
    let batch = KernelBatch()
    func fixed(_ shape: [Int], _ permutation: [Int], _ type: ElementType = .f32) throws {
      try add(
        batch, "transpose \(permutation)", .transpose(Transpose(permutation)), [TensorType(type, sizes: shape)],
        [shape], &random)
    }
    for type in Self.types {
      try fixed([50, 70], [1, 0], type)
      try fixed([2, 3, 37, 41], [0, 2, 3, 1], type)
      try fixed([2, 37, 41, 3], [0, 3, 1, 2], type)
      try fixed([2, 130, 9, 9], [0, 2, 3, 1], type)
      try fixed([2, 9, 9, 130], [0, 3, 1, 2], type)
      try fixed([2, 5, 6, 64], [0, 2, 1, 3], type)
      try fixed([3, 4, 5, 6], [3, 2, 1, 0], type)
      try fixed([3, 4, 5, 6], [0, 1, 2, 3], type)
    }
    try fixed([], [])
    try fixed([7], [0])
    try fixed([1, 8, 1, 200], [3, 0, 1, 2])
    try fixed([64, 64], [1, 0], .u16)
    try fixed([65, 127], [1, 0], .i64)
    try fixed([16, 16], [1, 0], .u8)
    try fixed([2, 3, 0, 4], [3, 2, 1, 0])
    try fixed([4, 2, 2, 3, 6, 5], [0, 3, 1, 4, 2, 5])
    try fixed([12, 77, 64], [2, 0, 1])
    for (a, b) in [(1, 1), (5, 300), (64, 17), (100, 100)] {
      try add(
        batch, "symbols", .transpose(Transpose([0, 2, 1])), [TensorType(.f32, [2, n, h])], [[2, a, b]], &random)
      try add(
        batch, "symbols", .transpose(Transpose([0, 2, 3, 1])), [TensorType(.bf16, [n, 32, h, h])], [[2, 32, a, a]],
        &random)
    }
    try batch.check()
  }

  @Test func broadcastsSlicesAndCopies() throws {
    var random = SeededNumbers(12)
    let batch = KernelBatch()
    for type in Self.types {
      try add(
        batch, "broadcast", .broadcast(Broadcast([4, 5, 6])), [TensorType(type, sizes: [5, 1])], [[5, 1]], &random)
      try add(
        batch, "broadcast", .broadcast(Broadcast([2, 3, 500])), [TensorType(type, sizes: [1, 500])], [[1, 500]],
        &random)
      try add(
        batch, "reshape", .reshape(Reshape([6, 50])), [TensorType(type, sizes: [3, 100])], [[3, 100]], &random)
      try add(
        batch, "slice", .slice(Slice(starts: [1, 2, 0], sizes: [2, 3, 40])), [TensorType(type, sizes: [4, 6, 40])],
        [[4, 6, 40]], &random)
      try add(
        batch, "steps", .slice(Slice(starts: [3, 5, 1], sizes: [2, 3, 13], steps: [-2, -2, 3])),
        [TensorType(type, sizes: [4, 6, 40])], [[4, 6, 40]], &random)
      try add(
        batch, "halves", .slice(Slice(starts: [0, 32], sizes: [3000, 32])), [TensorType(type, sizes: [3000, 64])],
        [[3000, 64]], &random)
    }
    for size in [1, 3, 70] {
      try add(
        batch, "broadcast", .broadcast(Broadcast([m, n])), [TensorType(.f32, [m, n])], [[3, size]], &random)
      // The operand's size is one or the result's, and only the run shows which.
      for own in [1, size] {
        var graph = Graph(name: "t")
        let x = graph.addInput(name: "x", type: TensorType(.f32, [n]))
        graph.addInput(name: "other", type: TensorType(.f32, [m]))
        graph.addOutput(try graph.append(.broadcast(Broadcast([4, .maximum(n, m)])), [x])[0], name: "y")
        try batch.add(
          "broadcast \(own) to \(size)", graph, [random.tensor(.f32, [own]), random.tensor(.f32, [size])])
      }
      try add(
        batch, "slice", .slice(Slice(starts: [0, 1], sizes: [n, h - 1])), [TensorType(.f32, [n, h])],
        [[size, 2 * size]], &random)
      try add(
        batch, "reverse", .slice(Slice(starts: [n - 1], sizes: [n], steps: [-1])), [TensorType(.i64, [n])], [[size]],
        &random)
      try add(
        batch, "every other", .slice(Slice(starts: [0], sizes: [n.ceilDivided(by: 2)], steps: [2])),
        [TensorType(.f32, [n])], [[size]], &random)
    }
    try batch.check()
  }

  @Test func concatenations() throws {
    var random = SeededNumbers(13)
    let batch = KernelBatch()
    for type in Self.types {
      for axis in 0..<3 {
        let shapes = [3, 1, 0, 4, 600].map { size in (0..<3).map { $0 == axis ? size : 5 } }
        try add(
          batch, "concat \(axis)", .concat(Concat(axis: axis)), shapes.map { TensorType(type, sizes: $0) }, shapes,
          &random)
      }
    }
    // Row by row, in several units.
    let thin = [1, 3, 0, 20].map { [40, 61, $0] }
    for type in Self.types {
      try add(batch, "thin", .concat(Concat(axis: 2)), thin.map { TensorType(type, sizes: $0) }, thin, &random)
      try add(
        batch, "thin symbolic", .concat(Concat(axis: 2)), thin.map { TensorType(type, [n, m, Dim($0[2])]) }, thin,
        &random)
    }
    let many = (1...40).map { [2, $0] }
    try add(
      batch, "many", .concat(Concat(axis: 1)), many.map { TensorType(.f32, sizes: $0) }, many, &random)
    for (a, b) in [(1, 1), (7, 3000), (0, 5)] {
      try add(
        batch, "symbols", .concat(Concat(axis: 1)),
        [TensorType(.f32, [h, n, 4]), TensorType(.f32, [h, m, 4]), TensorType(.f32, [h, 2, 4])],
        [[3, a, 4], [3, b, 4], [3, 2, 4]], &random)
      try add(
        batch, "symbols", .concat(Concat(axis: 0)), [TensorType(.u8, [n]), TensorType(.u8, [m])], [[a], [b]], &random)
    }
    try batch.check()
  }

  @Test func pads() throws {
    var random = SeededNumbers(14)
    let batch = KernelBatch()
    for mode in [Pad.Mode.constant, .reflect, .edge, .wrap] {
      for type in Self.types {
        let shape = [2, 4, 5]
        for (begins, ends) in [
          ([0, 1, 2], [1, 2, 3]), ([0, 3, 0], [0, 0, 0]), ([1, 0, 4], [0, 0, 4]), ([0, 0, 0], [0, 0, 0]),
        ] {
          let op = Op.pad(Pad(mode: mode, begins: begins.map { Dim($0) }, ends: ends.map { Dim($0) }))
          let isConstant = mode == .constant
          if mode == .reflect, begins[0] + ends[0] > 1 { continue }
          try add(
            batch, "pad \(mode) \(begins) \(ends)", op,
            [TensorType(type, sizes: shape)] + (isConstant ? [TensorType(type)] : []), [shape, []], &random)
        }
      }
      try add(
        batch, "crop \(mode)", .pad(Pad(mode: mode, begins: [-1, 2], ends: [1, -3])), [TensorType(.f32, [4, 9])],
        [[4, 9]], &random)
      try add(
        batch, "crop all \(mode)", .pad(Pad(mode: mode, begins: [-3], ends: [2])), [TensorType(.f32, [4])], [[4]],
        &random)
      for size in [3, 20] {
        try add(
          batch, "symbols \(mode)", .pad(Pad(mode: mode, begins: [0, 2, 0], ends: [0, 2, n - 3])),
          [TensorType(.f32, [2, n, h])], [[2, size, size + 1]], &random)
        try add(
          batch, "symbols \(mode)", .pad(Pad(mode: mode, begins: [0, 1, 0], ends: [0, 0, 0])),
          [TensorType(.bf16, [2, n, 16])], [[2, size, 16]], &random)
      }
    }
    try batch.check()
  }

  /// Random indices in range, some negative.
  private func indices(_ type: ElementType, _ shape: [Int], below size: Int, _ random: inout SeededNumbers) -> Tensor {
    let count = shape.reduce(1, *)
    return Tensor(
      type, shape, integers: (0..<count).map { _ in Int64(random.next() % UInt64(2 * size)) - Int64(size) })
  }

  @Test func gathers() throws {
    var random = SeededNumbers(15)
    let batch = KernelBatch()
    for type in Self.types {
      for index in [ElementType.i32, .i64] {
        for (shape, axis, picks) in [
          ([100], 0, [37]), ([10, 64], 0, [3, 4]), ([4, 20, 3], 1, []), ([5, 6, 7], 2, [2, 2]), ([3, 50], 1, [500]),
        ] {
          try add(
            batch, "gather \(axis)", .gather(Gather(axis: axis)),
            [TensorType(type, sizes: shape), TensorType(index, sizes: picks)], [shape, picks], &random,
            indices: [1: indices(index, picks, below: shape[axis], &random)])
        }
        for (shape, axis, picks) in [([6, 8, 10], 1, [6, 3, 9]), ([700], 0, [90]), ([5, 4], 0, [9, 4])] {
          try add(
            batch, "gather elements \(axis)", .gatherElements(GatherElements(axis: axis)),
            [TensorType(type, sizes: shape), TensorType(index, sizes: picks)], [shape, picks], &random,
            indices: [1: indices(index, picks, below: shape[axis], &random)])
        }
      }
      for (shape, batchRank, picks) in [([5, 5, 5], 0, [7, 2]), ([5, 5, 5], 1, [5, 3, 1]), ([5, 5], 0, [4, 2])] {
        try add(
          batch, "gather nd", .gatherND(GatherND(batchRank: batchRank)),
          [TensorType(type, sizes: shape), TensorType(.i64, sizes: picks)], [shape, picks], &random,
          indices: [1: indices(.i64, picks, below: 5, &random)])
      }
    }
    for size in [1, 9] {
      try add(
        batch, "gather symbols", .gather(Gather(axis: 0)), [TensorType(.f32, [n, h]), TensorType(.i64, [m])],
        [[size, 5], [size * 3]], &random, indices: [1: indices(.i64, [size * 3], below: size, &random)])
      try add(
        batch, "gather elements symbols", .gatherElements(GatherElements(axis: 1)),
        [TensorType(.f32, [n, h]), TensorType(.i64, [n, m])], [[size, 5], [size, 3]], &random,
        indices: [1: indices(.i64, [size, 3], below: 5, &random)])
    }
    try batch.check()
  }

  @Test func scatters() throws {
    var random = SeededNumbers(16)
    let batch = KernelBatch()
    for type in [ElementType.f32, .f64, .bf16, .i8, .i64, .u32] {
      for reduction in [ScatterReduction.none, .add, .mul, .min, .max] {
        // Rounding after each step, or once at the end.
        let tolerance: KernelBatch.Tolerance =
          type.isFloat ? .near(ulps: 40, absolute: type == .bf16 ? 0.1 : 1e-6) : .exact
        for (shape, axis, picks) in [([6, 8, 10], 1, [6, 20, 9]), ([50], 0, [90]), ([3, 4], 0, [9, 2])] {
          try add(
            batch, "scatter elements \(axis) \(reduction)",
            .scatterElements(ScatterElements(axis: axis, reduction: reduction)),
            [TensorType(type, sizes: shape), TensorType(.i64, sizes: picks), TensorType(type, sizes: picks)],
            [shape, picks, picks], &random, indices: [1: indices(.i64, picks, below: shape[axis], &random)],
            tolerance: tolerance)
        }
        for (shape, picks) in [([5, 5, 2000], [9, 2]), ([5, 5], [12, 2]), ([5, 6], [7, 1])] {
          let updates = Array(picks.dropLast()) + shape[picks.last!...]
          try add(
            batch, "scatter nd \(reduction)", .scatterND(ScatterND(reduction: reduction)),
            [TensorType(type, sizes: shape), TensorType(.i32, sizes: picks), TensorType(type, sizes: updates)],
            [shape, picks, updates], &random, indices: [1: indices(.i32, picks, below: 5, &random)],
            tolerance: tolerance)
        }
      }
    }
    try batch.check()
  }

  @Test func countsAndSizes() throws {
    var random = SeededNumbers(17)
    let batch = KernelBatch()
    for type in [ElementType.f32, .f64, .f16, .bf16, .i16, .i32, .i64, .u8] {
      try add(
        batch, "iota", .iota(Iota(count: 5000)), [TensorType(type), TensorType(type)], [[], []], &random,
        tolerance: type == .f64 ? .near(ulps: 2, absolute: 1e-13) : .exact)
    }
    var graph = Graph(name: "t")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [n, h]))
    let sizes = try graph.append(.sizes(Sizes([n * h, 3, h - n])), [])[0]
    graph.addOutput(sizes, name: "y")
    _ = x
    try batch.add("sizes", graph, [random.tensor(.f32, [4, 9])])
    try batch.check()
  }

  /// The reference refuses these; kernels must stay inside their buffers all the same, which end at a guarded page.
  @Test func indicesOutsideStayInside() throws {
    var random = SeededNumbers(18)
    var library = KernelLibrary()
    let wild = Tensor(.i64, [6], integers: [.max, .min, 100, -100, 3, -4])
    let data = random.tensor(.f32, [3, 5])
    var graph = Graph(name: "t")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [n, 5]))
    let i = graph.addInput(name: "i", type: TensorType(.i64, [6]))
    let u = graph.addInput(name: "u", type: TensorType(.f32, [6, 5]))
    let j = graph.addInput(name: "j", type: TensorType(.i64, [6, 1]))
    _ = try graph.append(.gather(Gather(axis: 0)), [x, i])
    _ = try graph.append(.gatherND(GatherND(batchRank: 0)), [x, j])
    _ = try graph.append(.scatterND(ScatterND(reduction: .add)), [x, j, u])
    _ = try graph.append(.slice(Slice(starts: [m, 0], sizes: [2, 5], steps: [2, 1])), [x])
    let values: [ValueID: Tensor] = [
      x: data, i: wild, u: random.tensor(.f32, [6, 5]), j: wild.reshaped([6, 1]),
    ]
    var calls: [(Node, GeneratedKernel, String)] = []
    for node in graph.nodes {
      for kernel in try #require(MovementKernels.make(node, in: graph)) {
        calls.append((node, kernel, library.add(kernel.function)))
      }
    }
    let module = try LoadedModule(NativeCompiler.compile(library).image)
    for start in [-3, 0, 2, 1 << 40] {
      let symbols = ["n": 3, "m": start]
      for (node, kernel, symbol) in calls {
        let memory = (kernel.operands.map { values[node.operands[$0]!]! }).map { tensor -> GuardedBytes in
          let bytes = GuardedBytes(tensor.byteCount)
          tensor.withBytes { bytes.fill($0) }
          return bytes
        }
        let result = GuardedBytes(graph.type(of: node.results[0]).byteCount.evaluate(symbols)!)
        let buffers = (memory + [result]).map { Optional($0.start) }
        let sizes = kernel.function.sizes.map { Int64($0.evaluate(symbols)!) }
        let range = Int64(kernel.function.range.evaluate(symbols)!)
        let function = try module.function(symbol)
        withExtendedLifetime(memory) {
          buffers.withUnsafeBufferPointer { buffers in
            sizes.withUnsafeBufferPointer { function(buffers.baseAddress, $0.baseAddress, 0, range) }
          }
        }
        if case .slice = node.op, start != 0 {
          withExtendedLifetime(result) {
            let floats = UnsafeRawBufferPointer(start: result.start, count: 40).bindMemory(to: Float.self)
            #expect(floats.allSatisfy { $0 == 0 })
          }
        }
      }
    }
  }
}
