import SwageTensor

/// Why a model cannot become a graph.
public enum ImportError: SwageError {
  /// A node that the importer has no translation for.
  public struct Unsupported: Hashable, Sendable {
    public var node: String
    public var operatorName: String
    public var domain: String
    public var opset: Int
    /// Element types of the inputs, as far as they are known.
    public var elementTypes: [String]
    /// The case that is missing.
    public var reason: String
    public var remedy: String
  }

  /// All nodes without a translation.
  case unsupported([Unsupported])
  /// Operands or attributes that contradict the operator's definition.
  case invalidNode(node: String, operatorName: String, reason: String)
  case domainNotImported(node: String, domain: String)
  case opsetOutOfRange(domain: String, version: Int, supported: ClosedRange<Int>)
  /// An input or output whose type cannot be used.
  case port(name: String, reason: String, remedy: String)
  /// `--shape` contradicts the model.
  case shapeFlag(input: String, reason: String)
  /// A conditional whose branches end in different types, as outputs of the model.
  case divergentBranches(node: String, reason: String)
  /// More nodes than the limit, after inlining functions and repeating branches.
  case tooManyNodes(limit: Int)
  /// Tensors without data, and neither a checkpoint nor a seed.
  case missingWeights([String])

  public var diagnostics: [Diagnostic] {
    switch self {
    case .unsupported(let nodes):
      return nodes.map {
        let types = $0.elementTypes.isEmpty ? "" : " of \($0.elementTypes.joined(separator: ", "))"
        let domain = $0.domain.isEmpty ? "ai.onnx" : $0.domain
        return Diagnostic(
          code: "onnx-unsupported", what: "\($0.operatorName)\(types) (\(domain), opset \($0.opset)) is not supported",
          place: .init(node: $0.node), why: $0.reason, remedy: $0.remedy)
      }
    case .invalidNode(let node, let operatorName, let reason):
      return [
        Diagnostic(
          code: "onnx-node", what: "\(operatorName) is not valid", place: .init(node: node), why: reason,
          remedy: "check the model with its exporter or `onnx.checker`; shapes given by --shape must fit together")
      ]
    case .domainNotImported(let node, let domain):
      return [
        Diagnostic(
          code: "onnx-domain", what: "the model uses operators of \(domain.isEmpty ? "ai.onnx" : domain)",
          place: .init(node: node), why: "its opset_import does not name a version of that domain",
          remedy: "export the model again, or add the opset_import")
      ]
    case .opsetOutOfRange(let domain, let version, let supported):
      return [
        Diagnostic(
          code: "onnx-opset", what: "opset \(version) of \(domain.isEmpty ? "ai.onnx" : domain) is not supported",
          why: "versions \(supported.lowerBound) to \(supported.upperBound) are",
          remedy: "convert the model with `onnx.version_converter`")
      ]
    case .port(let name, let reason, let remedy):
      return [
        Diagnostic(
          code: "onnx-port", what: "\(name) cannot be an input or output of a plan", place: .init(value: name),
          why: reason, remedy: remedy)
      ]
    case .shapeFlag(let input, let reason):
      return [
        Diagnostic(
          fault: .usage, code: "onnx-shape", what: "the sizes given for \(input) do not fit",
          place: .init(flag: "--shape"),
          why: reason, remedy: "see `swage inspect MODEL` for the inputs and their sizes")
      ]
    case .divergentBranches(let node, let reason):
      return [
        Diagnostic(
          code: "onnx-branches", what: "the branches of a conditional give the model's results different types",
          place: .init(node: node), why: reason,
          remedy: "give the sizes that decide the condition with --shape, or export the model without the condition")
      ]
    case .tooManyNodes(let limit):
      return [
        Diagnostic(
          code: "onnx-expansion", what: "the model grows beyond \(limit) nodes",
          why: "functions and conditionals are expanded, and these nest too deep or too often",
          remedy: "give the sizes that decide conditions with --shape, or simplify the model")
      ]
    case .missingWeights(let names):
      let shown = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
      return [
        Diagnostic(
          code: "onnx-weights", what: "\(names.count) tensors have no data",
          why: "the file has only types for \(shown)",
          remedy: "bind a checkpoint with --weights, or fill them for timing with --synthetic-weights SEED")
      ]
    }
  }
}

/// What a translation found wrong with one node; the importer adds the node.
enum NodeFault: Error {
  /// Valid ONNX that swage does not translate.
  case unsupported(String, remedy: String)
  /// No valid ONNX.
  case invalid(String)
}
