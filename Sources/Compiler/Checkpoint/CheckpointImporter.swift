import Foundation
import SwageFrontend
import SwageGraph
import SwagePasses
import SwagePlan
import SwageTensor

/// Reads a checkpoint folder: the graph of every part with its weights, and the files that the run side needs.
///
/// The graph of a part is, in this order: `model.onnx` in the part's folder, with weights or without; the graph that the
/// library has for the part's architecture. Weights are bound by name; see `ComponentWeights` for the names.
struct CheckpointImporter {
  private let request: CompileRequest
  let folder: DiffusersFolder
  private(set) var description: PipelineDescription
  private(set) var notes: [String]
  private var library: GraphLibrary?
  private var sources: [String] = []

  init(_ request: CompileRequest, path: String) throws {
    self.request = request
    folder = try DiffusersFolder(path: path, variant: request.checkpoint.variant)
    notes = folder.notes
    description = try PipelineDescription(of: folder, options: request.checkpoint)
    sources = [folder.index.path] + folder.components.map(\.configuration.path)
  }

  /// What is read of one part before its graph is built.
  private struct Loaded {
    var part: CheckpointPart
    var file: String
    var model: ONNXModel
    var weights: WeightSet?
  }

  mutating func run(progress: (String) -> Void) throws -> ImportedModels {
    try dropMissingEncoder()
    var loaded = try loadGraphs(progress)
    let isSynthetic = try bindWeights(&loaded)
    let attachments = try self.attachments()
    var graphs: [Graph] = []
    for item in loaded {
      progress("importing \(item.part.name)")
      let options = ImportOptions(
        weights: item.weights, entryName: item.part.name, syntheticSeed: request.syntheticSeed)
      let graph = try item.part.shaped(try ONNXImporter.importModel(item.model, options: options), file: item.file)
      graphs += item.part.name == "unet" ? try split(graph, progress) : [graph]
    }
    progress("hashing \(folder.path)")
    return ImportedModels(
      graphs: graphs, sources: try hashes(), hasSyntheticWeights: isSynthetic, attachments: attachments, notes: notes)
  }

  // MARK: - Graphs

  private func ownGraph(_ name: String) -> String? {
    let path = folder.path + "/" + name + "/model.onnx"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }

  /// Exports of optimum need not have an encoder.
  mutating func dropMissingEncoder() throws {
    guard description.hasEncoder, ownGraph("vae_decoder") != nil, ownGraph("vae_encoder") == nil,
      folder.component("vae")?.weightFiles.isEmpty == true
    else { return }
    description.hasEncoder = false
    notes.append("there is no vae_encoder: the plan makes pictures from text alone")
  }

  private mutating func loadGraphs(_ progress: (String) -> Void) throws -> [Loaded] {
    var loaded: [Loaded] = []
    for part in CheckpointPart.parts(of: description) {
      let file = try graphFile(part)
      progress("reading \(file)")
      loaded.append(Loaded(part: part, file: file, model: try ONNXModel.load(path: file)))
    }
    sources += loaded.flatMap(\.model.files)
    return loaded
  }

  /// The path of a part's graph.
  mutating func graphFile(_ part: CheckpointPart) throws -> String {
    if let own = ownGraph(part.name) { return own }
    guard let component = folder.component(part.component) else {
      throw DiffusersError.missingPart(folder: folder.path, part: part.component, reason: "it was not read")
    }
    let graphs =
      try library
      ?? GraphLibrary(folders: [folder.path] + request.checkpoint.graphFolders + GraphLibrary.defaultFolders)
    library = graphs
    return try graphs.graph(part.name, for: component, of: folder)
  }

  /// Binds every component's tensors to the graphs that need them. Returns whether some are made up.
  private mutating func bindWeights(_ loaded: inout [Loaded]) throws -> Bool {
    var isSynthetic = false
    var diagnostics: [Diagnostic] = []
    for component in folder.components {
      let indices = loaded.indices.filter {
        loaded[$0].part.component == component.name && !loaded[$0].model.weightRequirements.isEmpty
      }
      guard !indices.isEmpty else { continue }
      guard !component.weightFiles.isEmpty else {
        guard request.syntheticSeed != nil else {
          throw DiffusersError.weights(folder: folder.path, part: component.name, variant: nil, found: [])
        }
        isSynthetic = true
        continue
      }
      var weights = ComponentWeights(
        component: component.name, weights: try Safetensors.load(paths: component.weightFiles))
      for index in indices {
        let requirements = loaded[index].model.weightRequirements
        let bound = weights.bind(requirements)
        if requirements.contains(where: { bound[$0.name] == nil }) { isSynthetic = request.syntheticSeed != nil }
        loaded[index].weights = bound
      }
      sources += weights.files
      do {
        try weights.check(allowMissing: request.syntheticSeed != nil) { isUnneeded($0, component) }
      } catch let error as WeightBindingError {
        diagnostics += error.diagnostics
      }
    }
    guard diagnostics.isEmpty else { throw DiagnosticList(diagnostics) }
    return isSynthetic
  }

  /// Tensors that the graphs leave out on purpose: the last layer of an encoder whose output is the hidden state before
  /// it, projections that the pipeline does not use, and the encoder of a VAE that only decodes.
  private func isUnneeded(_ tensor: String, _ component: DiffusersFolder.Component) -> Bool {
    if component.name == "vae" {
      return !description.hasEncoder && ["encoder.", "quant_conv."].contains { tensor.hasPrefix($0) }
    }
    guard let encoder = description.textEncoders.first(where: { $0.entryPoint == component.name }),
      encoder.pooled == nil
    else { return tensor == "logit_scale" }
    if tensor.hasPrefix("text_projection.") || tensor == "logit_scale" { return true }
    guard encoder.embedding.hasPrefix("hidden_states."), let last = Int(encoder.embedding.dropFirst(14)) else {
      return false
    }
    return tensor.contains("encoder.layers.\(last).") || tensor.contains("final_layer_norm.")
  }

  /// The UNet, and before it what is the same for every step.
  private func split(_ graph: Graph, _ progress: (String) -> Void) throws -> [Graph] {
    progress("unet: finding what depends on the prompt alone")
    var simplified = graph
    try Pipeline.simplifying.run(&simplified, options: PipelineOptions(precision: request.precision))
    let varying: Set = ["sample", "timestep", "timestep_cond"]
    guard let parts = try InvariantSplit.split(simplified, varying: varying, name: "unet_prompt") else {
      return [graph]
    }
    return [parts.invariant, parts.varying]
  }

  // MARK: - Files for the run side

  mutating func attachments() throws -> [PlanAttachment] {
    var attachments = [try description.attachment()]
    let scheduler = try JSONFile(path: folder.path + "/" + PipelineDescription.schedulerAttachmentName)
    sources.append(scheduler.path)
    attachments.append(
      PlanAttachment(
        name: PipelineDescription.schedulerAttachmentName,
        bytes: try MappedFile(path: scheduler.path).withBytes { Array($0) }))
    for encoder in description.textEncoders {
      let tokenizer = try TokenizerFiles.read(folder: folder.path + "/" + encoder.tokenizer)
      if tokenizer.files.isEmpty {
        notes.append("there is no \(encoder.tokenizer): the plan takes tokens, not prompts")
      }
      sources += tokenizer.sources
      attachments += tokenizer.files.map { PlanAttachment(name: encoder.tokenizer + "/" + $0.name, bytes: $0.bytes) }
    }
    return attachments
  }

  /// Digests of all files, named by their places in the folder.
  private func hashes() throws -> [Provenance.Source] {
    var seen: Set<String> = []
    return try sources.filter { seen.insert($0).inserted }.map { path in
      let inside = path.hasPrefix(folder.path + "/")
      let name = inside ? String(path.dropFirst(folder.path.count + 1)) : URL(fileURLWithPath: path).lastPathComponent
      return Provenance.Source(name: name, sha256: try SHA256.hexDigest(ofFile: path))
    }
  }
}
