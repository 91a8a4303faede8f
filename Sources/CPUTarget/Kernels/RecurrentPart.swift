import SwageKernel

/// The units of a recurrent layer that a piece of work computes: the same panels of every gate.
struct RecurrentPart {
  /// The panels of each gate; nil: all of them, so that those of neighbouring gates lie behind each other.
  var panels: (first: Expression, count: Expression)?
  var firstUnit: Expression
  var unitCount: Expression
  /// Columns of a gate's sums: what the panels have, at most.
  var columns: Int

  static func whole(h: Int, columns: Int) -> RecurrentPart {
    RecurrentPart(panels: nil, firstUnit: 0, unitCount: .i64(h), columns: columns)
  }

  /// Share `group` of `groups`, of `h` units in panels of `width`.
  static func share(
    _ group: Expression, of groups: Int, h: Int, width: Int, _ k: KernelBuilder
  ) -> RecurrentPart {
    let panels = (h + width - 1) / width
    let first = k.let("first_panel", (group * .i64(panels)).divided(by: .i64(groups)))
    let end = k.let("end_panel", ((group + 1) * .i64(panels)).divided(by: .i64(groups)))
    let unit = k.let("first_unit", first * .i64(width))
    return RecurrentPart(
      panels: (first, k.let("panel_count", end - first)), firstUnit: unit,
      unitCount: k.let("unit_count", (end * .i64(width)).minimum(.i64(h)) - unit),
      columns: (panels + groups - 1) / groups * width)
  }

  /// Runs of panels of `gates`, of which each has `perGate`: the first panel, counted from the first gate's, how many
  /// there are, and the first column of the sums.
  func spans(of gates: Range<Int>, perGate: Int) -> [(panel: Expression, count: Expression, column: Int)] {
    guard let panels else { return [(.i64(gates.lowerBound * perGate), .i64(gates.count * perGate), 0)] }
    return gates.map { (.i64($0 * perGate) + panels.first, panels.count, ($0 - gates.lowerBound) * columns) }
  }
}
