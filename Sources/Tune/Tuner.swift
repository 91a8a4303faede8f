import CRuntime
import SwageCompiler
import SwagePartition
import SwageReferenceDevice
import SwageRuntime
import SwageTensor

/// Decides between kernels by running them on this machine.
///
/// Each choice of a task is compiled as a plan of its own. The choices run in turns, so that a machine that changes its
/// speed changes it for all of them; before each run, other memory is read, as much as the plan has weights, so that a
/// kernel finds its weights as far away as in the model. The lower quartile decides: what disturbs a run makes it
/// longer. The cost model's choice stays unless another is faster by more than `margin`. Results are kept
/// (`TuningCache`).
public struct Tuner: KernelTuner {
  private let cache: TuningCache?
  private let measuresAgain: Bool

  /// Below this difference, choices are equal.
  private static let margin = 0.03
  /// Runs of each choice: at least, and at most.
  private static let rounds = 7...25
  /// A task ends when it has taken this long, in nanoseconds, and had its least rounds.
  private static let patience: Double = 0.4e9
  /// After three rounds, a choice whose best run took longer than this many times the best of all is out.
  private static let hopeless = 2.0
  /// Memory that is read between runs, at most.
  private static let largestSweep = 64 << 20

  /// `measuresAgain` takes nothing that was kept. `cacheFolder` nil is the user's.
  public init(measuresAgain: Bool = false, cacheFolder: String? = nil) {
    self.measuresAgain = measuresAgain
    cache = TuningCache(folder: cacheFolder)
  }

  public func tune(
    _ tasks: [TuningTask], threads: Int, weightBytes: Int, progress: (String) -> Void
  ) throws -> [TuningRecord] {
    let sweep = Sweep(byteCount: min(weightBytes, Self.largestSweep))
    return try tasks.enumerated().map { index, task in
      let key = TuningCache.key(task, threads: threads, sweep: sweep.byteCount)
      if !measuresAgain, let kept = cache?.times(key) { return record(task, kept, isKept: true) }
      progress(Self.bar(index, of: tasks.count) + " " + task.signature.summary)
      let times = try measure(task, threads: threads, sweep)
      cache?.store(times, key, task, threads: threads)
      return record(task, times, isKept: false)
    }
  }

  /// `[#####     ] 5 of 10`
  private static func bar(_ done: Int, of count: Int) -> String {
    let width = 20
    let filled = done * width / max(count, 1)
    return "tuning [" + String(repeating: "#", count: filled) + String(repeating: " ", count: width - filled)
      + "] \(done + 1) of \(count)"
  }

  private func record(_ task: TuningTask, _ times: [KernelChoice: Double], isKept: Bool) -> TuningRecord {
    var choice = task.choices[0]
    // In order of preference, so that equal times give the same choice.
    for other in task.choices.dropFirst() {
      guard let time = times[other] else { continue }
      let isFirst = choice == task.choices[0]
      if time < (times[choice] ?? .infinity) * (isFirst ? 1 - Self.margin : 1) { choice = other }
    }
    return TuningRecord(task: task, choice: choice, times: times, isKept: isKept)
  }

  // MARK: - Measurement

  private struct Runner {
    var choice: KernelChoice
    var session: Session
    var times: [Double] = []

    var best: Double { times.min() ?? .infinity }
    var lowerQuartile: Double { times.sorted()[times.count / 4] }
  }

  private func measure(_ task: TuningTask, threads: Int, _ sweep: Sweep) throws -> [KernelChoice: Double] {
    // A way that fails here is left out; the lowering says why where it has no other.
    var runners = task.choices.compactMap { choice -> Runner? in
      guard let session = try? session(task, choice, threads: threads), (try? session.execute()) != nil else {
        return nil
      }
      return Runner(choice: choice, session: session)
    }
    var spent = 0.0
    for round in 0..<Self.rounds.upperBound {
      if round >= Self.rounds.lowerBound, spent > Self.patience { break }
      if round == 3 {
        let best = runners.map(\.best).min() ?? 0
        runners.removeAll { $0.best > best * Self.hopeless }
      }
      for index in runners.indices {
        sweep.read()
        let start = swage_now_ns()
        try runners[index].session.execute()
        let time = Double(swage_now_ns() - start)
        runners[index].times.append(time)
        spent += time
      }
    }
    return Dictionary(uniqueKeysWithValues: runners.map { ($0.choice, $0.lowerQuartile) })
  }

  /// The node alone, computed in this way, with inputs bound.
  private func session(_ task: TuningTask, _ choice: KernelChoice, threads: Int) throws -> Session {
    let request = CompileRequest(models: [], targets: [task.target], threads: threads, maxRewrites: 0)
    let plan = try Compiler.compile(
      [(graph: task.signature.graph, request: request)], targets: [task.target], threads: threads,
      choices: [task.signature.text: choice]
    ).plan
    let session = try Session(
      plan: plan, options: SessionOptions(threads: threads), devices: [ReferenceDevice()])
    try session.bind(try session.randomInputs(seed: 1))
    return session
  }
}

/// Memory that is read to push other memory out of the caches. All threads take part, and are awake afterwards, as they
/// are in the midst of a plan.
private final class Sweep {
  let byteCount: Int
  private let storage: UnsafeMutableRawBufferPointer
  private static let line = 64
  private var lines: Int { storage.count / Self.line }

  init(byteCount: Int) {
    self.byteCount = byteCount
    storage = .allocate(byteCount: max(byteCount / Self.line, 64) * Self.line, alignment: Self.line)
    storage.initializeMemory(as: UInt8.self, repeating: 1)
  }

  deinit { storage.deallocate() }

  func read() {
    var buffers: [UnsafeMutableRawPointer?] = [storage.baseAddress]
    swage_launch(
      { buffers, _, begin, end in
        guard let memory = buffers?[0], begin < end else { return }
        var total: UInt8 = 0
        for line in begin..<end { total &+= memory.load(fromByteOffset: Int(line) * 64, as: UInt8.self) }
        memory.storeBytes(of: total, toByteOffset: Int(begin) * 64, as: UInt8.self)
      }, &buffers, nil, Int64(lines), 1, 1)
  }
}
