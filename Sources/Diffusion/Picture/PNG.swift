import CPNG
import Foundation
import SwageTensor

/// PNG files, through libpng.
public enum PNG {
  /// A keyword and its text: tEXt where the text is ASCII, iTXt elsewhere.
  public struct Text: Hashable, Sendable {
    public var keyword: String
    public var value: String

    public init(_ keyword: String, _ value: String) {
      self.keyword = keyword
      self.value = value
    }
  }

  /// Largest side that is read, and most pixels: a small file can claim to be a huge picture.
  public static let sideLimit = 32_768
  public static let pixelLimit = 1 << 27

  /// The picture and texts of the file. Palettes and grey become RGB, 16 bits keep their high byte, alpha is dropped:
  /// what Pillow's `convert("RGB")` gives. Throws `FileError` or `PNGError`.
  public static func read(path: String) throws -> (picture: Picture, texts: [Text]) {
    let file = try MappedFile(path: path)
    return try file.withBytes { try read($0, name: path) }
  }

  /// The same from memory; `name` is for the words only.
  public static func read(_ bytes: UnsafeRawBufferPointer, name: String) throws(PNGError) -> (
    picture: Picture, texts: [Text]
  ) {
    var read = swage_png_picture()
    defer { swage_png_free(&read) }
    let status = swage_png_read(
      bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, UInt32(sideLimit), UInt64(pixelLimit), &read)
    switch UInt32(bitPattern: status) {
    case SWAGE_PNG_DONE.rawValue: break
    case SWAGE_PNG_NOT_PNG.rawValue: throw .notPNG(file: name)
    case SWAGE_PNG_TOO_LARGE.rawValue: throw .tooLarge(file: name, width: Int(read.width), height: Int(read.height))
    case SWAGE_PNG_NO_MEMORY.rawValue: throw .noMemory(file: name)
    default: throw .damaged(file: name, reason: words(&read))
    }
    let count = 3 * Int(read.width) * Int(read.height)
    let pixels = Array(UnsafeBufferPointer(start: read.pixels, count: count))
    guard let picture = Picture(width: Int(read.width), height: Int(read.height), pixels: pixels) else {
      throw .damaged(file: name, reason: "it has no pixels")
    }
    let texts = (0..<read.text_count).map { index in
      Text(String(cString: read.texts[index].keyword), String(cString: read.texts[index].value))
    }
    return (picture, texts)
  }

  /// The file's bytes: the same for the same picture and texts. A keyword has 1 to 79 visible ASCII characters; a NUL in
  /// a text ends it.
  public static func encode(_ picture: Picture, texts: [Text] = []) throws(PNGError) -> [UInt8] {
    for text in texts {
      let keyword = text.keyword.utf8
      guard (1...79).contains(keyword.count), keyword.allSatisfy({ (33...126).contains($0) }) else {
        throw .write(reason: "the keyword \"\(text.keyword)\" is not 1 to 79 visible ASCII characters")
      }
    }
    let strings = texts.map { (strdup($0.keyword), strdup($0.value)) }
    defer {
      for (keyword, value) in strings {
        free(keyword)
        free(value)
      }
    }
    var entries = strings.map { swage_png_text(keyword: $0.0, value: $0.1) }
    var pixels = picture.pixels
    var output: UnsafeMutablePointer<UInt8>?
    var count = 0
    var failure: PNGError?
    pixels.withUnsafeMutableBufferPointer { pixels in
      entries.withUnsafeMutableBufferPointer { entries in
        var written = swage_png_picture()
        written.width = UInt32(clamping: picture.width)
        written.height = UInt32(clamping: picture.height)
        written.pixels = pixels.baseAddress
        written.texts = entries.baseAddress
        written.text_count = entries.count
        let status = swage_png_write(&written, &output, &count)
        if status != Int32(bitPattern: SWAGE_PNG_DONE.rawValue) { failure = .write(reason: words(&written)) }
      }
    }
    defer { free(output) }
    if let failure { throw failure }
    return Array(UnsafeBufferPointer(start: output, count: count))
  }

  /// Writes the file, complete or not at all. Throws `FileError` or `PNGError`.
  public static func write(_ picture: Picture, texts: [Text] = [], to path: String) throws {
    try AtomicFile.write(try encode(picture, texts: texts), to: path)
  }

  private static func words(_ picture: inout swage_png_picture) -> String {
    withUnsafeBytes(of: &picture.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
