import Foundation
import SwageTensor

/// Objects of functions that were compiled before, keyed by everything that decides their bytes: source, flags, compiler.
///
/// Processes may share the folder: files appear complete or not at all. What cannot be read or written is as if it
/// were not there.
struct NativeCompilerCache {
  private let folder: String
  private static let header = "swage kernels 2\n"
  /// Some 5 KB each: the ONNX conformance suite needs a few thousand.
  private static let maximumFiles = 40_000

  /// `folder` nil is that of the user; nil where that is not known.
  init?(folder: String? = nil) {
    guard let folder = folder ?? UserCache.folder("kernels") else { return nil }
    self.folder = folder
  }

  private func path(_ key: String) -> String { "\(folder)/\(key).o" }

  /// The object, if it is there whole: header, checksum, bytes.
  func object(_ key: String) -> [UInt8]? {
    guard let data = FileManager.default.contents(atPath: path(key)) else { return nil }
    let bytes = [UInt8](data)
    let head = Self.header.utf8.count
    guard bytes.count > head + 65, bytes[..<head].elementsEqual(Self.header.utf8) else { return nil }
    let image = Array(bytes[(head + 65)...])
    guard bytes[head..<head + 64].elementsEqual(Self.digest(image).utf8) else { return nil }
    return image
  }

  func store(_ image: [UInt8], _ key: String) {
    try? UserCache.make(folder)
    let content = Array(Self.header.utf8) + Array(Self.digest(image).utf8) + [10] + image
    // A checksum tells what a crash left.
    try? AtomicFile.write(content, to: path(key), isDurable: false)
  }

  private static func digest(_ image: [UInt8]) -> String { image.withUnsafeBytes { SHA256.hexDigest(of: $0) } }

  /// Makes room, where there are too many.
  func removeOldest() {
    let manager = FileManager.default
    guard let names = try? manager.contentsOfDirectory(atPath: folder), names.count > Self.maximumFiles else { return }
    let dated = names.filter { $0.hasSuffix(".o") || $0.hasSuffix(".so") }.map { name in
      let attributes = try? manager.attributesOfItem(atPath: "\(folder)/\(name)")
      return (name, (attributes?[.modificationDate] as? Date) ?? .distantPast)
    }
    let oldest = dated.sorted { $0.1 == $1.1 ? $0.0 < $1.0 : $0.1 < $1.1 }
    for (name, _) in oldest.prefix(max(names.count - Self.maximumFiles * 3 / 4, 0)) { unlink("\(folder)/\(name)") }
  }
}
