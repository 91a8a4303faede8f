import CPlan
import SwageTensor

/// Opens plan files.
public enum PlanReader {
  /// Maps the plan at `path` and checks all of it before any of it is used: header, places of the sections, checksums,
  /// manifest, and every rule of `PlanValidator`. Weights and native images stay in the mapped file.
  ///
  /// - Parameters:
  ///   - verifyPayload: whether checksums of weights, native images and sources are compared, which reads the whole
  ///     file. Header and manifest are always verified.
  ///   - trust: whether native code must have been compiled by this user on this machine.
  ///   - keys: where the user's key lies.
  /// - Throws: `PlanError`, or `FileError` where the file cannot be opened.
  public static func open(
    path: String, verifyPayload: Bool = true, trust: TrustPolicy = .compiledHere, keys: PlanTrust = .user
  ) throws -> Plan {
    let mapped = try MappedFile(path: path)
    let header = try mapped.withBytes { try PlanHeader(file: path, bytes: $0) }
    let file = PlanFile(path: path, mapped: mapped, header: header)
    let manifest = try file.manifest()
    if verifyPayload { try file.verifyPayload(manifest) }
    let plan = try file.plan(manifest)
    let faults = PlanValidator.faults(in: plan)
    guard faults.isEmpty else { throw PlanError.invalid(file: path, faults: faults) }
    try mapped.checkUnchanged()
    try file.checkTrust(trust, keys: keys)
    return plan
  }

  /// The header of the plan at `path`; only its own bytes are verified.
  public static func header(path: String) throws -> PlanHeader {
    try MappedFile(path: path).withBytes { try PlanHeader(file: path, bytes: $0) }
  }
}

/// A mapped plan file whose header is known to be good.
private struct PlanFile {
  let path: String
  let mapped: MappedFile
  let header: PlanHeader

  func withSection<R>(_ section: PlanSection, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try mapped.withBytes { bytes in
      try body(UnsafeRawBufferPointer(rebasing: bytes[section.offset..<section.offset + section.length]))
    }
  }

  func manifest() throws -> ManifestReader.Manifest {
    let section = header.sections[0]
    return try withSection(section) { bytes in
      guard PlanFormat.checksum(bytes) == section.checksum else {
        throw PlanError.damaged(file: path, part: "manifest", offset: section.offset)
      }
      return try ManifestReader.read(bytes, file: path)
    }
  }

  /// Compares the checksums of all sections but the manifest, and finds bytes between sections that are not zero.
  func verifyPayload(_ manifest: ManifestReader.Manifest) throws {
    var end = PlanFormat.headerByteCount + header.sections.count * PlanFormat.entryByteCount
    for section in header.sections {
      try checkZero(end, section.offset)
      end = section.offset + section.length
      switch section.kind {
      case .manifest: break
      case .weights: try verifyWeights(section, manifest)
      case .native, .source, .attachment:
        guard withSection(section, { PlanFormat.checksum($0) }) == section.checksum else {
          throw PlanError.damaged(file: path, part: section.name, offset: section.offset)
        }
      }
    }
  }

  private func verifyWeights(_ section: PlanSection, _ manifest: ManifestReader.Manifest) throws {
    try checkBlobs(manifest, section)
    var nameOfBlob: [Int: String] = [:]
    for weight in manifest.weights.reversed() where weight.elementType != .string {
      nameOfBlob[weight.blob] = weight.name
    }
    var end = 0
    for (index, blob) in manifest.blobs.enumerated() {
      try checkZero(section.offset + end, section.offset + blob.offset)
      end = blob.offset + blob.length
      let checksum = mapped.withBytes { bytes in
        PlanFormat.checksum(
          UnsafeRawBufferPointer(rebasing: bytes[section.offset + blob.offset..<section.offset + end]))
      }
      guard checksum == blob.checksum else {
        throw PlanError.damaged(
          file: path, part: "weight \(nameOfBlob[index] ?? String(index))", offset: section.offset + blob.offset)
      }
    }
  }

  private func checkZero(_ start: Int, _ end: Int) throws {
    let isZero = mapped.withBytes { swage_is_zero($0.baseAddress.map { $0 + start }, end - start) != 0 }
    guard isZero else { throw PlanError.damaged(file: path, part: "padding", offset: start) }
  }

  /// Blobs must lie where the writer would put them, and fill the section.
  private func checkBlobs(_ manifest: ManifestReader.Manifest, _ section: PlanSection) throws {
    var end = 0
    for (index, blob) in manifest.blobs.enumerated() {
      guard let start = Checked.alignUp(end, to: PlanFormat.blobAlignment), blob.offset == start,
        let next = Checked.add(blob.offset, blob.length), next <= section.length
      else {
        throw PlanError.badManifest(
          file: path, place: "blob \(index)", reason: "it lies at \(blob.offset) + \(blob.length)")
      }
      end = next
    }
    guard end == section.length else {
      throw PlanError.badManifest(
        file: path, place: "the blobs", reason: "they end at \(end), the weights at \(section.length)")
    }
    guard PlanFormat.checksum(ofBlobs: manifest.blobs) == section.checksum else {
      throw PlanError.damaged(file: path, part: "weights", offset: section.offset)
    }
  }

  func plan(_ manifest: ManifestReader.Manifest) throws -> Plan {
    let weightSection = header.sections[1]
    try checkBlobs(manifest, weightSection)
    let weights = try manifest.weights.enumerated().map { index, weight in
      if weight.elementType == .string {
        guard Checked.product(weight.shape) == weight.strings.count else {
          throw PlanError.badManifest(
            file: path, place: "weight \(index)", reason: "it has \(weight.strings.count) strings, not its shape's")
        }
        return PlanWeight(name: weight.name, tensor: Tensor(stringBytes: weight.strings, weight.shape))
      }
      guard weight.strings.isEmpty else {
        throw PlanError.badManifest(file: path, place: "weight \(index)", reason: "it has strings and is none")
      }
      guard manifest.blobs.indices.contains(weight.blob) else {
        throw PlanError.badManifest(file: path, place: "weight \(index)", reason: "there is no blob \(weight.blob)")
      }
      let blob = manifest.blobs[weight.blob]
      guard let tensor = mapped.tensor(weight.elementType, weight.shape, at: weightSection.offset + blob.offset),
        tensor.byteCount == blob.length
      else {
        throw PlanError.badManifest(
          file: path, place: "weight \(index)", reason: "its type and shape do not fit the \(blob.length) bytes it has")
      }
      return PlanWeight(name: weight.name, tensor: tensor)
    }
    let images = header.sections.filter { $0.kind == .native }
    guard images.count == manifest.moduleNames.count else {
      throw PlanError.badManifest(
        file: path, place: "the modules",
        reason: "\(manifest.moduleNames.count) modules for \(images.count) native images")
    }
    var sources = [String](repeating: "", count: images.count)
    for section in header.sections where section.kind == .source {
      let text = withSection(section) { String(validating: $0, as: UTF8.self) }
      guard sources.indices.contains(section.index), let text else {
        throw PlanError.badManifest(
          file: path, place: section.name, reason: "it belongs to no module, or is not UTF-8")
      }
      sources[section.index] = text
    }
    let modules = images.map { section in
      NativeModule(
        name: manifest.moduleNames[section.index],
        image: mapped.storage.view(offset: section.offset, byteCount: section.length), source: sources[section.index])
    }
    return Plan(
      provenance: manifest.provenance, host: manifest.host, weights: weights, modules: modules,
      entryPoints: manifest.entryPoints, bodies: manifest.bodies, attachments: try attachments(manifest))
  }

  private func attachments(_ manifest: ManifestReader.Manifest) throws -> [PlanAttachment] {
    let held = header.sections.filter { $0.kind == .attachment }
    guard held.count == manifest.attachmentNames.count else {
      throw PlanError.badManifest(
        file: path, place: "the attachments",
        reason: "\(manifest.attachmentNames.count) names for \(held.count) attachments")
    }
    // Checked before anything is copied; the file bounds the sum.
    let total = held.reduce(0) { $0 + $1.length }
    guard total <= PlanAttachment.maximumTotalBytes else {
      throw PlanError.tooLarge(part: "attachments", bytes: total, limit: PlanAttachment.maximumTotalBytes)
    }
    return zip(manifest.attachmentNames, held).map { name, section in
      PlanAttachment(name: name, bytes: withSection(section) { Array($0) })
    }
  }

  func checkTrust(_ policy: TrustPolicy, keys: PlanTrust) throws {
    switch policy {
    case .allow, .inspectOnly: return
    case .compiledHere: break
    }
    let signed = header.sections.filter { $0.kind == .manifest || $0.kind == .native }
    guard signed.count > 1 else { return }
    let hasTag = header.trustTag.contains { $0 != 0 }
    guard hasTag else { throw PlanError.untrusted(file: path, hasTag: false) }
    let tag = try keys.tag(over: signed.map { section in (section, withSection(section) { SHA256.digest(of: $0) }) })
    guard let tag, PlanTrust.equal(tag, header.trustTag) else {
      throw PlanError.untrusted(file: path, hasTag: true)
    }
  }
}

extension Storage {
  /// A part of the storage, which it keeps alive. The part must lie within it.
  fileprivate func view(offset: Int, byteCount: Int) -> Storage {
    Storage(base: base + offset, byteCount: byteCount) { withExtendedLifetime(self) {} }
  }
}
