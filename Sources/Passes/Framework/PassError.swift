import SwageGraph
import SwageTensor

/// What can go wrong in a pipeline. All but the first are bugs of a pass.
public enum PassError: SwageError {
  /// No pass of the pipeline has this name.
  case unknownPass(String, known: [String])
  /// A patch would give a value another type.
  case typeChanged(rule: String, value: String, from: TensorType, to: TensorType, sources: [Source])
  /// A patch was made against another graph, or its new nodes read what it replaces.
  case brokenPatch(rule: String, why: String, sources: [Source])
  /// Rules undo each other's work.
  case noFixedPoint(pass: String, rewrites: Int, busiest: [String])
  /// An operation refuses the operands that a rule gives it.
  case illTyped(rule: String, op: String, why: String, sources: [Source])

  public var diagnostics: [Diagnostic] {
    let report = "this is a bug in swage: report it with the model, and try --max-rewrites to find the rewrite"
    switch self {
    case .unknownPass(let name, let known):
      return [
        Diagnostic(
          fault: .usage, code: "pass-unknown", what: "there is no pass \(name)",
          remedy: "choose one of \(known.joined(separator: ", "))")
      ]
    case .typeChanged(let rule, let value, let from, let to, let sources):
      return [
        Diagnostic(
          fault: .bug, code: "pass-type-changed", what: "\(rule) replaces \(from) by \(to)",
          place: .init(node: Self.place(sources), value: value.isEmpty ? nil : value), remedy: report)
      ]
    case .brokenPatch(let rule, let why, let sources):
      return [
        Diagnostic(
          fault: .bug, code: "pass-broken-patch", what: "\(rule) made a patch that cannot be applied",
          place: .init(node: Self.place(sources)), why: why, remedy: report)
      ]
    case .noFixedPoint(let pass, let rewrites, let busiest):
      return [
        Diagnostic(
          fault: .bug, code: "pass-no-fixed-point", what: "\(pass) does not end: \(rewrites) rewrites",
          why: "the busiest rules are \(busiest.joined(separator: ", "))", remedy: report)
      ]
    case .illTyped(let rule, let op, let why, let sources):
      return [
        Diagnostic(
          fault: .bug, code: "pass-ill-typed", what: "\(rule) built a \(op) that does not fit its operands",
          place: .init(node: Self.place(sources)), why: why, remedy: report)
      ]
    }
  }

  private static func place(_ sources: [Source]) -> String? {
    sources.isEmpty ? nil : sources.map { "\($0.name) (\($0.operatorName))" }.joined(separator: ", ")
  }
}
