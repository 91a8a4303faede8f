/// A JSON document (RFC 8259), read strictly: no duplicate keys, no text after the value, no byte order mark, no lone
/// surrogates, limited nesting, and integers kept exact.
public indirect enum StrictJSON: Sendable {
  case null
  case bool(Bool)
  /// A number written without fraction and exponent that fits 64 bits.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([StrictJSON])
  /// Members in file order; keys are distinct.
  case object([(key: String, value: StrictJSON)])

  public struct Fault: Error, Hashable {
    public var offset: Int
    public var reason: String
  }

  /// Parses all of `bytes`. Spaces after the value are allowed. With `allowsNonFinite`, the words that Python's `json`
  /// writes for what RFC 8259 has no number for are numbers too: `NaN`, `Infinity`, `-Infinity`.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64, allowsNonFinite: Bool = false
  ) throws(Fault) -> StrictJSON {
    var parser = Parser(bytes: bytes, maximumDepth: maximumDepth, allowsNonFinite: allowsNonFinite)
    return try parser.document()
  }

  public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  /// Parses a file's bytes, as above.
  public static func parse(
    _ bytes: [UInt8], maximumDepth: Int = 64, allowsNonFinite: Bool = false
  ) throws(Fault) -> StrictJSON {
    let result: Result<StrictJSON, Fault> = bytes.withUnsafeBytes { buffer in
      Result { () throws(Fault) in
        try parse(buffer, maximumDepth: maximumDepth, allowsNonFinite: allowsNonFinite)
      }
    }
    return try result.get()
  }

  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// An integer or a number.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var array: [StrictJSON]? { if case .array(let value) = self { value } else { nil } }
  public var object: [(key: String, value: StrictJSON)]? { if case .object(let value) = self { value } else { nil } }

  /// The member of an object; nil where there is none. Takes linear time.
  public subscript(key: String) -> StrictJSON? { object?.first { $0.key == key }?.value }
}

private struct Parser {
  let bytes: UnsafeRawBufferPointer
  let maximumDepth: Int
  let allowsNonFinite: Bool
  private var position = 0

  init(bytes: UnsafeRawBufferPointer, maximumDepth: Int, allowsNonFinite: Bool) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
    self.allowsNonFinite = allowsNonFinite
  }

  private func fault(_ reason: String, at offset: Int? = nil) -> StrictJSON.Fault {
    StrictJSON.Fault(offset: offset ?? position, reason: reason)
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func document() throws(StrictJSON.Fault) -> StrictJSON {
    let value = try value(depth: 1)
    skipSpace()
    guard position == bytes.count else { throw fault("something follows the JSON value") }
    return value
  }

  private mutating func skipSpace() {
    while let byte = current, byte == 32 || byte == 9 || byte == 10 || byte == 13 { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard let byte = current, UInt32(byte) == character.value else { return false }
    position += 1
    return true
  }

  private mutating func value(depth: Int) throws(StrictJSON.Fault) -> StrictJSON {
    guard depth <= maximumDepth else { throw fault("it is nested deeper than \(maximumDepth) levels") }
    skipSpace()
    guard let byte = current else { throw fault("it ends in the middle") }
    switch byte {
    case UInt8(ascii: "{"):
      position += 1
      return try object(depth: depth)
    case UInt8(ascii: "["):
      position += 1
      return try array(depth: depth)
    case UInt8(ascii: "\""):
      position += 1
      return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "N") where allowsNonFinite: return try word("NaN", .number(.nan))
    case UInt8(ascii: "I") where allowsNonFinite: return try word("Infinity", .number(.infinity))
    case UInt8(ascii: "-") where allowsNonFinite && bytes[position...].starts(with: "-I".utf8):
      return try word("-Infinity", .number(-.infinity))
    case UInt8(ascii: "-"), 48...57: return try number()
    default: throw fault("a value is missing")
    }
  }

  private mutating func word(_ word: String, _ value: StrictJSON) throws(StrictJSON.Fault) -> StrictJSON {
    guard bytes[position...].starts(with: word.utf8) else { throw fault("a value is misspelt") }
    position += word.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(StrictJSON.Fault) -> StrictJSON {
    var members: [(key: String, value: StrictJSON)] = []
    var keys: Set<String> = []
    if take("}") { return .object([]) }
    while true {
      skipSpace()
      let start = position
      guard take("\"") else { throw fault("a key is missing") }
      let key = try string()
      guard keys.insert(key).inserted else { throw fault("the key \"\(key)\" occurs twice", at: start) }
      guard take(":") else { throw fault("a colon is missing") }
      members.append((key, try value(depth: depth + 1)))
      if take("}") { return .object(members) }
      guard take(",") else { throw fault("a comma or brace is missing") }
    }
  }

  private mutating func array(depth: Int) throws(StrictJSON.Fault) -> StrictJSON {
    var elements: [StrictJSON] = []
    if take("]") { return .array([]) }
    while true {
      elements.append(try value(depth: depth + 1))
      if take("]") { return .array(elements) }
      guard take(",") else { throw fault("a comma or bracket is missing") }
    }
  }

  private mutating func number() throws(StrictJSON.Fault) -> StrictJSON {
    let start = position
    func digits() -> Int {
      let first = position
      while let byte = current, byte >= 48, byte <= 57 { position += 1 }
      return position - first
    }
    if current == UInt8(ascii: "-") { position += 1 }
    let first = current
    let count = digits()
    guard count > 0, first != 48 || count == 1 else { throw fault("a number is malformed", at: start) }
    var isInteger = true
    if current == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      guard digits() > 0 else { throw fault("a number is malformed", at: start) }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw fault("a number is malformed", at: start) }
    }
    guard position - start <= 400 else { throw fault("a number is too long", at: start) }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text) else { throw fault("a number is malformed", at: start) }
    return .number(value)
  }

  /// After the opening quote.
  private mutating func string() throws(StrictJSON.Fault) -> String {
    let start = position
    var text: [UInt8] = []
    var runStart = position
    while let byte = current {
      if byte == UInt8(ascii: "\"") {
        text.append(contentsOf: bytes[runStart..<position])
        position += 1
        guard let string = String(validating: text, as: UTF8.self) else {
          throw fault("a string is not UTF-8", at: start)
        }
        return string
      }
      if byte < 32 { throw fault("a string holds a control character") }
      if byte != UInt8(ascii: "\\") {
        position += 1
        continue
      }
      text.append(contentsOf: bytes[runStart..<position])
      position += 1
      try escape(into: &text)
      runStart = position
    }
    throw fault("a string does not end", at: start)
  }

  private mutating func escape(into text: inout [UInt8]) throws(StrictJSON.Fault) {
    guard let byte = current else { throw fault("it ends in the middle") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if code & 0xfc00 == 0xd800 {
        guard bytes[position...].starts(with: "\\u".utf8) else { throw fault("half a surrogate pair") }
        position += 2
        let low = try hexadecimal()
        guard low & 0xfc00 == 0xdc00 else { throw fault("half a surrogate pair") }
        code = 0x10000 + (code & 0x3ff) << 10 + (low & 0x3ff)
      }
      guard let scalar = Unicode.Scalar(code) else { throw fault("half a surrogate pair") }
      text.append(contentsOf: String(scalar).utf8)
    default: throw fault("an unknown escape", at: position - 1)
    }
  }

  private mutating func hexadecimal() throws(StrictJSON.Fault) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 128 else {
        throw fault("an escape is malformed")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
