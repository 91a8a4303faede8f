import SwageKernel
import SwageTensor

/// One loop over tensors: its length, and the step of each tensor's element offset.
struct IterationAxis: Hashable {
  var extent: Dim
  /// One stride per tensor, in elements.
  var strides: [Dim]
}

enum IterationSpace {
  /// Row-major strides.
  static func strides(_ shape: [Dim]) -> [Dim] {
    var result = [Dim](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) { result[axis] = result[axis + 1] * shape[axis + 1] }
    return result
  }

  /// Strides of `shape` as seen from the shape it broadcasts to. Where only the run shows whether a size is one, so does
  /// the stride: `min(size - 1, 1) · stride`.
  static func broadcastStrides(_ shape: [Dim], to result: [Dim]) -> [Dim] {
    let own = strides(shape)
    let shift = result.count - shape.count
    return result.indices.map { axis in
      guard axis >= shift else { return 0 }
      let size = shape[axis - shift]
      if size == 1 { return 0 }
      return size == result[axis] ? own[axis - shift] : .minimum(size - 1, 1) * own[axis - shift]
    }
  }

  /// The same walk with as few loops as possible: axes of one element go, and neighbours that every tensor walks
  /// without a gap become one.
  static func collapse(_ axes: [IterationAxis]) -> [IterationAxis] {
    var result: [IterationAxis] = []
    for axis in axes where axis.extent != 1 {
      if let last = result.last,
        zip(last.strides, axis.strides).allSatisfy({ outer, inner in outer == inner * axis.extent })
      {
        result[result.count - 1] = IterationAxis(extent: last.extent * axis.extent, strides: axis.strides)
      } else {
        result.append(axis)
      }
    }
    return result
  }

  /// How one unit of work walks: outer axes are decoded from the unit's number, one axis is cut into blocks.
  struct Blocks {
    /// Number of units.
    var range: Dim
    /// Elements of the blocked axis in one unit: all of them, or `length`.
    var length: Dim
    var isCut: Bool
  }

  /// Units over `outer` axes, each a block of at most `limit` steps of an axis of `extent`.
  static func blocks(outer: [Dim], extent: Dim, limit: Int) -> Blocks {
    let rows = outer.reduce(1, *)
    if let known = extent.constant, known <= 2 * limit { return Blocks(range: rows, length: extent, isCut: false) }
    return Blocks(
      range: rows * extent.ceilDivided(by: Dim(limit)), length: .minimum(extent, Dim(limit)), isCut: true)
  }

  /// Units that make `work` element operations, when one unit does `perUnit`.
  static func grain(_ work: Int, perUnit: Dim) -> Dim {
    if let known = perUnit.constant { return known >= work ? 1 : Dim(work).ceilDivided(by: Dim(max(known, 1))) }
    return .maximum(Dim(work).floorDivided(by: .maximum(perUnit, 1)), 1)
  }
}

extension KernelBuilder {
  /// The indices along `extents` that a row-major number stands for.
  func decode(_ number: Expression, _ extents: [Dim]) -> [Expression] {
    guard !extents.isEmpty else { return [] }
    var indices: [Expression] = []
    var rest = number
    for axis in extents.indices.reversed() {
      if axis == 0 {
        indices.append(self.let("j", rest))
      } else {
        let extent = size(extents[axis])
        indices.append(self.let("j", rest.remainder(by: extent)))
        rest = self.let("rest", rest.divided(by: extent))
      }
    }
    return indices.reversed()
  }

  /// Σ index · stride.
  func offset(_ indices: [Expression], _ strides: [Dim]) -> Expression {
    zip(indices, strides).reduce(0) { $0 + $1.0 * size($1.1) }
  }

  /// The bounds of the block of a cut axis that the unit computes, and the number of its row.
  func block(_ blocks: IterationSpace.Blocks, extent: Dim, limit: Int) -> (
    row: Expression, from: Expression, to: Expression
  ) {
    guard blocks.isCut else { return (unit, 0, size(extent)) }
    let count = size(extent.ceilDivided(by: Dim(limit)))
    let from: Expression
    let row: Expression
    if blocks.range == extent.ceilDivided(by: Dim(limit)) {
      (row, from) = (0, self.let("from", unit * .i64(limit)))
    } else {
      row = self.let("row", unit.divided(by: count))
      from = self.let("from", unit.remainder(by: count) * .i64(limit))
    }
    return (row, from, self.let("to", (from + .i64(limit)).minimum(size(extent))))
  }
}
