import SwageKernel
import SwagePartition
import SwageTensor

/// What the state of an LSTM adds to its gates where the weights are signed bytes: the state becomes unsigned bytes by its
/// range, and all gates are one exact product.
struct QuantizedRecurrence {
  let tile: ProductTile
  private let panels: KernelBuffer
  private let sumsOfWeights: KernelBuffer
  private let panelSize: Int
  private let gates: Int
  private let h: Int
  private var perGate: Int { tile.panelCount(h) }

  /// Declares the buffers of weights `[d, 4·h, h]` as panels, and of their sums.
  init?(
    _ r: Tensor, _ op: Recurrent, _ k: KernelBuilder, name: String, _ recipe: inout Recipe,
    _ reads: inout [Recipe.Slot?]
  ) {
    guard let tile = ProductTile.of(.u8) else { return nil }
    self.tile = tile
    (h, gates) = (op.hiddenSize, op.cell.gates)
    panelSize = tile.panel(depth: h)
    let (h, panelSize, perGate) = (h, panelSize, tile.panelCount(h))
    let (matrices, count) = (op.directionCount * gates, op.directionCount * gates * h)
    let packed = tile.rearranged([matrices * perGate * panelSize], "recurrent panels \(tile.columns) \(h)", r) { move in
      for row in 0..<count {
        let (gate, unit) = (row / h, row % h)
        let panel = (gate * perGate + unit / tile.columns) * panelSize
        for term in 0..<h { move(panel + tile.place(term, unit % tile.columns), row * h + term) }
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

  /// Sets a part of the gates, `[row][gate][column]`, to what the states of a few sequences give, `[row][unit]`, which lie
  /// `stride` apart, or adds it. The range of a state, and so its bytes, are its own.
  func multiply(
    _ states: LocalArray, stride: Int, rows: Expression, most: Int, _ part: RecurrentPart, to sums: LocalArray,
    _ direction: Expression, accumulates: Bool, _ k: KernelBuilder, scale scaleOfWeights: (Expression) -> Expression
  ) {
    let columns = part.panels == nil ? perGate * tile.columns : part.columns
    let line = gates * columns
    let bytes = k.array("bytes", of: .u8, count: most * h)
    let products = k.array("byte_sums", of: .i32, count: most * line)
    let scales = k.array("state_scales", .f32, count: most)
    let points = k.array("zero_points", .i32, count: most)
    let one = Expression.literal(1, .f32)
    let zero = Expression.literal(0, .f32)
    func bounded(_ value: Expression) -> Expression {
      ElementwiseExpressions.unary(Unary(.clip, alpha: 0, beta: 255), value, .f32)
    }
    k.loop("row", to: rows) { row in
      let start = k.let("start", row * .i64(stride))
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
    for (first, count, column) in part.spans(of: 0..<gates, perGate: perGate) {
      let panel = direction * .i64(gates * perGate) + first
      k.product(
        .init(
          to: .array(products, .i64(column)), stride: .i64(line), left: .array(bytes, 0), stride: .i64(h),
          panel: .buffer(panels, panel * .i64(panelSize)), size: .i64(panelSize), count: count, rows: rows,
          depth: .i64(h), columns: tile.columns, accumulates: false))
    }
    let base = k.let("weights_of", direction * .i64(gates * h) + part.firstUnit)
    k.loop("row", to: rows) { row in
      let (scale, point) = (k.let("scale", k.load(scales, row)), k.let("point", k.load(points, row)))
      for gate in 0..<gates {
        k.loop("u", to: part.unitCount, .vector) { u in
          let weight = base + .i64(gate * h) + u
          let target = row * .i64(gates * part.columns) + .i64(gate * part.columns) + u
          let own = point.wrappingMultiply(k.load(sumsOfWeights, weight))
          let sum = k.load(products, row * .i64(line) + .i64(gate * columns) + u).wrappingSubtract(own)
          let product = sum.cast(.f32) * (scale * scaleOfWeights(weight))
          k.store(sums, target, accumulates ? k.load(sums, target) + product : product)
        }
      }
    }
  }
}
