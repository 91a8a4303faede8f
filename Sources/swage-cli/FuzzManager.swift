import Foundation
import Swage
import SwageFuzz

/// Deals graphs to worker processes, survives their crashes, and reports.
final class FuzzManager: @unchecked Sendable {
  private let seed: UInt64
  private let jobs: Int
  private let failures: String
  private let limit: Int
  private let shrinks: Bool

  private let lock = NSLock()
  private var chunks: [Chunk] = []
  private var done = 0
  private var compared = 0
  private var explained = 0
  private var failed: Set<Int> = []
  private var total = 0
  private let start = ContinuousClock.now
  /// A graph takes some milliseconds; shrinking a failure a minute.
  private static let patience: Int32 = 180_000
  private static let chunkSize = 400

  private struct Chunk {
    var first: Int
    var count: Int
    var skip: Set<Int> = []
    var batch = Fuzzer.batchSize
  }

  init(seed: UInt64, jobs: Int, failures: String, limit: Int, shrinks: Bool) {
    self.seed = seed
    self.jobs = jobs
    self.failures = failures
    self.limit = limit
    self.shrinks = shrinks
  }

  /// Returns the number of graphs that fail.
  func run(_ indices: [Int]) throws -> Int {
    guard let first = indices.first, let last = indices.last else { return 0 }
    total = indices.count
    // Small enough that the last ones end at the same time.
    let size = max(1, min(Self.chunkSize, (total + jobs * 2 - 1) / (jobs * 2)))
    for begin in stride(from: first, through: last, by: size) {
      chunks.append(Chunk(first: begin, count: min(size, last + 1 - begin)))
    }
    chunks.reverse()
    let queue = DispatchQueue(label: "fuzz", attributes: .concurrent)
    let group = DispatchGroup()
    for _ in 0..<min(jobs, chunks.count) {
      queue.async(group: group) { while let chunk = self.next() { self.run(chunk) } }
    }
    group.wait()
    Terminal.clearProgress()
    let seconds = self.seconds
    let share = compared == 0 ? 0 : Double(explained) / Double(compared) * 100
    print(
      "\(done) graphs of seed \(seed): \(failed.count) fail; \(compared) elements compared, \(explained) "
        + String(
          format: "(%.4f %%) undecided by rounding; %.1f s, %.1f graphs/s", share, seconds, Double(done) / seconds))
    return failed.count
  }

  private var seconds: Double {
    let time = (ContinuousClock.now - start).components
    return Double(time.seconds) + Double(time.attoseconds) / 1e18
  }

  private func next() -> Chunk? { lock.withLock { failed.count >= limit ? nil : chunks.popLast() } }

  private func run(_ chunk: Chunk) {
    var arguments = [
      "fuzz", "--worker", "--seed", "\(seed)", "--start", "\(chunk.first)", "--count", "\(chunk.count)", "--failures",
      failures, "--batch", "\(chunk.batch)",
    ]
    for index in chunk.skip.sorted() { arguments += ["--skip", "\(index)"] }
    if !shrinks { arguments.append("--no-shrink") }
    var finished = 0
    var place = ""
    let status = FuzzProcess.run(arguments, patience: Self.patience) { line in
      let words = line.split(separator: " ", maxSplits: 2).map(String.init)
      guard words.count == 3 || line.hasPrefix("done ") else { return }
      switch words[0] {
      case "at": place = line
      case "failed": self.report(Int(words[1]) ?? 0, words[2])
      case "done":
        let numbers = line.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 3 else { return }
        finished += numbers[0]
        self.lock.withLock {
          self.done += numbers[0]
          self.compared += numbers[1]
          self.explained += numbers[2]
          let rate = Double(self.done) / max(self.seconds, 1e-3)
          Terminal.progress(
            "\(self.done) of \(self.total) graphs, \(self.failed.count) fail, \(String(format: "%.1f", rate)) graphs/s")
        }
      default: break
      }
    }
    let expected = (chunk.first..<chunk.first + chunk.count).reduce(0) { $0 + (chunk.skip.contains($1) ? 0 : 1) }
    guard status != .ended || finished < expected else { return }
    resume(chunk, finished: finished, place: place, status)
  }

  private func report(_ index: Int, _ text: String) {
    let parts = text.split(separator: "\t", omittingEmptySubsequences: false)
    lock.withLock {
      failed.insert(index)
      Terminal.clearProgress()
      print(
        "#\(index) \(parts[0]): \(parts.count > 1 ? String(parts[1]) : "")"
          + (parts.count > 2 && !parts[2].isEmpty ? "\n  \(parts[2])" : ""))
    }
  }

  /// After a crash: the graph at fault is a failure, and the rest of its batch is checked again without it.
  private func resume(_ chunk: Chunk, finished: Int, place: String, _ status: FuzzProcess.Status) {
    let words = place.split(separator: " ").map(String.init)
    let remaining = (chunk.first..<chunk.first + chunk.count).filter { !chunk.skip.contains($0) }.dropFirst(finished)
    guard let first = remaining.first, let last = remaining.last else { return }
    var rest = Chunk(first: first, count: last + 1 - first, skip: chunk.skip, batch: chunk.batch)
    if words.count >= 3, let index = Int(words[1]) {
      rest.skip.insert(index)
      let path = saveCrash(index, oracle: words[2])
      report(index, "\(words[2])\t\(status.words)\t\(path)")
      lock.withLock { done += 1 }
    } else if chunk.batch > 1 {
      // The compiler itself crashed on some graph of the batch.
      rest.batch = 1
    } else {
      rest.skip.insert(first)
      report(first, "plan\t\(status.words)\t\(saveCrash(first, oracle: "plan"))")
    }
    if rest.skip.intersection(rest.first..<rest.first + rest.count).count < rest.count {
      lock.withLock { chunks.append(rest) }
    }
  }

  /// Each candidate runs in a process of its own.
  private func saveCrash(_ index: Int, oracle: String) -> String {
    guard let item = try? Fuzzer.make(seed: seed, index: index), let folder = try? TemporaryFolder() else { return "" }
    defer { withExtendedLifetime(folder) {} }
    let path = folder.path + "/candidate.swiftir"
    var small = item
    if shrinks, Oracle(oracle) != nil {
      small = Shrinker.shrink(item, limit: .seconds(120)) { candidate in
        guard (try? AtomicFile.write(Array(FuzzFile(candidate, remarks: []).text.utf8), to: path)) != nil else {
          return false
        }
        let status = FuzzProcess.run(
          ["fuzz", "--check", path, "--oracle", oracle], patience: 30_000
        ) { _ in }
        return status != .ended
      }
    }
    return
      (try? FuzzFailures(folder: failures, seed: seed)
      .save(small, number: index, oracle: oracle, detail: "the process ends")) ?? ""
  }
}

/// This program as another process.
enum FuzzProcess {
  enum Status: Equatable {
    /// Came to its end, whatever it found.
    case ended
    case crashed(Int32)
    case hung

    var words: String {
      switch self {
      case .ended: "ended before its time"
      case .crashed(let signal): "crashed with signal \(signal)"
      case .hung: "did not come to an end"
      }
    }
  }

  /// Runs it and hands on each line; kills it after `patience` milliseconds without one.
  static func run(_ arguments: [String], patience: Int32, line handle: (String) -> Void) -> Status {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments
    var environment = ProcessInfo.processInfo.environment
    environment["SWIFT_BACKTRACE"] = "enable=no"
    // Workers share the cores: threads that wait must not spin.
    environment["OMP_WAIT_POLICY"] = "passive"
    process.environment = environment
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return .crashed(0) }
    try? pipe.fileHandleForWriting.close()
    let descriptor = pipe.fileHandleForReading.fileDescriptor
    var pending: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var isHung = false
    while true {
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = Glibc.poll(&poll, 1, patience)
      if ready < 0, errno == EINTR { continue }
      guard ready > 0 else {
        isHung = true
        kill(process.processIdentifier, SIGKILL)
        break
      }
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { break }
      pending += buffer[..<count]
      while let end = pending.firstIndex(of: 10) {
        handle(String(decoding: pending[..<end], as: UTF8.self))
        pending.removeSubrange(...end)
      }
    }
    process.waitUntilExit()
    if isHung { return .hung }
    return process.terminationReason == .exit ? .ended : .crashed(process.terminationStatus)
  }
}
