import SwageTensor

public enum PartitionError: SwageError {
  /// Nodes that no target takes.
  case unsupported([UnsupportedNode])
  /// A target name that does not exist.
  case unknownTarget(String, known: [String])

  public struct UnsupportedNode: Hashable, Sendable {
    public var op: String
    public var types: String
    public var sources: [Source]
    public var reasons: [String]

    init(_ row: PlacementReport.Row) {
      op = row.op
      types = row.types
      sources = row.sources
      reasons = row.answers.map { "\($0.target): \($0.refusal ?? "")" }
    }
  }

  public var diagnostics: [Diagnostic] {
    switch self {
    case .unsupported(let nodes):
      return nodes.map { node in
        Diagnostic(
          code: "partition-unsupported", what: "no target runs \(node.op) on \(node.types)",
          place: .init(node: node.sources.map { "\($0.name) (\($0.operatorName))" }.joined(separator: ", ")),
          why: node.reasons.joined(separator: "; "),
          remedy: "add a target that takes it, such as --target cpu,reference")
      }
    case .unknownTarget(let name, let known):
      return [
        Diagnostic(
          fault: .usage, code: "usage-target", what: "there is no target \(name)", place: .init(flag: "--target"),
          remedy: "use one or more of \(known.joined(separator: ", "))")
      ]
    }
  }
}
