import SwageGraph
import SwageTensor
import Testing

@Suite struct EvaluatorTests {
  /// One node each, beside what onnxruntime gives.
  @Test func nodesAgreeWithOnnxruntime() throws {
    let nodes = try Expected.nodes()
    #expect(nodes.count > 100)
    for node in nodes {
      let graph = try GraphParser.parse(node.graph)
      try GraphVerifier.verify(graph, after: node.name)
      var context = EvaluationContext()
      let results = try Evaluator.run(graph, try node.inputs.map { try $0.tensor() }, &context)
      #expect(results.count == node.outputs.count)
      for (result, output) in zip(results, node.outputs) {
        let expected = try output.tensor()
        #expect(result.type == expected.type, "\(node)")
        if expected.elementType.isFloat {
          let scale = expected.doubles.filter(\.isFinite).map(\.magnitude).max() ?? 0
          for (x, y) in zip(result.doubles, expected.doubles) {
            let isNear = x == y || (x.isNaN && y.isNaN) || abs(x - y) <= node.tolerance * max(abs(y), min(scale, 1))
            #expect(isNear, "\(node): \(x) against \(y)")
          }
        } else {
          #expect(result.integers == expected.integers, "\(node)")
        }
      }
    }
  }

  private func run(_ text: String, _ inputs: [Tensor]) throws -> [Tensor] {
    var context = EvaluationContext()
    return try Evaluator.run(try GraphParser.parse(text), inputs, &context)
  }

  @Test func dataBecomesSizes() throws {
    let text = """
      graph "g" (%0 "n": i64[2], %1 "x": f32[2]) {
        bind_symbols(%0) {names = ["a", "b"]}
        %2 = sizes() {values = [a*b, floordiv(a, b)]} : i64[2]
        %3 = broadcast(%1) {shape = [a, 2]} : f32[a, 2]
        %4 = nonzero(%3) {symbol = "k"} : i64[2, k]
        %5 = sizes() {values = [k], scalar = true} : i64[]
        return %2 "s", %4 "hits", %5 "k"
      }
      """
    let results = try run(text, [Tensor(.i64, [2], integers: [3, 2]), Tensor(.f32, [2], doubles: [0, 7])])
    #expect(results[0].integers == [6, 1])
    #expect(results[1].shape == [2, 3])
    #expect(results[1].integers == [0, 1, 2, 1, 1, 1])
    #expect(results[2].integers == [3])
    // Sizes that data decide are refused, not trusted.
    for values in [[-1, 1], [Int64.max, 1], [Int64.min, -1], [1 << 40, 1]] as [[Int64]] {
      #expect(throws: GraphError.self) {
        try run(text, [Tensor(.i64, [2], integers: values), Tensor(.f32, [2], doubles: [0, 7])])
      }
    }
  }

  @Test func conditionalsAndLoops() throws {
    let graph = try OpSamples.regions()
    let x = Tensor(.f32, [2], doubles: [1, -3])
    let results = try Evaluator.run(
      graph, inputs: ["x": x, "condition": Tensor(.bool, [], integers: [1])])
    #expect(results["last"]?.doubles == [8, -24])
    #expect(results["stack"]?.shape == [3, 2])
    #expect(results["stack"]?.doubles == [2, -6, 4, -12, 8, -24])
    do {
      _ = try Evaluator.run(graph, inputs: ["x": x, "condition": Tensor(.bool, [], integers: [0])])
      Issue.record("the branch fails")
    } catch GraphError.evaluation(_, let message) { #expect(message.contains("\"quotes\" and\nlines")) }
  }

  @Test func aLoopEndsByItsCondition() throws {
    let text = """
      graph "g" (%0 "x": i64[]) {
        %1 = loop(none, none, %0) {carried = 1} graph "body" (%0 "i": i64[], %1 "more": bool[], %2 "x": i64[]) {
          %3 = binary(%2, %0) {function = add} : i64[]
          %4 = constant i64[] [20]
          %5 = binary(%3, %4) {function = less} : bool[]
          return %5 "more", %3 "x"
        } : i64[] from "n" (Loop)
        return %1 "y"
      }
      """
    #expect(try run(text, [Tensor(.i64, [], integers: [0])])[0].integers == [21])
  }

  @Test func fusedIsItsRegion() throws {
    let text = """
      graph "g" (%0 "x": f32[2], %1 "y": f32[2]) {
        %2, %3 = fused(%0, %1) graph "r" (%0 "x": f32[2], %1 "y": f32[2]) {
          %2 = constant f32[] [0.5]
          %3 = binary(%0, %2) {function = mul} : f32[2]
          %4 = binary(%3, %1) {function = sub} : f32[2]
          return %4 "a", %3 "b"
        } : f32[2], f32[2]
        return %2 "a", %3 "b"
      }
      """
    let results = try run(text, [Tensor(.f32, [2], doubles: [2, 4]), Tensor(.f32, [2], doubles: [1, 1])])
    #expect(results.map(\.doubles) == [[0, 1], [1, 2]])
  }

  @Test func integerArithmeticWraps() throws {
    func binary(_ function: Binary.Function, _ type: ElementType, _ a: Int64, _ b: Int64) throws -> Int64 {
      var graph = Graph(name: "g")
      let x = graph.addInput(name: "x", type: TensorType(type))
      let y = graph.addInput(name: "y", type: TensorType(type))
      graph.addOutput(try graph.append(.binary(Binary(function)), [x, y])[0], name: "z")
      var context = EvaluationContext()
      let operands = [Tensor(type, [], integers: [a]), Tensor(type, [], integers: [b])]
      return try Evaluator.run(graph, operands, &context)[0].integers[0]
    }
    #expect(try binary(.add, .i8, 127, 1) == -128)
    #expect(try binary(.mul, .i64, .max, 2) == -2)
    #expect(try binary(.div, .i64, .min, -1) == .min)
    #expect(try binary(.mod, .i64, .min, -1) == 0)
    #expect(try binary(.fmod, .i64, .min, -1) == 0)
    #expect(try binary(.div, .i32, 5, 0) == 0)
    #expect(try binary(.mod, .i32, 5, 0) == 0)
    #expect(try binary(.div, .u64, -1, 2) == .max)
    #expect(try binary(.pow, .i32, 3, 4) == 81)
    #expect(try binary(.pow, .i32, 2, -1) == 0)
    #expect(try binary(.pow, .i64, -1, -3) == -1)
    #expect(try binary(.shiftRight, .i8, -8, 1) == -4)
    #expect(try binary(.shiftLeft, .u8, 1, 8) == 0)
    #expect(try binary(.shiftLeft, .i64, 1, -1) == 0)
  }

  /// The values of ONNX's own test of Mod.
  @Test func remaindersOfFloats() {
    let mod = Binary(.mod)
    let cases: [(Double, Double, Double)] = [
      (0, -2, -0.0), (-0.0, 2, 0), (-3, .infinity, .infinity), (3, .infinity, 3), (-1, -.infinity, -1),
      (1, -.infinity, -.infinity), (-7, 3, 2), (7, -3, -2), (-6, 3, 0), (5.5, 2, 1.5),
    ]
    for (x, y, expected) in cases {
      let value = mod.apply(x, y)
      #expect(value == expected && value.sign == expected.sign, "\(x) mod \(y) is \(value)")
    }
    for (x, y) in [(.infinity, 2), (1, 0), (.nan, 2), (1, .nan)] as [(Double, Double)] {
      #expect(mod.apply(x, y).isNaN)
    }
  }

  @Test func clipOfUnsigned() throws {
    let text = """
      graph "g" (%0 "x": u64[3]) {
        %1 = unary(%0) {function = clip, alpha = 5.0, beta = 1e19} : u64[3]
        return %1 "y"
      }
      """
    let values = [1, 7, Int64(bitPattern: .max)]
    #expect(
      try run(text, [Tensor(.u64, [3], integers: values)])[0].integers
        == [5, 7, Int64(bitPattern: 10_000_000_000_000_000_000)])
  }

  // MARK: - Refusals

  @Test func inputsThatDoNotFit() throws {
    let text = """
      graph "g" (%0 "x": f32[h, h], %1 "y": f32[2*h]) {
        return %0 "x"
      }
      """
    let good = Tensor(zeros: .f32, [2, 2])
    let four = Tensor(zeros: .f32, [4])
    _ = try run(text, [good, four])
    for inputs in [
      [good], [good, good], [Tensor(zeros: .f32, [2, 3]), four], [good, Tensor(zeros: .f32, [5])],
      [Tensor(zeros: .f64, [2, 2]), four],
    ] {
      #expect(throws: GraphError.self) { try run(text, inputs) }
    }
    #expect(throws: GraphError.self) { try Evaluator.run(try GraphParser.parse(text), inputs: ["x": good]) }
  }

  /// Sizes behind symbols that a type rule took to be equal.
  @Test(arguments: [
    "matmul(%0, %1) : f32[a, d]", "binary(%0, %1) {function = add} : f32[max(a, c), max(b, d)]",
    "concat(%0, %1) {axis = 0} : f32[a + c, d]", "reshape(%0) {shape = [c]} : f32[c]",
    "slice(%0) {starts = [0, 0], sizes = [c, d]} : f32[c, d]",
    "slice(%0) {starts = [a, 0], sizes = [c, d], steps = [d, 1]} : f32[c, d]",
    "attention(%0, %1, %1) {scale = 1.0} : f32[a, d]",
    "layer_norm(%0, %2) {axis = 1, epsilon = 0.1} : f32[a, b]",
    "top_k(%0) {count = d, axis = 0, largest = true}",
    "gather_elements(%0, %3) {axis = 0} : f32[e, f]",
    "scatter_elements(%0, %3, %1) {axis = 0, reduction = none} : f32[a, b]",
    "scatter_nd(%0, %4, %1) {reduction = add} : f32[a, b]", "gather_nd(%0, %4) {batch_rank = 1} : f32[9]",
    "quantize_linear(%0, %2) {axis = 0, to = i8} : i8[a, b]",
    "pad(%0) {mode = reflect, begins = [d, d], ends = [0, 0]} : f32[a + d, b + d]",
    "matmul(%0, %0, %2) {transpose_b = true, epilogue = [\"add:2\"]} : f32[a, a]",
  ])
  func sizesThatDisagreeAreRefused(_ node: String) throws {
    let results = node.hasPrefix("top_k") ? "%5, %6" : "%5"
    let types = node.hasPrefix("top_k") ? " : f32[d, b], i64[d, b]" : ""
    let text = """
      graph "g" (%0 "p": f32[a, b], %1 "q": f32[c, d], %2 "r": f32[g], %3 "s": i64[e, f], %4 "t": i64[9, 1]) {
        \(results) = \(node)\(types)
        return %5 "y"
      }
      """
    let inputs = [
      Tensor(zeros: .f32, [3, 4]), Tensor(zeros: .f32, [7, 5]), Tensor(zeros: .f32, [6]), Tensor(zeros: .i64, [8, 9]),
      Tensor(zeros: .i64, [9, 1]),
    ]
    do {
      let values = try run(text, inputs)
      Issue.record("gives \(values[0].type)")
    } catch GraphError.evaluation {}
  }

  /// Tensors without elements may have sizes whose product overflows.
  @Test func emptyTensorsOfHugeSizes() throws {
    let huge = [0, 1 << 40, 1 << 40]
    let swapped = [1 << 40, 1 << 40, 0]
    func type(_ shape: [Int]) -> String { TensorType(.f32, sizes: shape).description }
    let nodes: [(String, [Int])] = [
      ("unary(%0) {function = exp}", huge), ("softmax(%0) {axis = 0}", huge), ("softmax(%0) {axis = 2}", huge),
      ("transpose(%0) {permutation = [2, 1, 0]}", swapped), ("concat(%0, %0) {axis = 0}", huge),
      ("layer_norm(%0) {axis = 2, epsilon = 0.1}", huge), ("binary(%0, %0) {function = add}", huge),
      ("cumulative(%0) {function = sum, axis = 1}", huge),
      ("group_norm(%0) {groups = 1, epsilon = 0.1, layout = nchw}", huge),
      ("reduce(%0) {function = max, axes = [1]}", [0, 1 << 40]), ("reduce(%0) {function = sum, axes = [0, 1, 2]}", []),
      ("slice(%0) {starts = [0, 0, 0], sizes = [0, 5, 1099511627776]}", [0, 5, 1 << 40]),
      ("pad(%0) {mode = edge, begins = [0, 1, 0], ends = [0, 0, 0]}", [0, (1 << 40) + 1, 1 << 40]),
      ("matmul(%0, %0) {transpose_b = true}", huge), ("attention(%0, %0, %0) {scale = 1.0}", huge),
      ("cast(%0) {to = f32}", huge), ("reshape(%0) {shape = [0]}", [0]),
      ("broadcast(%0) {shape = [3, 0, 1099511627776, 1099511627776]}", [3] + huge),
      ("pool(%0) {function = max, kernel = [1], strides = [1], pads_begin = [0], pads_end = [0], layout = nchw}", huge),
      ("resize(%0) {mode = linear, coordinates = half_pixel, sizes = [0, 1, 1]}", [0, 1, 1]),
    ]
    for (node, shape) in nodes {
      let text = "graph \"g\" (%0 \"x\": \(type(huge))) { %1 = \(node) : \(type(shape)) return %1 \"y\" }"
      let results = try run(text, [Tensor(zeros: .f32, huge)])
      #expect(results[0].shape == shape, "\(node)")
    }
    // Results with elements are refused where they are too large or there is nothing to take them from.
    for (node, shape) in [
      ("reduce(%0) {function = sum, axes = [0]}", [1 << 40, 1 << 40]),
      ("arg_reduce(%0) {max = true, axis = 0}", [1 << 40, 1 << 40]),
      ("pad(%0) {mode = edge, begins = [1, -1099511627775, -1099511627775], ends = [0, 0, 0]}", [1, 1, 1]),
      ("resize(%0) {mode = nearest, coordinates = asymmetric, nearest = floor, sizes = [1, 1, 1]}", [1, 1, 1]),
    ] {
      let kind = node.hasPrefix("arg") ? TensorType(.i64, sizes: shape).description : type(shape)
      let text = "graph \"g\" (%0 \"x\": \(type(huge))) { %1 = \(node) : \(kind) return %1 \"y\" }"
      #expect(throws: GraphError.self, "\(node)") { try run(text, [Tensor(zeros: .f32, huge)]) }
    }
  }

  @Test func emptyImagesUnderHugeKernels() throws {
    let text = """
      graph "g" (%0 "x": f32[1, 0, 1, 1], %1 "w": f32[2, 0, 2147483647, 2147483647]) {
        %2 = convolution(%0, %1) {strides = [1, 1], pads_begin = [2147483646, 2147483646], pads_end = [0, 0], layout = nchw} : f32[1, 2, 1, 1]
        return %2 "y"
      }
      """
    let weights = Tensor(zeros: .f32, [2, 0, 2_147_483_647, 2_147_483_647])
    #expect(try run(text, [Tensor(zeros: .f32, [1, 0, 1, 1]), weights])[0].doubles == [0, 0])
  }

  @Test func indicesOutsideAreRefused() throws {
    for (node, index) in [
      ("gather(%0, %1) {axis = 0} : f32[1]", 4), ("gather(%0, %1) {axis = 0} : f32[1]", -5),
      ("gather(%0, %1) {axis = 0} : f32[1]", Int64.min), ("gather_elements(%0, %1) {axis = 0} : f32[1]", 4),
      ("scatter_elements(%0, %1, %2) {axis = 0, reduction = add} : f32[4]", .max),
      ("gather_nd(%0, %1) : f32[]", 4), ("scatter_nd(%0, %1, %3) {reduction = none} : f32[4]", -5),
    ] as [(String, Int64)] {
      let text = """
        graph "g" (%0 "x": f32[4], %1 "i": i64[1], %2 "u": f32[1], %3 "v": f32[]) {
          %4 = \(node)
          return %4 "y"
        }
        """
      let inputs = [
        Tensor(zeros: .f32, [4]), Tensor(.i64, [1], integers: [index]), Tensor(zeros: .f32, [1]),
        Tensor(zeros: .f32, []),
      ]
      #expect(throws: GraphError.self, "\(node)") { try run(text, inputs) }
    }
  }

  @Test func extremeScalesDoNotTrap() throws {
    for mode in ["nearest", "linear", "cubic"] {
      for coordinates in ["asymmetric", "half_pixel", "half_pixel_symmetric"] {
        let text = """
          graph "g" (%0 "x": f32[2, 2]) {
            %1 = resize(%0) {mode = \(mode), coordinates = \(coordinates), sizes = [5, 5], scales = [1e-320, 1e300]} : f32[5, 5]
            return %1 "y"
          }
          """
        #expect(try run(text, [Tensor(.f32, [2, 2], doubles: [1, 1, 1, 1])])[0].count == 25)
      }
    }
  }

  @Test func substitutionKeepsMeaning() throws {
    for graph in try OpSamples.all() {
      var given = graph
      try given.substitute(["h": 8, "w": 5])
      try GraphVerifier.verify(given, after: "substitution")
      #expect(given.nodeCount == graph.nodeCount)
      #expect(Array(given.nodes).map(\.target) == Array(graph.nodes).map(\.target))
      #expect(!given.inputSymbols.contains("h"))
    }
  }
}
