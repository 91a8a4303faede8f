import SwageKernel
import SwagePartition
import SwageTensor

/// One matrix of a recurrent layer, `[d, gates·h, depth]`, and how rows are multiplied with it. Constants lie in the plan as
/// panels, gate by gate, in the type that sums have.
struct RecurrentWeights {
  private let buffer: KernelBuffer
  private let gates: Int
  private let h: Int
  private let depth: Expression
  /// nil: as ONNX lays them out.
  let tile: ProductTile?

  /// Columns of one gate's sums: whole panels.
  static func columns(_ h: Int, _ type: ScalarType) -> Int {
    guard let tile = ProductTile.of(type.elementType, filling: h) else { return h }
    return tile.panelCount(h) * tile.columns
  }

  /// Weights that are an operand of the kernel as they are.
  init(_ buffer: KernelBuffer, gates: Int, h: Int, depth: Expression) {
    (self.buffer, self.gates, self.h, self.depth) = (buffer, gates, h, depth)
    tile = nil
  }

  /// Constant weights, for rows of elements of the type that sums have; nil where there are no such products.
  init?(
    _ weights: Tensor, gates: Int, h: Int, sums: ScalarType, _ k: KernelBuilder, name: String, _ recipe: inout Recipe,
    _ reads: inout [Recipe.Slot?]
  ) {
    let type = sums.elementType
    guard let tile = ProductTile.of(type, filling: h), weights.count > 0 else { return nil }
    let depth = weights.shape[2]
    let wide = weights.elementType == type ? weights : Tensor(type, weights.shape, doubles: weights.doubles)
    let (perGate, size, rows) = (tile.panelCount(h), tile.panel(depth: depth), weights.shape[0] * gates * h)
    let count = weights.shape[0] * gates * perGate
    let panels = tile.rearranged([count, depth, tile.columns], "recurrent panels \(h) \(tile.columns)", wide) { move in
      for row in 0..<rows {
        let (gate, unit) = (row / h, row % h)
        let panel = (gate * perGate + unit / tile.columns) * size
        for term in 0..<depth { move(panel + tile.place(term, unit % tile.columns), row * depth + term) }
      }
    }
    guard let panels else { return nil }
    buffer = k.input(type)
    reads.append(recipe.addWeight(panels, name: name + " panels"))
    (self.gates, self.h, self.depth, self.tile) = (gates, h, .i64(depth), tile)
  }

  /// Sets sums of `[row][gate][column]`, of `width` for each row, to the products of a few rows, which begin at `left` and
  /// lie `stride` apart, with a part of the weights of `own` gates; or adds to them.
  func multiply(
    _ left: Statement.Place, stride: Expression, rows: Expression, gates own: Range<Int>, _ part: RecurrentPart,
    direction: Expression, to sums: LocalArray, width: Int, accumulates: Bool, _ k: KernelBuilder
  ) {
    guard let tile else {
      return plain(left, stride, rows, own, direction, sums, width, accumulates, k)
    }
    let perGate = tile.panelCount(h)
    let size = tile.panel(depth: 1) * (depth.literal.map { Int($0) } ?? 0)
    for (first, count, column) in part.spans(of: own, perGate: perGate) {
      let panel = direction * .i64(gates * perGate) + first
      k.product(
        .init(
          to: .array(sums, .i64(column)), stride: .i64(width), left: left, stride: stride,
          panel: .buffer(buffer, k.let("panels", panel * .i64(size))), size: .i64(size), count: count, rows: rows,
          depth: depth, columns: tile.columns, accumulates: accumulates))
    }
  }

  /// Row by row and gate by gate, a block of units at a time.
  private func plain(
    _ left: Statement.Place, _ stride: Expression, _ rows: Expression, _ own: Range<Int>,
    _ direction: Expression,
    _ sums: LocalArray, _ width: Int, _ accumulates: Bool, _ k: KernelBuilder
  ) {
    let columns = Self.columns(h, sums.type)
    func load(_ index: Expression) -> Expression {
      switch left {
      case .buffer(let buffer, let start): k.load(buffer, start + index)
      case .array(let array, let start): k.load(array, start + index)
      }
    }
    k.loop("row", to: rows) { row in
      for gate in own {
        let matrix = k.let("matrix", (direction * .i64(gates) + .i64(gate)) * .i64(h) * depth)
        let target = k.let("target", row * .i64(width) + .i64((gate - own.lowerBound) * columns))
        if !accumulates {
          k.loop("u", to: .i64(h), .vector) { k.store(sums, target + $0, .literal(0, sums.type)) }
        }
        k.loop("block", to: .i64(h), step: 64) { start in
          let lanes = k.let("lanes", (Expression.i64(h) - start).minimum(64))
          k.loop("p", to: depth) { p in
            let factor = k.let("factor", load(row * stride + p))
            let line = k.let("line", matrix + start * depth + p)
            k.loop("lane", to: lanes, .vector) { lane in
              let sum = k.load(sums, target + start + lane)
              k.store(sums, target + start + lane, sum + factor * k.load(buffer, line + lane * depth))
            }
          }
        }
      }
    }
  }
}
