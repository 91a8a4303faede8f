/// A `.npy` file that cannot be read.
public struct NpyError: SwageError, Hashable {
  public enum Fault: Hashable, Sendable {
    case notNpy
    case version(Int, Int)
    case truncatedHeader
    case header(reason: String)
    case elementType(String)
    case shape(reason: String)
    case size(expected: Int, found: Int)
  }

  public var file: String
  public var fault: Fault

  public init(file: String, fault: Fault) {
    self.file = file
    self.fault = fault
  }

  public var diagnostics: [Diagnostic] {
    let save = "save the array again with numpy.save"
    let (code, what, why, remedy): (String, String, String?, String) =
      switch fault {
      case .notNpy: ("npy-magic", "not a .npy file", "it does not start with \\x93NUMPY", save)
      case .version(let major, let minor):
        ("npy-version", "unknown version of .npy", "\(major).\(minor); 1.0, 2.0 and 3.0 are known", save)
      case .truncatedHeader: ("npy-header", "the header is cut off", nil, save)
      case .header(let reason): ("npy-header", "the header is not understood", reason, save)
      case .elementType(let type):
        (
          "npy-element-type", "the array's type is not supported", "its descr is \(type)",
          "convert the array with astype to bool, an integer or a float type"
        )
      case .shape(let reason): ("npy-shape", "the array's shape is not possible", reason, save)
      case .size(let expected, let found):
        ("npy-size", "the file's size does not fit its header", "\(found) bytes of data, \(expected) are needed", save)
      }
    return [Diagnostic(code: code, what: what, place: .init(file: file), why: why, remedy: remedy)]
  }
}
