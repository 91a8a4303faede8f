import ArgumentParser
import Foundation
import Swage
import SwageFuzz

/// For developers: `docs/fuzzing.md`.
struct FuzzCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz", abstract: "Holds random graphs against the reference evaluator in every way of running them.",
    discussion: """
      Graph I of seed S is always the same. Failures are made small and written to --failures.

      Examples:
        swage fuzz --seed 1 --count 2000
        swage fuzz --seed 1 --only 1234
        swage fuzz --check fuzz-failures/1-1234-plan.swiftir
        swage fuzz --seed 1 --count 500 --export DIR      for Tests/Python/fuzz_onnxruntime.py
      """, shouldDisplay: false)

  @Option(name: .long, help: "The seed.") var seed: UInt64 = 1
  @Option(name: .long, help: "How many graphs.") var count = 2000
  @Option(name: .long, help: "The number of the first graph.") var start = 0
  @Option(name: .long, help: "This graph alone.") var only: Int?
  @Option(name: .long, help: "Processes at the same time (default: all cores).") var jobs: Int?
  @Option(name: .long, help: "Where failures are written.") var failures = "fuzz-failures"
  @Option(name: .long, help: "Stops after this many failures.") var limit = 20
  @Flag(name: .customLong("no-shrink"), help: "Writes failing graphs as they are.") var noShrink = false
  @Option(name: .long, help: "Checks the graph in a file.") var check: String?
  @Option(name: .long, help: "With --check: one oracle, such as plan or pass:clamp.") var oracle: String?
  @Option(name: .long, help: "Writes the graphs as ONNX models with inputs and results to this folder.") var export:
    String?
  @Flag(name: .long, help: "Prints the graphs.") var print = false
  @Flag(name: .long, help: .private) var worker = false
  @Option(name: .long, help: .private) var batch = Fuzzer.batchSize
  @Option(name: .long, help: .private) var skip: [Int] = []

  private var indices: [Int] { only.map { [$0] } ?? Array(start..<start + max(count, 0)) }

  func validate() throws {
    guard count >= 0, start >= 0, batch > 0, (jobs ?? 1) > 0 else { throw ValidationError("numbers must be positive") }
    if let oracle, Oracle(oracle) == nil { throw ValidationError("there is no oracle \(oracle)") }
  }

  func run() throws {
    if let check { return try checkFile(check) }
    if print {
      for index in indices { Swift.print(FuzzFile(try Fuzzer.make(seed: seed, index: index), remarks: []).text) }
      return
    }
    if let export { return try exportAll(to: export) }
    if worker { return try FuzzWorker(seed: seed, failures: failures, shrinks: !noShrink).run(work, batch: batch) }
    let manager = FuzzManager(
      seed: seed, jobs: jobs ?? HostCPU.coreCount, failures: failures, limit: limit, shrinks: !noShrink)
    let failed = try manager.run(indices)
    if failed > 0 { throw ExitCode(70) }
  }

  private var work: [Int] {
    let skipped = Set(skip)
    return indices.filter { !skipped.contains($0) }
  }

  private func checkFile(_ path: String) throws {
    let bytes = try MappedFile(path: path).withBytes { Array($0) }
    let file = try FuzzFile(parsing: String(decoding: bytes, as: UTF8.self))
    let report = BatchChecker.check([file.item], only: oracle.flatMap { Oracle($0) })
    let found = report.failures[0] ?? []
    for failure in found { Swift.print("\(failure.oracle): \(failure.detail)") }
    if !found.isEmpty { throw ExitCode(70) }
    Swift.print("agrees")
  }

  private func exportAll(to folder: String) throws {
    let all = indices
    for first in stride(from: 0, to: all.count, by: batch) {
      Terminal.progress("\(first) of \(all.count)")
      try CaseExporter.export(seed: seed, indices: Array(all[first..<min(first + batch, all.count)]), to: folder)
    }
    Terminal.clearProgress()
  }
}
