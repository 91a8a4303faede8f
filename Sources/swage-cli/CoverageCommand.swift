import ArgumentParser
import Foundation
import Swage

struct CoverageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage",
    abstract: "Lists what became of each operator of a model: operations and targets, or why it cannot run.",
    discussion: """
      Nothing is compiled, so this is quick. Without --nodes, operators of a kind that fare alike share a line. A folder
      stands for the ONNX files below it.

      Examples:
        swage coverage model.onnx
        swage coverage model.onnx --nodes --target cpu
        swage coverage models/ --json
      """)

  @Argument(help: "ONNX files, or folders with some.") var models: [String]
  @Option(name: .long, help: "Targets in order of preference.") var target = TargetList(["cpu", "reference"])
  @Flag(name: .long, help: "One line for each node.") var nodes = false
  @Flag(name: .long, help: "Prints one JSON object.") var json = false

  /// A model and what was found.
  struct Outcome {
    var path: String
    var rows: [OperatorCoverage.Row] = []
    /// Why the model as a whole could not be placed.
    var fault: Diagnostic?
  }

  func run() throws {
    let paths = try models.flatMap { try Self.find($0) }
    let outcomes = paths.enumerated().map { index, path -> Outcome in
      Terminal.progress("[\(index + 1)/\(paths.count)] \(path)")
      do {
        return Outcome(path: path, rows: try OperatorCoverage.of(model: path, targets: target.names).rows)
      } catch let error as any SwageError {
        return Outcome(path: path, fault: error.diagnostics.first)
      } catch {
        return Outcome(
          path: path, fault: Diagnostic(fault: .bug, code: "coverage-failed", what: "\(error)", remedy: "report it"))
      }
    }
    Terminal.clearProgress()
    if json {
      print(try Self.json(outcomes))
    } else {
      for outcome in outcomes { print(text(outcome)) }
    }
    let isComplete = outcomes.allSatisfy { $0.fault == nil && $0.rows.allSatisfy { $0.refusal == nil } }
    if !isComplete { throw ExitCode(1) }
  }

  /// The model itself, or the ONNX files below a folder, sorted.
  private static func find(_ path: String) throws -> [String] {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
      return [path]
    }
    let files = (FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? [])
      .filter { $0.hasSuffix(".onnx") }.sorted()
    guard !files.isEmpty else {
      throw Diagnostic(
        code: "coverage-no-models", what: "no model in \(path)", place: .init(file: path),
        why: "no file there ends in .onnx", remedy: "name a folder with ONNX files")
    }
    return files.map { path + "/" + $0 }
  }

  private func text(_ outcome: Outcome) -> String {
    var lines = ["\(outcome.path):"]
    if let fault = outcome.fault { return lines[0] + "\n  \(fault.description)\n" }
    func tail(_ row: OperatorCoverage.Row) -> String {
      let operations = row.operations.isEmpty ? "nothing to run" : row.operations.joined(separator: ", ")
      return row.refusal.map { "no\t\($0)" } ?? "\(row.targets.joined(separator: ", "))\t\(operations)"
    }
    if nodes {
      let rows = outcome.rows.map { "\($0.node)\t\($0.operatorName)\t\(tail($0))" }
      lines.append(TextTable.aligned(header: "node\toperator\ttargets\toperations", lines: rows))
    } else {
      var counts: [String: Int] = [:]
      for row in outcome.rows { counts["\(row.operatorName)\t\(tail(row))", default: 0] += 1 }
      let rows = counts.keys.sorted().map { "\(counts[$0] ?? 0)\t\($0)" }
      lines.append(TextTable.aligned(header: "nodes\toperator\ttargets\toperations", lines: rows))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func json(_ outcomes: [Outcome]) throws -> String {
    let models = outcomes.map { outcome -> [String: Any] in
      var model: [String: Any] = ["path": outcome.path]
      if let fault = outcome.fault {
        model["fault"] = ["code": fault.code, "what": fault.what, "why": fault.why ?? ""]
      }
      model["operators"] = outcome.rows.map { row -> [String: Any] in
        var entry: [String: Any] = [
          "node": row.node, "operator": row.operatorName, "operations": row.operations, "targets": row.targets,
        ]
        entry["refusal"] = row.refusal
        return entry
      }
      return model
    }
    let data = try JSONSerialization.data(withJSONObject: ["models": models], options: [.sortedKeys])
    return String(decoding: data, as: UTF8.self)
  }
}
