import Foundation
import SwageTensor

/// What is done with the characters of strings. Strings that are not UTF-8 are taken byte by byte where that has a meaning,
/// else with replacement characters.
public struct TextOp: OpDefinition {
  public enum Function: String, Hashable, Sendable, CaseIterable {
    /// Operands: two tensors of strings that broadcast.
    case concat
    /// Whether the whole string matches the pattern `words[0]`, see `Regex`. Result: bool.
    case fullMatch = "full_match"
    /// Parts between delimiters `words[0]`, or between runs of white space where it is empty, at most `limit + 1` of them.
    /// Results: the parts along a new last axis, filled up with empty strings, and their numbers (i64).
    case split
    /// Removes words from the operand, [n] or [1, n], and changes case: `words` is LOWER, UPPER or NONE, the locale, then
    /// the stop words; `limit` is 1 where these are compared with their case. A result without strings has one empty one.
    case normalize
    /// Numbers as strings: integers in decimal; floats as C's %.8g; NaN, INF, -INF.
    case format
    /// Strings as numbers.
    case parse
    /// The index of each element in the second operand, a vector of the same type: the first that equals it, NaN equals
    /// NaN; the length where there is none. Result: i64.
    case find
  }

  public static let mnemonic = "text"
  public var function: Function
  public var words: [String]
  public var limit: Int
  public var results: [TensorType]

  public init(_ function: Function, words: [String] = [], limit: Int = -1, results: [TensorType]) {
    self.function = function
    self.words = words
    self.limit = limit
    self.results = results
  }

  public var attributes: AttributeList {
    let list = AttributeList().with("function", function)
    return (words.isEmpty ? list : list.with("words", .list(words.map { .string($0) })))
      .with("limit", .integer(limit), unless: .integer(-1))
  }
  public init(_ attributes: inout AttributeReader) throws {
    function = try attributes.word("function")
    words = try attributes.strings("words", default: [])
    limit = try attributes.integer("limit", default: -1)
    results = []
  }
  public var numericClass: NumericClass { .exact }
  public func substituting(_ values: [String: Dim]) -> TextOp {
    var copy = self
    copy.results = results.map { TensorType($0.elementType, $0.shape.map { $0.substituting(values) }) }
    return copy
  }

  /// Symbols of the results that no operand gives a value to.
  public func definedSymbols(operands: [TensorType?]) -> [String] {
    let known = Set(operands.compactMap { $0 }.flatMap { $0.shape.flatMap(\.symbols) })
    var names: [String] = []
    for size in results.flatMap(\.shape) {
      if let name = size.symbolName, !known.contains(name), !names.contains(name) { names.append(name) }
    }
    return names
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    let x = try context.type(0)
    func strings(_ type: TensorType) throws {
      try context.require(type.elementType == .string, "\(function.rawValue) takes strings, got \(type)")
    }
    let expected: [TensorType]
    switch function {
    case .concat:
      try context.expectCount(2...2)
      let y = try context.type(1)
      try strings(x)
      try strings(y)
      expected = [TensorType(.string, try context.broadcast(x.shape, y.shape))]
    case .fullMatch:
      try strings(x)
      try context.require(words.count == 1, "one pattern, not \(words.count)")
      expected = [TensorType(.bool, x.shape)]
    case .split:
      try strings(x)
      try context.require(words.count == 1, "one delimiter, not \(words.count)")
      guard let width = results.first?.shape.last else { throw TypeFault("the parts have no axis") }
      expected = [TensorType(.string, x.shape + [width]), TensorType(.i64, x.shape)]
    case .normalize:
      try strings(x)
      let isRow = x.rank == 2 && x.shape[0] == 1
      try context.require(x.rank == 1 || isRow, "it takes [n] or [1, n], got \(x)")
      try context.require(words.count >= 2, "the case and the locale are missing")
      guard let width = results.first?.shape.last else { throw TypeFault("the result has no axis") }
      expected = [TensorType(.string, isRow ? [1, width] : [width])]
    case .format:
      try context.require(x.elementType.isNumeric, "it takes numbers, got \(x)")
      expected = [TensorType(.string, x.shape)]
    case .parse:
      try strings(x)
      guard let to = results.first?.elementType, to.isNumeric else { throw TypeFault("strings become numbers") }
      expected = [TensorType(to, x.shape)]
    case .find:
      try context.expectCount(2...2)
      let keys = try context.type(1)
      try context.require(
        x.elementType == keys.elementType && x.elementType != .object && keys.rank == 1, "\(x) is looked up in \(keys)")
      expected = [TensorType(.i64, x.shape)]
    }
    guard results.count == expected.count,
      zip(results, expected).allSatisfy({
        $0.elementType == $1.elementType && $0.rank == $1.rank && If.mayAgree($0, $1)
      })
    else { throw TypeFault("\(function.rawValue) does not give \(results.map(\.description).joined(separator: ", "))") }
    return results
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    guard let x = operands.first ?? nil else { throw TypeFault("the operand is missing") }
    let values: [Tensor]
    switch function {
    case .concat:
      guard operands.count > 1, let y = operands[1] else { throw TypeFault("an operand is missing") }
      let shape = try Binary.broadcastShape(x.shape, y.shape)
      try context.checkAllocation(.string, shape)
      let pairs = zip(x.broadcast(to: shape).stringBytes, y.broadcast(to: shape).stringBytes)
      values = [Tensor(stringBytes: pairs.map { $0 + $1 }, shape)]
    case .fullMatch:
      let pattern = try Regex(words[0])
      values = [Tensor(.bool, x.shape, integers: x.strings.map { pattern.matches($0) ? 1 : 0 })]
    case .split: values = try split(x, context)
    case .normalize: values = [normalize(x)]
    case .format: values = [Tensor(strings: Self.format(x), x.shape)]
    case .parse: values = [try Self.parse(x, to: results[0].elementType)]
    case .find:
      guard operands.count > 1, let keys = operands[1] else { throw TypeFault("an operand is missing") }
      values = [Self.find(x, keys)]
    }
    for (value, type) in zip(values, context.resultTypes) { try ObjectOp.bind(value, type, &context) }
    return values
  }

  /// Throws `TypeFault` where `Regex` does not know the pattern.
  public static func check(pattern: String) throws { _ = try Regex(pattern) }

  private func split(_ x: Tensor, _ context: EvaluationContext) throws -> [Tensor] {
    let delimiter = Array(words[0].utf8)
    let parts = x.stringBytes.map {
      delimiter.isEmpty ? TextParts.words(of: $0, limit: limit) : TextParts.split($0, by: delimiter, limit: limit)
    }
    let width = parts.map(\.count).max() ?? 0
    try context.checkAllocation(.string, x.shape + [width])
    let rows = parts.flatMap { $0 + [[UInt8]](repeating: [], count: width - $0.count) }
    return [
      Tensor(stringBytes: rows, x.shape + [width]),
      Tensor(.i64, x.shape, integers: parts.map { Int64($0.count) }),
    ]
  }

  private func normalize(_ x: Tensor) -> Tensor {
    let action = words[0]
    let isSensitive = limit == 1
    func changed(_ text: String) -> String {
      action == "LOWER" ? text.lowercased() : action == "UPPER" ? text.uppercased() : text
    }
    // Without case, words are compared in the case that they get, in lower case where they keep theirs.
    func key(_ text: String) -> String {
      isSensitive ? text : action == "UPPER" ? text.uppercased() : text.lowercased()
    }
    let stops = Set(words.dropFirst(2).map { Array(key($0).utf8) })
    let kept = x.strings.filter { !stops.contains(Array(key($0).utf8)) }.map(changed)
    let result = kept.isEmpty ? [""] : kept
    return Tensor(strings: result, x.shape.count == 2 ? [1, result.count] : [result.count])
  }

  /// As onnxruntime writes numbers: the standard leaves the form open.
  static func format(_ x: Tensor) -> [String] {
    switch x.elementType {
    case .u64: return x.integers.map { String(UInt64(bitPattern: $0)) }
    case let type where type.isFloat:
      return x.doubles.map { value in
        value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-INF" : "INF") : String(format: "%.8g", value)
      }
    default: return x.integers.map(String.init)
    }
  }

  static func parse(_ x: Tensor, to type: ElementType) throws -> Tensor {
    let texts = x.strings.map { $0.trimmingCharacters(in: .whitespaces) }
    func fail(_ text: String) -> TypeFault { TypeFault("'\(text.prefix(40))' is no number of type \(type.name)") }
    if type.isInteger {
      let numbers = try texts.map { text -> Int64 in
        if let number = Int64(text) { return number }
        if let number = UInt64(text) { return Int64(bitPattern: number) }
        guard let number = Double(text), number.magnitude < 0x1p63 else { throw fail(text) }
        return Int64(number)
      }
      return Tensor(type, x.shape, integers: numbers)
    }
    let numbers = try texts.map { text -> Double in
      switch text.lowercased() {
      case "inf", "+inf", "infinity": return .infinity
      case "-inf", "-infinity": return -.infinity
      case "nan": return .nan
      case "true" where type == .bool: return 1
      case "false" where type == .bool: return 0
      default:
        guard let number = Double(text) else { throw fail(text) }
        return number
      }
    }
    return Tensor(type, x.shape, doubles: numbers)
  }

  private static func find(_ x: Tensor, _ keys: Tensor) -> Tensor {
    // Both zeros are equal, and so is every NaN; other numbers are equal when their bits are.
    func bits(_ tensor: Tensor) -> [Int64] {
      guard tensor.elementType.isFloat else { return tensor.integerBits }
      return tensor.doubles.map { $0.isNaN ? Int64.min + 1 : Int64(bitPattern: ($0 == 0 ? 0.0 : $0).bitPattern) }
    }
    let places = Dictionary(zip(bits(keys), Int64(0)...), uniquingKeysWith: { first, _ in first })
    return Tensor(.i64, x.shape, integers: bits(x).map { places[$0] ?? Int64(keys.count) })
  }
}

/// Strings taken apart, as Python's `str.split` does it on ASCII.
enum TextParts {
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  /// Runs of what is no white space; after `limit` of them (none below zero) the rest as it is.
  static func words(of text: [UInt8], limit: Int) -> [[UInt8]] {
    var parts: [[UInt8]] = []
    var position = 0
    while true {
      while position < text.count, isSpace(text[position]) { position += 1 }
      if position == text.count { return parts }
      if limit >= 0, parts.count == limit {
        parts.append(Array(text[position...]))
        return parts
      }
      let start = position
      while position < text.count, !isSpace(text[position]) { position += 1 }
      parts.append(Array(text[start..<position]))
    }
  }

  /// What stands between delimiters, which are not empty.
  static func split(_ text: [UInt8], by delimiter: [UInt8], limit: Int) -> [[UInt8]] {
    var parts: [[UInt8]] = []
    var start = 0
    var position = 0
    while position + delimiter.count <= text.count, limit < 0 || parts.count < limit {
      if text[position] == delimiter[0], text[position..<position + delimiter.count].elementsEqual(delimiter) {
        parts.append(Array(text[start..<position]))
        position += delimiter.count
        start = position
      } else {
        position += 1
      }
    }
    parts.append(Array(text[start...]))
    return parts
  }
}
