/// Tokens of the text form.
struct GraphLexer {
  private let text: [UInt8]
  private var position = 0
  private(set) var line = 1

  init(_ text: String) { self.text = Array(text.utf8) }

  private mutating func skipSpace() {
    while position < text.count {
      let c = text[position]
      if c == 10 { line += 1 }
      if c == 32 || c == 10 || c == 9 || c == 13 {
        position += 1
      } else if c == 47, position + 1 < text.count, text[position + 1] == 47 {
        while position < text.count, text[position] != 10 { position += 1 }
      } else {
        return
      }
    }
  }

  /// Whether the next characters are `token`; a token of letters must end there.
  mutating func peek(_ token: String) -> Bool {
    skipSpace()
    let bytes = Array(token.utf8)
    guard position + bytes.count <= text.count, Array(text[position..<position + bytes.count]) == bytes else {
      return false
    }
    let end = position + bytes.count
    return !Self.isWord(bytes[0]) || end == text.count || !Self.isWord(text[end])
  }

  mutating func take(_ token: String) -> Bool {
    guard peek(token) else { return false }
    position += token.utf8.count
    return true
  }

  mutating func expect(_ token: String) throws {
    guard take(token) else { throw TypeFault("expected \(token), found \(rest)") }
  }

  mutating func expectEnd() throws {
    skipSpace()
    guard position == text.count else { throw TypeFault("text after the graph: \(rest)") }
  }

  private var rest: String {
    position == text.count
      ? "the end" : String(decoding: text[position...].prefix(24).prefix { $0 != 10 }, as: UTF8.self)
  }

  static func isWord(_ c: UInt8) -> Bool {
    (c >= 48 && c <= 57) || c == 95 || (c | 32 >= 97 && c | 32 <= 122)
  }

  mutating func word() throws -> String {
    skipSpace()
    let start = position
    while position < text.count, Self.isWord(text[position]) { position += 1 }
    guard position > start else { throw TypeFault("expected a word, found \(rest)") }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  mutating func valueNumber() throws -> Int {
    try expect("%")
    guard let number = Int(try word()) else { throw TypeFault("values are numbered: %0, %1, …") }
    return number
  }

  /// Everything up to the next `,`, `]`, `)` or `}` outside parentheses, without the space around.
  mutating func expression() -> String {
    skipSpace()
    let start = position
    var depth = 0
    while position < text.count {
      let c = text[position]
      if c == 10 { break }
      if c == UInt8(ascii: "(") { depth += 1 }
      if c == UInt8(ascii: ")") {
        if depth == 0 { break }
        depth -= 1
      }
      if depth == 0, c == UInt8(ascii: ",") || c == UInt8(ascii: "]") || c == UInt8(ascii: "}") { break }
      position += 1
    }
    var end = position
    while end > start, text[end - 1] == 32 || text[end - 1] == 13 { end -= 1 }
    return String(decoding: text[start..<end], as: UTF8.self)
  }

  mutating func string() throws -> String { String(decoding: try bytes(), as: UTF8.self) }

  /// A quoted string of any bytes.
  mutating func bytes() throws -> [UInt8] {
    try expect("\"")
    var bytes: [UInt8] = []
    while position < text.count, text[position] != UInt8(ascii: "\"") {
      if text[position] == UInt8(ascii: "\\"), position + 1 < text.count {
        position += 1
        switch text[position] {
        case UInt8(ascii: "n"): bytes.append(10)
        case UInt8(ascii: "x"):
          guard position + 2 < text.count,
            let byte = UInt8(String(decoding: text[position + 1...position + 2], as: UTF8.self), radix: 16)
          else { throw TypeFault("a string has a broken escape") }
          bytes.append(byte)
          position += 2
        case UInt8(ascii: "u"):
          guard let close = text[position...].firstIndex(of: UInt8(ascii: "}")), position + 2 < close,
            let code = UInt32(String(decoding: text[position + 2..<close], as: UTF8.self), radix: 16),
            let scalar = Unicode.Scalar(code)
          else { throw TypeFault("a string has a broken escape") }
          bytes += Array(String(Character(scalar)).utf8)
          position = close
        default: bytes.append(text[position])
        }
      } else {
        if text[position] == 10 { line += 1 }
        bytes.append(text[position])
      }
      position += 1
    }
    guard position < text.count else { throw TypeFault("a string has no end") }
    position += 1
    return bytes
  }
}
