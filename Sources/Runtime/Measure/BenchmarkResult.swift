import CRuntime
import Foundation

/// The times of many runs.
public struct BenchmarkResult: Hashable, Sendable {
  public var medianMilliseconds: Double
  public var meanMilliseconds: Double
  /// Of the sample: divided by one less than the number of runs.
  public var standardDeviationMilliseconds: Double
  public var p50Milliseconds: Double
  public var p90Milliseconds: Double
  public var p95Milliseconds: Double
  public var p99Milliseconds: Double
  public var minimumMilliseconds: Double
  public var maximumMilliseconds: Double
  public var loadMilliseconds: Double
  public var peakResidentBytes: Int
  public var runs: Int
  public var warmup: Int
  public var threads: Int

  /// `samples` are the runs' times in milliseconds, in any order.
  public init(
    samples: [Double], warmup: Int, threads: Int, loadMilliseconds: Double, peakResidentBytes: Int
  ) {
    let sorted = samples.sorted()
    let count = sorted.count
    let mean = count > 0 ? sorted.reduce(0, +) / Double(count) : 0
    let squares = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    func percentile(_ share: Double) -> Double { Self.percentile(share, of: sorted) }
    medianMilliseconds = percentile(0.5)
    meanMilliseconds = mean
    standardDeviationMilliseconds = count > 1 ? (squares / Double(count - 1)).squareRoot() : 0
    p50Milliseconds = percentile(0.5)
    p90Milliseconds = percentile(0.9)
    p95Milliseconds = percentile(0.95)
    p99Milliseconds = percentile(0.99)
    minimumMilliseconds = sorted.first ?? 0
    maximumMilliseconds = sorted.last ?? 0
    self.loadMilliseconds = loadMilliseconds
    self.peakResidentBytes = peakResidentBytes
    runs = count
    self.warmup = warmup
    self.threads = threads
  }

  /// Between the two nearest samples, linearly: what NumPy does.
  private static func percentile(_ share: Double, of sorted: [Double]) -> Double {
    guard let last = sorted.last else { return 0 }
    let place = share * Double(sorted.count - 1)
    let below = Int(place)
    guard below + 1 < sorted.count else { return last }
    return sorted[below] + (sorted[below + 1] - sorted[below]) * (place - Double(below))
  }

  /// One JSON object on one line.
  public var json: String {
    let times: [(String, Double)] = [
      ("median_ms", medianMilliseconds), ("mean_ms", meanMilliseconds), ("std_ms", standardDeviationMilliseconds),
      ("p50_ms", p50Milliseconds), ("p90_ms", p90Milliseconds), ("p95_ms", p95Milliseconds),
      ("p99_ms", p99Milliseconds), ("min_ms", minimumMilliseconds), ("max_ms", maximumMilliseconds),
      ("load_ms", loadMilliseconds),
    ]
    let counts: [(String, Int)] = [
      ("peak_rss_bytes", peakResidentBytes), ("runs", runs), ("warmup", warmup), ("threads", threads),
    ]
    let fields =
      times.map { "\"\($0.0)\": \(String(format: "%.6f", $0.1))" } + counts.map { "\"\($0.0)\": \($0.1)" }
    return "{" + fields.joined(separator: ", ") + "}"
  }
}

extension Session {
  /// Runs what is bound `warmup` times, then takes the time of each of `runs` runs. `loadNanoseconds` is what reading the
  /// plan took; the time of making the session is added.
  public func benchmark(
    warmup: Int = 5, runs: Int = 50, loadNanoseconds readNanoseconds: UInt64 = 0
  ) throws -> BenchmarkResult {
    for _ in 0..<max(warmup, 0) { try execute() }
    var samples: [Double] = []
    samples.reserveCapacity(max(runs, 0))
    for _ in 0..<max(runs, 0) {
      let start = swage_now_ns()
      try execute()
      samples.append(Double(swage_now_ns() - start) * 1e-6)
    }
    return BenchmarkResult(
      samples: samples, warmup: max(warmup, 0), threads: threads,
      loadMilliseconds: Double(readNanoseconds &+ loadNanoseconds) * 1e-6,
      peakResidentBytes: HostCPU.peakResidentBytes)
  }
}
