/// A tensor's reference to data in another file that cannot or must not be followed.
public struct ExternalDataError: SwageError, Hashable {
  public enum Fault: Hashable, Sendable {
    case unknownKey(String)
    case duplicateKey(String)
    case noLocation
    /// Not a plain decimal number that fits.
    case number(key: String, text: String)
    case path(location: String, reason: String)
    /// The marker by which a runtime hands itself raw pointers; in a file it is an attack.
    case memoryAddress(location: String)
    case missing(location: String)
    case link(location: String, kind: String)
    case notRegular(location: String, kind: String)
    case open(location: String, reason: String)
    case range(location: String, offset: Int, length: Int, fileSize: Int)
    case length(found: Int, expected: Int)
    case checksum(location: String, found: String, expected: String)
    /// The model was not read from a file, so that it has no folder.
    case noFolder(location: String)
    case stringTensor
    case alsoInline
  }

  public var file: String
  public var tensor: String
  public var fault: Fault

  public init(file: String, tensor: String, fault: Fault) {
    self.file = file
    self.tensor = tensor
    self.fault = fault
  }

  public var diagnostics: [Diagnostic] {
    let again = "save the model again with its external data"
    let inside = "keep external data as plain files in the model's folder and name them relative to it"
    let (code, what, why, remedy): (String, String, String, String) =
      switch fault {
      case .unknownKey(let key):
        ("external-keys", "external data has an unknown entry", "its key is \"\(key)\"", again)
      case .duplicateKey(let key):
        ("external-keys", "external data has two entries of one key", "the key is \"\(key)\"", again)
      case .noLocation: ("external-keys", "external data has no location", "the entry is missing", again)
      case .number(let key, let text):
        (
          "external-number", "external data has a bad \(key)",
          "\"\(text)\" is not a decimal number without sign or spaces that fits 63 bits", again
        )
      case .path(let location, let reason):
        ("external-path", "external data may not lie at \"\(location)\"", reason, inside)
      case .memoryAddress(let location):
        (
          "external-memory-address", "external data names an address in memory", "the location is \"\(location)\"",
          "do not use this file: it tries to make a reader take its numbers for pointers"
        )
      case .missing(let location):
        (
          "external-missing", "the file of external data is missing", "there is no \"\(location)\" in the folder",
          "put the file beside the model"
        )
      case .link(let location, let kind):
        (
          "external-link", "external data is reached through a link", "\"\(location)\" is or passes a \(kind)",
          "replace the link by a copy of the file: a model may not make swage read files elsewhere"
        )
      case .notRegular(let location, let kind):
        ("external-not-regular", "external data is not a regular file", "\"\(location)\" is a \(kind)", inside)
      case .open(let location, let reason):
        ("external-open", "the file of external data cannot be opened", "\"\(location)\": \(reason)", inside)
      case .range(let location, let offset, let length, let size):
        (
          "external-range", "external data reaches past the end of its file",
          "\(length) bytes at \(offset) of \"\(location)\", which has \(size)",
          "fetch the file again: it is cut off, or belongs to another model"
        )
      case .length(let found, let expected):
        (
          "external-length", "external data has the wrong length", "\(found) bytes, the tensor needs \(expected)",
          again
        )
      case .checksum(let location, let found, let expected):
        (
          "external-checksum", "the file of external data is not the one the model was saved with",
          "SHA-1 of \"\(location)\" is \(found), the model says \(expected)", "fetch the file again"
        )
      case .noFolder(let location):
        (
          "external-no-folder", "a model in memory cannot have external data", "it names \"\(location)\"",
          "load the model from its file"
        )
      case .stringTensor:
        ("external-string", "a string tensor has external data", "strings have no fixed size", again)
      case .alsoInline:
        (
          "tensor-data-ambiguous", "the tensor gives its elements more than once",
          "in the file and as external data", again
        )
      }
    return [
      Diagnostic(
        code: code, what: what, place: .init(file: file, value: tensor.isEmpty ? nil : tensor), why: why,
        remedy: remedy)
    ]
  }
}
