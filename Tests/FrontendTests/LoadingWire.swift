import Foundation
import SwageFrontend
import SwageTensor

/// Crafted ONNX messages in protobuf wire format.
enum LoadingWire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func int(_ field: Int, _ value: Int) -> [UInt8] {
    varint(UInt64(field << 3)) + varint(UInt64(bitPattern: Int64(value)))
  }

  static func bytes(_ field: Int, _ bytes: [UInt8]) -> [UInt8] {
    varint(UInt64(field << 3 | 2)) + varint(UInt64(bytes.count)) + bytes
  }

  static func text(_ field: Int, _ text: String) -> [UInt8] { bytes(field, Array(text.utf8)) }

  static func opset(_ version: Int, _ domain: String = "") -> [UInt8] {
    bytes(8, (domain.isEmpty ? [] : text(1, domain)) + int(2, version))
  }

  /// A `ModelProto`, opset 17, IR 8. `header` replaces the version fields, `rest` follows.
  static func model(_ graph: [UInt8], header: [UInt8]? = nil, _ rest: [UInt8]...) -> [UInt8] {
    (header ?? int(1, 8) + opset(17)) + bytes(7, graph) + rest.joined()
  }

  static func node(
    _ op: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "", _ rest: [UInt8]...
  ) -> [UInt8] {
    bytes(1, nodeBody(op, inputs, outputs, name: name, domain: domain) + rest.joined())
  }

  static func nodeBody(
    _ op: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = ""
  ) -> [UInt8] {
    inputs.flatMap { text(1, $0) } + outputs.flatMap { text(2, $0) } + (name.isEmpty ? [] : text(3, name))
      + text(4, op) + (domain.isEmpty ? [] : text(7, domain))
  }

  /// An attribute of a node; `type` nil leaves it to be guessed.
  static func attribute(_ name: String, type: Int?, _ rest: [UInt8]...) -> [UInt8] {
    bytes(5, text(1, name) + rest.joined() + (type.map { int(20, $0) } ?? []))
  }

  static func type(_ element: Int = 1, _ dims: [[UInt8]] = []) -> [UInt8] {
    bytes(2, bytes(1, int(1, element) + bytes(2, dims.flatMap { bytes(1, $0) })))
  }

  static func dim(_ size: Int) -> [UInt8] { int(1, size) }

  static func input(_ name: String, _ type: [UInt8] = LoadingWire.type(1, [dim(2)])) -> [UInt8] {
    bytes(11, text(1, name) + type)
  }

  static func output(_ name: String) -> [UInt8] { bytes(12, text(1, name)) }

  /// A `TensorProto` of one f32 dimension.
  static func tensor(_ name: String, _ values: [Float] = [1, 2]) -> [UInt8] {
    int(1, values.count) + int(2, 1) + text(8, name) + bytes(9, values.withUnsafeBytes { Array($0) })
  }

  static func initializer(_ name: String, _ values: [Float] = [1, 2]) -> [UInt8] { bytes(5, tensor(name, values)) }

  /// A tensor whose elements are elsewhere.
  static func external(_ name: String, _ entries: [(String, String)]) -> [UInt8] {
    int(1, 2) + int(2, 1) + text(8, name) + int(14, 1)
      + entries.flatMap { bytes(13, text(1, $0.0) + text(2, $0.1)) }
  }

  /// y = Relu(x).
  static let relu = input("x") + node("Relu", ["x"], ["y"]) + output("y")
}

/// The distinct codes that loading `bytes` reports, in order; empty where it loads.
func loadingCodes(_ bytes: [UInt8], limits: ONNXLimits = ONNXLimits()) -> [String] {
  loadingCodes { _ = try ONNXModel.load(bytes: bytes, name: "test.onnx", limits: limits) }
}

func loadingCodes(_ body: () throws -> Void) -> [String] {
  do {
    try body()
    return []
  } catch let error as any SwageError {
    var codes: [String] = []
    for code in error.diagnostics.map(\.code) where !codes.contains(code) { codes.append(code) }
    return codes
  } catch {
    return ["not a SwageError: \(error)"]
  }
}

/// A folder that goes with its last user.
final class LoadingFolder {
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
}
