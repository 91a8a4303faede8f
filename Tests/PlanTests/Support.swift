import CPlan
import Foundation
import SwagePlan
import SwageTensor
import Testing

/// A folder that is removed with its last user.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("swage-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

  /// Keys that only this test has.
  var keys: PlanTrust { PlanTrust(folder: path + "/keys") }
}

/// A small generator with a known sequence (SplitMix64, Steele, Lea and Flood 2014).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

func bytes(of path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

/// Everything in a plan but the content of weights and modules, by reflection: no field can be forgotten.
func reflection(of plan: Plan) -> String {
  var text = ""
  dump(plan.provenance, to: &text)
  dump(plan.host, to: &text)
  dump(plan.entryPoints, to: &text)
  dump(plan.bodies, to: &text)
  dump(plan.attachments, to: &text)
  for weight in plan.weights {
    text += "\(weight.name) \(weight.tensor.type) \(weight.tensor.withBytes { Array($0) })\n"
  }
  for module in plan.modules {
    let image = UnsafeRawBufferPointer(start: module.image.base, count: module.image.byteCount)
    text += "\(module.name) \(Array(image)) \(module.source)\n"
  }
  return text
}

func load<T: FixedWidthInteger>(_ bytes: [UInt8], _ offset: Int, as type: T.Type) -> T {
  bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
}

func store<T: FixedWidthInteger>(_ value: T, _ bytes: inout [UInt8], _ offset: Int) {
  withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
}

/// Where the sections of a plan file lie: kind, offset, length.
func sections(of bytes: [UInt8]) -> [(kind: UInt32, offset: Int, length: Int)] {
  (0..<Int(load(bytes, 24, as: UInt32.self))).map { index in
    let at = 128 + 64 * index
    return (
      load(bytes, at, as: UInt32.self), Int(load(bytes, at + 8, as: UInt64.self)),
      Int(load(bytes, at + 16, as: UInt64.self))
    )
  }
}

/// Makes the checksums of the manifest and the header right again.
func reseal(_ bytes: inout [UInt8]) {
  let manifest = sections(of: bytes)[0]
  let sum = bytes[manifest.offset..<manifest.offset + manifest.length].withUnsafeBytes {
    swage_checksum($0.baseAddress, $0.count)
  }
  store(sum, &bytes, 128 + 24)
  store(UInt64(0), &bytes, 96)
  let length = Int(load(bytes, 12, as: UInt32.self))
  store(bytes[..<length].withUnsafeBytes { swage_checksum($0.baseAddress, $0.count) }, &bytes, 96)
}

/// The code of the first diagnostic of what `body` throws; nil where it throws nothing.
func code(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as any SwageError {
    return error.diagnostics.first?.code ?? "no diagnostic"
  } catch {
    return "untyped: \(error)"
  }
}

/// A field of a protobuf message that holds bytes.
func message(_ field: UInt8, _ content: [UInt8]) -> [UInt8] {
  var length = content.count
  var result = [field << 3 | 2]
  while length > 127 {
    result.append(UInt8(length & 127) | 128)
    length >>= 7
  }
  return result + [UInt8(length)] + content
}

/// A plan file without weights around a manifest, with checksums that are right.
func planFile(manifest: [UInt8]) throws -> [UInt8] {
  let folder = try TemporaryFolder()
  try PlanWriter.write(Plan(provenance: Provenance(toolVersion: "1")), to: folder.file("plan"))
  var bytes = try bytes(of: folder.file("plan"))
  let start = sections(of: bytes)[0].offset
  let weights = (start + manifest.count + 4095) / 4096 * 4096
  bytes = Array(bytes[..<start]) + manifest
  bytes += [UInt8](repeating: 0, count: weights - bytes.count)
  store(UInt64(manifest.count), &bytes, 128 + 16)
  store(UInt64(weights), &bytes, 128 + 64 + 8)
  store(UInt64(bytes.count), &bytes, 16)
  reseal(&bytes)
  return bytes
}
