import Foundation
import SwageTensor
import Synchronization

/// Writes plan files.
public enum PlanWriter {
  /// Writes `plan` beside `path` and renames it: a plan that is not complete never has its name.
  ///
  /// The same plan gives the same bytes; with native modules, for the same user and machine. Weights go from their storage to
  /// the file without a copy in memory, a few at a time; equal ones are stored once.
  ///
  /// - Throws: `PlanError.invalid` where the plan breaks a rule, `PlanError.tooLarge`, `PlanError.trustKey`, or
  ///   `FileError` where the file cannot be written.
  public static func write(_ plan: Plan, to path: String, keys: PlanTrust = .user) throws {
    let faults = PlanValidator.faults(in: plan)
    guard faults.isEmpty else { throw PlanError.invalid(file: nil, faults: faults) }
    let weights = try WeightLayout(plan.weights)
    let manifest = ManifestWriter(plan: plan, blobs: weights.blobs, blobOfWeight: weights.blobOfWeight).encoded()
    guard manifest.count <= Int(Int32.max) else {
      throw PlanError.tooLarge(part: "manifest", bytes: manifest.count, limit: Int(Int32.max))
    }
    let sources = plan.modules.indices.filter { !plan.modules[$0].source.isEmpty }
    let count = 2 + plan.modules.count + sources.count + plan.attachments.count
    guard count <= PlanFormat.maximumSections else {
      throw PlanError.tooLarge(
        part: "table of contents", bytes: count * PlanFormat.entryByteCount,
        limit: PlanFormat.maximumSections * PlanFormat.entryByteCount)
    }

    var table = SectionTable(count: count)
    try table.append(
      .manifest, 0, length: manifest.count, checksum: manifest.withUnsafeBytes { PlanFormat.checksum($0) })
    try table.append(
      .weights, 0, length: weights.byteCount, checksum: PlanFormat.checksum(ofBlobs: weights.blobs))
    for (index, module) in plan.modules.enumerated() {
      try table.append(
        .native, index, length: module.image.byteCount, checksum: module.image.withBytes { PlanFormat.checksum($0) })
    }
    for index in sources {
      var text = plan.modules[index].source
      try table.append(
        .source, index, length: text.utf8.count,
        checksum: text.withUTF8 { PlanFormat.checksum(UnsafeRawBufferPointer($0)) })
    }
    for (index, attachment) in plan.attachments.enumerated() {
      try table.append(
        .attachment, index, length: attachment.bytes.count,
        checksum: attachment.bytes.withUnsafeBytes { PlanFormat.checksum($0) })
    }

    let tag = try Self.tag(plan, manifest: manifest, sections: table.sections, keys: keys)
    let header = PlanHeader(
      toolVersion: plan.provenance.toolVersion, byteCount: table.end, trustTag: tag, sections: table.sections)

    let file = try AtomicFile(path: path)
    // Nothing is written between sections and blobs: there are zeros.
    try file.resize(to: table.end)
    try header.encoded().withUnsafeBytes { try file.write($0, at: 0) }
    for section in table.sections {
      switch section.kind {
      case .manifest: try manifest.withUnsafeBytes { try file.write($0, at: section.offset) }
      case .weights: try weights.write(to: file, at: section.offset)
      case .native:
        try plan.modules[section.index].image.withBytes { try file.write($0, at: section.offset) }
      case .source:
        var text = plan.modules[section.index].source
        try text.withUTF8 { try file.write(UnsafeRawBufferPointer($0), at: section.offset) }
      case .attachment:
        try plan.attachments[section.index].bytes.withUnsafeBytes { try file.write($0, at: section.offset) }
      }
    }
    try file.commit()
  }

  private static func tag(_ plan: Plan, manifest: [UInt8], sections: [PlanSection], keys: PlanTrust) throws -> [UInt8] {
    guard !plan.modules.isEmpty else { return [UInt8](repeating: 0, count: PlanFormat.tagByteCount) }
    var signed = [(section: sections[0], digest: manifest.withUnsafeBytes { SHA256.digest(of: $0) })]
    for section in sections where section.kind == .native {
      signed.append((section, plan.modules[section.index].image.withBytes { SHA256.digest(of: $0) }))
    }
    return try keys.makeTag(over: signed)
  }
}

/// Gives each section its place.
private struct SectionTable {
  var sections: [PlanSection] = []
  var end: Int

  init(count: Int) { end = PlanFormat.headerByteCount + count * PlanFormat.entryByteCount }

  mutating func append(_ kind: PlanSection.Kind, _ index: Int, length: Int, checksum: UInt64) throws {
    guard let offset = Checked.alignUp(end, to: kind.alignment), let next = Checked.add(offset, length) else {
      throw PlanError.tooLarge(part: "\(kind.name) section", bytes: length, limit: .max)
    }
    sections.append(PlanSection(kind: kind, index: index, offset: offset, length: length, checksum: checksum))
    end = next
  }
}

/// Where each weight lies in the weight section. Weights with the same bytes share a blob.
private struct WeightLayout {
  private(set) var blobs: [PlanBlob] = []
  private(set) var blobOfWeight: [Int] = []
  private(set) var byteCount = 0
  /// The weight that a blob's bytes are taken from.
  private var tensors: [Tensor] = []

  /// Weights that are made and read at the same time, at most: each takes memory for itself and for what it is made of.
  private static let together = 4

  init(_ weights: [PlanWeight]) throws {
    struct Memory: Hashable {
      var storage: ObjectIdentifier
      var offset: Int
      var length: Int
    }
    var contentOfMemory: [Memory: Int] = [:]
    var contents: [Tensor] = []
    /// Which of `contents` each weight is; the manifest holds strings.
    let contentOfWeight = weights.map { weight -> Int? in
      let tensor = weight.tensor
      guard tensor.elementType != .string else { return nil }
      let memory = Memory(
        storage: ObjectIdentifier(tensor.storage), offset: tensor.byteOffset, length: tensor.byteCount)
      if let known = contentOfMemory[memory] { return known }
      contentOfMemory[memory] = contents.count
      contents.append(tensor)
      return contents.count - 1
    }
    let blobOfContent = try addBlobs(contents)
    blobOfWeight = contentOfWeight.map { $0.map { blobOfContent[$0] } ?? 0 }
  }

  /// Gives each of the tensors a blob, new or known, and returns their indices.
  private mutating func addBlobs(_ contents: [Tensor]) throws -> [Int] {
    struct Content: Hashable {
      var length: Int
      var checksum: UInt64
    }
    var blobsOfContent: [Content: [Int]] = [:]
    return try zip(contents, Self.checksums(contents)).map { tensor, checksum in
      let content = Content(length: tensor.byteCount, checksum: checksum)
      if let same = blobsOfContent[content]?.first(where: { Self.equal(tensors[$0], tensor) }) { return same }
      guard let offset = Checked.alignUp(byteCount, to: PlanFormat.blobAlignment),
        let end = Checked.add(offset, content.length)
      else { throw PlanError.tooLarge(part: "weights", bytes: byteCount, limit: .max) }
      blobs.append(PlanBlob(offset: offset, length: content.length, checksum: checksum))
      tensors.append(tensor)
      byteCount = end
      blobsOfContent[content, default: []].append(blobs.count - 1)
      return blobs.count - 1
    }
  }

  private static func checksums(_ tensors: [Tensor]) -> [UInt64] {
    let checksums = Mutex([UInt64](repeating: 0, count: tensors.count))
    Parallel.forEach(tensors.count, most: together) { index in
      let checksum = tensors[index].withBytes { PlanFormat.checksum($0) }
      checksums.withLock { $0[index] = checksum }
      tensors[index].releaseMemory()
    }
    return checksums.withLock { $0 }
  }

  func write(to file: AtomicFile, at start: Int) throws {
    try Parallel.forEach(blobs.count, most: Self.together) { index in
      try tensors[index].withBytes { try file.write($0, at: start + blobs[index].offset) }
      tensors[index].releaseMemory()
    }
  }

  private static func equal(_ a: Tensor, _ b: Tensor) -> Bool {
    a.withBytes { x in
      b.withBytes { y in
        guard let p = x.baseAddress, let q = y.baseAddress, x.count == y.count else { return x.count == y.count }
        return memcmp(p, q, x.count) == 0
      }
    }
  }
}

extension Storage {
  fileprivate func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(start: base, count: byteCount)) }
  }
}
