import Foundation
import SwageDiffusion
import SwageTensor
import Testing

@Suite struct PNGTests {
  private func read(_ bytes: [UInt8]) throws -> (picture: Picture, texts: [PNG.Text]) {
    try bytes.withUnsafeBytes { try PNG.read($0, name: "test.png") }
  }

  private let texts = [
    PNG.Text("prompt", "a slice of pizza"), PNG.Text("negative_prompt", "日本 émoji 🍕"), PNG.Text("empty", ""),
    PNG.Text("lines", "one\ntwo"),
  ]

  @Test func roundTrip() throws {
    let bytes = try PNG.encode(PictureSamples.random, texts: texts)
    let result = try read(bytes)
    #expect(result.picture == PictureSamples.random)
    #expect(result.texts == texts)
    #expect(try PNG.encode(PictureSamples.random, texts: texts) == bytes)
  }

  @Test(arguments: PictureSamples.kinds.indices)
  func otherKindsBecomeRGB(_ index: Int) throws {
    let kind = PictureSamples.kinds[index]
    let picture = try read(PictureSamples.bytes(kind.base64)).picture
    #expect(picture.width == kind.width, "\(kind.name)")
    #expect(picture.pixels == kind.pixels, "\(kind.name)")
  }

  @Test func everyTruncationIsRefused() throws {
    let bytes = try PNG.encode(PictureSamples.random, texts: texts)
    for count in 0..<bytes.count {
      #expect(throws: PNGError.self, "\(count) bytes") { try read(Array(bytes.prefix(count))) }
    }
  }

  @Test func everyFlippedByteIsRefusedOrHarmless() throws {
    let bytes = try PNG.encode(PictureSamples.random, texts: texts)
    var refused = 0
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0x41
      do {
        // A chunk whose name changed to one that may be ignored still has to have the right checksum.
        _ = try read(damaged)
        Issue.record("byte \(index) is not noticed")
      } catch is PNGError {
        refused += 1
      }
    }
    #expect(refused == bytes.count)
  }

  @Test func wrongChecksumIsNamed() throws {
    var bytes = try PNG.encode(PictureSamples.random)
    bytes[29] ^= 1
    do {
      _ = try read(bytes)
      Issue.record("read")
    } catch PNGError.damaged(_, let reason) {
      #expect(reason.contains("CRC"))
    }
  }

  @Test func hugePicturesAreRefusedBeforeMemoryIsTaken() {
    let bytes = PictureSamples.bytes(PictureSamples.huge)
    #expect(throws: PNGError.tooLarge(file: "test.png", width: 100_000, height: 100_000)) { try read(bytes) }
  }

  @Test func otherFilesAreRefused() {
    #expect(throws: PNGError.notPNG(file: "test.png")) { try read(Array("GIF89a plus more".utf8)) }
    #expect(throws: PNGError.notPNG(file: "test.png")) { try read([]) }
    #expect(throws: FileError.self) { try PNG.read(path: "/nonexistent/picture.png") }
  }

  @Test func badKeywordsAreRefused() {
    #expect(throws: PNGError.self) {
      _ = try read(PNG.encode(PictureSamples.random, texts: [PNG.Text(String(repeating: "k", count: 100), "v")]))
    }
  }
}
