import SwageTensor

/// A checkpoint folder that cannot be compiled.
public enum DiffusersError: SwageError, Hashable {
  /// A file is no JSON object.
  case json(file: String, offset: Int?, reason: String)
  /// A key of a configuration file has no value that can be used.
  case configuration(file: String, key: String, reason: String)
  /// `_class_name` of model_index.json is missing or unknown.
  case pipeline(file: String, name: String?, known: [String])
  /// A part of the pipeline is not in the folder.
  case missingPart(folder: String, part: String, reason: String)
  /// The part's class has no graph.
  case partClass(file: String, part: String, name: String, known: [String])
  /// A part has no weight file, or not the variant asked for.
  case weights(folder: String, part: String, variant: String?, found: [String])
  /// No graph of the library fits the part; the nearest is named, with what differs.
  case architecture(folder: String, part: String, className: String, nearest: String?, differences: [String])
  /// There is no graph library.
  case noGraphs(folder: String, searched: [String])
  /// architecture.json is malformed.
  case library(file: String, reason: String)
  /// A graph does not have the ports of its entry point.
  case ports(file: String, part: String, reason: String)
  /// `--size` or `--batch` does not fit the model.
  case specialisation(flag: String, reason: String)

  public var diagnostics: [Diagnostic] { [diagnostic] }

  private var diagnostic: Diagnostic {
    switch self {
    case .json(let file, let offset, let reason):
      Diagnostic(
        code: "checkpoint-json", what: "a file of the checkpoint is malformed JSON",
        place: .init(file: file, byteOffset: offset), why: reason, remedy: "fetch or save the checkpoint again")
    case .configuration(let file, let key, let reason):
      Diagnostic(
        code: "checkpoint-configuration", what: "a setting of the checkpoint cannot be used",
        place: .init(file: file, value: key), why: reason, remedy: "fetch or save the checkpoint again")
    case .pipeline(let file, let name, let known):
      Diagnostic(
        code: "checkpoint-pipeline",
        what: name.map { "the pipeline \($0) is not one that swage compiles" } ?? "the pipeline has no _class_name",
        place: .init(file: file, value: "_class_name"), why: "known are \(known.joined(separator: ", "))",
        remedy: "give a Stable Diffusion checkpoint, or compile the ONNX files of its parts one by one")
    case .missingPart(let folder, let part, let reason):
      Diagnostic(
        code: "checkpoint-part", what: "the checkpoint lacks its part \(part)",
        place: .init(file: folder + "/" + part), why: reason,
        remedy: "fetch all folders that model_index.json names, or save the pipeline again")
    case .partClass(let file, let part, let name, let known):
      Diagnostic(
        code: "checkpoint-class", what: "\(part) is of the class \(name), which swage does not know",
        place: .init(file: file, value: part), why: "known for \(part) is \(known.joined(separator: " or "))",
        remedy: "put an exported graph into the checkpoint as \(part)/model.onnx")
    case .weights(let folder, let part, let variant, let found):
      Diagnostic(
        code: "checkpoint-weights",
        what: "\(part) has no weights" + (variant.map { " of the variant \($0)" } ?? ""),
        place: .init(file: folder + "/" + part),
        why: found.isEmpty
          ? "there is no .safetensors file" : "its weight files are \(found.joined(separator: ", "))",
        remedy: variant == nil
          ? found.isEmpty
            ? "fetch the safetensors files, or time the model with --synthetic-weights 1"
            : "choose one of the variants with --variant NAME"
          : "leave --variant out, or fetch the files of this variant")
    case .architecture(let folder, let part, let name, let nearest, let differences):
      Diagnostic(
        code: "checkpoint-architecture", what: "there is no graph for \(part), a \(name) of this architecture",
        place: .init(file: folder + "/" + part),
        why: nearest.map { "the nearest is \($0), which differs in \(differences.joined(separator: "; "))" },
        remedy: "export its graphs: python graphs/export.py \(folder) --name NAME --output DIR, then compile with "
          + "--graphs DIR")
    case .noGraphs(let folder, let searched):
      Diagnostic(
        code: "checkpoint-graphs", what: "there is no graph library for the checkpoint", place: .init(file: folder),
        why: "no folder with an architecture.json lies in \(searched.joined(separator: ", "))",
        remedy: "name the folder graphs of the swage sources with --graphs DIR or in SWAGE_GRAPHS")
    case .library(let file, let reason):
      Diagnostic(
        code: "checkpoint-graphs", what: "the description of a graph is malformed", place: .init(file: file),
        why: reason, remedy: "export the graphs again with graphs/export.py")
    case .ports(let file, let part, let reason):
      Diagnostic(
        code: "checkpoint-ports", what: "the graph of \(part) is not one of a Stable Diffusion checkpoint",
        place: .init(file: file), why: reason, remedy: "export the graph again with graphs/export.py or optimum")
    case .specialisation(let flag, let reason):
      Diagnostic(
        fault: .usage, code: "usage-size", what: "the model cannot be compiled for this \(flag)",
        place: .init(flag: flag), why: reason, remedy: "give another value, or leave the flag out")
    }
  }
}
