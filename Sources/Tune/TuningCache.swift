import Foundation
import SwageCompiler
import SwagePartition
import SwageRuntime
import SwageTensor

/// Times that were measured before on this machine: a file of JSON for each task, keyed by everything that decides them.
///
/// Processes may share the folder: files appear complete or not at all. What cannot be read or written is as if it
/// were not there.
struct TuningCache {
  private let folder: String

  /// `folder` nil is that of the user; nil where that is not known.
  init?(folder: String? = nil) {
    guard let folder = folder ?? UserCache.folder("tuning") else { return nil }
    self.folder = folder
  }

  private struct Entry: Codable {
    var version: String
    var machine: String
    var threads: Int
    var node: String
    /// Nanoseconds by choice.
    var times: [String: Double]
  }

  /// The processor, version, threads, and memory that is read between runs; then the node and its choices.
  static func key(_ task: TuningTask, threads: Int, sweep: Int) -> String {
    // Sizes of the sweep within a factor of two are the same caches.
    let reach = sweep == 0 ? 0 : Int.bitWidth - sweep.leadingZeroBitCount
    let parts = [
      SwageVersion.current, machine, "\(threads)", "\(reach)", task.target,
      task.choices.map(\.name).joined(separator: " "), task.signature.text,
    ]
    return SHA256.hexDigest(of: parts.joined(separator: "\0"))
  }

  private static let machine = HostCPU.modelName + " " + HostCPU.features.joined(separator: " ")

  func times(_ key: String) -> [KernelChoice: Double]? {
    guard let data = FileManager.default.contents(atPath: path(key)),
      let entry = try? JSONDecoder().decode(Entry.self, from: data), entry.times.values.allSatisfy({ $0 > 0 })
    else { return nil }
    return Dictionary(entry.times.map { (KernelChoice($0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  func store(_ times: [KernelChoice: Double], _ key: String, _ task: TuningTask, threads: Int) {
    let entry = Entry(
      version: SwageVersion.current, machine: HostCPU.modelName, threads: threads, node: task.signature.summary,
      times: Dictionary(uniqueKeysWithValues: times.map { ($0.key.name, $0.value) }))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    guard let data = try? encoder.encode(entry) else { return }
    try? UserCache.make(folder)
    try? AtomicFile.write([UInt8](data), to: path(key), isDurable: false)
  }

  private func path(_ key: String) -> String { "\(folder)/\(key).json" }
}
