import ArgumentParser
import Foundation
import Swage

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Times a plan: load, median, mean, percentiles, memory.",
    discussion: """
      Examples:
        swage bench model.plan --input image=scan.npy
        swage bench model.plan --random-inputs 1 --shape x=1x3x640x640 --runs 100 --json
      """)

  @OptionGroup var session: SessionArguments
  @Option(name: .long, help: "Runs before the measured ones.") var warmup = 5
  @Option(name: .long, help: "Measured runs.") var runs = 50
  @Flag(name: .long, help: "Prints one JSON object.") var json = false
  @Flag(name: .long, help: "Also prints the time of every node.") var nodes = false

  func validate() throws {
    guard warmup >= 0, runs >= 1, runs <= 10_000_000 else {
      throw ValidationError("--runs must be at least 1 and --warmup at least 0")
    }
  }

  func run() throws {
    let (_, session) = try session.open()
    try session.bind(values: try self.session.inputs(for: session))
    let result = try session.benchmark(warmup: warmup, runs: runs)
    print(json ? result.json : result.text)
    if nodes {
      let profile = try session.profile(warmup: 1, runs: min(runs, 10))
      print(ProfileTable.text(profile, peak: .measured(threads: session.threads)))
    }
  }
}

extension BenchmarkResult {
  /// The figures in a few lines.
  fileprivate var text: String {
    func ms(_ value: Double) -> String { String(format: value < 1 ? "%.4f" : "%.2f", value) }
    return """
      median \(ms(medianMilliseconds)) ms   mean \(ms(meanMilliseconds))   std \(ms(standardDeviationMilliseconds))   min \(ms(minimumMilliseconds))   max \(ms(maximumMilliseconds))
      p50 \(ms(p50Milliseconds))   p90 \(ms(p90Milliseconds))   p95 \(ms(p95Milliseconds))   p99 \(ms(p99Milliseconds))
      \(runs) runs after \(warmup), \(threads) threads; load \(ms(loadMilliseconds)) ms; peak memory \(Terminal.bytes(peakResidentBytes))
      """
  }
}
