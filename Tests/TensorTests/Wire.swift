import Foundation
import SwageTensor

/// Protobuf wire format for crafted messages.
enum Wire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func tag(_ field: Int, _ type: Int) -> [UInt8] { varint(UInt64(field << 3 | type)) }

  static func int(_ field: Int, _ value: Int) -> [UInt8] { tag(field, 0) + varint(UInt64(bitPattern: Int64(value))) }

  static func bytes(_ field: Int, _ bytes: [UInt8]) -> [UInt8] { tag(field, 2) + varint(UInt64(bytes.count)) + bytes }

  static func text(_ field: Int, _ text: String) -> [UInt8] { bytes(field, Array(text.utf8)) }

  static func packed(_ field: Int, _ values: [Int]) -> [UInt8] {
    bytes(field, values.flatMap { varint(UInt64(bitPattern: Int64($0))) })
  }

  static func raw<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  /// A `TensorProto`.
  static func tensor(_ dims: [Int], type: Int, _ rest: [UInt8]...) -> [UInt8] {
    dims.flatMap { int(1, $0) } + int(2, type) + rest.joined()
  }
}

/// A folder that goes with its last user.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "swage-test-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    return path + "/" + name
  }

  var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// The code of the first diagnostic that `body` throws; nil where it throws none.
func code(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as any SwageError {
    return error.diagnostics.first?.code ?? "no diagnostic"
  } catch {
    return "not a SwageError: \(error)"
  }
}
