import Foundation
import SwageTensor

/// A small JSON file of a checkpoint: an object, with typed members.
public struct JSONFile: Sendable {
  public let path: String
  public let json: StrictJSON

  /// Settings are small; vocabularies take a few MB.
  static let maximumBytes = 64 << 20

  /// - Throws: `FileError`, or `DiffusersError` where the file is no JSON object.
  public init(path: String) throws {
    let file = try MappedFile(path: path)
    guard file.byteCount <= Self.maximumBytes else {
      throw DiffusersError.json(file: path, offset: nil, reason: "it has \(file.byteCount) bytes")
    }
    do {
      json = try file.withBytes { try StrictJSON.parse($0) }
    } catch let fault as StrictJSON.Fault {
      throw DiffusersError.json(file: path, offset: fault.offset, reason: fault.reason)
    }
    guard json.object != nil else { throw DiffusersError.json(file: path, offset: 0, reason: "it is no object") }
    self.path = path
  }

  /// The member; nil where it is absent or null.
  public subscript(key: String) -> StrictJSON? {
    guard let value = json[key] else { return nil }
    if case .null = value { return nil }
    return value
  }

  /// A whole number in `range`; `fallback` where it is absent.
  public func integer(_ key: String, default fallback: Int?, in range: ClosedRange<Int> = 1...1 << 15) throws -> Int {
    guard let value = self[key] else {
      if let fallback { return fallback }
      throw DiffusersError.configuration(file: path, key: key, reason: "it is missing")
    }
    guard let number = value.integer, range.contains(number) else {
      throw DiffusersError.configuration(
        file: path, key: key, reason: "it is no whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  public func number(_ key: String, default fallback: Double) throws -> Double {
    guard let value = self[key] else { return fallback }
    guard let number = value.number, number.isFinite else {
      throw DiffusersError.configuration(file: path, key: key, reason: "it is no number")
    }
    return number
  }

  public func flag(_ key: String, default fallback: Bool) throws -> Bool {
    guard let value = self[key] else { return fallback }
    guard case .bool(let flag) = value else {
      throw DiffusersError.configuration(file: path, key: key, reason: "it is neither true nor false")
    }
    return flag
  }

  public func text(_ key: String) throws -> String? {
    guard let value = self[key] else { return nil }
    guard let text = value.string else {
      throw DiffusersError.configuration(file: path, key: key, reason: "it is no text")
    }
    return text
  }
}

extension StrictJSON {
  /// A number, whole or not.
  public var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// Whether two values mean the same: 1 and 1.0 do, and members may come in any order.
  func isEquivalent(to other: StrictJSON) -> Bool {
    switch (self, other) {
    case (.null, .null): return true
    case (.bool(let a), .bool(let b)): return a == b
    case (.string(let a), .string(let b)): return a == b
    case (.array(let a), .array(let b)):
      return a.count == b.count && zip(a, b).allSatisfy { $0.isEquivalent(to: $1) }
    case (.object(let a), .object(let b)):
      return a.count == b.count && a.allSatisfy { member in other[member.key]?.isEquivalent(to: member.value) ?? false }
    default:
      guard let a = number, let b = other.number else { return false }
      return a == b
    }
  }

  /// The value in a line, for messages.
  var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .array(let values): "[\(values.map(\.summary).joined(separator: ", "))]"
    case .object(let members): "{\(members.map { "\"\($0.key)\": \($0.value.summary)" }.joined(separator: ", "))}"
    }
  }
}
