import Foundation

/// Names that are looked up must be equal exactly when their bytes are. Swift compares strings by canonical
/// equivalence and C ends them at a NUL, so that a file could bind the wrong tensor by a look-alike name: such names
/// are refused.
enum CheckedName {
  struct Problem: Error {
    var reason: String
  }

  static func check(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<String, Problem> {
    if bytes.contains(0) { return .failure(Problem(reason: "holds a NUL")) }
    guard let name = String(validating: bytes, as: UTF8.self) else {
      return .failure(Problem(reason: "is not UTF-8"))
    }
    return check(name)
  }

  /// The same for text that is known to be UTF-8.
  static func check(_ name: String) -> Result<String, Problem> {
    if name.utf8.contains(0) { return .failure(Problem(reason: "holds a NUL")) }
    if name.utf8.allSatisfy({ $0 < 128 }) { return .success(name) }
    guard name.precomposedStringWithCanonicalMapping.utf8.elementsEqual(name.utf8) else {
      return .failure(Problem(reason: "is not in Unicode NFC"))
    }
    return .success(name)
  }
}
