import SwageTensor

/// Everything found wrong with one ONNX file.
public struct ONNXError: SwageError {
  public var file: String
  /// Never empty.
  public var faults: [ONNXFault]
  /// The search ended at the limit of `ONNXLimits`.
  public var isPartial: Bool

  public init(file: String, faults: [ONNXFault], isPartial: Bool = false) {
    self.file = file
    self.faults = faults
    self.isPartial = isPartial
  }

  public var diagnostics: [Diagnostic] {
    var result = faults.flatMap { $0.diagnostics(file: file) }
    if isPartial {
      result.append(
        Diagnostic(
          code: "onnx-more", what: "the search for faults ended after \(faults.count)", place: .init(file: file),
          remedy: "correct those above first"))
    }
    return result
  }
}

/// One fault of an ONNX file, with the node and value it concerns.
public struct ONNXFault: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case notONNX(looksLike: String)
    /// nil where the file has none.
    case irVersion(Int?)
    case noOpset
    case duplicateOpset(domain: String)
    case opsetVersion(domain: String, version: Int)
    case noGraph
    case name(role: String, reason: String)
    case duplicateInput
    case duplicateInitializer
    case duplicateValue(producers: [String])
    case undefinedValue
    case undefinedOutput
    case cycle(nodes: [String])
    case inputType
    case elementType(Int)
    case dimension(Int)
    case type(reason: String)
    case domain(String)
    case functionCall(function: String, reason: String)
    case initializerType(declared: String, found: String)
    case attribute(name: String, reason: String)
    case duplicateAttribute(name: String)
    case sparse(reason: String)
    case duplicateFunction(String)
    case recursiveFunction([String])
    case tooManyNodes(limit: Int)
    case tooManyInlinedNodes(limit: Int)
    case tensor(TensorDataError)
    case external(ExternalDataError)
  }

  public var kind: Kind
  /// The graph or function, where it is not the main graph.
  public var scope: String?
  public var node: String?
  public var value: String?

  public init(_ kind: Kind, scope: String? = nil, node: String? = nil, value: String? = nil) {
    self.kind = kind
    self.scope = scope
    self.node = node
    self.value = value
  }
}

extension ONNXFault {
  func diagnostics(file: String) -> [Diagnostic] {
    let export = "export the model again"
    let (code, what, why, remedy): (String, String, String?, String)
    switch kind {
    case .notONNX(let kind):
      (code, what, why) = ("onnx-not-onnx", "not an ONNX file", "it looks like \(kind)")
      remedy =
        kind == ONNXSniffer.lfsPointer
        ? "fetch the content with `git lfs pull`" : "give a binary .onnx file"
    case .irVersion(let version):
      (code, what) = ("onnx-ir-version", "the model's IR version is not supported")
      why = "it is \(version.map(String.init) ?? "missing"); \(ONNXModel.irVersions.words) are supported"
      remedy = "convert or export the model with a current release of onnx"
    case .noOpset:
      (code, what, why) = ("onnx-opset-missing", "the model imports no operators", "opset_import is empty")
      remedy = export
    case .duplicateOpset(let domain):
      (code, what) = ("onnx-opset-duplicate", "the model imports one domain in two versions")
      why = "the domain is \"\(domain.isEmpty ? "ai.onnx" : domain)\""
      remedy = export
    case .opsetVersion(let domain, let version):
      (code, what) = ("onnx-opset-version", "the model's opset is not supported")
      why =
        domain.isEmpty
        ? "it is \(version) of ai.onnx; \(ONNXModel.opsets.words) are supported"
        : "it is \(version) of \(domain); versions are positive"
      remedy = "convert the model with onnx.version_converter, or export it for a supported opset"
    case .noGraph: (code, what, why, remedy) = ("onnx-graph-missing", "the model has no graph", nil, export)
    case .name(let role, let reason):
      (code, what, why) = ("onnx-name", "the \(role) has a bad name", reason)
      remedy = "rename it to short UTF-8 text in NFC without NULs"
    case .duplicateInput:
      (code, what, why) = ("onnx-duplicate-input", "two inputs have one name", nil)
      remedy = "give each its own name"
    case .duplicateInitializer:
      (code, what, why) = ("onnx-duplicate-initializer", "two initializers have one name", nil)
      remedy = "give each its own name"
    case .duplicateValue(let producers):
      (code, what) = ("onnx-duplicate-value", "a value is produced more than once")
      why = "by " + producers.joined(separator: " and ")
      remedy = "give each output its own name"
    case .undefinedValue:
      (code, what) = ("onnx-undefined-value", "a node reads a value that nothing produces")
      why = "it is no input, initializer, or output of a node in this graph or one around it"
      remedy = "export the model again, or add the missing node or input"
    case .undefinedOutput:
      (code, what, why) = ("onnx-undefined-output", "an output is never produced", nil)
      remedy = "export the model again, or remove the output"
    case .cycle(let nodes):
      (code, what) = ("onnx-cycle", "nodes need each other's results")
      why = nodes.joined(separator: " -> ")
      remedy = "export the model again: a graph has no cycles, loops are Loop nodes"
    case .inputType:
      (code, what, why) = ("onnx-input-type", "an input has no element type", nil)
      remedy = "declare the input's type in the model"
    case .elementType(let number):
      (code, what) = ("onnx-element-type", "an element type is not supported")
      why = "data type \(number)"
      remedy = "convert the value to a type that swage knows"
    case .dimension(let size):
      (code, what, why) = ("onnx-dimension", "a dimension is negative", "it is \(size)")
      remedy = "give a size, or a name where it is not fixed"
    case .type(let reason): (code, what, why, remedy) = ("onnx-type", "a type is malformed", reason, export)
    case .domain(let domain):
      (code, what) = ("onnx-domain", "the node's operators are not imported")
      why = "opset_import does not list \(domain.isEmpty ? "ai.onnx" : domain)"
      remedy = export
    case .functionCall(let function, let reason):
      (code, what, why) = ("onnx-function-call", "a call does not fit function \(function)", reason)
      remedy = export
    case .initializerType(let declared, let found):
      (code, what) = ("onnx-initializer-type", "an initializer is not of the type its input declares")
      why = "declared \(declared), found \(found)"
      remedy = export
    case .attribute(let name, let reason):
      (code, what, why) = ("onnx-attribute", "attribute \(name) is malformed", reason)
      remedy = export
    case .duplicateAttribute(let name):
      (code, what, why, remedy) = ("onnx-attribute-duplicate", "attribute \(name) is given twice", nil, export)
    case .sparse(let reason):
      (code, what, why) = ("onnx-sparse", "a sparse tensor is malformed", reason)
      remedy = "export the model again, or make the tensor dense"
    case .duplicateFunction(let name):
      (code, what) = ("onnx-function-duplicate", "two functions have one name")
      why = name
      remedy = "give each its own name or overload"
    case .recursiveFunction(let names):
      (code, what) = ("onnx-function-recursive", "functions call each other in a circle")
      why = names.joined(separator: " -> ")
      remedy = "export the model again: functions may not recurse, loops are Loop nodes"
    case .tooManyNodes(let limit):
      (code, what, why) = ("onnx-nodes", "the model has too many nodes", "the limit is \(limit)")
      remedy = "split the model, or raise the limit if you trust the file"
    case .tooManyInlinedNodes(let limit):
      (code, what) = ("onnx-inlined-nodes", "the model's functions expand to too many nodes")
      why = "the limit is \(limit)"
      remedy = "call fewer functions from functions, or raise the limit if you trust the file"
    case .tensor(let error): return located(error.diagnostics)
    case .external(let error): return located(error.diagnostics)
    }
    let reason = [why, scope.map { "in \($0)" }].compactMap(\.self).joined(separator: "; ")
    return [
      Diagnostic(
        code: code, what: what, place: .init(file: file, node: node, value: value),
        why: reason.isEmpty ? nil : reason, remedy: remedy)
    ]
  }

  private func located(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
    diagnostics.map { diagnostic in
      var diagnostic = diagnostic
      diagnostic.place.node = node
      return diagnostic
    }
  }
}

extension ClosedRange<Int> {
  fileprivate var words: String { "\(lowerBound) to \(upperBound)" }
}

/// Collects the faults of one file up to a limit.
struct ONNXFaults {
  private(set) var list: [ONNXFault] = []
  let limit: Int
  /// Nothing more is worth looking for.
  var isFull: Bool { list.count >= limit }

  init(limit: Int) { self.limit = limit }

  mutating func add(_ fault: ONNXFault) {
    if !isFull { list.append(fault) }
  }

  func check(file: String) throws(ONNXError) { try Self.check([self], file: file) }

  /// Throws when there are any.
  static func check(_ parts: [ONNXFaults], file: String) throws(ONNXError) {
    let all = parts.flatMap(\.list)
    guard all.isEmpty else {
      throw ONNXError(file: file, faults: all, isPartial: parts.contains(where: \.isFull))
    }
  }
}
