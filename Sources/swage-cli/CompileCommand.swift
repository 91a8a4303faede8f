import ArgumentParser
import Foundation
import Swage
import SwagePlan

struct CompileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compile", abstract: "Compiles models into one plan.",
    discussion: """
      Each model becomes an entry point, named after its file; equal weights are stored once. The folder of a Stable
      Diffusion checkpoint (diffusers' layout, or ONNX files of optimum) becomes one plan with all of its parts.

      Examples:
        swage compile model.onnx
        swage compile graphs/digits.onnx --weights models/digits/digits.safetensors -o digits.plan
        swage compile detector.onnx --shape x=1x3x640x640 --precision bf16
        swage compile stable-diffusion-v1-4 --precision bf16 -o sd.plan
        swage compile graphs/stable-diffusion-v1 --synthetic-weights 1 --size 512x512
        swage compile model.onnx --dump-passes passes --stop-after constant-fold
      """)

  @Argument(help: "ONNX files, or a checkpoint folder.") var models: [String]
  @OptionGroup var arguments: CompileArguments
  @OptionGroup var checkpoint: CheckpointArguments
  @Option(name: .shortAndLong, help: "The plan's path (default: beside the first model).") var output: String?
  @Option(name: .customLong("stop-after"), help: "Runs no pass after this one.") var stopAfter: String?
  @Option(name: .customLong("dump-passes"), help: "Writes the graph after every pass to this folder.")
  var dumpPasses: String?
  @Flag(
    help: """
      Measures the kernels that are possible for products and convolutions of known sizes on this machine, and takes
      the fastest. Measurements are kept for the next time.
      """)
  var tune = false
  @Flag(help: "With --tune: measures again what was measured before.") var retune = false
  @Flag(name: .shortAndLong, help: "Prints nothing but errors.") var quiet = false

  func run() throws {
    var request = try arguments.request(models: models)
    request.stopAfter = stopAfter
    request.keepsGraphs = dumpPasses != nil
    request.checkpoint = checkpoint.options
    if tune || retune { request.tuner = Tuner(measuresAgain: retune) }
    let start = ContinuousClock.now
    let result = try Compiler(request).compile { Terminal.progress($0) }
    Terminal.clearProgress()
    if let dumpPasses { try PassDump.write(result, to: dumpPasses) }
    let path = output ?? Self.defaultOutput(models[0])
    Terminal.progress("writing \(path)")
    try PlanWriter.write(result.plan, to: path)
    Terminal.clearProgress()
    if !quiet { report(result, request, path, ContinuousClock.now - start) }
  }

  static func defaultOutput(_ model: String) -> String {
    var path = model.hasSuffix(".onnx") ? String(model.dropLast(5)) : model
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path + ".plan"
  }

  private func report(_ result: CompileResult, _ request: CompileRequest, _ path: String, _ elapsed: Duration) {
    for graph in result.graphs {
      if result.graphs.count > 1 { print("== \(graph.graph.name)") }
      print(PassTable.text(graph.passes, of: graph.imported), terminator: "")
      print(PlacementSummary.text(graph.placement))
    }
    if request.tuner != nil { print(TuningSummary.text(result)) }
    for note in result.notes { print("note: \(note.printable)") }
    print(PlanSummary.text(result.plan, path: path))
    print(String(format: "compiled in %.2f s", elapsed.seconds))
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// The table of passes. Sizes that stay symbols count as 64, so that work prints as numbers.
enum PassTable {
  static func text(_ report: PassReport, of graph: Graph) -> String {
    let symbols = graph.inputSymbols
    let table = report.table(sizes: Dictionary(uniqueKeysWithValues: symbols.map { ($0, 64) }))
    return symbols.isEmpty
      ? table : table + "(flops and bytes for \(symbols.map { "\($0) = 64" }.joined(separator: ", ")))\n"
  }
}

/// How many nodes each target took, in a line each, with the first refusals.
enum PlacementSummary {
  static func text(_ report: PlacementReport) -> String {
    var counts: [(target: String, nodes: Int)] = []
    for row in report.rows {
      guard let target = row.target else { continue }
      if let index = counts.firstIndex(where: { $0.target == target }) {
        counts[index].nodes += 1
      } else {
        counts.append((target, 1))
      }
    }
    var lines = ["placed: " + counts.map { "\($0.nodes) nodes on \($0.target)" }.joined(separator: ", ")]
    let refused = report.rows.compactMap { row -> String? in
      guard let answer = row.answers.first, let reason = answer.refusal else { return nil }
      return
        "  \(row.op) \(row.sources.first?.name ?? "") went to \(row.target ?? "none"): \(answer.target) says \(reason)"
    }
    lines += refused.prefix(10)
    if refused.count > 10 { lines.append("  and \(refused.count - 10) more: swage inspect shows all") }
    return lines.joined(separator: "\n")
  }
}

/// What was measured, and where the cost model would have chosen otherwise.
enum TuningSummary {
  static func text(_ result: CompileResult) -> String {
    let records = result.tuning
    let kept = records.count { $0.isKept }
    let others = records.filter { $0.choice != $0.task.choices[0] }
    /// Nanoseconds in all nodes, with this choice for each.
    func total(_ choice: (TuningRecord) -> KernelChoice) -> Double {
      records.reduce(0) { sum, record in
        sum + Double(record.task.count) * (record.times[choice(record)] ?? record.slowest)
      }
    }
    var lines = [
      "tuned: \(records.count) kinds of products and convolutions, \(kept) of them measured before; "
        + "\(others.count) are faster another way than the cost model's"
    ]
    let (before, after) = (total { $0.task.choices[0] }, total(\.choice))
    if after > 0 {
      lines.append(
        String(format: "  together %.3f ms, with the cost model's choices %.3f ms", after * 1e-6, before * 1e-6))
    }
    let gains = others.sorted { $0.gain > $1.gain }
    for record in gains.prefix(10) {
      lines.append(
        String(
          format: "  %@ instead of %@: %.3f for %.3f ms, %d times: %@", record.choice.name,
          record.task.choices[0].name, (record.times[record.choice] ?? 0) * 1e-6,
          (record.times[record.task.choices[0]] ?? record.slowest) * 1e-6, record.task.count,
          record.task.signature.summary))
    }
    if gains.count > 10 { lines.append("  and \(gains.count - 10) more") }
    if result.untuned > 0 {
      lines.append(
        "  \(result.untuned) more have sizes that are not known before a run: fix them with --shape, or --size and --batch"
      )
    }
    return lines.joined(separator: "\n")
  }
}

extension TuningRecord {
  /// Choices that were given up early count as this.
  fileprivate var slowest: Double { times.values.max() ?? 0 }

  /// Nanoseconds that the choice saves in all nodes.
  fileprivate var gain: Double {
    Double(task.count) * ((times[task.choices[0]] ?? slowest) - (times[choice] ?? slowest))
  }
}

/// What a plan takes, in a line or two.
enum PlanSummary {
  static func text(_ plan: Plan, path: String) -> String {
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    let weights = plan.weights.reduce(0) { $0 + $1.tensor.byteCount }
    var lines = [
      "plan: \(path), \(Terminal.bytes(size)): \(plan.weights.count) weights of \(Terminal.bytes(weights)), "
        + "\(plan.modules.count) native modules"
    ]
    for entry in plan.entryPoints {
      func list(_ ports: [SwagePlan.Port]) -> String {
        ports.map { port in
          let value = entry.values[port.value]
          let type = TensorType(value.elementType, value.shape.map { entry.sizes[$0] })
          return "\(port.name.printable): \(type)"
        }.joined(separator: ", ")
      }
      lines.append("entry point \(entry.name): (\(list(entry.inputs))) -> (\(list(entry.outputs)))")
      let arena = entry.buffers.compactMap { buffer -> Int? in
        guard case .fixed(let offset) = buffer.placement else { return nil }
        return offset + (entry.sizes[buffer.byteCount].constant ?? 0)
      }.max()
      let memory =
        entry.buffers.allSatisfy { if case .fixed = $0.placement { true } else { false } }
        ? "arena of \(Terminal.bytes(arena ?? 0))" : "memory placed when sizes are known"
      lines.append("  \(entry.flattened.count) instructions, \(memory)")
    }
    return lines.joined(separator: "\n")
  }
}

/// The graph after each pass, as `NN-pass.txt`.
enum PassDump {
  static func write(_ result: CompileResult, to folder: String) throws {
    for graph in result.graphs {
      let place = result.graphs.count > 1 ? folder + "/" + OutputFolder.fileName(graph.graph.name) : folder
      do {
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      } catch {
        throw Diagnostic(
          code: "output-folder", what: "the folder \(place) cannot be made", place: .init(file: place),
          why: error.localizedDescription, remedy: "choose another folder with --dump-passes")
      }
      func dump(_ graph: Graph, _ index: Int, _ name: String) throws {
        let path = place + "/" + String(format: "%02d-", index) + name + ".txt"
        try AtomicFile.write(Array(GraphPrinter.text(graph).utf8), to: path)
      }
      try dump(graph.imported, 0, "import")
      for (index, record) in graph.passes.records.enumerated() {
        if let after = record.graph { try dump(after, index + 1, record.label) }
      }
      try dump(graph.graph, graph.passes.records.count + 1, "partition")
    }
  }
}
