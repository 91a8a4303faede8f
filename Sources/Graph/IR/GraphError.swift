import SwageTensor

/// What can be wrong with a graph.
public enum GraphError: SwageError {
  /// Operands that an operation does not take.
  case typeRule(op: String, message: String, sources: [Source])
  /// Broken invariants found by the verifier: bugs of a pass.
  case invalid([String], stage: String)
  /// The text form could not be read.
  case text(line: Int, message: String)
  /// The evaluator met values that have no result.
  case evaluation(op: String, message: String)

  public var diagnostics: [Diagnostic] {
    switch self {
    case .typeRule(let op, let message, let sources):
      let place = sources.map { "\($0.name) (\($0.operatorName))" }.joined(separator: ", ")
      return [
        Diagnostic(
          code: "graph-type", what: "\(op) does not take these operands",
          place: .init(node: place.isEmpty ? nil : place), why: message,
          remedy: "check the model with its exporter or `onnx.checker`; shapes given by --shape must fit together")
      ]
    case .invalid(let faults, let stage):
      return faults.map {
        Diagnostic(
          fault: .bug, code: "graph-invalid", what: "the graph is inconsistent after \(stage)", why: $0,
          remedy: "this is a bug in swage: report it with the model, and try --stop-after to go around it")
      }
    case .text(let line, let message):
      return [Diagnostic(code: "graph-text", what: "line \(line): \(message)", remedy: "correct the text form")]
    case .evaluation(let op, let message):
      return [Diagnostic(code: "graph-evaluation", what: "\(op) cannot be computed", why: message)]
    }
  }
}
