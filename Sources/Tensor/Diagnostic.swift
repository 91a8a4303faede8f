/// A message to the user: what is wrong, where, why, and what to do about it.
///
/// Errors are data first: each module throws its own enum, whose cases hold the facts; the words are made in
/// `diagnostic`. A command prints diagnostics and ends with the exit status of the worst fault.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
  /// Whose fault it is; decides the exit status.
  public enum Fault: Int32, Hashable, Sendable {
    /// The file, tensor, or machine at hand: exit status 1.
    case input = 1
    /// The command line: exit status 2.
    case usage = 2
    /// A bug in swage: exit status 70 (`EX_SOFTWARE`).
    case bug = 70
  }

  /// Where the fault lies; every part that is known is set.
  public struct Place: Hashable, Sendable {
    public var file: String?
    public var byteOffset: Int?
    public var node: String?
    public var value: String?
    public var flag: String?

    public init(
      file: String? = nil, byteOffset: Int? = nil, node: String? = nil, value: String? = nil, flag: String? = nil
    ) {
      self.file = file
      self.byteOffset = byteOffset
      self.node = node
      self.value = value
      self.flag = flag
    }
  }

  public var fault: Fault
  /// A stable name, listed in `docs/errors.md`: `onnx-truncated`, `plan-checksum`.
  public var code: String
  public var what: String
  public var place: Place
  public var why: String?
  public var remedy: String?

  public init(
    fault: Fault = .input, code: String, what: String, place: Place = Place(), why: String? = nil, remedy: String? = nil
  ) {
    self.fault = fault
    self.code = code
    self.what = what
    self.place = place
    self.why = why
    self.remedy = remedy
  }

  public var description: String {
    var lines = ["error[\(code)]: \(what.printable)"]
    var spots: [String] = []
    if let file = place.file { spots.append(file) }
    if let offset = place.byteOffset { spots.append("byte \(offset)") }
    if let node = place.node { spots.append("node \(node)") }
    if let value = place.value { spots.append("value \(value)") }
    if let flag = place.flag { spots.append("flag \(flag)") }
    if !spots.isEmpty { lines.append("  where: " + spots.map(\.printable).joined(separator: ", ")) }
    if let why { lines.append("  why:   " + why.printable) }
    if let remedy { lines.append("  do:    " + remedy.printable) }
    return lines.joined(separator: "\n")
  }
}

/// An error that can be put into words.
public protocol SwageError: Error, Sendable {
  /// One or more diagnostics; never empty.
  var diagnostics: [Diagnostic] { get }
}

extension Diagnostic: SwageError {
  public var diagnostics: [Diagnostic] { [self] }
}

/// Several faults found in one go.
public struct DiagnosticList: SwageError {
  public var diagnostics: [Diagnostic]
  public init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }
}

extension String {
  /// The string with control characters escaped and cut to a length that a terminal can show, since names in
  /// messages come from files.
  public var printable: String {
    var result = ""
    var count = 0
    for scalar in unicodeScalars {
      count += 1
      if count > 400 { return result + "…" }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate:
        result += scalar == "\n" ? "\n" : "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
