import SwageTensor

/// Which target took each node, what it would have cost elsewhere, and why others refused.
public struct PlacementReport: Sendable {
  public struct Answer: Hashable, Sendable {
    public var target: String
    /// Estimated time; nil where the target refuses.
    public var nanoseconds: Double?
    public var refusal: String?
  }

  public struct Row: Sendable {
    public var nodeID: NodeID
    public var graphName: String
    public var op: String
    public var types: String
    public var sources: [Source]
    public var answers: [Answer] = []
    public var target: String?

    init(node: Node, in graph: Graph) {
      nodeID = node.id
      graphName = graph.name
      op = node.op.mnemonic
      types =
        node.operands.map { $0.map { graph.type(of: $0).description } ?? "none" }.joined(separator: ", ") + " -> "
        + node.results.map { graph.type(of: $0).description }.joined(separator: ", ")
      sources = node.sources
    }
  }

  public internal(set) var rows: [Row] = []

  mutating func note(assignments graph: Graph) {
    for index in rows.indices where rows[index].graphName == graph.name && rows[index].target == nil {
      if graph.contains(rows[index].nodeID) { rows[index].target = graph[rows[index].nodeID].target }
    }
  }

  /// A table: node, target, estimate on each target or its refusal.
  public var text: String {
    var lines: [String] = []
    for row in rows {
      let name = row.sources.first?.name ?? "-"
      let answers = row.answers.map { answer in
        if let time = answer.nanoseconds {
          return "\(answer.target): \(Self.duration(time))"
        }
        return "\(answer.target): no, \(answer.refusal ?? "")"
      }
      lines.append("\(row.target ?? "none")\t\(row.op)\t\(name)\t\(answers.joined(separator: "; "))")
    }
    return TextTable.aligned(header: "target\toperation\tsource\testimates and refusals", lines: lines)
  }

  static func duration(_ nanoseconds: Double) -> String {
    func rounded(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
    if nanoseconds < 1e3 { return rounded(nanoseconds) + " ns" }
    if nanoseconds < 1e6 { return rounded(nanoseconds / 1e3) + " us" }
    return rounded(nanoseconds / 1e6) + " ms"
  }
}

/// Lines of tab-separated cells with aligned columns.
public enum TextTable {
  public static func aligned(header: String, lines: [String]) -> String {
    let rows = ([header] + lines).map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { index, cell in
        index + 1 == row.count ? cell : cell + String(repeating: " ", count: widths[index] - cell.count + 2)
      }.joined()
    }.joined(separator: "\n")
  }
}
