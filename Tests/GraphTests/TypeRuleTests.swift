import SwageGraph
import SwageTensor
import Testing

/// Operands that an operation must not take, and words of the message.
@Suite struct TypeRuleTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let op: Op
    let operands: [TensorType?]
    let words: String
    init(_ op: Op, _ operands: [TensorType?], _ words: String) {
      (self.op, self.operands, self.words) = (op, operands, words)
    }
    var testDescription: String { "\(op.mnemonic): \(words)" }
  }

  private static func f(_ shape: Dim...) -> TensorType { TensorType(.f32, shape) }
  private static func i(_ shape: Dim...) -> TensorType { TensorType(.i64, shape) }
  private static func b(_ shape: Dim...) -> TensorType { TensorType(.bool, shape) }

  private static func convolution(
    strides: [Int] = [1, 1], dilations: [Int] = [1, 1], pads: [Dim] = [0, 0], groups: Int = 1, transposed: Bool = false,
    outputPadding: [Int]? = nil
  ) -> Op {
    .convolution(
      Convolution(
        strides: strides, dilations: dilations, padsBegin: pads, padsEnd: pads, groups: groups,
        isTransposed: transposed,
        outputPadding: outputPadding))
  }

  private static func pool(
    _ function: Pool.Function = .max, kernel: [Int] = [2, 2], strides: [Int] = [1, 1], pads: [Dim] = [0, 0]
  ) -> Op {
    .pool(Pool(function, kernel: kernel, strides: strides, dilations: [1, 1], padsBegin: pads, padsEnd: pads))
  }

  static let cases: [Case] = [
    Case(.unary(Unary(.exp)), [], "operands"),
    Case(.unary(Unary(.exp)), [i(2)], "takes floats"),
    Case(.unary(Unary(.bitNot)), [f(2)], "takes integers"),
    Case(.unary(Unary(.isNaN)), [i(2)], "takes floats"),
    Case(.unary(Unary(.abs)), [b(2)], "takes numbers"),
    Case(.binary(Binary(.add)), [f(2), i(2)], "one element type"),
    Case(.binary(Binary(.add)), [f(2), f(3)], "sizes 2 and 3 do not broadcast"),
    Case(.binary(Binary(.add)), [b(2), b(2)], "takes numbers"),
    Case(.binary(Binary(.and)), [f(2), f(2)], "takes bool"),
    Case(.binary(Binary(.shiftLeft)), [f(2), f(2)], "takes integers"),
    Case(.binary(Binary(.add)), [f(2), nil], "is missing"),
    Case(.select(Select()), [f(2), f(2), f(2)], "condition is bool"),
    Case(.select(Select()), [b(2), f(2), i(2)], "one element type"),
    Case(.select(Select()), [b(3), f(2), f(2)], "do not broadcast"),
    Case(.cast(Cast(to: .string)), [f(2)], "only numbers are cast"),
    Case(.reshape(Reshape([3, 2])), [f(2, 2)], "elements differ"),
    Case(.transpose(Transpose([0, 0])), [f(2, 2)], "no permutation"),
    Case(.transpose(Transpose([0])), [f(2, 2)], "no permutation"),
    Case(.broadcast(Broadcast([2])), [f(2, 2)], "to rank 1"),
    Case(.broadcast(Broadcast([3])), [f(2)], "broadcast"),
    Case(.broadcast(Broadcast([1])), [f(2)], "does not repeat to 1"),
    Case(.slice(Slice(starts: [0], sizes: [1])), [f(2, 2)], "names 1 axes"),
    Case(.slice(Slice(starts: [1], sizes: [2])), [f(2)], "ends too late"),
    Case(.slice(Slice(starts: [-1], sizes: [2])), [f(2)], "starts before"),
    Case(.slice(Slice(starts: [0], sizes: [2], steps: [-1])), [f(2)], "starts before"),
    Case(.slice(Slice(starts: [0], sizes: [-1])), [f(2)], "negative size"),
    Case(.slice(Slice(starts: [1], sizes: [3], steps: [Dim(Int.max)])), [f(2)], "overflow"),
    Case(.concat(Concat(axis: 1)), [f(2)], "axis 1"),
    Case(.concat(Concat(axis: -1)), [f(2)], "axis -1"),
    Case(.concat(Concat(axis: 0)), [f()], "axis 0"),
    Case(.concat(Concat(axis: 0)), [f(2), i(2)], "cannot join"),
    Case(.concat(Concat(axis: 0)), [f(2, 2), f(2, 3)], "2 against 3"),
    Case(.concat(Concat(axis: 0)), [], "is missing"),
    Case(.pad(Pad(mode: .edge, begins: [1], ends: [1])), [f(2, 2)], "name 1 axes"),
    Case(.pad(Pad(mode: .constant, begins: [1], ends: [1])), [f(2), i()], "padding value"),
    Case(.pad(Pad(mode: .constant, begins: [-2], ends: [-1])), [f(2)], "leave -1 elements"),
    Case(.pad(Pad(mode: .reflect, begins: [2], ends: [0])), [f(2)], "reflection"),
    Case(.pad(Pad(mode: .constant, begins: [Dim(Int.min)], ends: [Dim(Int.max)])), [f(2)], "out of range"),
    Case(.iota(Iota(count: 2)), [f(), i()], "one type"),
    Case(.iota(Iota(count: 2)), [f(1), f(1)], "scalars"),
    Case(.sizes(Sizes([1, 2], isScalar: true)), [], "one value"),
    Case(.bindSymbols(BindSymbols(["n"])), [f(1)], "i64 vector"),
    Case(.bindSymbols(BindSymbols(["n"])), [i(2)], "symbols from"),
    Case(.gather(Gather(axis: 1)), [f(2), i(1)], "axis 1"),
    Case(.gather(Gather(axis: 0)), [f(2), f(1)], "indices are"),
    Case(.gatherElements(GatherElements(axis: 0)), [f(2, 2), i(2)], "does not index"),
    Case(.gatherElements(GatherElements(axis: 0)), [f(2, 2), i(2, 3)], "3 exceeds 2"),
    Case(.gatherND(GatherND(batchRank: 0)), [f(2, 2), i()], "scalar"),
    Case(.gatherND(GatherND(batchRank: 0)), [f(2, 2), i(1, 3)], "does not index"),
    Case(.gatherND(GatherND(batchRank: 0)), [f(2, 2), i(1, .symbol("n"))], "must be known"),
    Case(.gatherND(GatherND(batchRank: 1)), [f(2, 2), i(3, 1)], "2 against 3"),
    Case(.scatterElements(ScatterElements(axis: 0, reduction: .none)), [f(2), i(1), i(1)], "does not fit"),
    Case(.scatterElements(ScatterElements(axis: 0, reduction: .none)), [f(2), i(1), f(2)], "1 against 2"),
    Case(.scatterElements(ScatterElements(axis: 0, reduction: .add)), [f(2, 2), i(2, 3), f(2, 3)], "3 exceeds 2"),
    Case(.scatterND(ScatterND(reduction: .none)), [f(2), i(1, 2), f(1)], "does not index"),
    Case(.scatterND(ScatterND(reduction: .none)), [f(2, 3), i(1, 1), f(1, 4)], "4 against 3"),
    Case(.reduce(Reduce(.sum, axes: [1], keepsAxes: false)), [f(2)], "axes [1]"),
    Case(.reduce(Reduce(.sum, axes: [0, 0], keepsAxes: false)), [f(2)], "axes [0, 0]"),
    Case(.reduce(Reduce(.sum, axes: [-1], keepsAxes: false)), [f(2)], "axes [-1]"),
    Case(.reduce(Reduce(.sum, axes: [0], keepsAxes: false)), [b(2)], "takes numbers"),
    Case(.argReduce(ArgReduce(isMax: true, axis: 1, keepsAxis: false, selectsLast: false)), [f(2)], "axis 1"),
    Case(.cumulative(Cumulative(.sum, axis: -1, isExclusive: false, isReverse: false)), [f(2)], "axis -1"),
    Case(.topK(TopK(count: 3, axis: 0, isLargest: true)), [f(2)], "3 exceeds 2"),
    Case(.softmax(Softmax(axis: 0)), [i(2)], "axis 0 of i64[2]"),
    Case(.layerNorm(LayerNorm(axis: 1, epsilon: 0)), [f(2, 3), f(2)], "2 against 3"),
    Case(.layerNorm(LayerNorm(axis: 2, epsilon: 0)), [f(2, 3)], "axis 2"),
    Case(.groupNorm(GroupNorm(groups: 2, epsilon: 0)), [f(1, 3, 4)], "3 channels in 2 groups"),
    Case(.groupNorm(GroupNorm(groups: 0, epsilon: 0)), [f(1, .symbol("c"), 4)], "0 groups"),
    Case(.groupNorm(GroupNorm(groups: 1, epsilon: 0)), [f(1, 3, 4), f(4)], "4 against 3"),
    Case(.matmul(MatMul()), [f(2), f(2, 2)], "takes matrices"),
    Case(.matmul(MatMul()), [f(2, 3), f(2, 3)], "3 against 2"),
    Case(.matmul(MatMul()), [f(2, 2), i(2, 2)], "one element type"),
    Case(.matmul(MatMul()), [f(2, 2, 2), f(3, 2, 2)], "do not broadcast"),
    Case(.matmul(MatMul(epilogue: Epilogue([.binary(.add, operand: 2)]))), [f(2, 2), f(2, 2)], "is missing"),
    Case(.matmul(MatMul(epilogue: Epilogue([.binary(.add, operand: 0)]))), [f(2, 2), f(2, 2)], "no epilogue"),
    Case(.matmul(MatMul(epilogue: Epilogue([.binary(.less, operand: 2)]))), [f(2, 2), f(2, 2), f(2)], "no epilogue"),
    Case(.matmul(MatMul(epilogue: Epilogue([.unary(Unary(.isNaN))]))), [f(2, 2), f(2, 2)], "changes"),
    Case(.matmul(MatMul(epilogue: Epilogue([.binary(.add, operand: 2)]))), [f(2, 2), f(2, 2), f(3)], "3 against 2"),
    Case(.matmul(MatMul(epilogue: Epilogue([.unary(Unary(.relu))]))), [i(2, 2), i(2, 2)], "takes floats"),
    Case(convolution(), [f(1, 3, 8, 8), f(4, 2, 3, 3)], "2 against 3"),
    Case(convolution(groups: 3), [f(1, 3, 8, 8), f(4, 1, 3, 3)], "4 filters in 3 groups"),
    Case(convolution(), [f(1, 3, 1, 8), f(4, 3, 3, 3)], "larger than spatial axis 0"),
    Case(convolution(strides: [1]), [f(1, 3, 8, 8), f(4, 3, 3, 3)], "spatial axes"),
    Case(convolution(strides: [0, 1]), [f(1, 3, 8, 8), f(4, 3, 3, 3)], "at least 1"),
    Case(convolution(groups: 0), [f(1, 3, 8, 8), f(4, 3, 3, 3)], "at least 1"),
    Case(convolution(), [f(1, 3, 8, 8), f(4, 3, 0, 3)], "empty"),
    Case(convolution(), [f(1, 3, 8, 8), f(4, 3, .symbol("k"), 3)], "must be known"),
    Case(convolution(), [f(1, 3, 8), f(4, 3, 3, 3)], "convolution of"),
    Case(convolution(), [i(1, 3, 8, 8), i(4, 3, 3, 3)], "convolution of"),
    Case(convolution(dilations: [1 << 40, 1]), [f(1, 3, 8, 8), f(4, 3, 3, 3)], "out of range"),
    Case(convolution(pads: [Dim(Int.min), 0]), [f(1, 3, 8, 8), f(4, 3, 3, 3)], "out of range"),
    Case(convolution(transposed: true), [f(1, 3, 8, 8), f(4, 3, 3, 3)], "4 against 3"),
    Case(convolution(transposed: true, outputPadding: [-1, 0]), [f(1, 3, 8, 8), f(3, 4, 3, 3)], "at least 1"),
    Case(pool(), [f(1, 3, 8)], "spatial axes"),
    Case(pool(kernel: [3, 2]), [f(1, 3, 1, 8)], "larger than spatial axis 0"),
    Case(pool(.average), [i(1, 3, 8, 8)], "pool of"),
    Case(pool(kernel: [0, 2]), [f(1, 3, 8, 8)], "at least 1"),
    Case(pool(strides: [1 << 31, 1]), [f(1, 3, 8, 8)], "out of range"),
    Case(pool(kernel: [1 << 20, 1 << 20], pads: [1_048_576, 1_048_576]), [f(1, 3, 8, 8)], "too large"),
    Case(.resize(Resize(mode: .nearest, coordinates: .asymmetric, sizes: [2])), [f(1, 2)], "names 1 axes"),
    Case(.resize(Resize(mode: .linear, coordinates: .asymmetric, sizes: [2])), [i(2)], "takes floats"),
    Case(.resize(Resize(mode: .linear, coordinates: .asymmetric, sizes: [2], scales: [0])), [f(2)], "positive"),
    Case(.resize(Resize(mode: .linear, coordinates: .asymmetric, sizes: [2], scales: [.nan])), [f(2)], "positive"),
    Case(
      .recurrent(Recurrent(cell: .gru, direction: .forward, hiddenSize: 2)), [f(3, 1, 4), f(1, 8, 4), f(1, 6, 2)],
      "8 against 6"),
    Case(
      .recurrent(Recurrent(cell: .rnn, direction: .forward, hiddenSize: 0)), [f(3, 1, 4), f(1, 0, 4), f(1, 0, 0)],
      "hidden size"),
    Case(
      .recurrent(Recurrent(cell: .rnn, direction: .forward, hiddenSize: 2, activations: [])),
      [f(3, 1, 4), f(1, 2, 4), f(1, 2, 2)], "0 activations"),
    Case(.attention(Attention(scale: 1)), [f(2, 4), f(3, 4)], "3 or 4 operands"),
    Case(.attention(Attention(scale: 1)), [f(2, 4), f(3, 5), f(3, 4)], "4 against 5"),
    Case(.attention(Attention(scale: 1)), [f(2, 4), f(3, 4), f(2, 4)], "2 against 3"),
    Case(.attention(Attention(scale: 1)), [f(2, 4), f(3, 4), f(3, 4), f(2, 4)], "4 against 3"),
    Case(.attention(Attention(scale: 1)), [f(2, 4), f(3, 4), f(3, 4), b(2, 3)], "mask"),
    Case(.quantizeLinear(QuantizeLinear(axis: 0, to: .string)), [f(2), f()], "cannot quantize"),
    Case(.quantizeLinear(QuantizeLinear(axis: 0, to: .i8)), [i(2), f()], "cannot quantize"),
    Case(.quantizeLinear(QuantizeLinear(axis: 0, to: .i8)), [f(2), f(3)], "3 against 2"),
    Case(.quantizeLinear(QuantizeLinear(axis: 1, to: .i8)), [f(2), f(2)], "axis 1"),
    Case(.quantizeLinear(QuantizeLinear(axis: 0, blockSize: 2, to: .i8)), [f(8), f(3)], "3 against 4"),
    Case(.quantizeLinear(QuantizeLinear(axis: 0, blockSize: -2, to: .i8)), [f(8), f(3)], "a block of -2"),
    Case(.dequantizeLinear(DequantizeLinear(axis: 0)), [b(2), f()], "takes numbers"),
    Case(.dequantizeLinear(DequantizeLinear(axis: 0)), [i(2), i()], "the scale is"),
    Case(.dequantizeLinear(DequantizeLinear(axis: 0)), [i(2), f(), i(1)], "beside"),
    Case(.copy(Copy(to: "cpu")), [], "operands"),
  ]

  @Test(arguments: cases)
  func refuses(_ given: Case) throws {
    var context = TypeContext(operands: given.operands)
    do {
      let types = try given.op.definition.resultTypes(&context)
      Issue.record("gives \(types)")
    } catch let fault as TypeFault {
      #expect(fault.message.contains(given.words), "\(fault.message)")
    }
  }

  // MARK: - Regions

  private func region(_ inputs: [TensorType], outputs: [Int]) -> Graph {
    var graph = Graph(name: "r")
    for (index, type) in inputs.enumerated() { graph.addInput(name: "i\(index)", type: type) }
    for index in outputs { graph.addOutput(graph.inputs[index], name: "o") }
    return graph
  }

  private func fault(_ op: Op, _ operands: [TensorType?], _ regions: [Graph]) -> String {
    var context = TypeContext(operands: operands, regions: regions)
    do {
      _ = try op.definition.resultTypes(&context)
      return ""
    } catch { return (error as? TypeFault)?.message ?? "\(error)" }
  }

  @Test func conditionals() {
    let f2 = TensorType(.f32, [2])
    let f3 = TensorType(.f32, [3])
    let condition = TensorType(.bool)
    let two = region([f2], outputs: [0])
    #expect(fault(.if(If(results: [f2])), [condition, f2], [two, two]) == "")
    #expect(fault(.if(If(results: [f2])), [TensorType(.bool, [1]), f2], [two, two]).contains("bool scalar"))
    #expect(fault(.if(If(results: [f2])), [condition, f2], [two]).contains("two regions"))
    #expect(fault(.if(If(results: [f2])), [condition], [two, two]).contains("inputs"))
    #expect(fault(.if(If(results: [f2, f2])), [condition, f2], [two, two]).contains("outputs"))
    #expect(fault(.if(If(results: [f2])), [condition, f3], [two, two]).contains("operand 1"))
    #expect(fault(.if(If(results: [f3])), [condition, f2], [two, two]).contains("a branch gives"))
    #expect(fault(.if(If(results: [TensorType(.i64, [2])])), [condition, f2], [two, two]).contains("a branch gives"))
  }

  @Test func loops() {
    let f2 = TensorType(.f32, [2])
    let (count, condition) = (TensorType(.i64), TensorType(.bool))
    let stack = TensorType(.f32, [.symbol("n"), 2])
    let body = region([count, condition, f2], outputs: [1, 2, 2])
    func loop(_ carried: Int, _ results: [TensorType], _ operands: [TensorType?], _ body: Graph) -> String {
      fault(.loop(Loop(carried: carried, results: results)), operands, [body])
    }
    #expect(loop(1, [f2, stack], [count, condition, f2], body) == "")
    #expect(loop(1, [f2, stack], [nil, nil, f2], body) == "")
    #expect(loop(1, [f2, stack], [condition, nil, f2], body).contains("trip count"))
    #expect(loop(1, [f2, stack], [nil, count, f2], body).contains("condition"))
    #expect(loop(1, [f2, stack], [nil, nil, nil], body).contains("is missing"))
    #expect(loop(1, [stack, stack], [nil, nil, f2], body).contains("carried value 0"))
    #expect(loop(1, [f2, f2], [nil, nil, f2], body).contains("no stack"))
    #expect(loop(0, [f2, stack], [nil, nil, f2], body).contains("no stack"))
    #expect(loop(2, [f2, stack], [nil, nil, f2], body).contains("inputs"))
    #expect(loop(.max, [f2, stack], [nil, nil, f2], body).contains("inputs"))
    #expect(loop(-1, [f2, stack], [nil, nil, f2], body).contains("inputs"))
    let swapped = region([condition, count, f2], outputs: [0, 2, 2])
    #expect(loop(1, [f2, stack], [nil, nil, f2], swapped).contains("iteration"))
    #expect(fault(.loop(Loop(carried: 0, results: [])), [nil, nil], []).contains("one region"))
  }

  @Test func sizesThatGrowWithoutEndAreRefused() throws {
    var graph = Graph(name: "g")
    var x = graph.addInput(name: "x", type: TensorType(.f32, [.symbol("a"), .symbol("b")]))
    #expect(throws: GraphError.self) {
      for _ in 0..<100 {
        let size = graph.type(of: x).shape[0]
        x = try graph.append(.reshape(Reshape([size * size * .symbol("b"), 1])), [x])[0]
      }
    }
  }

  @Test func whatSymbolsHideIsNotedForRunTime() throws {
    let (h, w) = (Dim.symbol("h"), Dim.symbol("w"))
    var context = TypeContext(operands: [TensorType(.f32, [h]), TensorType(.f32, [w])])
    let sum = try Binary(.add).resultTypes(&context)
    #expect(sum == [TensorType(.f32, [.maximum(h, w)])])
    #expect(context.constraints.map(\.relation) == [.broadcast])
    #expect(context.constraints.first?.left == h)
    #expect(context.constraints.first?.right == w)
    context = TypeContext(operands: [TensorType(.f32, [h])])
    _ = try Reshape([2, w]).resultTypes(&context)
    #expect(context.constraints.map(\.relation) == [.equal])
    #expect(context.constraints.first?.left == h)
    #expect(context.constraints.first?.right == w * 2)
    context = TypeContext(operands: [TensorType(.f32, [h])])
    _ = try Slice(starts: [2], sizes: [w]).resultTypes(&context)
    #expect(context.constraints.count == 1)
  }
}
