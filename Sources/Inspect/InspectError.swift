import SwageTensor

/// Why a graph could not be written in another form.
public enum InspectError: SwageError {
  /// The model would pass the size that a protobuf message can have.
  case tooLarge(bytes: Int)
  /// A message could not be encoded: memory ran out.
  case encoding(message: String)

  public var diagnostics: [Diagnostic] {
    switch self {
    case .tooLarge(let bytes):
      [
        Diagnostic(
          code: "inspect-onnx-too-large", what: "the graph takes \(bytes) bytes as one ONNX file",
          why: "a protobuf message holds at most 2147483647 bytes, and swage writes weights into the file",
          remedy: "use --format html or --format json, which leave large weights out")
      ]
    case .encoding(let message):
      [
        Diagnostic(
          fault: .bug, code: "inspect-onnx-encoding", what: "the graph could not be written as ONNX", why: message,
          remedy: "this is a bug in swage: report it with the model")
      ]
    }
  }
}
