import SwageFrontend
import SwagePartition
import SwagePasses
import SwageTensor

/// The whole way from files to a plan: import, passes, partition, schedule, lower, place memory.
///
///     let result = try Compiler(CompileRequest(models: ["model.onnx"])).compile()
///     try PlanWriter.write(result.plan, to: "model.plan")
///
/// A checkpoint folder of diffusers gives one plan with an entry point for each part, and the attachments that
/// `PipelineDescription` names.
public struct Compiler: Sendable {
  public let request: CompileRequest

  public init(_ request: CompileRequest) { self.request = request }

  /// What happens next, for a progress line.
  public typealias Progress = (String) -> Void

  /// Imports all models.
  public func importGraphs(progress: Progress = { _ in }) throws -> ImportedModels {
    try ModelImporter(request).run(progress: progress)
  }

  /// Runs the passes on an imported graph.
  public func optimize(_ graph: inout Graph, progress: Progress = { _ in }) throws -> PassReport {
    let options = PipelineOptions(precision: request.precision)
    let inspection = Pipeline.Inspection(
      stopAfter: request.stopAfter, maxRewrites: request.maxRewrites ?? .max, keepsGraphs: request.keepsGraphs)
    return try Pipeline.standard(options).run(&graph, options: options, inspection: inspection) { record, _ in
      progress("\(record.label): \(record.rewrites) rewrites, \(record.nodesAfter) nodes")
    }
  }

  /// Assigns the nodes of an optimised graph to targets.
  public func partition(_ graph: Graph) throws -> (graph: Graph, report: PlacementReport) {
    let targets = try TargetRegistry.targets(named: request.targets, threads: request.threads)
    let policy = request.randomPlacementSeed.map { Partitioner.Policy.random(seed: $0) } ?? .cheapest
    return try Partitioner(targets: targets, policy: policy).partition(graph)
  }

  /// Compiles all models into one plan.
  public func compile(progress: Progress = { _ in }) throws -> CompileResult {
    let imported = try importGraphs(progress: progress)
    return try compile(imported, progress: progress)
  }

  /// Compiles graphs that are imported already.
  public func compile(_ imported: ImportedModels, progress: Progress = { _ in }) throws -> CompileResult {
    let provenance = Provenance(
      toolVersion: SwageVersion.current, sources: imported.sources, flags: request.flags,
      syntheticWeightsSeed: imported.hasSyntheticWeights ? request.syntheticSeed : nil)
    var result = try Self.compile(
      imported.graphs.map { (graph: $0, request: request) }, targets: request.targets, threads: request.threads,
      tuner: request.tuner, provenance: provenance, progress: progress)
    result.plan.attachments = imported.attachments
    result.notes = imported.notes
    return result
  }

  /// Compiles graphs into one plan, an entry point each, which has the graph's name. Of each request, what concerns
  /// passes and placement counts; `targets` are all that the requests name, `compilation` and `choices` are those of
  /// `LoweringOptions`. What `tuner` finds goes before `choices`.
  public static func compile(
    _ items: [(graph: Graph, request: CompileRequest)], targets: [String], threads: Int,
    compilation: KernelCompilation = .kept, choices: [String: KernelChoice] = [:], tuner: (any KernelTuner)? = nil,
    provenance: Provenance = Provenance(toolVersion: SwageVersion.current), progress: Progress = { _ in }
  ) throws -> CompileResult {
    let targets = try TargetRegistry.targets(named: targets, threads: threads)
    var compiled: [CompiledGraph] = []
    for item in items {
      let compiler = Compiler(item.request)
      var graph = item.graph
      let name = graph.name
      let passes = try compiler.optimize(&graph) { progress("\(name): \($0)") }
      progress("\(name): placing \(graph.nodeCount) nodes")
      let (placed, placement) = try compiler.partition(graph)
      try GraphVerifier.verify(placed, after: "partition")
      let scheduled = Scheduler.schedule(placed, sizeHints: [:])
      try GraphVerifier.verify(scheduled, after: "schedule")
      compiled.append(CompiledGraph(imported: item.graph, graph: scheduled, passes: passes, placement: placement))
    }
    var tuning: [TuningRecord] = []
    var untuned = 0
    if let tuner {
      let tasks = TuningTasks.collect(compiled.map(\.graph), targets: targets)
      untuned = tasks.unknown
      tuning = try tuner.tune(tasks.tasks, threads: threads, weightBytes: tasks.weightBytes, progress: progress)
    }
    let measured = tuning.map { ($0.task.signature.text, $0.choice) }
    let options = LoweringOptions(
      threads: threads, compilation: compilation, choices: choices.merging(measured) { $1 })
    let lowerer = PlanLowerer(targets: targets, options: options)
    let entries = try zip(items, compiled).map { item, compiled in
      progress("\(item.graph.name): lowering")
      return MemoryPlanner.plan(try lowerer.lower(compiled.graph, name: item.graph.name))
    }
    progress("compiling kernels")
    return CompileResult(
      plan: try lowerer.finish(entries, provenance: provenance), graphs: compiled, tuning: tuning,
      untuned: untuned)
  }
}

/// A plan, and how each of its entry points came about.
public struct CompileResult: Sendable {
  public var plan: Plan
  public var graphs: [CompiledGraph]
  /// What was measured to choose kernels.
  public var tuning: [TuningRecord] = []
  /// Kinds of nodes with choices that were not measured: their sizes are not known.
  public var untuned = 0
  /// What was left out, and why.
  public var notes: [String] = []
}

public struct CompiledGraph: Sendable {
  public var imported: Graph
  /// After all passes, with targets and copies, in execution order.
  public var graph: Graph
  public var passes: PassReport
  public var placement: PlacementReport
}
