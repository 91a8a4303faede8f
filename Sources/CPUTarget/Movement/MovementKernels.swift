import SwageGraph
import SwageKernel
import SwageTensor

/// Kernels for nodes that move elements without computing on them. Patterns are copied, so that every element type of
/// a width shares its code.
///
/// No kernel reads or writes outside its buffers, whatever the values of indices and symbols: indices are clamped,
/// and a slice that leaves its operand gives zeros.
public enum MovementKernels {
  /// Elements of one unit of work.
  static let unitElements = 4096
  /// Elements that one thread should get at least.
  static let threadElements = 16_384

  /// The kernels of `node`, to be run one after the other. Nil where it is no movement that this target generates.
  public static func make(_ node: Node, in graph: Graph) -> [GeneratedKernel]? {
    let types = node.operands.map { $0.map { graph.type(of: $0) } }
    guard let result = node.results.first.map({ graph.type(of: $0) }) else { return nil }
    func type(_ index: Int) -> TensorType { types[index] ?? result }
    switch node.op {
    case .reshape:
      let axis = IterationAxis(extent: result.elementCount, strides: [1, 1])
      return [StridedCopy("copy", result.elementType, [axis]).kernel()]
    case .bitcast:
      let axis = IterationAxis(extent: result.elementCount, strides: [1, 1])
      return [StridedCopy("bitcast", result.elementType, [axis]).kernel()]
    case .transpose(let op):
      let own = IterationSpace.strides(type(0).shape)
      return [StridedCopy("transpose", result, sourceStrides: op.permutation.map { own[$0] }).kernel()]
    case .broadcast:
      let strides = IterationSpace.broadcastStrides(type(0).shape, to: result.shape)
      return [StridedCopy("broadcast", result, sourceStrides: strides).kernel()]
    case .slice(let op): return [slice(op, type(0), result)]
    case .concat(let op): return [MovementConcat.kernel(types.map { $0 ?? result }, axis: op.axis, result)]
    case .pad(let op): return [MovementPad.kernel(op, type(0), result, hasValue: types.count > 1 && types[1] != nil)]
    case .iota: return [iota(result)]
    case .sizes(let op): return [sizes(op)]
    case .gather(let op): return [MovementGather.gather(type(0), type(1), axis: op.axis)]
    case .gatherElements(let op): return [MovementGather.gatherElements(type(0), type(1), axis: op.axis)]
    case .gatherND(let op): return MovementGather.gatherND(type(0), type(1), batchRank: op.batchRank).map { [$0] }
    case .scatterElements(let op):
      return MovementScatter.elements(type(0), type(1), axis: op.axis, op.reduction)
    case .scatterND(let op): return MovementScatter.tuples(type(0), type(1), op.reduction)
    case .constant, .unary, .binary, .select, .cast, .fused, .random, .linearAttention, .treeEnsemble,
      .pairwiseCoupling, .bindSymbols, .nonZero, .nonMaxSuppression, .reduce,
      .argReduce,
      .cumulative, .topK, .sliceOrder, .determinant, .softmax, .layerNorm, .groupNorm, .matmul, .convolution, .pool,
      .resize, .recurrent,
      .attention, .quantizeLinear, .dequantizeLinear, .if, .loop, .copy, .fail, .object, .text, .ngramCount:
      return nil
    }
  }

  private static func slice(_ op: Slice, _ type: TensorType, _ result: TensorType) -> GeneratedKernel {
    let own = IterationSpace.strides(type.shape)
    var copy = StridedCopy("slice", result, sourceStrides: zip(own, op.steps).map { $0 * $1 })
    copy.start = zip(own, op.starts).reduce(0) { $0 + $1.0 * $1.1 }
    for axis in type.shape.indices {
      let first = op.starts[axis]
      let last = first + (op.sizes[axis] - 1) * op.steps[axis]
      for reach in [first, last] {
        let room = type.shape[axis] - 1 - reach
        if (reach.constant ?? -1) < 0 { copy.notNegative.append(reach) }
        if (room.constant ?? -1) < 0 { copy.notNegative.append(room) }
      }
    }
    return copy.kernel()
  }

  private static func iota(_ result: TensorType) -> GeneratedKernel {
    let k = KernelBuilder("iota_\(result.elementType.name)")
    let type = result.elementType
    let inputs = [k.input(type), k.input(type)]
    let output = k.output(type)
    let walk = ElementwiseWalk(
      axes: IterationSpace.collapse([IterationAxis(extent: result.elementCount, strides: [0, 0, 1])]),
      limit: unitElements, isSequential: false)
    walk.build(
      k, inputs: inputs, work: (threadElements, 1), load: { input, _ in k.load(inputs[input], 0) },
      store: { values, index in
        let value: Expression
        if type.isFloat {
          let exact = values[0].cast(.f64) + index.cast(.f64) * values[1].cast(.f64)
          value = ElementwiseExpressions.cast(exact, from: .f64, to: type)
        } else {
          let compute = type.computeType
          value = .narrow(type, values[0].wrappingAdd(index.cast(compute).wrappingMultiply(values[1])))
        }
        k.store(output, index, value)
      })
    return GeneratedKernel(function: k.finish(), operands: [0, 1], results: [0], inPlace: [])
  }

  private static func sizes(_ op: Sizes) -> GeneratedKernel {
    let k = KernelBuilder("sizes")
    let output = k.output(.i64)
    for (index, value) in op.values.enumerated() { k.store(output, .i64(index), k.size(value)) }
    return GeneratedKernel(function: k.finish(), operands: [], results: [0], inPlace: [])
  }
}
