import SwageKernel

extension KernelBuilder {
  /// Goes through a matrix whose rows and columns are exchanged: calls `square` where a square of `transposeTile` begins,
  /// and `single` for every element that is in none, row by row: gathers take longer than single stores.
  func exchange(
    rows: Expression, columns: Expression, square: (_ row: Expression, _ column: Expression) -> Void,
    single: (_ row: Expression, _ column: Expression) -> Void
  ) {
    let tile = Statement.transposeTile
    func whole(_ hint: String, _ count: Expression) -> Expression {
      self.let(hint, count.divided(by: .i64(tile)) * .i64(tile))
    }
    let (wholeRows, wholeColumns) = (whole("whole_rows", rows), whole("whole_columns", columns))
    func singles(_ rows: (Expression, Expression), _ columns: (Expression, Expression)) {
      if let from = rows.0.literal, from == rows.1.literal { return }
      if let from = columns.0.literal, from == columns.1.literal { return }
      loop("row", from: rows.0, to: rows.1) { row in
        loop("column", from: columns.0, to: columns.1, .sequential) { column in single(row, column) }
      }
    }
    loop("column", to: wholeColumns, step: tile) { column in
      loop("row", to: wholeRows, step: tile) { row in square(row, column) }
    }
    singles((0, wholeRows), (wholeColumns, columns))
    singles((wholeRows, rows), (0, columns))
  }
}
