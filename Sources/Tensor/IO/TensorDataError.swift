/// A tensor of an ONNX file that says something impossible about its type, sizes or elements.
public struct TensorDataError: SwageError, Hashable {
  public enum Fault: Hashable, Sendable {
    case elementType(Int)
    case negativeSize(Int)
    case rank(Int, limit: Int)
    /// The product of the sizes overflows or exceeds 2^40 elements.
    case tooManyElements([Int])
    /// Neither 0, in the message, nor 1, external.
    case location(Int)
    /// A piece of a tensor that other messages hold.
    case segment
    case noData(expectedBytes: Int)
    case severalFields([String])
    case wrongField(String, expected: [String])
    case size(field: String, expected: Int, found: Int)
    case range(field: String, index: Int, value: Int)
    /// A sequence, optional or map that is none.
    case value(String)
  }

  public var file: String
  /// May be empty.
  public var tensor: String
  public var fault: Fault

  public init(file: String, tensor: String, fault: Fault) {
    self.file = file
    self.tensor = tensor
    self.fault = fault
  }

  public var diagnostics: [Diagnostic] {
    let again = "export the model again"
    let (code, what, why, remedy): (String, String, String, String) =
      switch fault {
      case .elementType(let number):
        (
          "tensor-element-type", "the tensor's element type is not supported",
          "it is \(ONNXElementType.words(number))", "convert the tensor to a type that swage knows"
        )
      case .negativeSize(let size): ("tensor-shape", "a dimension is negative", "it is \(size)", again)
      case .rank(let rank, let limit):
        ("tensor-shape", "the tensor has too many dimensions", "\(rank), the limit is \(limit)", again)
      case .tooManyElements(let shape):
        (
          "tensor-shape", "the tensor has too many elements",
          "its dimensions are \(shape.map(String.init).joined(separator: "×")), the limit is 2^40 elements", again
        )
      case .location(let number):
        (
          "tensor-data-location", "the tensor's data is at an unknown kind of place", "data_location is \(number)",
          again
        )
      case .segment:
        (
          "tensor-segment", "the tensor is a segment of another", "no tool writes this, and swage does not read it",
          again
        )
      case .noData(let bytes):
        ("tensor-data-missing", "the tensor has no elements", "\(bytes) bytes are needed", again)
      case .severalFields(let fields):
        (
          "tensor-data-ambiguous", "the tensor gives its elements more than once",
          "in " + fields.joined(separator: " and "), again
        )
      case .wrongField(let field, let expected):
        (
          "tensor-data-field", "the tensor's elements are in the wrong field",
          "\(field), where its type needs " + expected.joined(separator: " or "), again
        )
      case .size(let field, let expected, let found):
        (
          "tensor-data-size", "the tensor's elements do not fit its dimensions",
          "\(field) holds \(found), \(expected) are needed", again
        )
      case .range(let field, let index, let value):
        (
          "tensor-data-range", "an element does not fit the tensor's type",
          "\(field)[\(index)] is \(value)", again
        )
      case .value(let reason): ("tensor-value", "the value is not what the file should hold", reason, again)
      }
    return [
      Diagnostic(
        code: code, what: what, place: .init(file: file, value: tensor.isEmpty ? nil : tensor), why: why,
        remedy: remedy)
    ]
  }
}

enum ONNXElementType {
  /// What a data type number of ONNX is called in messages.
  static func words(_ number: Int) -> String {
    switch number {
    case 0: "undefined"
    case 14: "complex64"
    case 15: "complex128"
    case 27: "float6e2m3"
    case 28: "float6e3m2"
    default: Int32(exactly: number).flatMap(ElementType.init(rawValue:))?.name ?? "the unknown number \(number)"
    }
  }
}
