/// What a graph is held against. The truth is always the reference evaluator on the graph as it was made.
public enum Oracle: Hashable, Sendable, CustomStringConvertible {
  /// The text form, read back.
  case text
  /// The ONNX file, imported again.
  case onnx
  /// One pass alone, then the evaluator.
  case pass(String)
  /// The standard pipeline, then the evaluator.
  case pipeline
  /// The compiled plan: the CPU, and the reference device for what it does not take.
  case plan
  /// A prefix of the rewrites, and nodes placed on targets at random.
  case placement
  /// The plan written and opened again: the same bits as in memory.
  case reload
  /// One thread and several: the same bits.
  case threads

  public var description: String {
    switch self {
    case .text: "text"
    case .onnx: "onnx"
    case .pass(let name): "pass:\(name)"
    case .pipeline: "pipeline"
    case .plan: "plan"
    case .placement: "placement"
    case .reload: "reload"
    case .threads: "threads"
    }
  }

  public init?(_ text: String) {
    switch text {
    case "text": self = .text
    case "onnx": self = .onnx
    case "pipeline": self = .pipeline
    case "plan": self = .plan
    case "placement": self = .placement
    case "reload": self = .reload
    case "threads": self = .threads
    default:
      guard text.hasPrefix("pass:") else { return nil }
      self = .pass(String(text.dropFirst(5)))
    }
  }
}

/// A difference that nothing explains, or an error where there must be none.
public struct FuzzFailure: Sendable {
  public var oracle: Oracle
  public var detail: String
}
