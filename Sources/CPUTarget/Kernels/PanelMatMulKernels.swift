import SwageKernel
import SwagePartition
import SwageTensor

/// Products of f32, f64, bf16 or bytes with a constant matrix, which lies in the plan as panels. A piece of work is a block of
/// rows, which stays in the second-level cache, and a chunk of columns.
enum PanelMatMulKernels {
  /// Rows below which the library or plain loops are taken. Single rows of f32 and bytes go through several panels side by
  /// side.
  private static func fewestRows(_ element: ElementType) -> Int { [.f32, .u8].contains(element) ? 1 : 4 }
  /// Rows of a block, at most: whole tiles of every machine, of elements that stay in the cache.
  private static func largestBlock(_ tile: ProductTile, depth: Int) -> Int {
    if tile.usesMatrixUnit { return max(32, min(128, (768 << 10) / (depth * tile.bytes) / 32 * 32)) }
    return max(24, min(96, (256 << 10) / (depth * tile.bytes) / tile.rows * tile.rows))
  }

  static func make(_ op: MatMul, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    guard !op.transposeA, let a = node.type(0, in: graph), let b = node.constant(1, in: graph), b.shape.count == 2,
      let tile = ProductTile.of(a.elementType, filling: b.shape[op.transposeB ? 0 : 1]),
      let panels = tile.panels(b, isTransposed: op.transposeB)
    else { return nil }
    let result = graph.type(of: node.results[0])
    return make(
      a, tile, panels, filters: b.shape[op.transposeB ? 0 : 1], result, op.epilogue, node, in: graph, name: "matmul",
      threads: threads)
  }

  /// A convolution that looks at one point at a time, as a product.
  static func make(_ op: Convolution, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    guard op.layout == .channelsLast, op.groups == 1, !op.isTransposed, op.strides.allSatisfy({ $0 == 1 }),
      (op.padsBegin + op.padsEnd).allSatisfy({ $0 == 0 }), let x = node.type(0, in: graph),
      let w = node.constant(1, in: graph), w.shape.dropFirst(2).allSatisfy({ $0 == 1 }),
      let tile = ProductTile.of(x.elementType, filling: w.shape[0]),
      let panels = tile.panels(w.reshaped([w.shape[0], w.shape[1]]), isTransposed: true)
    else { return nil }
    let result = graph.type(of: node.results[0])
    return make(
      x, tile, panels, filters: w.shape[0], result, op.epilogue, node, in: graph, name: "conv", threads: threads)
  }

  private static func make(
    _ a: TensorType, _ tile: ProductTile, _ panels: Tensor, filters: Int, _ result: TensorType, _ epilogue: Epilogue,
    _ node: Node, in graph: Graph, name: String, threads: Int
  ) -> Recipe? {
    let rank = result.rank
    guard a.rank == rank, filters > 0, let depth = a.shape[rank - 1].constant, depth > 0 else { return nil }
    let lines = Array(result.shape.dropLast())
    let rows = lines.reduce(1, *)
    let element = a.elementType
    if let rows = rows.constant, rows < fewestRows(element) { return nil }
    let columns = tile.columns
    let panelCount = panels.shape[0]
    let width = min(tile.chunk(depth: depth), panelCount * columns)
    let perChunk = width / columns
    let order = PieceOrder(
      chunks: (panelCount + perChunk - 1) / perChunk, bytes: panels.byteCount,
      leftBytes: rows.constant.map { $0 * depth * tile.bytes }, tile)
    let largest = largestBlock(tile, depth: depth)
    let panelSize = tile.panel(depth: depth)

    let k = KernelBuilder("\(name)_panels_\(element.name)")
    let x = k.input(element)
    let w = k.input(tile.panelElement)
    let rest = KernelEpilogue(epilogue, node, in: graph, result: result.shape, element: result.elementType, k)
    let y = k.output(result.elementType, mayAlias: rest.sameShape)
    let m = k.size(rows)
    let blocks = k.blockCount(
      "blocks", m, largest: .i64(largest), smallest: 6, alike: .i64(order.chunks), threads: threads)
    k.share(blocks * .i64(order.chunks), units: threads * 4, work: rows * Dim(depth * filters)) { item in
      let place = order.place(item, blocks: blocks, k)
      let (first, count) = k.block(
        "first", "count", of: m, place.block, blocks, step: tile.usesMatrixUnit ? tile.rows : 1)
      let panel = k.let("panel", place.chunk * .i64(perChunk))
      let sums = k.array("sums", of: tile.sums, count: largest * width)
      let own = k.let("own", (Expression.i64(panelCount) - panel).minimum(.i64(perChunk)))
      k.product(
        .init(
          to: .array(sums, 0), stride: .i64(width), left: .buffer(x, first * .i64(depth)), stride: .i64(depth),
          panel: .buffer(w, panel * .i64(panelSize)), size: .i64(panelSize), count: own, rows: count,
          depth: .i64(depth), columns: columns, accumulates: false, isFollowed: order.isFar))
      let column = k.let("column", panel * .i64(columns))
      k.loop("row", to: count) { row in
        rest.store(
          sums, at: row * .i64(width), panels: own, to: y, line: (first + row) * .i64(filters), from: column,
          filters: filters, columns: columns, place: k.unravel(first + row, lines), k)
      }
    }
    var recipe = Recipe()
    let weight = recipe.addWeight(panels, name: (node.operands[1].map { graph[$0].name } ?? "") + " panels")
    recipe.steps.append(
      rest.step(
        k.finish(), reads: [.operand(0), weight], label: EpilogueOperands.label(name, epilogue)))
    return recipe
  }
}
