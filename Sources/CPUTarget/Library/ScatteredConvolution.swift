import SwageKernel
import SwagePartition
import SwageTensor

/// A transposed convolution whose windows do not overlap, with few filters: each input position gives its own block of
/// the result. One product computes all blocks, and a kernel puts them in place and applies the epilogue.
///
/// The library computes such convolutions filter by filter in lanes of sixteen, most of which stay empty.
enum ScatteredConvolution {
  /// Filters from which on phases are convolutions of their own (`ConvolutionForm`).
  static let fewFilters = 16

  static func make(_ op: Convolution, _ node: Node, in graph: Graph) -> Recipe? {
    guard op.isTransposed, op.layout == .channelsLast, op.groups == 1, let x = node.type(0, in: graph),
      x.elementType == .f32, let w = node.constant(1, in: graph), w.shape[1] < fewFilters, w.count > 0,
      Array(w.shape.dropFirst(2)) == op.strides, op.dilations.allSatisfy({ $0 == 1 }),
      (op.padsBegin + op.padsEnd).allSatisfy({ $0 == 0 }), op.outputPadding.allSatisfy({ $0 == 0 })
    else { return nil }
    let (channels, filters) = (w.shape[0], w.shape[1])
    let area = op.strides.reduce(1, *)
    var recipe = Recipe()
    let name = node.operands[1].map { graph[$0].name } ?? ""
    let weights = recipe.addWeight(blocks(w, channels, filters, area), name: name + " blocks")
    let products = recipe.addTemporary(TensorType(.f32, Array(x.shape.dropLast()) + [Dim(area * filters)]))
    recipe.steps.append(
      .init(
        action: .matmul(MatMulCall(transposeA: false, transposeB: false, hasBias: false, postOps: [])),
        reads: [.operand(0), weights], writes: [products], label: "conv (product)"))
    recipe.steps.append(
      .init(
        action: .kernel(place(op, x, node, graph, filters: filters)),
        reads: [products] + EpilogueOperands.indices(op.epilogue).map { .operand($0) }, writes: [.result(0)],
        label: EpilogueOperands.label("conv (place)", op.epilogue), isMain: false))
    return recipe
  }

  /// `[c, m, kernel…]` to `[c, kernel… · m]`
  private static func blocks(_ w: Tensor, _ channels: Int, _ filters: Int, _ area: Int) -> Tensor {
    let values = w.floats
    var result = [Float](repeating: 0, count: values.count)
    for c in 0..<channels {
      for m in 0..<filters {
        for tap in 0..<area { result[(c * area + tap) * filters + m] = values[(c * filters + m) * area + tap] }
      }
    }
    return Tensor(floats: result, [channels, area * filters])
  }

  /// A unit is one row of the result along the last spatial axis.
  private static func place(
    _ op: Convolution, _ x: TensorType, _ node: Node, _ graph: Graph, filters: Int
  ) -> KernelFunction {
    let result = graph.type(of: node.results[0])
    let spatial = x.rank - 2
    let width = op.strides[spatial - 1]
    let area = op.strides.reduce(1, *)
    let k = KernelBuilder("place_blocks_f32")
    let products = k.input(.f32)
    let rest = KernelEpilogue(op.epilogue, node, in: graph, result: result.shape, element: .f32, k)
    let y = k.output(.f32)
    let rows = Array(result.shape.dropLast(2))
    k.split(rows.reduce(1, *), work: result.shape[spatial] * Dim(filters * 8))
    let position = k.unravel(k.unit, rows)
    // The input row, and the part of each block that belongs to this row of the result.
    var source = position[0]
    var tap: Expression = 0
    for axis in 0..<spatial - 1 {
      let stride = Expression.i64(op.strides[axis])
      source = source * k.size(x.shape[axis + 1]) + position[axis + 1].divided(by: stride)
      tap = tap * stride + position[axis + 1].remainder(by: stride)
    }
    let columns = k.size(x.shape[spatial])
    let from = k.let("from", source * columns * .i64(area * filters) + tap * .i64(width * filters))
    let target = k.let("target", k.unit * k.size(result.shape[spatial]) * .i64(filters))
    // Elements of one block row lie together in both.
    k.loop("lane", to: .i64(width * filters), .plain) { lane in
      let part = k.let("part", lane.divided(by: .i64(filters)))
      let filter = k.let("filter", lane.remainder(by: .i64(filters)))
      k.loop("column", to: columns, .vector) { column in
        let finish = rest.line(position + [column * .i64(width) + part], from: filter, k)
        let value = finish(k.load(products, from + column * .i64(area * filters) + lane), 0)
        k.store(y, target + column * .i64(width * filters) + lane, value)
      }
    }
    return k.finish()
  }
}
