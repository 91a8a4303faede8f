import SwageGraph
import SwageTensor

/// Passes in the order in which they run.
public struct Pipeline: Sendable {
  public enum Stage: Sendable {
    case once(Pass)
    /// The passes in turn, again and again until a whole round makes no rewrite; at most `rounds` times.
    case repeating([Pass], rounds: Int)
  }

  public var stages: [Stage]

  public init(_ stages: [Stage]) { self.stages = stages }

  /// The names of the passes in order, each once.
  public var passNames: [String] {
    var names: [String] = []
    for stage in stages {
      switch stage {
      case .once(let pass): if !names.contains(pass.name) { names.append(pass.name) }
      case .repeating(let passes, _): for pass in passes where !names.contains(pass.name) { names.append(pass.name) }
      }
    }
    return names
  }

  /// What a run is asked for beside the result.
  public struct Inspection: Sendable {
    /// Stops after the first run of this pass, or with `NAME.2` after its second, as in the report.
    public var stopAfter: String?
    /// Makes no more rewrites than this, over all passes: bisects to the guilty one.
    public var maxRewrites: Int
    public var verifies: Bool
    /// Keeps the graph after each pass in its record.
    public var keepsGraphs: Bool

    public init(stopAfter: String? = nil, maxRewrites: Int = .max, verifies: Bool = true, keepsGraphs: Bool = false) {
      self.stopAfter = stopAfter
      self.maxRewrites = maxRewrites
      self.verifies = verifies
      self.keepsGraphs = keepsGraphs
    }
  }

  /// Runs the passes on `graph`. The observer sees each record with the graph after the pass.
  ///
  /// - Throws: `GraphError.invalid` where the verifier finds a fault after a pass, `PassError.unknownPass` where
  ///   nothing has the name of `stopAfter`.
  @discardableResult
  public func run(
    _ graph: inout Graph, options: PipelineOptions = PipelineOptions(), inspection: Inspection = Inspection(),
    observer: (PassRecord, Graph) throws -> Void = { _, _ in }
  ) throws -> PassReport {
    if let name = inspection.stopAfter, !passNames.contains(Self.base(name)) {
      throw PassError.unknownPass(name, known: passNames)
    }
    var runner = PipelineRunner(graph: graph, options: options, inspection: inspection)
    if inspection.verifies { try GraphVerifier.verify(graph, after: "import") }
    stages: for stage in stages {
      switch stage {
      case .once(let pass):
        try runner.run(pass, on: &graph, observer)
        if runner.isDone { break stages }
      case .repeating(let passes, let rounds):
        for round in 0..<rounds {
          let before = runner.report.rewrites
          for pass in passes {
            try runner.run(pass, on: &graph, isRepeat: round > 0, observer)
            if runner.isDone { break stages }
          }
          if runner.report.rewrites == before { break }
        }
      }
    }
    return runner.report
  }

  /// The pass of this name among all that exist.
  public static func pass(named name: String) -> Pass? { all.first { $0.name == name } }

  /// The rule of this name among those of all passes.
  public static func rule(named name: String) -> RewriteRule? { all.lazy.flatMap(\.rules).first { $0.name == name } }

  /// The name in a label such as `dead-code.2`.
  static func base(_ label: String) -> String {
    guard let dot = label.lastIndex(of: "."), Int(label[label.index(after: dot)...]) != nil else { return label }
    return String(label[..<dot])
  }
}

private struct PipelineRunner {
  var report = PassReport()
  let options: PipelineOptions
  let inspection: Pipeline.Inspection
  private var runs: [String: Int] = [:]
  private var fuel: Int
  private var foldSpending = FoldSpending()
  private var flops: WorkSum
  private var bytes: WorkSum
  private(set) var isDone = false

  init(graph: Graph, options: PipelineOptions, inspection: Pipeline.Inspection) {
    self.options = options
    self.inspection = inspection
    fuel = inspection.maxRewrites
    flops = graph.flopSum
    bytes = graph.byteSum
  }

  /// Runs one pass. Later rounds of a stage leave no record where they change nothing.
  mutating func run(
    _ pass: Pass, on graph: inout Graph, isRepeat: Bool = false, _ observer: (PassRecord, Graph) throws -> Void
  ) throws {
    let nodes = graph.totalNodeCount
    var context = PassContext(options: options, fuel: fuel)
    context.foldSpending = foldSpending
    let clock = ContinuousClock()
    let start = clock.now
    try pass.run(&graph, &context)
    let elapsed = clock.now - start
    fuel -= context.rewrites
    foldSpending = context.foldSpending
    let (oldFlops, oldBytes) = (flops, bytes)
    if context.rewrites > 0 {
      if inspection.verifies { try GraphVerifier.verify(graph, after: pass.name) }
      flops = graph.flopSum
      bytes = graph.byteSum
    } else if isRepeat {
      return
    }
    let run = runs[pass.name, default: 0] + 1
    runs[pass.name] = run
    let label = run == 1 ? pass.name : "\(pass.name).\(run)"
    let record = PassRecord(
      label: label, name: pass.name, rewrites: context.rewrites, ruleCounts: context.ruleCounts, nodesBefore: nodes,
      nodesAfter: graph.totalNodeCount, flopsBefore: oldFlops, flopsAfter: flops, bytesBefore: oldBytes,
      bytesAfter: bytes,
      milliseconds: Double(elapsed.components.seconds) * 1e3 + Double(elapsed.components.attoseconds) / 1e15,
      notes: context.notes, graph: inspection.keepsGraphs ? graph : nil)
    report.records.append(record)
    try observer(record, graph)
    if inspection.stopAfter == label { isDone = true }
  }
}

extension Graph {
  /// Nodes of this graph and of nested ones, bodies of fused nodes left out.
  public var totalNodeCount: Int {
    var count = 0
    for node in nodes {
      count += 1
      if case .fused = node.op { continue }
      for region in node.regions { count += region.totalNodeCount }
    }
    return count
  }

  var flopSum: WorkSum { WorkSum(nodes.map { flops(of: $0) }) }
  var byteSum: WorkSum { WorkSum(nodes.map { bytes(of: $0) }) }
}
