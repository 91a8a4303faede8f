import ArgumentParser
import Foundation
import Swage

struct InspectCommand: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable { case text, json, dot, onnx, html }

  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Shows a model after each pass, or what is in a plan.",
    discussion: """
      Of a model: the passes, who took each node and why not, and the graph. Of a plan: its parts. Of a checkpoint
      folder: its parts, graphs and settings; with --part, that part as a model.

      Examples:
        swage inspect model.onnx
        swage inspect model.onnx --after import
        swage inspect model.onnx --diff fuse-epilogues
        swage inspect model.onnx --format html -o model.html
        swage inspect model.onnx --format onnx -o optimised.onnx
        swage inspect model.plan
        swage inspect stable-diffusion-v1-4 --part unet --after import
      """)

  @Argument(help: "An ONNX file, a checkpoint folder, or a plan.") var model: String
  @OptionGroup var arguments: CompileArguments
  @OptionGroup var checkpoint: CheckpointArguments
  @Option(name: .long, help: "Of a checkpoint: the entry point to show, such as unet or unet_prompt.") var part: String?
  @Option(name: .long, help: "The graph after this pass (import: before the first one).") var after: String?
  @Option(name: .long, help: "What this pass changed.") var diff: String?
  @Option(name: .long, help: "text, json, dot, onnx or html.") var format: Format = .text
  @Option(name: .shortAndLong, help: "Writes to this file instead of standard output.") var output: String?

  func run() throws {
    if PlanFormat.isPlan(path: model) { return try inspectPlan() }
    var request = try arguments.request(models: [model])
    request.keepsGraphs = true
    request.checkpoint = checkpoint.options
    if part == nil, DiffusersFolder.isCheckpoint(model) {
      guard format == .text, after == nil, diff == nil else {
        throw ValidationError("name a part of the checkpoint with --part")
      }
      return try write(Array(CheckpointOverview(path: model, options: request.checkpoint).text.utf8))
    }
    let compiler = Compiler(request)
    let imported = try compiler.importGraphs { Terminal.progress($0) }
    guard let original = imported.graphs.first(where: { part == nil || $0.name == part }) else {
      let names = imported.graphs.map(\.name).joined(separator: ", ")
      throw ValidationError("there is no part \(part ?? ""): the parts are \(names)")
    }
    var graph = original
    let passes = try compiler.optimize(&graph) { Terminal.progress($0) }
    Terminal.clearProgress()
    if let diff { return try write(difference(of: diff, original, passes)) }
    if let after { return try write(export(try Self.graph(after: after, original, passes))) }
    let (placed, placement) = try compiler.partition(graph)
    switch format {
    case .html: try write(Array(report(original, passes, placed, placement).utf8))
    case .text:
      let tables = PassTable.text(passes, of: original) + "\n" + placement.text + "\n\n"
      try write(Array((tables + GraphPrinter.text(placed)).utf8))
    case .json, .dot, .onnx: try write(export(placed))
    }
  }

  private func inspectPlan() throws {
    let plan = try PlanReader.open(path: model, trust: .inspectOnly)
    switch format {
    case .text: try write(Array(PlanText.print(plan).utf8))
    case .json: try write(Array(PlanText.json(plan).utf8))
    case .dot, .onnx, .html:
      throw ValidationError("--format \(format.rawValue) shows graphs: inspect the model that the plan was made from")
    }
  }

  private static func graph(after name: String, _ original: Graph, _ passes: PassReport) throws -> Graph {
    if name == "import" { return original }
    if let record = record(name, passes), let graph = record.graph { return graph }
    throw PassError.unknownPass(name, known: ["import"] + passes.records.map(\.label))
  }

  /// The record with this label, or the last one of the pass of this name.
  private static func record(_ name: String, _ passes: PassReport) -> PassRecord? {
    passes.records.first { $0.label == name } ?? passes.records.last { $0.name == name }
  }

  private func difference(of name: String, _ original: Graph, _ passes: PassReport) throws -> [UInt8] {
    guard let index = passes.records.firstIndex(where: { $0.label == name || $0.name == name }),
      let after = passes.records[index].graph
    else { throw PassError.unknownPass(name, known: passes.records.map(\.label)) }
    let before = index == 0 ? original : passes.records[index - 1].graph ?? original
    return Array(GraphDiff.text(before, after).utf8)
  }

  private func export(_ graph: Graph) throws -> [UInt8] {
    switch format {
    case .text: Array(GraphPrinter.text(graph).utf8)
    case .json: Array(GraphJSON.text(graph).utf8)
    case .dot: Array(DOTWriter.text(graph).utf8)
    case .onnx: try ONNXWriter.bytes(graph)
    case .html:
      Array(
        HTMLReport.text(
          title: graph.name, stages: [InspectedStage(name: after ?? "graph", graph: graph)]
        ).utf8)
    }
  }

  private func report(
    _ original: Graph, _ passes: PassReport, _ placed: Graph, _ placement: PlacementReport
  ) -> String {
    var stages = [InspectedStage(name: "import", graph: original)]
    for record in passes.records {
      guard let graph = record.graph else { continue }
      stages.append(
        InspectedStage(
          name: record.label, rewrites: record.rewrites, nodesBefore: record.nodesBefore,
          nodesAfter: record.nodesAfter, flops: record.flopsAfter.expression, bytes: record.bytesAfter.expression,
          milliseconds: record.milliseconds, graph: graph,
          notes: record.ruleCounts.map { "\($0.rule): \($0.count)" } + record.notes))
    }
    stages.append(InspectedStage(name: "partition", graph: placed))
    let rows = placement.rows.map { row in
      PlacementRow(
        target: row.target ?? "none", operation: row.op, source: row.sources.first?.name ?? "",
        answers: row.answers.map { answer in
          "\(answer.target): "
            + (answer.nanoseconds.map { String(format: "%.1f us", $0 / 1e3) } ?? "no, \(answer.refusal ?? "")")
        })
    }
    return HTMLReport.text(title: original.name, stages: stages, placement: rows)
  }

  private func write(_ bytes: [UInt8]) throws {
    if let output {
      try AtomicFile.write(bytes, to: output)
    } else {
      try Terminal.write(bytes)
    }
  }
}
