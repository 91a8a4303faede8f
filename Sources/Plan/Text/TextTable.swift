import SwageTensor

/// Columns that line up. A heading that begins with `>` aligns its column to the right.
struct TextTable {
  private var rows: [[String]]
  private let isRightAligned: [Bool]
  /// A longer cell is cut, so that one name does not push all columns away.
  private static let maximumWidth = 96

  init(_ headings: [String]) {
    isRightAligned = headings.map { $0.hasPrefix(">") }
    rows = [headings.map { $0.hasPrefix(">") ? String($0.dropFirst()) : $0 }]
  }

  mutating func add(_ cells: [String]) {
    rows.append(
      cells.map { cell in
        let text = cell.printable.replacing("\n", with: " ")
        return text.count <= Self.maximumWidth ? text : text.prefix(Self.maximumWidth - 1) + "…"
      })
  }

  var lines: [String] {
    let widths = isRightAligned.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return isRightAligned[column] ? space + cell : cell + space
      }
      var line = "  " + cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}
