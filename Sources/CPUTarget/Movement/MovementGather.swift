import SwageGraph
import SwageKernel
import SwageTensor

/// Reading by index. Negative indices count from the end; what is out of range is clamped; an axis of no elements gives
/// zeros.
enum MovementGather {
  /// An index as an element of an axis of `size`.
  static func resolve(_ k: KernelBuilder, _ index: Expression, _ size: Expression) -> Expression {
    let wide = k.let("index", index.cast(.i64))
    return Expression.choose(wide.lessThan(0), wide + size, wide).minimum(size - 1).maximum(0)
  }

  static func gather(_ data: TensorType, _ indices: TensorType, axis: Int) -> GeneratedKernel {
    let pattern = data.elementType.patternType
    let k = KernelBuilder("gather_\(pattern.name)")
    let source = k.input(pattern)
    let picks = k.input(indices.elementType)
    let target = k.output(pattern)
    let outer = data.shape[..<axis].reduce(1, *)
    let size = data.shape[axis]
    let inner = data.shape[(axis + 1)...].reduce(1, *)
    let count = indices.elementCount
    rows(k, source, target, data, outer: outer, count: count, width: inner) { row, pick in
      let index = resolve(k, k.load(picks, pick), k.size(size))
      return (row * k.size(size) + index) * k.size(inner)
    }
    return GeneratedKernel(function: k.finish(), operands: [0, 1], results: [0], inPlace: [])
  }

  /// `outer` times `count` rows of `width` elements, each from where `place` says.
  private static func rows(
    _ k: KernelBuilder, _ source: KernelBuffer, _ target: KernelBuffer, _ data: TensorType, outer: Dim, count: Dim,
    width: Dim, place: @escaping (_ outer: Expression, _ row: Expression) -> Expression
  ) {
    let isPacked = source.elementType.isPacked
    let rowsPerUnit = max(MovementKernels.unitElements / max(width.constant ?? MovementKernels.unitElements, 1), 1)
    let isPresent: Expression? =
      data.elementCount.constant == nil
      ? k.size(data.elementCount).greaterThan(0) : data.elementCount == 0 ? .bool(false) : nil
    func write(_ o: Expression, _ from: Expression, _ to: Expression) {
      // One element a row: the compiler gathers.
      k.loop("r", from: from, to: to, width == 1 && !isPacked ? .vector : .plain) { r in
        let target_at = (o * k.size(count) + r) * k.size(width)
        func zeros() {
          k.loop("i", to: k.size(width)) {
            k.store(target, target_at + $0, .integer(0, source.elementType.computeType))
          }
        }
        func copy() {
          let at = k.let("from", place(o, r))
          if width == 1 {
            k.store(target, target_at, k.load(source, at))
          } else if isPacked {
            k.loop("i", to: k.size(width)) { k.store(target, target_at + $0, k.load(source, at + $0)) }
          } else {
            k.copy(to: target, at: target_at, from: source, at: at, count: k.size(width))
          }
        }
        if let isPresent { k.if(isPresent, copy, else: zeros) } else { copy() }
      }
    }
    if isPacked {
      return k.loop("o", to: k.size(outer)) { write($0, 0, k.size(count)) }
    }
    let blocks = IterationSpace.blocks(outer: [outer], extent: count, limit: rowsPerUnit)
    k.range = blocks.range
    k.grain = IterationSpace.grain(MovementKernels.threadElements, perUnit: blocks.length * width)
    let (o, from, to) = k.block(blocks, extent: count, limit: rowsPerUnit)
    write(o, from, to)
  }

  static func gatherElements(_ data: TensorType, _ indices: TensorType, axis: Int) -> GeneratedKernel {
    let pattern = data.elementType.patternType
    let k = KernelBuilder("gather_elements_\(pattern.name)")
    let source = k.input(pattern)
    let picks = k.input(indices.elementType)
    let target = k.output(pattern)
    var dataStrides = IterationSpace.strides(data.shape)
    let axisStride = dataStrides[axis]
    dataStrides[axis] = 0
    let own = IterationSpace.strides(indices.shape)
    let axes = IterationSpace.collapse(
      indices.shape.indices.map {
        IterationAxis(extent: indices.shape[$0], strides: [dataStrides[$0], own[$0], own[$0]])
      })
    let size = k.size(data.shape[axis])
    let isPresent = (data.shape[axis].constant ?? 0) > 0 ? nil : Optional(size.greaterThan(0))
    let walk = ElementwiseWalk(axes: axes, limit: MovementKernels.unitElements, isSequential: pattern.isPacked)
    walk.build(
      k, inputs: [source, picks], work: (MovementKernels.threadElements, 2),
      load: { $0 == 0 ? $1 : k.load(picks, $1) },
      store: { values, at in
        let index = resolve(k, values[1], size)
        func copy() { k.store(target, at, k.load(source, values[0] + index * k.size(axisStride))) }
        guard let isPresent else { return copy() }
        k.if(isPresent, copy) { k.store(target, at, .integer(0, pattern.computeType)) }
      })
    return GeneratedKernel(function: k.finish(), operands: [0, 1], results: [0], inPlace: [])
  }

  /// Nil where the number of indices in a tuple is not known.
  static func gatherND(_ data: TensorType, _ indices: TensorType, batchRank: Int) -> GeneratedKernel? {
    guard let depth = indices.shape.last?.constant else { return nil }
    let pattern = data.elementType.patternType
    let k = KernelBuilder("gather_nd_\(pattern.name)")
    let source = k.input(pattern)
    let picks = k.input(indices.elementType)
    let target = k.output(pattern)
    let strides = IterationSpace.strides(data.shape)
    let batches = indices.shape[..<batchRank].reduce(1, *)
    let perBatch = indices.shape.dropLast()[batchRank...].reduce(1, *)
    let batchSize = data.shape[batchRank...].reduce(1, *)
    let width = data.shape[(batchRank + depth)...].reduce(1, *)
    rows(k, source, target, data, outer: batches, count: perBatch, width: width) { batch, tuple in
      let first = (batch * k.size(perBatch) + tuple) * .i64(depth)
      return (0..<depth).reduce(batch * k.size(batchSize)) { sum, position in
        let index = resolve(
          k, k.load(picks, first + .i64(position)), k.size(data.shape[batchRank + position]))
        return sum + index * k.size(strides[batchRank + position])
      }
    }
    return GeneratedKernel(function: k.finish(), operands: [0, 1], results: [0], inPlace: [])
  }
}
