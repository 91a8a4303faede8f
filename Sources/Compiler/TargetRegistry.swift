import SwageCPUTarget
import SwagePartition
import SwageReferenceTarget

/// Every target by its name on the command line. A new one is a line here.
public enum TargetRegistry {
  public static let names = ["cpu", "reference"]

  static func targets(named requested: [String], threads: Int) throws -> [any Target] {
    guard !requested.isEmpty else { throw PartitionError.unknownTarget("", known: names) }
    return try requested.reduce(into: [any Target]()) { targets, name in
      guard !targets.contains(where: { $0.name == name }) else { return }
      switch name {
      case "cpu": targets.append(CPUTarget(threads: threads))
      case "reference": targets.append(ReferenceTarget())
      default: throw PartitionError.unknownTarget(name, known: names)
      }
    }
  }
}
