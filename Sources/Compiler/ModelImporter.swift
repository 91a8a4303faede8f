import Foundation
import SwageFrontend
import SwageGraph
import SwagePlan
import SwageTensor

/// Graphs of all models of a request, with digests of every file that went into them.
public struct ImportedModels: Sendable {
  public var graphs: [Graph]
  public var sources: [Provenance.Source]
  public var hasSyntheticWeights: Bool
  public var attachments: [PlanAttachment] = []
  /// What was left out, and why.
  public var notes: [String] = []
}

/// Reads models and binds their weights.
struct ModelImporter {
  private let request: CompileRequest

  init(_ request: CompileRequest) { self.request = request }

  func run(progress: (String) -> Void) throws -> ImportedModels {
    if let folder = request.models.first(where: DiffusersFolder.isCheckpoint) {
      try checkCheckpoint(folder)
      var importer = try CheckpointImporter(request, path: folder)
      return try importer.run(progress: progress)
    }
    if let flag = request.checkpoint.flags.first { throw CompilerError.checkpointFlag(flag, isCheckpoint: false) }
    let weights = request.weights.isEmpty ? nil : try Safetensors.load(paths: request.weights)
    var graphs: [Graph] = []
    var files: [String] = []
    var isSynthetic = false
    for path in request.models {
      progress("reading \(path)")
      try checkReadable(path)
      let model = try ONNXModel.load(path: path)
      let lacksWeights = !model.weightRequirements.isEmpty
      if lacksWeights, weights == nil {
        if request.syntheticSeed == nil {
          throw CompilerError.missingWeights(path, model.weightRequirements.map(\.name))
        }
        isSynthetic = true
      }
      let options = ImportOptions(
        shapes: try shapes(for: model), inputTypes: request.inputTypes, weights: lacksWeights ? weights : nil,
        entryName: entryName(path, graphs),
        syntheticSeed: request.syntheticSeed)
      progress("importing \(path)")
      graphs.append(try ONNXImporter.importModel(model, options: options))
      for file in model.files where !files.contains(file) { files.append(file) }
    }
    for file in weights?.files ?? [] where !files.contains(file) { files.append(file) }
    try checkShapes(graphs)
    return ImportedModels(
      graphs: graphs, sources: try SourceHash.sources(files), hasSyntheticWeights: isSynthetic)
  }

  private func checkReadable(_ path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return }
    throw CompilerError.unknownModel(path: path, why: "it is a folder without a model_index.json")
  }

  private func checkCheckpoint(_ folder: String) throws {
    if request.models.count > 1 {
      throw CompilerError.unknownModel(path: folder, why: "a checkpoint folder gives a plan of its own")
    }
    for (flag, isGiven) in [("--weights", !request.weights.isEmpty), ("--shape", !request.shapes.isEmpty)] where isGiven
    {
      throw CompilerError.checkpointFlag(flag, isCheckpoint: true)
    }
  }

  /// The file's base name; a number follows where two files share it.
  private func entryName(_ path: String, _ graphs: [Graph]) -> String {
    let base = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    let taken = Set(graphs.map(\.name))
    var name = base
    var number = 2
    while taken.contains(name) {
      name = "\(base)_\(number)"
      number += 1
    }
    return name
  }

  /// The sizes given for inputs that this model has.
  private func shapes(for model: ONNXModel) throws -> [String: [Int]] {
    let names = Set(model.graph.inputs.map(\.name))
    return request.shapes.filter { names.contains($0.key) }
  }

  private func checkShapes(_ graphs: [Graph]) throws {
    let known = graphs.flatMap { graph in graph.inputs.map { graph[$0].name } }
    for name in request.shapes.keys.sorted() where !known.contains(name) {
      throw CompilerError.unknownInput(name, known: known)
    }
  }
}
