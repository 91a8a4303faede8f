import CPlan
import SwageTensor

/// The layout of a plan file. All numbers are little-endian.
///
///     0    8  magic
///     8    4  format version
///     12   4  bytes of the header, table of contents included
///     16   8  bytes of the file
///     24   4  number of sections
///     28   4  zero
///     32  32  version of the swage that wrote it, ASCII, NUL-padded
///     64  32  trust tag; zero without native modules
///     96   8  checksum of the header with this field as zero
///     104 24  zero
///     128     table of contents, 64 bytes for each section:
///             4 kind, 4 index, 8 offset, 8 length, 8 checksum, 32 zero
///
/// Sections follow in the order of their kinds and indices, each at the next multiple of its alignment, with zeros between;
/// the file ends with the last one. The magic, the version, and the version of swage stay where they are in all
/// versions of the format.
public enum PlanFormat {
  /// A byte that is not ASCII, the name, and line ends that text transfer would change.
  public static let magic: [UInt8] = [0x93, 0x73, 0x77, 0x61, 0x67, 0x65, 0x0d, 0x0a]
  public static let version: UInt32 = 1
  /// How deep conditionals may nest.
  public static let maximumNesting = 64

  static let headerByteCount = 128
  static let entryByteCount = 64
  static let toolVersionByteCount = 32
  static let tagByteCount = 32
  static let checksumOffset = 96
  /// Enough for 30,000 modules with their sources.
  static let maximumSections = 1 << 16
  static let blobAlignment = 64

  /// Whether the file at `path` begins as a plan does; false where it cannot be read.
  public static func isPlan(path: String) -> Bool {
    guard let file = try? MappedFile(path: path), file.byteCount >= magic.count else { return false }
    return file.withBytes { $0.prefix(magic.count).elementsEqual(magic) }
  }

  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 { swage_checksum(bytes.baseAddress, bytes.count) }

  /// The checksum of the weight section, whose bytes are covered blob by blob.
  static func checksum(ofBlobs blobs: [PlanBlob]) -> UInt64 {
    blobs.map(\.checksum.littleEndian).withUnsafeBytes { checksum($0) }
  }
}

/// A part of a plan file.
public struct PlanSection: Hashable, Sendable {
  public enum Kind: UInt32, Hashable, Sendable, CaseIterable {
    case manifest = 1
    case weights = 2
    /// Image of a native module.
    case native = 3
    /// Source text of a native module.
    case source = 4
    case attachment = 5

    public var name: String { String(describing: self) }

    var alignment: Int {
      switch self {
      case .manifest, .source, .attachment: 64
      case .weights, .native: 4096
      }
    }
  }

  public var kind: Kind
  /// The module, for native images and sources; the attachment; else 0.
  public var index: Int
  /// Bytes from the start of the file.
  public var offset: Int
  public var length: Int
  /// Of the section's bytes; of the weights, of the blobs' checksums in the manifest.
  public var checksum: UInt64

  var name: String {
    switch kind {
    case .manifest, .weights: kind.name
    case .native, .source, .attachment: "\(kind.name) \(index)"
    }
  }
}

/// What stands before the sections.
public struct PlanHeader: Hashable, Sendable {
  public var toolVersion: String
  public var byteCount: Int
  /// All zero where the plan has no native modules.
  public var trustTag: [UInt8]
  public var sections: [PlanSection]
}

extension PlanHeader {
  /// The bytes of the header and the table of contents.
  func encoded() -> [UInt8] {
    let length = PlanFormat.headerByteCount + sections.count * PlanFormat.entryByteCount
    var bytes = PlanFormat.magic
    func append<T: FixedWidthInteger>(_ value: T) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    func pad(to count: Int) {
      bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
    }
    append(PlanFormat.version)
    append(UInt32(length))
    append(UInt64(byteCount))
    append(UInt32(sections.count))
    append(UInt32(0))
    bytes.append(contentsOf: toolVersion.utf8.prefix(PlanFormat.toolVersionByteCount))
    pad(to: 64)
    bytes.append(contentsOf: trustTag)
    pad(to: PlanFormat.headerByteCount)
    for section in sections {
      let start = bytes.count
      append(section.kind.rawValue)
      append(UInt32(section.index))
      append(UInt64(section.offset))
      append(UInt64(section.length))
      append(section.checksum)
      pad(to: start + PlanFormat.entryByteCount)
    }
    let checksum = bytes.withUnsafeBytes { PlanFormat.checksum($0) }
    withUnsafeBytes(of: checksum.littleEndian) { value in
      bytes.replaceSubrange(PlanFormat.checksumOffset..<PlanFormat.checksumOffset + 8, with: value)
    }
    return bytes
  }

  /// Reads and checks the header of a whole file: magic, version, length, checksum, and where each section lies.
  init(file: String, bytes: UnsafeRawBufferPointer) throws(PlanError) {
    let magic = PlanFormat.magic
    guard bytes.prefix(magic.count).elementsEqual(magic.prefix(bytes.count)), !bytes.isEmpty else {
      throw .notAPlan(file: file)
    }
    guard bytes.count >= PlanFormat.headerByteCount else {
      throw .wrongLength(file: file, expected: PlanFormat.headerByteCount, actual: bytes.count)
    }
    func load<T: FixedWidthInteger>(_ offset: Int, as type: T.Type) -> T {
      T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }
    let writer = Self.printableASCII(bytes[32..<32 + PlanFormat.toolVersionByteCount])
    let version = load(8, as: UInt32.self)
    guard version == PlanFormat.version else {
      throw .otherVersion(file: file, version: version, writtenBy: writer)
    }
    let count = Int(load(24, as: UInt32.self))
    let length = Int(load(12, as: UInt32.self))
    guard count <= PlanFormat.maximumSections,
      length == PlanFormat.headerByteCount + count * PlanFormat.entryByteCount
    else {
      throw .damagedHeader(file: file, offset: 12, reason: "\(length) bytes for \(count) sections")
    }
    guard length <= bytes.count else { throw .wrongLength(file: file, expected: length, actual: bytes.count) }
    var copy = Array(bytes.prefix(length))
    for index in 0..<8 { copy[PlanFormat.checksumOffset + index] = 0 }
    guard copy.withUnsafeBytes({ PlanFormat.checksum($0) }) == load(PlanFormat.checksumOffset, as: UInt64.self) else {
      throw .damagedHeader(file: file, offset: 0, reason: "its bytes are not what its checksum says")
    }
    guard swage_is_zero(bytes.baseAddress.map { $0 + 28 }, 4) != 0,
      swage_is_zero(bytes.baseAddress.map { $0 + 104 }, 24) != 0
    else { throw .damagedHeader(file: file, offset: 28, reason: "bytes that are not in use are not zero") }
    guard let expected = Int(exactly: load(16, as: UInt64.self)) else {
      throw .damagedHeader(file: file, offset: 16, reason: "the file's length does not fit")
    }
    guard expected == bytes.count else {
      throw .wrongLength(file: file, expected: expected, actual: bytes.count)
    }
    toolVersion = writer
    byteCount = expected
    trustTag = Array(bytes[64..<64 + PlanFormat.tagByteCount])
    sections = []
    for index in 0..<count {
      let at = PlanFormat.headerByteCount + index * PlanFormat.entryByteCount
      guard let kind = PlanSection.Kind(rawValue: load(at, as: UInt32.self)) else {
        throw .damagedHeader(file: file, offset: at, reason: "section kind \(load(at, as: UInt32.self)) is unknown")
      }
      guard let offset = Int(exactly: load(at + 8, as: UInt64.self)),
        let length = Int(exactly: load(at + 16, as: UInt64.self)), Checked.add(offset, length) != nil
      else { throw .badSection(file: file, section: kind.name, offset: at, reason: "its end does not fit") }
      guard swage_is_zero(bytes.baseAddress.map { $0 + at + 32 }, 32) != 0 else {
        throw .damagedHeader(file: file, offset: at + 32, reason: "bytes that are not in use are not zero")
      }
      sections.append(
        PlanSection(
          kind: kind, index: Int(load(at + 4, as: UInt32.self)), offset: offset, length: length,
          checksum: load(at + 24, as: UInt64.self)))
    }
    try checkLayout(file: file, headerLength: length)
  }

  /// Every section must lie where the writer would put it: no overlap, no hole, nothing past the end.
  private func checkLayout(file: String, headerLength: Int) throws(PlanError) {
    var end = headerLength
    var previous: PlanSection?
    for (number, section) in sections.enumerated() {
      let at = PlanFormat.headerByteCount + number * PlanFormat.entryByteCount
      func refuse(_ reason: String) -> PlanError {
        .badSection(file: file, section: section.name, offset: at, reason: reason)
      }
      if let previous, (previous.kind.rawValue, previous.index) >= (section.kind.rawValue, section.index) {
        throw refuse("it follows the \(previous.name) section")
      }
      switch section.kind {
      case .manifest, .weights:
        guard section.index == 0 else { throw refuse("there is more than one") }
      case .native:
        guard section.index == (previous?.kind == .native ? (previous?.index ?? 0) + 1 : 0) else {
          throw refuse("a module before it has no image")
        }
      case .attachment:
        guard section.index == (previous?.kind == .attachment ? (previous?.index ?? 0) + 1 : 0) else {
          throw refuse("an attachment before it is missing")
        }
      case .source: break
      }
      guard let start = Checked.alignUp(end, to: section.kind.alignment), section.offset == start else {
        throw refuse("it begins at \(section.offset), the section before it ends at \(end)")
      }
      guard let next = Checked.add(section.offset, section.length), next <= byteCount else {
        throw refuse("it ends at \(section.offset) + \(section.length), the file at \(byteCount)")
      }
      end = next
      previous = section
    }
    guard sections.prefix(2).map(\.kind) == [.manifest, .weights] else {
      throw .damagedHeader(
        file: file, offset: PlanFormat.headerByteCount, reason: "the manifest or the weights are missing")
    }
    guard end == byteCount else { throw .wrongLength(file: file, expected: end, actual: byteCount) }
  }

  private static func printableASCII(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
    let text = bytes.prefix { $0 != 0 }.map { (32...126).contains($0) ? $0 : UInt8(ascii: "?") }
    return text.isEmpty ? "of an unknown version" : String(decoding: text, as: UTF8.self)
  }
}
