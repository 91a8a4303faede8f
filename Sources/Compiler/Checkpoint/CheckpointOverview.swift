import Foundation
import SwageFrontend
import SwagePlan
import SwageTensor

/// What lies in a checkpoint folder, without compiling it: parts with their classes, weights and graphs, the pipeline, and
/// the files that go into a plan.
public struct CheckpointOverview: Sendable {
  public struct Part: Sendable {
    public var name: String
    public var className: String
    /// Base names.
    public var weightFiles: [String]
    public var tensorCount: Int
    public var byteCount: Int
  }

  public struct EntryPoint: Sendable {
    public var name: String
    /// The graph's path; nil where there is none.
    public var graph: String?
    /// Why there is none.
    public var refusal: String?
  }

  public var pipelineClass: String
  public var description: PipelineDescription
  public var parts: [Part] = []
  public var entryPoints: [EntryPoint] = []
  public var attachments: [(name: String, byteCount: Int)] = []
  public var notes: [String]

  /// - Throws: `DiffusersError`, `SafetensorsError`, `FileError` for a folder that is no checkpoint.
  public init(path: String, options: CheckpointOptions = CheckpointOptions()) throws {
    var importer = try CheckpointImporter(CompileRequest(models: [path], checkpoint: options), path: path)
    pipelineClass = try importer.folder.index.text("_class_name") ?? ""
    for component in importer.folder.components {
      let weights = try Safetensors.load(paths: component.weightFiles)
      parts.append(
        Part(
          name: component.name, className: component.className,
          weightFiles: weights.files.map { URL(fileURLWithPath: $0).lastPathComponent },
          tensorCount: weights.names.count,
          byteCount: weights.names.reduce(0) { $0 + (weights[$1]?.byteCount ?? 0) }))
    }
    try importer.dropMissingEncoder()
    for part in CheckpointPart.parts(of: importer.description) {
      var entry = EntryPoint(name: part.name)
      do {
        entry.graph = try importer.graphFile(part)
      } catch let error as DiffusersError {
        entry.refusal = error.diagnostics.first.map { $0.what + ($0.why.map { ": " + $0 } ?? "") }
      }
      entryPoints.append(entry)
    }
    attachments = try importer.attachments().map { ($0.name, $0.bytes.count) }
    description = importer.description
    notes = importer.notes
  }

  /// The overview in lines.
  public var text: String {
    var lines = ["checkpoint of \(pipelineClass.printable)"]
    for part in parts {
      let files = part.weightFiles.isEmpty ? "no weight files" : part.weightFiles.joined(separator: ", ")
      lines.append(
        "part \(part.name): \(part.className.printable), \(files.printable)"
          + (part.weightFiles.isEmpty ? "" : ", \(part.tensorCount) tensors of \(part.byteCount) bytes"))
    }
    for entry in entryPoints {
      lines.append("entry point \(entry.name): \(entry.graph ?? "no graph: \(entry.refusal ?? "")")")
    }
    lines += description.summary
    for attachment in attachments { lines.append("attachment \(attachment.name), \(attachment.byteCount) bytes") }
    lines += notes.map { "note: \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }
}
