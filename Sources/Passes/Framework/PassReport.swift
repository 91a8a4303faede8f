import Foundation
import SwageGraph
import SwageTensor

/// Work of a graph as a sum of size expressions, each with how often it occurs: cheap to take after every pass.
public struct WorkSum: Sendable, Equatable {
  private var terms: [Dim: Int] = [:]

  init(_ values: some Sequence<Dim>) {
    for value in values where value != 0 { terms[value, default: 0] += 1 }
  }

  /// How many different expressions the sum has; adding up very many takes time.
  public var termCount: Int { terms.count }

  /// The sum as one expression.
  public var expression: Dim {
    terms.sorted { $0.key.description < $1.key.description }.reduce(0) { $0 + $1.key * Dim($1.value) }
  }

  /// The sum under values for the symbols; nil where one is missing.
  public func evaluate(_ sizes: [String: Int]) -> Double? {
    var sum = 0.0
    for (value, count) in terms {
      guard let size = value.evaluate(sizes) else { return nil }
      sum += Double(size) * Double(count)
    }
    return sum
  }
}

/// What one run of a pass did.
public struct PassRecord: Sendable {
  /// The pass, with `.2` and so on where it runs again.
  public var label: String
  public var name: String
  public var rewrites: Int
  /// How many rewrites each rule made.
  public var ruleCounts: [(rule: String, count: Int)]
  public var nodesBefore: Int
  public var nodesAfter: Int
  public var flopsBefore: WorkSum
  public var flopsAfter: WorkSum
  public var bytesBefore: WorkSum
  public var bytesAfter: WorkSum
  public var milliseconds: Double
  /// What the pass left undone and why.
  public var notes: [String]
  /// The graph after the pass, where the run keeps graphs.
  public var graph: Graph?
}

/// What a pipeline did, pass by pass.
public struct PassReport: Sendable {
  public internal(set) var records: [PassRecord] = []

  public var rewrites: Int { records.reduce(0) { $0 + $1.rewrites } }

  /// A table of all passes. Work that depends on symbols which `sizes` does not name prints as an expression, or as
  /// `symbolic` where that is long.
  public func table(sizes: [String: Int] = [:]) -> String {
    var rows = [["pass", "rewrites", "nodes", "flops", "bytes", "ms"]]
    for record in records {
      rows.append([
        record.label, String(record.rewrites), Self.change(String(record.nodesBefore), String(record.nodesAfter)),
        Self.change(Self.text(record.flopsBefore, sizes), Self.text(record.flopsAfter, sizes)),
        Self.change(Self.text(record.bytesBefore, sizes), Self.text(record.bytesAfter, sizes)),
        String(format: "%.1f", record.milliseconds),
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    var text = ""
    for row in rows {
      let cells = row.enumerated().map { index, cell in
        let space = String(repeating: " ", count: widths[index] - cell.count)
        return index == 0 ? cell + space : space + cell
      }
      text += cells.joined(separator: "  ") + "\n"
    }
    for record in records {
      for note in record.notes { text += "\(record.label): \(note)\n" }
    }
    return text
  }

  private static func change(_ before: String, _ after: String) -> String {
    before == after ? after : "\(before) -> \(after)"
  }

  private static func text(_ work: WorkSum, _ sizes: [String: Int]) -> String {
    if let value = work.evaluate(sizes) { return scaled(value) }
    guard work.termCount <= 16 else { return "symbolic" }
    let expression = work.expression.description
    return expression.count <= 32 ? expression : "symbolic"
  }

  private static func scaled(_ value: Double) -> String {
    let units = ["", "K", "M", "G", "T", "P"]
    var (value, unit) = (value, 0)
    while abs(value) >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    return unit == 0 ? String(format: "%.0f", value) : String(format: "%.2f%@", value, units[unit])
  }
}
