import SwageKernel

/// The units of a recurrent layer that a piece of work computes: the same panels of every gate.
struct RecurrentPart {
  var firstPanel: Expression
  /// Of each gate.
  var panelCount: Expression
  var firstUnit: Expression
  var unitCount: Expression
  /// Columns of a gate's sums: what the panels have, at most.
  var columns: Int
  /// Whether these are all panels, so that those of neighbouring gates lie behind each other.
  var isWhole: Bool

  static func whole(h: Int, columns: Int) -> RecurrentPart {
    RecurrentPart(
      firstPanel: 0, panelCount: 0, firstUnit: 0, unitCount: .i64(h), columns: columns, isWhole: true)
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
      firstPanel: first, panelCount: k.let("panel_count", end - first), firstUnit: unit,
      unitCount: k.let("unit_count", (end * .i64(width)).minimum(.i64(h)) - unit),
      columns: (panels + groups - 1) / groups * width, isWhole: false)
  }

  /// Runs of panels of `gates`, each with its first gate, how many panels it has, and its first column of the sums.
  func spans(of gates: Range<Int>, panels: Int) -> [(gate: Int, count: Expression, column: Int)] {
    if isWhole { return [(gates.lowerBound, .i64(gates.count * panels), 0)] }
    return gates.map { ($0, panelCount, ($0 - gates.lowerBound) * columns) }
  }
}
