import SwageGraph
import SwageKernel
import SwageTensor

/// Writing by index into a copy of the data: a kernel that copies, and one that writes the updates in order. Indices
/// that are out of range are clamped.
enum MovementScatter {
  static func elements(
    _ data: TensorType, _ indices: TensorType, axis: Int, _ reduction: ScatterReduction
  ) -> [GeneratedKernel]? {
    guard let type = storage(data.elementType, reduction) else { return nil }
    let k = KernelBuilder("scatter_elements_\(reduction.rawValue)_\(type.name)")
    let copied = k.input(type)
    let picks = k.input(indices.elementType)
    let updates = k.input(type)
    let target = k.output(type, mayAlias: [copied])
    var dataStrides = IterationSpace.strides(data.shape)
    let axisStride = dataStrides[axis]
    dataStrides[axis] = 0
    let own = IterationSpace.strides(indices.shape)
    let axes = indices.shape.indices.map {
      IterationAxis(extent: indices.shape[$0], strides: [own[$0], dataStrides[$0]])
    }
    // Updates of different rows before the axis never meet.
    let isPacked = type.isPacked
    let outer = isPacked ? [] : IterationSpace.collapse(Array(axes[..<axis]))
    let inner = IterationSpace.collapse(Array(axes[(isPacked ? 0 : axis)...]))
    k.range = outer.reduce(1) { $0 * $1.extent }
    k.grain = IterationSpace.grain(
      MovementKernels.threadElements / 4, perUnit: inner.reduce(1) { $0 * $1.extent })
    let place = k.decode(k.unit, outer.map(\.extent))
    let bases = (0..<2).map { tensor in k.let("base", k.offset(place, outer.map { $0.strides[tensor] })) }
    let size = k.size(data.shape[axis])
    func nest(_ rest: ArraySlice<IterationAxis>, _ offsets: [Expression]) {
      guard let loop = rest.first else {
        let index = MovementGather.resolve(k, k.load(picks, offsets[0]), size)
        let at = k.let("to", offsets[1] + index * k.size(axisStride))
        return write(k, target, at, k.load(updates, offsets[0]), data.elementType, reduction)
      }
      k.loop("i", to: k.size(loop.extent)) { i in
        nest(rest.dropFirst(), (0..<2).map { offsets[$0] + i * k.size(loop.strides[$0]) })
      }
    }
    ifPresent(k, data) { nest(inner[...], bases) }
    let scatter = GeneratedKernel(
      function: k.finish(), operands: [0, 1, 2], results: [0], inPlace: [.init(operand: 0, result: 0)])
    return [copy(data), scatter]
  }

  static func tuples(
    _ data: TensorType, _ indices: TensorType, _ reduction: ScatterReduction
  ) -> [GeneratedKernel]? {
    guard let type = storage(data.elementType, reduction), let depth = indices.shape.last?.constant else { return nil }
    let k = KernelBuilder("scatter_nd_\(reduction.rawValue)_\(type.name)")
    let copied = k.input(type)
    let picks = k.input(indices.elementType)
    let updates = k.input(type)
    let target = k.output(type, mayAlias: [copied])
    let strides = IterationSpace.strides(data.shape)
    let width = data.shape[depth...].reduce(1, *)
    let tuples = indices.shape.dropLast().reduce(1, *)
    // Threads share the columns: within a column, updates come in order.
    let limit = 1024
    let blocks =
      type.isPacked
      ? IterationSpace.Blocks(range: 1, length: width, isCut: false)
      : IterationSpace.blocks(outer: [], extent: width, limit: limit)
    k.range = blocks.range
    k.grain = IterationSpace.grain(MovementKernels.threadElements / 4, perUnit: blocks.length * tuples)
    let (_, from, to) = k.block(blocks, extent: width, limit: limit)
    ifPresent(k, data) {
      k.loop("t", to: k.size(tuples)) { t in
        let base = (0..<depth).reduce(Expression.i64(0)) { sum, position in
          let index = MovementGather.resolve(
            k, k.load(picks, t * .i64(depth) + .i64(position)), k.size(data.shape[position]))
          return sum + index * k.size(strides[position])
        }
        let at = k.let("at", base)
        k.loop("i", from: from, to: to, .vector) { i in
          write(k, target, at + i, k.load(updates, t * k.size(width) + i), data.elementType, reduction)
        }
      }
    }
    let scatter = GeneratedKernel(
      function: k.finish(), operands: [0, 1, 2], results: [0], inPlace: [.init(operand: 0, result: 0)])
    return [copy(data), scatter]
  }

  /// The buffers' type: patterns where updates only replace; nil for combinations without a meaning.
  private static func storage(_ type: ElementType, _ reduction: ScatterReduction) -> ElementType? {
    if reduction == .none { return type.patternType }
    return type == .bool || type == .string ? nil : type
  }

  private static func ifPresent(_ k: KernelBuilder, _ data: TensorType, _ body: () -> Void) {
    if let count = data.elementCount.constant {
      if count > 0 { body() }
    } else {
      k.if(k.size(data.elementCount).greaterThan(0), body)
    }
  }

  private static func write(
    _ k: KernelBuilder, _ target: KernelBuffer, _ at: Expression, _ value: Expression, _ type: ElementType,
    _ reduction: ScatterReduction
  ) {
    let function: Binary.Function? =
      switch reduction {
      case .none: nil
      case .add: .add
      case .mul: .mul
      case .min: .min
      case .max: .max
      }
    guard let function else { return k.store(target, at, value) }
    let old = k.let("old", k.load(target, at))
    k.store(target, at, ElementwiseExpressions.binary(function, old, value, type))
  }

  /// Data to result; nothing to do, and no harm, where both are the same memory.
  private static func copy(_ data: TensorType) -> GeneratedKernel {
    let pattern = data.elementType.patternType
    let k = KernelBuilder("copy_over_\(pattern.name)")
    let source = k.input(pattern)
    let target = k.output(pattern, mayAlias: [source])
    let axes = IterationSpace.collapse([IterationAxis(extent: data.elementCount, strides: [1, 1])])
    ElementwiseWalk(axes: axes, limit: MovementKernels.unitElements, isSequential: false).build(
      k, inputs: [source], work: (MovementKernels.threadElements, 1), load: { k.load(source, $1) },
      store: { k.store(target, $1, $0[0]) })
    return GeneratedKernel(
      function: k.finish(), operands: [0], results: [0], inPlace: [.init(operand: 0, result: 0)])
  }
}
