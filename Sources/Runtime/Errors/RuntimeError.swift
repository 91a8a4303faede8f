import SwageTensor

/// A plan could not be run.
public enum RuntimeError: SwageError, Hashable {
  /// The plan has no entry point of this name.
  case noEntryPoint(name: String, available: [String])
  case missingInput(name: String, type: String)
  case unknownInput(name: String, expected: [String])
  /// A value of another kind than the plan takes.
  case inputValue(name: String, reason: String)
  /// An output that is no tensor, asked for as one.
  case outputValue(name: String, type: String)
  case inputElementType(name: String, expected: ElementType, actual: ElementType)
  case inputRank(name: String, expected: String, actual: [Int])
  case inputShape(name: String, axis: Int, expected: String, value: Int, actual: [Int])
  /// One symbol got two values from the inputs.
  case symbolConflict(symbol: String, first: String, firstValue: Int, second: String, secondValue: Int)
  case symbolUnbound(symbol: String)
  case negativeSize(expression: String, value: Int, node: String)
  case sizeOverflow(expression: String, node: String)
  /// Two sizes do not stand in the relation that a node needs.
  case sizeCheck(left: String, leftValue: Int, relation: String, right: String, rightValue: Int, node: String)
  /// A value does not lie within its buffer.
  case outsideBuffer(value: String, end: Int, bufferBytes: Int)
  case memoryLimit(needed: Int, limit: Int)
  case noMemory(bytes: Int)
  case moduleLoad(module: String, reason: String)
  case missingFunction(module: String, function: String)
  case missingDevice(name: String, available: [String])
  case deviceResult(device: String, node: String, reason: String)
  case library(node: String, reason: String)
  /// The model reached a node that ends the run.
  case failed(node: String, message: String)
  case unsupportedPlan(reason: String)
  case notBound

  public var diagnostics: [Diagnostic] { [diagnostic] }

  private var diagnostic: Diagnostic {
    switch self {
    case .noEntryPoint(let name, let available):
      Diagnostic(
        code: "runtime-no-entry-point", what: "the plan has no entry point \(name)",
        why: available.isEmpty ? "it has none at all" : "it has " + available.joined(separator: ", "),
        remedy: "name one that it has; `swage inspect` lists them")
    case .missingInput(let name, let type):
      Diagnostic(
        code: "runtime-missing-input", what: "input \(name) is missing", place: .init(value: name),
        why: "the plan needs a tensor \(type)", remedy: "pass --input \(name)=FILE.npy")
    case .unknownInput(let name, let expected):
      Diagnostic(
        code: "runtime-unknown-input", what: "the plan has no input \(name)", place: .init(value: name),
        why: "its inputs are " + expected.joined(separator: ", "), remedy: "use one of these names")
    case .inputValue(let name, let reason):
      Diagnostic(
        code: "runtime-input-value", what: "the value given for input \(name) is of another kind",
        place: .init(value: name), why: reason, remedy: "`swage inspect` shows what the plan takes")
    case .outputValue(let name, let type):
      Diagnostic(
        code: "runtime-output-value", what: "output \(name) is no tensor", place: .init(value: name),
        why: "it is \(type)", remedy: "take it with `Session.resultValues`")
    case .inputElementType(let name, let expected, let actual):
      Diagnostic(
        code: "runtime-input-type", what: "input \(name) has elements of type \(actual.name)",
        place: .init(value: name), why: "the plan takes \(expected.name)",
        remedy: "convert the tensor to \(expected.name)")
    case .inputRank(let name, let expected, let actual):
      Diagnostic(
        code: "runtime-input-rank", what: "input \(name) has \(actual.count) axes: \(actual)",
        place: .init(value: name), why: "the plan takes \(expected)", remedy: "reshape the tensor")
    case .inputShape(let name, let axis, let expected, let value, let actual):
      Diagnostic(
        code: "runtime-input-shape", what: "input \(name) has size \(actual[axis]) in axis \(axis): \(actual)",
        place: .init(value: name),
        why: "the plan takes \(expected)" + (expected == "\(value)" ? "" : ", here \(value)"),
        remedy: "give a tensor of that size, or compile the model again with --shape")
    case .symbolConflict(let symbol, let first, let firstValue, let second, let secondValue):
      Diagnostic(
        code: "runtime-symbol-conflict", what: "the inputs disagree about \(symbol)",
        why: "\(first) says \(firstValue), \(second) says \(secondValue)",
        remedy: "give inputs in which both sizes are equal")
    case .symbolUnbound(let symbol):
      Diagnostic(
        fault: .bug, code: "runtime-symbol-unbound", what: "nothing gives the size \(symbol) a value",
        remedy: "report this model to the authors of swage")
    case .negativeSize(let expression, let value, let node):
      Diagnostic(
        code: "runtime-negative-size", what: "the size \(expression) would be \(value)", place: .init(node: node),
        why: "a size cannot be negative", remedy: "give larger inputs: these are too small for the model")
    case .sizeOverflow(let expression, let node):
      Diagnostic(
        code: "runtime-size-overflow", what: "the size \(expression) has no value for these inputs",
        place: .init(node: node), why: "it does not fit 64 bits, or divides by zero", remedy: "give smaller inputs")
    case .sizeCheck(let left, let leftValue, let relation, let right, let rightValue, let node):
      Diagnostic(
        code: "runtime-size-check", what: "the sizes \(left) = \(leftValue) and \(right) = \(rightValue) do not fit",
        place: .init(node: node), why: "the node needs \(left) \(relation) \(right)",
        remedy: "give inputs whose sizes fit each other")
    case .outsideBuffer(let value, let end, let bytes):
      Diagnostic(
        fault: .bug, code: "runtime-outside-buffer", what: "a value does not lie within its buffer",
        place: .init(value: value), why: "it ends at byte \(end) of \(bytes)",
        remedy: "report this model to the authors of swage")
    case .memoryLimit(let needed, let limit):
      Diagnostic(
        code: "runtime-memory-limit", what: "a run would need \(needed) bytes of working memory",
        why: "the limit is \(limit) bytes", remedy: "give smaller inputs, or allow more memory")
    case .noMemory(let bytes):
      Diagnostic(
        code: "runtime-no-memory", what: "\(bytes) bytes of memory are not to be had",
        remedy: "close other programs, or give smaller inputs")
    case .moduleLoad(let module, let reason):
      Diagnostic(
        code: "runtime-module-load", what: "the native module \(module) cannot be loaded", why: reason,
        remedy: "compile the model again on this machine")
    case .missingFunction(let module, let function):
      Diagnostic(
        code: "runtime-missing-function", what: "the native module \(module) has no function \(function)",
        remedy: "compile the model again")
    case .missingDevice(let name, let available):
      Diagnostic(
        code: "runtime-missing-device", what: "the plan needs the device \(name)",
        why: "here are " + (["cpu"] + available).joined(separator: ", "),
        remedy: "run it where that device is, or compile the model for another target")
    case .deviceResult(let device, let node, let reason):
      Diagnostic(
        fault: .bug, code: "runtime-device-result", what: "the device \(device) returned a wrong result",
        place: .init(node: node), why: reason, remedy: "report this model to the authors of swage")
    case .library(let node, let reason):
      Diagnostic(
        code: "runtime-library", what: "oneDNN cannot do this node", place: .init(node: node), why: reason,
        remedy: "report this model to the authors of swage")
    case .failed(let node, let message):
      Diagnostic(
        code: "runtime-failed", what: message, place: .init(node: node),
        why: "the model has no result for these inputs",
        remedy: "give other inputs")
    case .unsupportedPlan(let reason):
      Diagnostic(
        fault: .bug, code: "runtime-unsupported-plan", what: "the plan cannot be run", why: reason,
        remedy: "compile the model again; if that does not help, report it to the authors of swage")
    case .notBound:
      Diagnostic(
        fault: .bug, code: "runtime-not-bound", what: "a run was started without inputs",
        remedy: "call Session.bind first")
    }
  }
}
