import SwageKernel
import SwageTensor

/// Operands side by side. Few elements of each in a row are copied row by row; of many, the units of all operands lie one
/// after the other, so that one call copies everything.
enum MovementConcat {
  static func kernel(_ operands: [TensorType], axis: Int, _ result: TensorType) -> GeneratedKernel {
    let pattern = result.elementType.patternType
    let k = KernelBuilder("concat_\(pattern.name)")
    let sources = operands.map { _ in k.input(pattern) }
    let target = k.output(pattern)
    let rows = result.shape[..<axis].reduce(1, *)
    let widths = operands.map { $0.shape[axis...].reduce(1, *) }
    let total = widths.reduce(0, +)
    if pattern.isPacked {
      sequential(k, sources, target, rows, widths, total)
    } else if let total = total.constant, total <= largestRow,
      widths.contains(where: { ($0.constant ?? narrow) < narrow })
    {
      byRows(k, sources, target, rows, widths, total)
    } else {
      parallel(k, sources, target, rows, widths, total)
    }
    return GeneratedKernel(
      function: k.finish(), operands: Array(operands.indices), results: [0], inPlace: [])
  }

  /// Elements of an operand in a row for which it is not worth to walk through the rows once more.
  private static let narrow = 16
  /// Elements of a row, at most, that is written as a whole.
  private static let largestRow = 512

  private static func byRows(
    _ k: KernelBuilder, _ sources: [KernelBuffer], _ target: KernelBuffer, _ rows: Dim, _ widths: [Dim], _ total: Int
  ) {
    let rowsPerUnit = MovementKernels.unitElements / max(total, 1)
    let blocks = IterationSpace.blocks(outer: [], extent: rows, limit: rowsPerUnit)
    k.range = blocks.range
    k.grain = IterationSpace.grain(MovementKernels.threadElements, perUnit: Dim(rowsPerUnit * total))
    let from = blocks.isCut ? k.let("from", k.unit * .i64(rowsPerUnit)) : 0
    let to = blocks.isCut ? (from + .i64(rowsPerUnit)).minimum(k.size(rows)) : k.size(rows)
    k.loop("r", from: from, to: k.let("to", to)) { row in
      var column: Dim = 0
      for (source, width) in zip(sources, widths) where width != 0 {
        k.copy(
          to: target, at: row * .i64(total) + k.size(column), from: source, at: row * k.size(width),
          count: k.size(width))
        column = column + width
      }
    }
  }

  private static func parallel(
    _ k: KernelBuilder, _ sources: [KernelBuffer], _ target: KernelBuffer, _ rows: Dim, _ widths: [Dim], _ total: Dim
  ) {
    let limit = MovementKernels.unitElements
    var units: [Dim] = []
    var column: Dim = 0
    var branches: [(end: Expression, body: () -> Void)] = []
    for (source, width) in zip(sources, widths) where width != 0 {
      let first = units.reduce(0, +)
      let own = column
      column = column + width
      let rowsPerUnit = limit / max(width.constant ?? limit, 1)
      let blocks =
        rowsPerUnit >= 2
        ? IterationSpace.blocks(outer: [], extent: rows, limit: rowsPerUnit)
        : IterationSpace.blocks(outer: [rows], extent: width, limit: limit)
      units.append(blocks.range)
      branches.append(
        (
          k.size(first + blocks.range),
          {
            let number = k.let("u", k.unit - k.size(first))
            func copy(_ row: Expression, _ from: Expression, _ count: Expression) {
              k.copy(
                to: target, at: row * k.size(total) + k.size(own) + from, from: source,
                at: row * k.size(width) + from, count: count)
            }
            if rowsPerUnit >= 2 {
              let from = blocks.isCut ? k.let("from", number * .i64(rowsPerUnit)) : 0
              let to = blocks.isCut ? (from + .i64(rowsPerUnit)).minimum(k.size(rows)) : k.size(rows)
              k.loop("r", from: from, to: k.let("to", to)) { copy($0, 0, k.size(width)) }
            } else if blocks.isCut {
              let count = k.size(width.ceilDivided(by: Dim(limit)))
              let row = k.let("row", number.divided(by: count))
              let from = k.let("from", number.remainder(by: count) * .i64(limit))
              copy(row, from, (from + .i64(limit)).minimum(k.size(width)) - from)
            } else {
              copy(number, 0, k.size(width))
            }
          }
        ))
    }
    k.range = units.reduce(0, +)
    // Units have about the same size: the elements over the number of units.
    k.grain = IterationSpace.grain(
      MovementKernels.threadElements, perUnit: (rows * total).floorDivided(by: .maximum(k.range, 1)))
    func chain(_ index: Int) {
      guard index < branches.count else { return }
      if index == branches.count - 1 { return branches[index].body() }
      k.if(k.unit.lessThan(branches[index].end)) {
        branches[index].body()
      } else: {
        chain(index + 1)
      }
    }
    chain(0)
  }

  /// Elements that share bytes are written by one thread.
  private static func sequential(
    _ k: KernelBuilder, _ sources: [KernelBuffer], _ target: KernelBuffer, _ rows: Dim, _ widths: [Dim], _ total: Dim
  ) {
    k.loop("r", to: k.size(rows)) { r in
      var column: Dim = 0
      for (source, width) in zip(sources, widths) {
        let base = k.let("base", r * k.size(total) + k.size(column))
        k.loop("i", to: k.size(width)) { i in
          k.store(target, base + i, k.load(source, r * k.size(width) + i))
        }
        column = column + width
      }
    }
  }
}
