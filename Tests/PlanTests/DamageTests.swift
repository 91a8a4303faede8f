import CPlan
import Foundation
import SwagePlan
import SwageTensor
import Testing

@Suite struct DamageTests {
  /// A written plan, and the bytes of its header, table and manifest.
  private func written(_ plan: Plan, _ folder: TemporaryFolder) throws -> (path: String, bytes: [UInt8], head: Int) {
    let path = folder.file("plan")
    try PlanWriter.write(plan, to: path, keys: folder.keys)
    let bytes = try bytes(of: path)
    let manifest = sections(of: bytes)[0]
    return (path, bytes, manifest.offset + manifest.length)
  }

  private func patch(_ handle: FileHandle, _ offset: Int, _ byte: UInt8) throws {
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: [byte])
  }

  /// Opens as `inspect` does: only the checks themselves can refuse.
  private func refusal(_ path: String, _ folder: TemporaryFolder) -> String? {
    code { _ = try PlanReader.open(path: path, trust: .inspectOnly, keys: folder.keys) }
  }

  @Test(arguments: ["small", "rich"]) func everyBitFlipOfTheHeadIsFound(_ name: String) throws {
    let folder = try TemporaryFolder()
    let (path, bytes, head) = try written(name == "small" ? SamplePlans.small() : SamplePlans.rich(), folder)
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    var missed: [String] = []
    for offset in 0..<head {
      for bit in 0..<8 {
        try patch(handle, offset, bytes[offset] ^ 1 << UInt8(bit))
        let found = refusal(path, folder)
        if found?.hasPrefix("plan-") != true { missed.append("byte \(offset) bit \(bit): \(found ?? "accepted")") }
      }
      try patch(handle, offset, bytes[offset])
    }
    #expect(missed.isEmpty)
    #expect(refusal(path, folder) == nil)
  }

  @Test func everyTruncationIsFound() throws {
    let folder = try TemporaryFolder()
    let (path, bytes, _) = try written(SamplePlans.small(), folder)
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    var missed: [Int] = []
    for length in (0..<bytes.count).reversed() {
      try handle.truncate(atOffset: UInt64(length))
      if refusal(path, folder)?.hasPrefix("plan-") != true { missed.append(length) }
    }
    #expect(missed.isEmpty)
    try write(bytes + [0], to: path)
    #expect(refusal(path, folder) == "plan-length")
  }

  @Test func payloadFlipsAreFound() throws {
    let folder = try TemporaryFolder()
    let (path, bytes, head) = try written(SamplePlans.rich(), folder)
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    var random = SplitMix64(seed: 7)
    var missed: [Int] = []
    for _ in 0..<4000 {
      let offset = Int.random(in: head..<bytes.count, using: &random)
      try patch(handle, offset, bytes[offset] ^ 1 << UInt8.random(in: 0..<8, using: &random))
      if refusal(path, folder) != "plan-checksum" { missed.append(offset) }
      try patch(handle, offset, bytes[offset])
    }
    #expect(missed.isEmpty)
  }

  @Test func payloadIsNotReadForAQuickLook() throws {
    let folder = try TemporaryFolder()
    let (path, bytes, _) = try written(SamplePlans.small(), folder)
    var damaged = bytes
    damaged[bytes.count - 1] ^= 1
    try write(damaged, to: path)
    #expect(code { _ = try PlanReader.open(path: path) } == "plan-checksum")
    #expect(code { _ = try PlanReader.open(path: path, verifyPayload: false) } == nil)
  }

  @Test func otherFilesAreNoPlans() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("plan")
    for (content, expected) in [
      ([], "plan-magic"), ([0x93], "plan-length"), (Array("\u{7f}ELF".utf8), "plan-magic"),
      ([UInt8](repeating: 0, count: 4096), "plan-magic"), (PlanFormat.magic, "plan-length"),
    ] {
      try write(content, to: path)
      #expect(refusal(path, folder) == expected)
    }
    #expect(refusal(folder.path, folder) == "file-not-regular")
    #expect(refusal(folder.file("missing"), folder) == "file-missing")
  }

  @Test(arguments: [0, 2, UInt32.max]) func otherVersionsSayWhoWroteThem(_ version: UInt32) throws {
    let folder = try TemporaryFolder()
    var (path, bytes, _) = try written(SamplePlans.small(), folder)
    store(version, &bytes, 8)
    try write(bytes, to: path)
    #expect(throws: PlanError.otherVersion(file: path, version: version, writtenBy: "0.1.0")) {
      try PlanReader.open(path: path)
    }
  }

  /// Tables that are wrong under a checksum that is right: field, offset in the file, value.
  @Test(arguments: [
    ("section offset misaligned", 128 + 64 + 8, UInt64(4095)), ("section past the end", 128 + 64 + 16, 1 << 40),
    ("section end overflows", 128 + 64 + 16, UInt64.max), ("section inside the header", 128 + 8, 64),
    ("sections overlap", 128 + 64 + 8, 256), ("unknown kind", 128, 99), ("file length", 16, UInt64.max),
    ("no sections", 24, 0), ("manifest shorter", 128 + 16, 100), ("reserved bytes", 128 + 40, 1),
  ]) func wrongTablesAreRefused(_ name: String, _ offset: Int, _ value: UInt64) throws {
    let folder = try TemporaryFolder()
    var (path, bytes, _) = try written(SamplePlans.small(), folder)
    if offset == 128 || offset == 24 { store(UInt32(value), &bytes, offset) } else { store(value, &bytes, offset) }
    let length = Int(load(bytes, 12, as: UInt32.self))
    store(UInt64(0), &bytes, 96)
    store(bytes[..<length].withUnsafeBytes { swage_checksum($0.baseAddress, $0.count) }, &bytes, 96)
    try write(bytes, to: path)
    let found = refusal(path, folder)
    #expect(found?.hasPrefix("plan-") == true, "\(name): \(found ?? "accepted")")
  }

  /// Manifests damaged under right checksums: each is refused with a typed error, or is a valid plan that can be shown and
  /// written again.
  @Test func damagedManifestsNeverCrash() throws {
    let folder = try TemporaryFolder()
    let (path, original, _) = try written(SamplePlans.rich(), folder)
    let manifest = sections(of: original)[0]
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    var random = SplitMix64(seed: 2024)
    var refused = 0
    for round in 0..<4000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let offset = manifest.offset + Int.random(in: 0..<manifest.length, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[offset] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes[offset] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
        default:
          let from = manifest.offset + Int.random(in: 0..<manifest.length, using: &random)
          let count = min(
            Int.random(in: 1...16, using: &random), manifest.offset + manifest.length - max(offset, from))
          bytes.replaceSubrange(offset..<offset + count, with: original[from..<from + count])
        }
      }
      reseal(&bytes)
      try handle.seek(toOffset: 0)
      try handle.write(contentsOf: bytes)
      do {
        let plan = try PlanReader.open(path: path, trust: .inspectOnly)
        _ = PlanText.print(plan) + PlanText.json(plan)
        if round % 400 == 0 { try PlanWriter.write(plan, to: folder.file("again"), keys: folder.keys) }
      } catch let error as any SwageError {
        refused += 1
        #expect(error.diagnostics.first?.code.hasPrefix("plan-") == true, "round \(round): \(error)")
      }
    }
    #expect(refused > 1000)
  }

  @Test func checksumFindsAnyChangeOfAWord() {
    var random = SplitMix64(seed: 5)
    for length in [1, 7, 8, 9, 63, 64, 65, 127, 128, 1000] {
      var data = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
      let sum = swage_checksum(data, length)
      for offset in 0..<length {
        for bit in 0..<8 {
          data[offset] ^= 1 << UInt8(bit)
          #expect(swage_checksum(data, length) != sum)
          data[offset] ^= 1 << UInt8(bit)
        }
      }
      #expect(swage_checksum(data + [0], length + 1) != sum)
      #expect(swage_checksum(data, length - 1) != sum)
    }
  }
}
