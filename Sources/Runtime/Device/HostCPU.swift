import CRuntime
import Foundation

/// The machine this process runs on.
public enum HostCPU {
  /// `x86_64` or `aarch64`.
  public static var architecture: String { String(cString: swage_cpu_architecture()) }

  /// What the processor calls itself; empty where the system does not tell.
  public static var modelName: String {
    // Without a size, such files are read until they end.
    guard let file = FileHandle(forReadingAtPath: "/proc/cpuinfo"), let data = try? file.readToEnd() else { return "" }
    let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
  }

  /// Instruction sets that CPU and operating system both allow, by the names of /proc/cpuinfo, sorted.
  public static var features: [String] {
    var count: Int32 = 0
    guard let names = swage_cpu_features(&count) else { return [] }
    return (0..<Int(count)).compactMap { names[$0].map { String(cString: $0) } }
  }

  /// Cores that this process may use.
  public static var coreCount: Int { Int(swage_cpu_count()) }

  /// Bytes of memory in the machine.
  public static var memoryBytes: Int { Int(clamping: swage_physical_memory_bytes()) }

  /// The largest resident size of this process so far.
  public static var peakResidentBytes: Int { Int(clamping: swage_peak_rss_bytes()) }
}
