import SwageKernel
import SwagePartition
import SwageTensor

/// What the state of an LSTM adds to its gates where the weights are signed bytes: the state becomes unsigned bytes by its
/// range, and all gates are one exact product.
struct QuantizedRecurrence {
  private let tile: ProductTile
  private let panels: KernelBuffer
  private let sumsOfWeights: KernelBuffer
  private let panelCount: Int
  private let panelSize: Int
  private let h: Int
  private let columns: Int

  /// Declares the buffers of weights `[d, 4·h, h]` as panels, and of their sums.
  init?(
    _ r: Tensor, _ op: Recurrent, _ k: KernelBuilder, name: String, _ recipe: inout Recipe,
    _ reads: inout [Recipe.Slot?]
  ) {
    guard let tile = ProductTile.of(.u8) else { return nil }
    self.tile = tile
    h = op.hiddenSize
    columns = op.cell.gates * h
    let (d, count) = (op.directionCount, op.directionCount * op.cell.gates * h)
    panelCount = tile.panelCount(columns)
    panelSize = tile.panel(depth: h)
    let (h, columns, panelSize, panelCount) = (h, columns, panelSize, panelCount)
    let packed = tile.rearranged([d * panelCount * panelSize], "recurrent panels \(tile.columns) \(columns)", r) {
      move in
      for row in 0..<count {
        let (direction, column) = (row / columns, row % columns)
        let panel = (direction * panelCount + column / tile.columns) * panelSize
        for term in 0..<h { move(panel + tile.place(term, column % tile.columns), row * h + term) }
      }
    }
    guard let packed else { return nil }
    let values = r.integers
    let sums = (0..<count).map { row in values[row * h..<(row + 1) * h].reduce(0, +) }
    panels = k.input(.i8)
    reads.append(recipe.addWeight(packed, name: name + " panels"))
    sumsOfWeights = k.input(.i32)
    reads.append(recipe.addWeight(Tensor(.i32, [count], integers: sums), name: name + " sums"))
  }

  /// Sets the gates, `[row][gate][column]`, to what the states of a few sequences give, `[row][column]`, or adds it. The
  /// range of a state, and so its bytes, are its own.
  func multiply(
    _ states: LocalArray, rows: Expression, most: Int, to gates: LocalArray, columns gateColumns: Int,
    _ direction: Expression, accumulates: Bool, _ k: KernelBuilder, scale scaleOfWeights: (Expression) -> Expression
  ) {
    let line = panelCount * tile.columns
    let bytes = k.array("bytes", of: .u8, count: most * h)
    let sums = k.array("byte_sums", of: .i32, count: most * line)
    let scales = k.array("state_scales", .f32, count: most)
    let points = k.array("zero_points", .i32, count: most)
    let one = Expression.literal(1, .f32)
    let zero = Expression.literal(0, .f32)
    func bounded(_ value: Expression) -> Expression {
      ElementwiseExpressions.unary(Unary(.clip, alpha: 0, beta: 255), value, .f32)
    }
    k.loop("row", to: rows) { row in
      let start = k.let("start", row * .i64(gateColumns))
      let low = k.reduce("low", .i64(h), .min(.f32)) { k.load(states, start + $0) }.minimum(zero)
      let high = k.reduce("high", .i64(h), .max(.f32)) { k.load(states, start + $0) }.maximum(zero)
      let (least, range) = (k.let("least", low), k.let("range", high - low))
      let part = k.let("part", range / .literal(255, .f32))
      let scale = k.let("scale", .choose(part.equal(zero), one, part))
      let point = k.let("point", .call(.roundEven, [bounded(-least / scale)]))
      k.loop("u", to: .i64(h), .vector) { u in
        let value = .call(.roundEven, [k.load(states, start + u) / scale]) + point
        k.store(bytes, row * .i64(h) + u, bounded(value).cast(.i32))
      }
      k.store(scales, row, scale)
      k.store(points, row, point.cast(.i32))
    }
    k.product(
      .init(
        to: .array(sums, 0), stride: .i64(line), left: .array(bytes, 0), stride: .i64(h),
        panel: .buffer(panels, direction * .i64(panelCount * panelSize)), size: .i64(panelSize),
        count: .i64(panelCount), rows: rows, depth: .i64(h), columns: tile.columns, accumulates: false))
    let base = k.let("weights_of", direction * .i64(columns))
    k.loop("row", to: rows) { row in
      let (scale, point) = (k.let("scale", k.load(scales, row)), k.let("point", k.load(points, row)))
      for gate in 0..<columns / h {
        k.loop("u", to: .i64(h), .vector) { u in
          let place = Expression.i64(gate * h) + u
          let target = row * .i64(columns / h * gateColumns) + .i64(gate * gateColumns) + u
          let own = point.wrappingMultiply(k.load(sumsOfWeights, base + place))
          let sum = k.load(sums, row * .i64(line) + place).wrappingSubtract(own)
          let product = sum.cast(.f32) * (scale * scaleOfWeights(base + place))
          k.store(gates, target, accumulates ? k.load(gates, target) + product : product)
        }
      }
    }
  }
}
