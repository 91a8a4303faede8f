import CRuntime
import Foundation
import SwageTensor

/// What this machine can do at most, measured: no list of CPU models is needed.
public struct MachinePeak: Hashable, Sendable {
  public var threads: Int
  /// f32 multiply-adds, each counted as two operations.
  public var flopsPerSecond: Double
  /// bf16 products summed in f32; 0 where the machine has no instruction for them.
  public var bf16FlopsPerSecond: Double
  /// Bytes read from memory beyond the caches.
  public var bytesPerSecond: Double

  public init(threads: Int, flopsPerSecond: Double, bf16FlopsPerSecond: Double, bytesPerSecond: Double) {
    self.threads = threads
    self.flopsPerSecond = flopsPerSecond
    self.bf16FlopsPerSecond = bf16FlopsPerSecond
    self.bytesPerSecond = bytesPerSecond
  }

  /// Measures once per process and number of threads; takes a fraction of a second and 192 MiB.
  public static func measured(threads: Int) -> MachinePeak {
    lock.lock()
    defer { lock.unlock() }
    if let known = cache[threads] { return known }
    swage_set_threads(Int32(clamping: threads))
    let peak = MachinePeak(
      threads: threads, flopsPerSecond: swage_peak_flops_f32(), bf16FlopsPerSecond: swage_peak_flops_bf16(),
      bytesPerSecond: swage_peak_bandwidth())
    cache[threads] = peak
    return peak
  }

  private static let lock = NSLock()
  nonisolated(unsafe) private static var cache: [Int: MachinePeak] = [:]

  /// What bounds a node.
  public enum Bound: String, Hashable, Sendable {
    case compute
    case memory
  }

  /// The larger of the two shares of the peak that a node reaches: its arithmetic, and its bytes. Bytes that come from
  /// caches can exceed what memory gives: the share is then above one.
  public func share(flops: Int, bytes: Int, nanoseconds: Double, elementType: ElementType?) -> (Double, Bound)? {
    guard nanoseconds > 0, flops > 0 || bytes > 0 else { return nil }
    let seconds = nanoseconds * 1e-9
    let rate = elementType == .bf16 && bf16FlopsPerSecond > 0 ? bf16FlopsPerSecond : flopsPerSecond
    let compute = rate > 0 ? Double(flops) / seconds / rate : 0
    let memory = bytesPerSecond > 0 ? Double(bytes) / seconds / bytesPerSecond : 0
    return compute >= memory ? (compute, .compute) : (memory, .memory)
  }
}
