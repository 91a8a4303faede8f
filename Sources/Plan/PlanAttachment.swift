/// A small file inside a plan, found by its name.
public struct PlanAttachment: Hashable, Sendable {
  /// Words joined by slashes: `tokenizer/vocab.json`.
  public var name: String
  public var bytes: [UInt8]

  public init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }

  /// Attachments are read into memory whole: this many bytes for all of a plan.
  public static let maximumTotalBytes = 256 << 20
  public static let maximumCount = 4096
  static let maximumNameBytes = 200

  /// Whether `name` can be an attachment's: words of letters, digits, `_`, `-` and `.`, joined by single slashes, none
  /// of them `.` or `..`, at most 200 bytes.
  public static func isName(_ name: String) -> Bool {
    guard !name.isEmpty, name.utf8.count <= maximumNameBytes else { return false }
    return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { word in
      !word.isEmpty && word != "." && word != ".." && word.utf8.allSatisfy(PlanValidator.isNameByte)
    }
  }
}

extension Plan {
  /// The bytes of the attachment of this name.
  public func attachment(_ name: String) -> [UInt8]? { attachments.first { $0.name == name }?.bytes }
}
