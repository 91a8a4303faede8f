import ArgumentParser
import Foundation
import Swage
import SwageFuzz

struct FuzzCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "fuzz", abstract: "Random graphs.", shouldDisplay: false)
  @Option(name: .long) var seed: UInt64 = 1
  @Option(name: .long) var count = 100
  @Option(name: .long) var start = 0
  @Option(name: .long) var only: Int?
  @Flag(name: .long) var print = false
  @Flag(name: .long) var shrink = false

  func run() throws {
    let indices = only.map { [$0] } ?? Array(start..<start + count)
    var ops: [String: Int] = [:]
    var total = (explained: 0, compared: 0, failures: 0)
    var clock = ContinuousClock().now
    for first in stride(from: 0, to: indices.count, by: 40) {
      let batch = Array(indices[first..<min(first + 40, indices.count)])
      let cases = try batch.map { try Fuzzer.make(seed: seed, index: $0) }
      let made = ContinuousClock().now
      for item in cases { item.graph.forEachNode { ops[$1.op.mnemonic, default: 0] += 1 } }
      if print { for item in cases { Swift.print(FuzzFile(item, remarks: []).text) } }
      let report = BatchChecker.check(cases) { index, oracle in
        Terminal.progress("\(index.map { "\(batch[$0])" } ?? "batch") \(oracle)")
        if let index { FuzzCommand.last = "\(batch[index]) \(oracle)" }
      }
      let done = ContinuousClock().now
      total.explained += report.explained
      total.compared += report.compared
      for (index, failures) in report.failures.sorted(by: { $0.key < $1.key }) {
        total.failures += 1
        for failure in failures { Swift.print("#\(batch[index]) \(failure.oracle): \(failure.detail)") }
        if shrink, let first = failures.first {
          let small = Shrinker.shrink(cases[index]) { candidate in
            BatchChecker.check([candidate], only: first.oracle).failures[0]?.contains { $0.oracle == first.oracle } ?? false
          }
          let why = BatchChecker.check([small], only: first.oracle).failures[0]?.first?.detail ?? ""
          Swift.print(FuzzFile(small, remarks: ["oracle: \(first.oracle)", why]).text)
        }
      }
      Terminal.error("batch \(first): make \(made - clock) check \(done - made)")
      clock = ContinuousClock().now
    }
    Swift.print(total, ops.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
  }
  nonisolated(unsafe) static var last = ""
}
