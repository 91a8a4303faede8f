import COneDNN
import CRuntime
import SwagePlan
import SwageTensor

/// Where the time of a run went.
public struct Profile: Sendable {
  /// An instruction.
  public struct Node: Sendable {
    /// In `EntryPoint.flattened`.
    public var position: Int
    /// How many conditionals hold it.
    public var depth: Int
    public var kind: String
    public var label: String
    /// What oneDNN chose for a library call; nil for other kinds.
    public var implementation: String?
    /// The source nodes it came from.
    public var sources: [String]
    /// Element type of its first operand that is a float; nil where it has none.
    public var elementType: ElementType?
    /// Whether the last run came to it.
    public var wasReached: Bool
    /// Host time per run: from the end of the step before to the end of its own.
    public var hostNanoseconds: Double
    /// Time per run that a device reports beside it; nil for work of the CPU.
    public var deviceNanoseconds: Double?
    /// Floating-point operations, and bytes read and written at least once, in the last run.
    public var flops: Int
    public var bytes: Int
    /// Since the start of the last run.
    public var startNanoseconds: Double
    public var durationNanoseconds: Double
  }

  public var entryPoint: String
  /// By position. A conditional's own time leaves out its blocks.
  public var nodes: [Node]
  public var runs: Int
  public var threads: Int
  /// Whole runs, mean.
  public var wallNanoseconds: Double

  public var nodeSumNanoseconds: Double { nodes.reduce(0) { $0 + $1.hostNanoseconds } }
  /// What the whole run takes beyond its nodes.
  public var gapNanoseconds: Double { wallNanoseconds - nodeSumNanoseconds }
  public var flops: Int { nodes.reduce(0) { $1.wasReached ? Checked.add($0, $1.flops) ?? .max : $0 } }
}

/// Adds up the time of each step: one reading of a fast clock per step, no branches.
struct StepTimer: StepHook {
  private let sums: UnsafeMutablePointer<UInt64>
  private let ends: UnsafeMutablePointer<UInt64>
  private let starts: UnsafeMutablePointer<UInt64>
  private let count: Int
  private var last: UInt64 = 0

  init(stepCount: Int) {
    count = stepCount
    func zeros() -> UnsafeMutablePointer<UInt64> {
      let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: max(stepCount, 1))
      memory.initialize(repeating: 0, count: max(stepCount, 1))
      return memory
    }
    sums = zeros()
    ends = zeros()
    starts = zeros()
  }

  func deallocate() {
    sums.deallocate()
    ends.deallocate()
    starts.deallocate()
  }

  /// Before each run. The reading that the first step's time begins with.
  mutating func begin() -> UInt64 {
    ends.update(repeating: 0, count: count)
    last = swage_ticks()
    return last
  }

  @inline(__always)
  mutating func afterStep(_ step: Int) {
    let now = swage_ticks()
    sums[step] &+= now &- last
    starts[step] = last
    ends[step] = now
    last = now
  }

  func total(_ step: Int) -> UInt64 { sums[step] }
  /// Start and end in the last run; nil where it did not come to the step.
  func span(_ step: Int) -> (start: UInt64, end: UInt64)? { ends[step] == 0 ? nil : (starts[step], ends[step]) }
}

extension Session {
  /// Runs what is bound `warmup` times, then `runs` times with the time of each step taken. Neither goes on for longer than
  /// `seconds`, but for one run that is timed.
  public func profile(warmup: Int = 3, runs: Int = 10, seconds: Double = 2) throws -> Profile {
    func repeated(_ count: Int, _ run: () throws -> Void) rethrows {
      let start = swage_now_ns()
      for _ in 0..<count where Double(swage_now_ns() &- start) < seconds * 1e9 { try run() }
    }
    try repeated(max(warmup, 0)) { try execute() }
    let recorder = ProfileRecorder(self)
    try repeated(max(runs, 1)) { try recorder.execute() }
    return recorder.profile()
  }

  fileprivate func profile(_ timer: StepTimer, runs: Int, lastStart: UInt64, inside: UInt64, rate: Double) -> Profile {
    let runs = max(runs, 1)
    var nodes = flattened.map { flat -> Profile.Node in
      let instruction = flat.instruction
      return Profile.Node(
        position: flat.position, depth: flat.depth, kind: steps[stepOfPosition[flat.position]].kind,
        label: instruction.label, implementation: implementation(at: flat.position), sources: instruction.sources,
        elementType: floatType(of: instruction),
        wasReached: false, hostNanoseconds: 0, deviceNanoseconds: nil, flops: sizeValues[instruction.flops],
        bytes: sizeValues[instruction.bytes], startNanoseconds: 0, durationNanoseconds: 0)
    }
    for (step, info) in steps.enumerated() {
      let position = info.position
      nodes[position].hostNanoseconds += Double(timer.total(step)) * rate / Double(runs)
      if deviceNanoseconds[step] > 0 {
        nodes[position].deviceNanoseconds = Double(deviceNanoseconds[step]) / Double(runs)
      }
      guard let span = timer.span(step) else { continue }
      // The end of a conditional's block belongs to the conditional; its event is the branch itself.
      guard stepOfPosition[position] == step else { continue }
      nodes[position].wasReached = true
      nodes[position].startNanoseconds = Double(span.start &- min(lastStart, span.start)) * rate
      nodes[position].durationNanoseconds = Double(span.end &- span.start) * rate
    }
    return Profile(
      entryPoint: entryPoint.name, nodes: nodes, runs: runs, threads: threads,
      wallNanoseconds: Double(inside) * rate / Double(runs))
  }

  fileprivate func forgetDeviceTimes() { deviceNanoseconds = [UInt64](repeating: 0, count: steps.count) }

  private func implementation(at position: Int) -> String? {
    let step = stepStorage[stepOfPosition[position]]
    guard step.kind == .library, let operation = step.operation, let name = swage_dnn_implementation(operation) else {
      return nil
    }
    return String(cString: name)
  }

  private func floatType(of instruction: Instruction) -> ElementType? {
    let values = instruction.operands.compactMap { $0 } + instruction.results
    return values.map { entryPoint.values[$0].elementType }.first { $0.isFloat }
  }
}

/// Takes the times of runs that its caller starts one by one, with other work between: the steps of a denoising loop.
public final class ProfileRecorder {
  private let session: Session
  private var timer: StepTimer
  private var runs = 0
  private var inside: UInt64 = 0
  private var lastStart: UInt64 = 0
  private let startTicks: UInt64
  private let startTime: UInt64

  public init(_ session: Session) {
    self.session = session
    timer = StepTimer(stepCount: session.steps.count)
    session.forgetDeviceTimes()
    startTicks = swage_ticks()
    startTime = swage_now_ns()
  }

  deinit { timer.deallocate() }

  /// Runs what is bound.
  public func execute() throws {
    lastStart = timer.begin()
    try session.execute(&timer)
    inside &+= swage_ticks() &- lastStart
    runs += 1
  }

  /// The runs so far: means per run. Sizes, flops and bytes are those of the last one.
  public func profile() -> Profile {
    // The rate of the fast clock comes from both clocks over the whole measurement.
    let ticks = Double(swage_ticks() &- startTicks)
    let time = Double(swage_now_ns() &- startTime)
    return session.profile(
      timer, runs: runs, lastStart: lastStart, inside: inside, rate: ticks > 0 ? time / ticks : 1)
  }
}
