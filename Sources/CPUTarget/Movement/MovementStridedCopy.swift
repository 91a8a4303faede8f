import SwageGraph
import SwageKernel
import SwageTensor

/// A result in row-major order whose elements come from a walk with strides over one operand: transpositions,
/// broadcasts, slices.
struct StridedCopy {
  /// What the copy amounts to once axes are merged.
  private enum Shape {
    /// Rows that are contiguous in both.
    case rows
    /// The result's last axis is strided in the operand, another one contiguous: its position.
    case transposition(Int)
    case other
  }

  var name: String
  var elementType: ElementType
  /// Strides: of the operand, of the result.
  var axes: [IterationAxis]
  /// The operand's first element.
  var start: Dim = 0
  /// Expressions that are not negative in a run whose walk stays inside the operand.
  var notNegative: [Dim] = []

  init(_ name: String, _ elementType: ElementType, _ axes: [IterationAxis]) {
    self.name = name
    self.elementType = elementType
    self.axes = axes
  }

  init(_ name: String, _ result: TensorType, sourceStrides: [Dim]) {
    let own = IterationSpace.strides(result.shape)
    self.init(
      name, result.elementType,
      result.shape.indices.map { IterationAxis(extent: result.shape[$0], strides: [sourceStrides[$0], own[$0]]) })
  }

  func kernel() -> GeneratedKernel {
    let pattern = elementType.patternType
    let k = KernelBuilder("\(name)_\(pattern.name)")
    let source = k.input(pattern)
    let target = k.output(pattern)
    let merged = IterationSpace.collapse(axes)
    let total = axes.reduce(1) { $0 * $1.extent }
    if notNegative.isEmpty {
      build(k, source, target, merged)
    } else {
      let inside = notNegative.map { k.size($0).greaterOrEqual(0) }.reduce(Expression.bool(true)) {
        $0 == .bool(true) ? $1 : $0.and($1)
      }
      k.if(inside) {
        build(k, source, target, merged)
      } else: {
        k.if(k.unit.equal(0)) {
          k.loop("i", to: k.size(total)) { k.store(target, $0, .integer(0, pattern.computeType)) }
        }
      }
    }
    return GeneratedKernel(function: k.finish(), operands: [0], results: [0], inPlace: [])
  }

  private func build(_ k: KernelBuilder, _ source: KernelBuffer, _ target: KernelBuffer, _ axes: [IterationAxis]) {
    switch shape(axes) {
    case .rows: rows(k, source, target, axes)
    case .transposition(let position): transposition(k, source, target, axes, position)
    case .other:
      let walk = ElementwiseWalk(
        axes: axes, limit: MovementKernels.unitElements, isSequential: elementType.isPacked)
      let base = k.size(start)
      walk.build(
        k, inputs: [source], work: (MovementKernels.threadElements, 1), load: { k.load(source, base + $1) },
        store: { k.store(target, $1, $0[0]) })
    }
  }

  private func shape(_ axes: [IterationAxis]) -> Shape {
    guard let last = axes.last, !elementType.isPacked else { return .other }
    let isShort = (last.extent.constant ?? .max) <= 8
    if last.strides[0] == 1 { return isShort && axes.count > 1 ? .other : .rows }
    guard last.strides[0] != 0,
      let position = axes.indices.dropLast().last(where: { axes[$0].strides[0] == 1 })
    else { return .other }
    return .transposition(position)
  }

  // MARK: - Rows

  /// Rows go in the order of the operand, where that is known: what is read in order comes ahead of time.
  private func rows(
    _ k: KernelBuilder, _ source: KernelBuffer, _ target: KernelBuffer, _ axes: [IterationAxis]
  ) {
    guard let row = axes.last else { return }
    var axes = axes
    let distances = axes.compactMap { $0.strides[0].constant }
    if distances.count == axes.count, !distances.contains(0) {
      let order = axes.indices.dropLast().sorted { (-distances[$0], $0) < (-distances[$1], $1) }
      axes = order.map { axes[$0] } + [row]
    }
    let limit = MovementKernels.unitElements
    let rowsPerUnit = limit / max(row.extent.constant ?? limit, 1)
    let base = k.size(start)
    if rowsPerUnit < 2 || axes.count == 1 {
      let outer = axes.dropLast()
      let blocks = IterationSpace.blocks(outer: outer.map(\.extent), extent: row.extent, limit: limit)
      k.range = blocks.range
      k.grain = IterationSpace.grain(MovementKernels.threadElements, perUnit: blocks.length)
      let (number, from, to) = k.block(blocks, extent: row.extent, limit: limit)
      let indices = k.decode(number, outer.map(\.extent))
      k.copy(
        to: target, at: k.offset(indices, outer.map { $0.strides[1] }) + from, from: source,
        at: base + k.offset(indices, outer.map { $0.strides[0] }) + from, count: to - from)
      return
    }
    let main = axes[axes.count - 2]
    let outer = axes.dropLast(2)
    let blocks = IterationSpace.blocks(outer: outer.map(\.extent), extent: main.extent, limit: rowsPerUnit)
    k.range = blocks.range
    k.grain = IterationSpace.grain(MovementKernels.threadElements, perUnit: blocks.length * row.extent)
    let (number, from, to) = k.block(blocks, extent: main.extent, limit: rowsPerUnit)
    let indices = k.decode(number, outer.map(\.extent))
    let bases = (0..<2).map { tensor in k.let("base", k.offset(indices, outer.map { $0.strides[tensor] })) }
    k.loop("r", from: from, to: to) { r in
      k.copy(
        to: target, at: bases[1] + r * k.size(main.strides[1]), from: source,
        at: base + bases[0] + r * k.size(main.strides[0]), count: k.size(row.extent))
    }
  }

  // MARK: - Transposition

  /// Columns are the operand's contiguous axis, rows the result's.
  private func transposition(
    _ k: KernelBuilder, _ source: KernelBuffer, _ target: KernelBuffer, _ axes: [IterationAxis], _ position: Int
  ) {
    let column = axes[position]
    let row = axes[axes.count - 1]
    let outer = axes.indices.filter { $0 != position && $0 != axes.count - 1 }.map { axes[$0] }
    let base = k.size(start)
    func offsets(_ indices: [Expression]) -> [Expression] {
      (0..<2).map { tensor in k.let("base", k.offset(indices, outer.map { $0.strides[tensor] })) }
    }
    // A few rows or columns: walk the long axis, the short one unrolled.
    for (long, short) in [(row, column), (column, row)] where (short.extent.constant ?? .max) <= 8 {
      let count = short.extent.constant ?? 1
      let limit = MovementKernels.unitElements / max(count, 1)
      let blocks = IterationSpace.blocks(outer: outer.map(\.extent), extent: long.extent, limit: limit)
      k.range = blocks.range
      k.grain = IterationSpace.grain(MovementKernels.threadElements, perUnit: blocks.length * Dim(count))
      let (number, from, to) = k.block(blocks, extent: long.extent, limit: limit)
      let bases = offsets(k.decode(number, outer.map(\.extent)))
      k.loop("i", from: from, to: to, .vector) { i in
        for step in 0..<count {
          let at = (0..<2).map { bases[$0] + i * k.size(long.strides[$0]) + .i64(step) * k.size(short.strides[$0]) }
          k.store(target, at[1], k.load(source, base + at[0]))
        }
      }
      return
    }
    // Blocks whose lines stay in the caches, in tiles that fit registers; what is left over goes one by one.
    let width = elementType.bitWidth
    let (columnSide, rowSide) = width == 8 ? (128, 256) : width == 16 ? (128, 128) : width == 32 ? (64, 128) : (64, 64)
    let tile = Statement.transposeTile
    let columnBlocks = column.extent.ceilDivided(by: Dim(columnSide))
    let rowBlocks = row.extent.ceilDivided(by: Dim(rowSide))
    k.range = outer.reduce(1) { $0 * $1.extent } * columnBlocks * rowBlocks
    k.grain = IterationSpace.grain(
      MovementKernels.threadElements,
      perUnit: .minimum(column.extent, Dim(columnSide)) * .minimum(row.extent, Dim(rowSide)))
    let indices = k.decode(k.unit, outer.map(\.extent) + [columnBlocks, rowBlocks])
    let bases = offsets(indices.dropLast(2))
    func bounds(_ index: Expression, _ extent: Dim, _ side: Int) -> (
      from: Expression, tiles: Expression, to: Expression
    ) {
      let from = k.let("from", index * .i64(side))
      let to = k.let("to", (from + .i64(side)).minimum(k.size(extent)))
      return (from, k.let("tiles", to - (to - from).remainder(by: .i64(tile))), to)
    }
    let columns = bounds(indices[indices.count - 2], column.extent, columnSide)
    let rows = bounds(indices[indices.count - 1], row.extent, rowSide)
    func place(_ c: Expression, _ r: Expression, _ tensor: Int) -> Expression {
      bases[tensor] + c * k.size(column.strides[tensor]) + r * k.size(row.strides[tensor])
    }
    func single(_ c: Expression, _ r: Expression) {
      k.store(target, place(c, r, 1), k.load(source, base + place(c, r, 0)))
    }
    k.loop("c", from: columns.from, to: columns.tiles, step: tile) { c in
      k.loop("r", from: rows.from, to: rows.tiles, step: tile) { r in
        k.transpose(
          to: .buffer(target, place(c, r, 1)), stride: k.size(column.strides[1]),
          from: .buffer(source, base + place(c, r, 0)), stride: k.size(row.strides[0]))
      }
    }
    k.loop("c", from: columns.tiles, to: columns.to) { c in
      k.loop("r", from: rows.from, to: rows.to, .vector) { r in single(c, r) }
    }
    k.loop("r", from: rows.tiles, to: rows.to) { r in
      k.loop("c", from: columns.from, to: columns.tiles, .vector) { c in single(c, r) }
    }
  }
}
