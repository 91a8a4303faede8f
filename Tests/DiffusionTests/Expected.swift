import Foundation
import SwageTensor

/// The references in `Expected/`, made by `make_expected.py`.
enum Expected {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Expected")

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
  }

  static func document(_ name: String) throws -> StrictJSON {
    try StrictJSON.parse(bytes(name), allowsNonFinite: true)
  }
}

struct MissingMember: Error {
  var key: String
}

extension StrictJSON {
  func member(_ key: String) throws -> StrictJSON {
    guard let value = self[key] else { throw MissingMember(key: key) }
    return value
  }

  func text(_ key: String) throws -> String {
    guard let value = try member(key).string else { throw MissingMember(key: key) }
    return value
  }

  func integer(_ key: String) throws -> Int {
    guard let value = try member(key).integer else { throw MissingMember(key: key) }
    return value
  }

  func list(_ key: String) throws -> [StrictJSON] {
    guard let value = try member(key).array else { throw MissingMember(key: key) }
    return value
  }

  /// f32 values as base64 of their little-endian bytes.
  func floats(_ key: String) throws -> [Float] {
    guard let data = Data(base64Encoded: try text(key)), data.count % 4 == 0 else { throw MissingMember(key: key) }
    return data.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { index in
        Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)))
      }
    }
  }
}
