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
    _ r: Tensor, _ op: Recurrent, _ k: KernelBuilder, name: String, _ recipe: inout Recipe, _ reads: inout [Recipe.Slot?]
  ) {
    guard let tile = ProductTile.of(.u8) else { return nil }
    self.tile = tile
    h = op.hiddenSize
    columns = op.cell.gates * h
    let (d, count) = (op.directionCount, op.directionCount * op.cell.gates * h)
    panelCount = tile.panelCount(columns)
    panelSize = tile.panel(depth: h)
    let (h, columns, panelSize, panelCount) = (h, columns, panelSize, panelCount)
    let packed = tile.rearranged([d * panelCount * panelSize], "recurrent panels \(tile.columns) \(columns)", r) { move in
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

  /// Adds to the gates of each sequence. The range of a state, and so its bytes, are its own.
  func add(
    _ states: [LocalArray], to gates: [LocalArray], _ direction: Expression, _ k: KernelBuilder,
    scale scaleOfWeights: (Expression) -> Expression
  ) {
    let width = panelCount * tile.columns
    let bytes = k.array("bytes", of: .u8, count: states.count * h)
    let sums = k.array("byte_sums", of: .i32, count: states.count * width)
    let one = Expression.literal(1, .f32)
    let zero = Expression.literal(0, .f32)
    let parameters = states.enumerated().map { row, state -> (scale: Expression, point: Expression) in
      let low = k.reduce("low", .i64(h), .min(.f32)) { k.load(state, $0) }.minimum(zero)
      let high = k.reduce("high", .i64(h), .max(.f32)) { k.load(state, $0) }.maximum(zero)
      let range = k.let("range", high - low)
      let scale = k.let("scale", .choose(range.equal(zero), one, range / .literal(255, .f32)))
      let offset = ElementwiseExpressions.unary(Unary(.clip, alpha: 0, beta: 255), -low / scale, .f32)
      let point = k.let("point", .call(.roundEven, [offset]))
      k.loop("u", to: .i64(h), .vector) { u in
        let value = .call(.roundEven, [k.load(state, u) / scale]) + point
        let bounded = ElementwiseExpressions.unary(Unary(.clip, alpha: 0, beta: 255), value, .f32)
        k.store(bytes, u + .i64(row * h), bounded.cast(.i32))
      }
      return (scale, k.let("zero_point", point.cast(.i32)))
    }
    k.product(
      .init(
        to: .array(sums, 0), stride: .i64(width), left: .array(bytes, 0), stride: .i64(h),
        panel: .buffer(panels, direction * .i64(panelCount * panelSize)), size: .i64(panelSize),
        count: .i64(panelCount), rows: .i64(states.count), depth: .i64(h), columns: tile.columns, accumulates: false))
    let base = k.let("weights_of", direction * .i64(columns))
    k.loop("u", to: .i64(columns), .vector) { u in
      let own = k.let("own", k.load(sumsOfWeights, base + u))
      let scale = k.let("weight_scale", scaleOfWeights(base + u))
      for (row, target) in gates.enumerated() {
        let (stateScale, point) = parameters[row]
        let sum = k.load(sums, u + .i64(row * width)).wrappingSubtract(point.wrappingMultiply(own))
        k.store(target, u, k.load(target, u) + sum.cast(.f32) * (stateScale * scale))
      }
    }
  }
}
