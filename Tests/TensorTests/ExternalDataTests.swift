import Foundation
import SwageTensor
import Testing

@Suite struct ExternalDataTests {
  /// A folder with `data.bin` (16 bytes), `sub/deep.bin`, and traps.
  private static func makeFolder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try folder.file("data.bin", Array(0..<16))
    let manager = FileManager.default
    try manager.createDirectory(atPath: folder.path + "/sub", withIntermediateDirectories: true)
    _ = try folder.file("sub/deep.bin", Array(0..<16))
    symlink("data.bin", folder.path + "/link.bin")
    symlink("gone.bin", folder.path + "/dangling.bin")
    symlink("loop.bin", folder.path + "/loop.bin")
    symlink("sub", folder.path + "/linked")
    _ = try folder.file("first.bin", Array(0..<16))
    link(folder.path + "/first.bin", folder.path + "/second.bin")
    mkfifo(folder.path + "/pipe.bin", 0o600)
    return folder
  }

  private func read(_ entries: [(String, String)], bytes: Int = 16) throws -> Tensor? {
    let folder = try Self.makeFolder()
    let external = try ExternalData(model: folder.path + "/model.onnx")
    return try external.tensor(
      "w", .u8, [bytes], byteCount: bytes, .init(entries: entries.map { (key: $0.0, value: $0.1) }))
  }

  @Test func readsTheNamedBytes() throws {
    #expect(try read([("location", "data.bin")])?.integers == (0..<16).map(Int64.init))
    let part = [("location", "data.bin"), ("offset", "4"), ("length", "2")]
    #expect(try read(part, bytes: 2)?.integers == [4, 5])
    #expect(try read([("location", "sub/deep.bin"), ("offset", "15")], bytes: 1)?.integers == [15])
    #expect(try read([("location", "./data.bin"), ("offset", "16")], bytes: 0)?.integers == [])
    let checksum = [("location", "data.bin"), ("checksum", "56178B86A57FAC22899A9964185C2CC96E7DA589")]
    #expect(try read(checksum)?.count == 16)
  }

  @Test func weightsWithoutAFileStandForTheCheckpoint() throws {
    #expect(try read([("location", "weights")]) == nil)
    let inMemory = ExternalData(withoutFolderFor: "model")
    let reference = ExternalData.Reference(entries: [(key: "location", value: "weights")])
    #expect(try inMemory.tensor("w", .u8, [1], byteCount: 1, reference) == nil)
    let folder = try TemporaryFolder()
    _ = try folder.file("weights", [7])
    let external = try ExternalData(model: folder.path + "/model.onnx")
    #expect(try external.tensor("w", .u8, [1], byteCount: 1, reference)?.integers == [7])
  }

  @Test(
    arguments: [
      ([], "external-keys"),
      ([("location", "data.bin"), ("location", "data.bin")], "external-keys"),
      ([("location", "data.bin"), ("basepath", "/")], "external-keys"),
      ([("location", "data.bin"), ("Offset", "0")], "external-keys"),
      ([("location", "data.bin"), ("offset", "-1")], "external-number"),
      ([("location", "data.bin"), ("offset", "+5")], "external-number"),
      ([("location", "data.bin"), ("offset", "1e3")], "external-number"),
      ([("location", "data.bin"), ("offset", "0x10")], "external-number"),
      ([("location", "data.bin"), ("offset", " 1")], "external-number"),
      ([("location", "data.bin"), ("offset", "01")], "external-number"),
      ([("location", "data.bin"), ("offset", "")], "external-number"),
      ([("location", "data.bin"), ("offset", "\u{661}")], "external-number"),
      ([("location", "data.bin"), ("offset", "9223372036854775808")], "external-number"),
      ([("location", "data.bin"), ("offset", "9223372036854775807")], "external-range"),
      ([("location", "data.bin"), ("offset", "17")], "external-range"),
      ([("location", "data.bin"), ("offset", "1")], "external-range"),
      ([("location", "data.bin"), ("length", "17")], "external-range"),
      ([("location", "data.bin"), ("length", "9223372036854775807"), ("offset", "1")], "external-range"),
      ([("location", "data.bin"), ("length", "15")], "external-length"),
      ([("location", "data.bin"), ("length", "0")], "external-length"),
      ([("location", "data.bin"), ("checksum", "00")], "external-checksum"),
      ([("location", "gone.bin")], "external-missing"),
      ([("location", "gone/data.bin")], "external-missing"),
      ([("location", "data.bin/x")], "external-missing"),
      ([("location", "")], "external-path"),
      ([("location", ".")], "external-path"),
      ([("location", "..")], "external-path"),
      ([("location", "../data.bin")], "external-path"),
      ([("location", "sub/../../data.bin")], "external-path"),
      ([("location", "sub//deep.bin")], "external-path"),
      ([("location", "sub/")], "external-path"),
      ([("location", "/etc/passwd")], "external-path"),
      ([("location", "/proc/self/mem")], "external-path"),
      ([("location", "~/data.bin")], "external-path"),
      ([("location", "sub\\deep.bin")], "external-path"),
      ([("location", "C:data.bin")], "external-path"),
      ([("location", "\\\\server\\share")], "external-path"),
      ([("location", "file:///etc/passwd")], "external-path"),
      ([("location", "data.bin\0.txt")], "external-path"),
      ([("location", "*/_ORT_MEM_ADDR_/*"), ("offset", "4096")], "external-memory-address"),
      ([("location", "link.bin")], "external-link"),
      ([("location", "dangling.bin")], "external-link"),
      ([("location", "loop.bin")], "external-link"),
      ([("location", "linked/deep.bin")], "external-link"),
      ([("location", "second.bin")], "external-link"),
      ([("location", "sub")], "external-not-regular"),
      ([("location", "pipe.bin")], "external-not-regular"),
    ] as [([(String, String)], String)])
  func refuses(entries: [(String, String)], expected: String) {
    #expect(code { _ = try read(entries) } == expected, "\(entries)")
  }
}
