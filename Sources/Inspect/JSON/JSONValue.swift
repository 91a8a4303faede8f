/// A JSON document in memory. Members of objects print in the order given, so that the same input gives the same text.
indirect enum JSONValue {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([(name: String, value: JSONValue)])

  /// The text. With `indent`, objects and arrays that hold objects take a line for each member.
  ///
  /// `<`, `>`, `&`, control characters and line separators are escaped: the text can stand inside a `script` element.
  func text(indent: Bool = false) -> String {
    var bytes: [UInt8] = []
    write(to: &bytes, depth: indent ? 0 : nil)
    return String(decoding: bytes, as: UTF8.self)
  }

  private func write(to bytes: inout [UInt8], depth: Int?) {
    switch self {
    case .null: bytes += "null".utf8
    case .bool(let value): bytes += (value ? "true" : "false").utf8
    case .integer(let value): bytes += String(value).utf8
    case .number(let value):
      // JSON has no infinities and no NaN: those go out as strings.
      if value.isFinite { bytes += "\(value)".utf8 } else { Self.write("\(value)", to: &bytes) }
    case .string(let value): Self.write(value, to: &bytes)
    case .array(let values):
      let inner = values.contains(where: \.isNested) ? depth : nil
      bytes.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        Self.newLine(inner.map { $0 + 1 }, &bytes)
        value.write(to: &bytes, depth: inner.map { $0 + 1 })
      }
      if !values.isEmpty { Self.newLine(inner, &bytes) }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      let inner = members.contains(where: \.value.isNested) ? depth : nil
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        Self.newLine(inner.map { $0 + 1 }, &bytes)
        Self.write(member.name, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        member.value.write(to: &bytes, depth: inner.map { $0 + 1 })
      }
      if !members.isEmpty { Self.newLine(inner, &bytes) }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  /// Whether the value holds objects and so deserves lines of its own.
  private var isNested: Bool {
    switch self {
    case .object: true
    case .array(let values): values.contains(where: \.isNested)
    case .null, .bool, .integer, .number, .string: false
    }
  }

  private static func newLine(_ depth: Int?, _ bytes: inout [UInt8]) {
    guard let depth else { return }
    bytes.append(UInt8(ascii: "\n"))
    bytes += repeatElement(UInt8(ascii: " "), count: 2 * depth)
  }

  private static func write(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": bytes += "\\\"".utf8
      case "\\": bytes += "\\\\".utf8
      case "\n": bytes += "\\n".utf8
      case "\t": bytes += "\\t".utf8
      default:
        if scalar.value < 32 || (127...159).contains(scalar.value)
          || "<>&\u{2028}\u{2029}".unicodeScalars.contains(scalar)
        {
          let digits = String(scalar.value, radix: 16)
          bytes += "\\u".utf8
          bytes += repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count)
          bytes += digits.utf8
        } else {
          bytes += UTF8.encode(scalar).map { Array($0) } ?? []
        }
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
