import SwageGraph
import SwageKernel
import SwageTensor

/// Kernels for elementwise nodes: each is one walk over the result, with every operand read where it broadcasts to.
public enum ElementwiseKernels {
  /// Elements of one unit of work.
  private static let blockLimit = 4096
  /// Element operations that one thread should get at least.
  private static let threadWork = 16_384

  /// The kernels of `node`: one for each shape among its results. Nil where the node is not elementwise.
  public static func make(_ node: Node, in graph: Graph) -> [GeneratedKernel]? {
    guard node.op.isElementwise, !node.operands.contains(nil) else { return nil }
    var groups: [(shape: [Dim], results: [Int])] = []
    for (index, result) in node.results.enumerated() {
      let shape = graph.type(of: result).shape
      if let known = groups.firstIndex(where: { $0.shape == shape }) {
        groups[known].results.append(index)
      } else {
        groups.append((shape, [index]))
      }
    }
    return groups.map { make(node, graph, results: $0.results, shape: $0.shape) }
  }

  private static func make(_ node: Node, _ graph: Graph, results: [Int], shape: [Dim]) -> GeneratedKernel {
    let types = node.operands.map { graph.type(of: $0 ?? ValueID(0)) }
    let needed = ElementwiseEvaluation.neededOperands(node, results: results)
    var literals: [Int: Expression] = [:]
    var buffers: [(value: ValueID, operand: Int)] = []
    for index in node.operands.indices where needed.contains(index) {
      guard let value = node.operands[index] else { continue }
      if let constant = graph.constant(value), let literal = literal(constant) {
        literals[index] = literal
      } else if !buffers.contains(where: { $0.value == value }) {
        buffers.append((value, index))
      }
    }
    let resultTypes = results.map { graph.type(of: node.results[$0]) }

    let k = KernelBuilder(ElementwiseEvaluation.name(node, resultTypes[0].elementType))
    let inputs = buffers.map { k.input(types[$0.operand].elementType) }
    var aliases: [GeneratedKernel.Alias] = []
    let outputs = zip(results, resultTypes).map { result, type in
      let candidates = buffers.indices.filter { types[buffers[$0].operand] == type }
      aliases += candidates.map { .init(operand: buffers[$0].operand, result: result) }
      return k.output(type.elementType, mayAlias: candidates.map { inputs[$0] })
    }

    let inputStrides = buffers.map { IterationSpace.broadcastStrides(types[$0.operand].shape, to: shape) }
    let ownStrides = IterationSpace.strides(shape)
    let axes = IterationSpace.collapse(
      shape.indices.map { axis in
        IterationAxis(extent: shape[axis], strides: inputStrides.map { $0[axis] } + [ownStrides[axis]])
      })
    let walk = ElementwiseWalk(
      axes: axes, limit: blockLimit, isSequential: resultTypes.contains { $0.elementType.isPacked })
    walk.build(
      k, inputs: inputs, work: (threadWork, ElementwiseEvaluation.cost(node)),
      load: { input, offset in k.load(inputs[input], offset) },
      store: { values, offset in
        let operands = node.operands.indices.map { index -> Expression? in
          if let literal = literals[index] { return literal }
          guard let value = node.operands[index] else { return nil }
          return buffers.firstIndex { $0.value == value }.map { values[$0] }
        }
        let evaluation = ElementwiseEvaluation(k)
        let computed = evaluation.results(node, operands, types.map(\.elementType), wanted: results)
        for (output, value) in zip(outputs, computed) { k.store(output, offset, value) }
      })
    return GeneratedKernel(
      function: k.finish(), operands: buffers.map(\.operand), results: results, inPlace: aliases)
  }

  /// A constant of one element, to stand in the code; no string.
  static func literal(_ tensor: Tensor) -> Expression? {
    guard tensor.count == 1, tensor.elementType != .string else { return nil }
    let type = tensor.elementType.computeType
    switch type {
    case .f32, .f64: return .float(tensor.doubles[0], type)
    case .bool: return .bool(tensor.integers[0] != 0)
    case .i32, .i64, .u32, .u64: return .integer(tensor.integers[0], type)
    }
  }
}

/// The loops of an elementwise kernel.
struct ElementwiseWalk {
  var axes: [IterationAxis]
  var limit: Int
  /// Whether elements share bytes: they are written in order, and rows by one unit.
  var isSequential: Bool

  /// Writes the loops. `load` reads an input at an offset; `store` gets all inputs' values and the result's offset.
  func build(
    _ k: KernelBuilder, inputs: [KernelBuffer], work: (total: Int, perElement: Int),
    load: (Int, Expression) -> Expression, store: @escaping ([Expression], Expression) -> Void
  ) {
    guard let last = axes.last else {
      store(inputs.indices.map { k.let("a", load($0, 0)) }, 0)
      return
    }
    if isSequential, axes.count > 1 {
      nest(k, axes[...], [Expression](repeating: 0, count: inputs.count + 1), inputs.count, load, store)
      return
    }
    // A short innermost axis is unrolled inside a loop over the next one.
    let tail = axes.count >= 2 && (last.extent.constant ?? .max) <= 8 ? axes.count - 1 : axes.count
    let main = axes[tail - 1]
    let outer = axes[..<(tail - 1)]
    let tailCount = tail < axes.count ? last.extent.constant ?? 1 : 1
    let blockLimit = max(limit / max(tailCount, 1), 1)
    let blocks = IterationSpace.blocks(outer: outer.map(\.extent), extent: main.extent, limit: blockLimit)
    k.range = blocks.range
    k.grain = IterationSpace.grain(
      max(work.total / max(work.perElement, 1), 1), perUnit: blocks.length * Dim(max(tailCount, 1)))
    let (row, from, to) = k.block(blocks, extent: main.extent, limit: blockLimit)
    let indices = k.decode(row, outer.map(\.extent))
    let bases = (0...inputs.count).map { tensor in
      k.let("base", k.offset(indices, outer.map { $0.strides[tensor] }))
    }
    // What the inner loops do not move is read once.
    let fixed = inputs.indices.map { input -> Expression? in
      axes[(tail - 1)...].allSatisfy { $0.strides[input] == 0 } ? k.let("c", load(input, bases[input])) : nil
    }
    k.loop("i", from: from, to: to, isSequential ? .plain : .vector) { i in
      let offsets = (0...inputs.count).map { bases[$0] + i * k.size(main.strides[$0]) }
      func element(_ offsets: [Expression]) {
        store(
          inputs.indices.map { fixed[$0] ?? k.let("a", load($0, offsets[$0])) }, offsets[inputs.count])
      }
      guard tail < axes.count else { return element(offsets) }
      k.loop("t", to: .i64(tailCount), .unroll) { t in
        element((0...inputs.count).map { offsets[$0] + t * k.size(last.strides[$0]) })
      }
    }
  }

  private func nest(
    _ k: KernelBuilder, _ rest: ArraySlice<IterationAxis>, _ offsets: [Expression], _ inputCount: Int,
    _ load: (Int, Expression) -> Expression, _ store: ([Expression], Expression) -> Void
  ) {
    guard let axis = rest.first else {
      store((0..<inputCount).map { k.let("a", load($0, offsets[$0])) }, offsets[inputCount])
      return
    }
    k.loop("i", to: k.size(axis.extent)) { i in
      let inner = offsets.indices.map { k.let("at", offsets[$0] + i * k.size(axis.strides[$0])) }
      nest(k, rest.dropFirst(), inner, inputCount, load, store)
    }
  }
}
