import Foundation
import Swage
import SwageFuzz

/// Checks graphs in batches and tells on standard output what it is about to do, so that the manager knows what a crash
/// is about. A line each:
///
///     at <number or -> <oracle>
///     failed <number> <oracle> <tab> <detail> <tab> <file>
///     done <number of graphs> <compared elements> <explained elements>
struct FuzzWorker {
  let seed: UInt64
  let failures: String
  let shrinks: Bool

  func run(_ indices: [Int], batch size: Int) throws {
    for first in stride(from: 0, to: indices.count, by: size) {
      let batch = Array(indices[first..<min(first + size, indices.count)])
      var cases: [FuzzCase] = []
      for index in batch {
        try tell("at \(index) generation")
        cases.append(try Fuzzer.make(seed: seed, index: index))
      }
      // Most of the time goes into the C compiler: vector code, as users get it, for every fourth batch.
      let isVectorised = batch.count == 1 || first / size % 4 == 0
      let report = BatchChecker.check(cases, compilation: .once(optimization: isVectorised ? 3 : 1)) { index, oracle in
        try? tell("at \(index.map { "\(batch[$0])" } ?? "-") \(oracle)")
      }
      for (index, found) in report.failures.sorted(by: { $0.key < $1.key }) {
        var seen: Set<Oracle> = []
        for failure in found where seen.insert(failure.oracle).inserted {
          try tell("at \(batch[index]) shrinking")
          var (item, detail) = (cases[index], failure.detail)
          if shrinks, seen.count == 1 { (item, detail) = Fuzzer.shrink(item, failure.oracle) }
          let path =
            seen.count == 1
            ? try FuzzFailures(folder: failures, seed: seed)
              .save(item, number: batch[index], oracle: failure.oracle.description, detail: detail) : ""
          try tell("failed \(batch[index]) \(failure.oracle)\t\(failure.detail.prefix(300))\t\(path)")
        }
      }
      try tell("done \(batch.count) \(report.compared) \(report.explained)")
    }
  }

  private func tell(_ line: String) throws {
    try Terminal.write(Array((line.replacingOccurrences(of: "\n", with: " ") + "\n").utf8))
  }
}

/// Files of failing graphs.
struct FuzzFailures {
  let folder: String
  let seed: UInt64

  /// Returns the path.
  func save(_ item: FuzzCase, number: Int, oracle: String, detail: String) throws -> String {
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = "\(folder)/\(seed)-\(number)-\(oracle.replacingOccurrences(of: ":", with: "-")).swiftir"
    let file = FuzzFile(
      item,
      remarks: [
        "oracle: \(oracle)", detail, "from: swage fuzz --seed \(seed) --only \(number)",
        "again: swage fuzz --check \(path)",
      ])
    try AtomicFile.write(Array(file.text.utf8), to: path)
    return path
  }
}
