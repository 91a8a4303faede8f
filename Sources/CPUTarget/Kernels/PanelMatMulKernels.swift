import SwageKernel
import SwagePartition
import SwageTensor

/// Products of f32 or f64 with a constant matrix, which lies in the plan as panels. A piece of work is a block of rows,
/// which stays in the second-level cache, and `chunk` columns. Pieces that follow each other share rows, or, where the
/// matrix is large, columns.
enum PanelMatMulKernels {
  /// Rows below which the library, which splits the columns further, is faster.
  static let fewestRows = 4
  /// Columns that are computed and finished together, at most.
  private static let chunk = 64
  /// Elements of a block of rows, at most.
  private static let blockFloats = 1 << 16
  /// Bytes of a matrix that may be read once for each block of rows.
  private static let largestNear = 4 << 20

  static func make(_ op: MatMul, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    guard !op.transposeA, let a = node.type(0, in: graph), let b = node.constant(1, in: graph), b.shape.count == 2,
      let panels = ProductTile.panels(b, isTransposed: op.transposeB)
    else { return nil }
    let result = graph.type(of: node.results[0])
    return make(
      a, panels, filters: b.shape[op.transposeB ? 0 : 1], result, op.epilogue, node, in: graph, name: "matmul",
      threads: threads)
  }

  /// A convolution that looks at one point at a time, as a product.
  static func make(_ op: Convolution, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    guard op.layout == .channelsLast, op.groups == 1, !op.isTransposed, op.strides.allSatisfy({ $0 == 1 }),
      (op.padsBegin + op.padsEnd).allSatisfy({ $0 == 0 }), let x = node.type(0, in: graph),
      let w = node.constant(1, in: graph), w.shape.dropFirst(2).allSatisfy({ $0 == 1 }),
      let panels = ProductTile.panels(w.reshaped([w.shape[0], w.shape[1]]), isTransposed: true)
    else { return nil }
    let result = graph.type(of: node.results[0])
    return make(x, panels, filters: w.shape[0], result, op.epilogue, node, in: graph, name: "conv", threads: threads)
  }

  private static func make(
    _ a: TensorType, _ panels: Tensor, filters: Int, _ result: TensorType, _ epilogue: Epilogue, _ node: Node,
    in graph: Graph, name: String, threads: Int
  ) -> Recipe? {
    let rank = result.rank
    guard a.elementType == panels.elementType, a.rank == rank, filters > 0, let depth = a.shape[rank - 1].constant,
      depth > 0
    else {
      return nil
    }
    let lines = Array(result.shape.dropLast())
    let rows = lines.reduce(1, *)
    if let rows = rows.constant, rows < fewestRows { return nil }
    let columns = panels.shape[2]
    let element = a.elementType
    let compute = element.computeType
    let width = min(chunk, panels.shape[0] * columns)
    let perChunk = width / columns
    let chunks = (panels.shape[0] + perChunk - 1) / perChunk
    let largest = max(24, min(96, blockFloats / depth / 6 * 6))

    let k = KernelBuilder("\(name)_panels_\(element.name)")
    let x = k.input(element)
    let w = k.input(element)
    let rest = KernelEpilogue(epilogue, node, in: graph, result: result.shape, element: element, k)
    let y = k.output(element, mayAlias: rest.sameShape)
    let m = k.size(rows)
    let block = k.blockSize("block", m, largest: largest, step: 6)
    let blocks = k.let("blocks", m.ceilDivided(by: block))
    let sharesColumns = panels.byteCount > largestNear
    k.share(blocks * .i64(chunks), units: threads * 4, work: rows * Dim(depth * filters)) { item in
      let outer = sharesColumns ? blocks : .i64(chunks)
      let (high, low) = (k.let("high", item.divided(by: outer)), k.let("low", item.remainder(by: outer)))
      let first = k.let("first", (sharesColumns ? low : high) * block)
      let panel = k.let("panel", (sharesColumns ? high : low) * .i64(perChunk))
      let count = k.let("count", (m - first).minimum(block))
      let sums = k.array("sums", compute, count: largest * width)
      let own = k.let("own", (Expression.i64(panels.shape[0]) - panel).minimum(.i64(perChunk)))
      k.loop("p", to: own) { p in
        k.product(
          .init(
            to: .array(sums, p * .i64(columns)), stride: .i64(width), left: .buffer(x, first * .i64(depth)),
            stride: .i64(depth), panel: .buffer(w, (panel + p) * .i64(depth * columns)), stride: .i64(columns),
            rows: count, depth: .i64(depth), columns: columns, accumulates: false))
      }
      let column = k.let("column", panel * .i64(columns))
      let lanes = k.let("lanes", (Expression.i64(filters) - column).minimum(own * .i64(columns)))
      k.loop("row", to: count) { row in
        let place = k.unravel(first + row, lines)
        let finish = rest.line(place, from: column, k)
        let target = k.let("target", (first + row) * .i64(filters) + column)
        k.loop("lane", to: lanes, .vector) { lane in
          k.store(y, target + lane, finish(k.load(sums, row * .i64(width) + lane), lane))
        }
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
