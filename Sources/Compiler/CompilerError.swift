import SwagePartition
import SwageTensor

public enum CompilerError: SwageError {
  /// A node reached lowering without a target: a bug.
  case unassigned(op: String, sources: [Source])
  /// The path names nothing the compiler reads.
  case unknownModel(path: String, why: String)
  /// A graph comes without weights, and none were given.
  case missingWeights(String, [String])
  /// `--shape` names an input that the model does not have.
  case unknownInput(String, known: [String])
  /// A flag for checkpoint folders with another model, or the other way round.
  case checkpointFlag(String, isCheckpoint: Bool)

  public var diagnostics: [Diagnostic] {
    switch self {
    case .unassigned(let op, let sources):
      [
        Diagnostic(
          fault: .bug, code: "compiler-unassigned", what: "\(op) has no target",
          place: .init(node: sources.first?.name), remedy: "this is a bug in swage: report it with the model")
      ]
    case .unknownModel(let path, let why):
      [
        Diagnostic(
          code: "model-unknown", what: "\(path) is no model that swage reads", place: .init(file: path), why: why,
          remedy: "give an .onnx file, a graph with --weights FILE.safetensors, or a checkpoint folder of diffusers")
      ]
    case .missingWeights(let path, let names):
      [
        Diagnostic(
          code: "weights-missing", what: "\(path) holds no weights, and none are given", place: .init(file: path),
          why:
            "\(names.count) initialisers need data: \(names.prefix(8).joined(separator: ", "))\(names.count > 8 ? ", …" : "")",
          remedy: "name the checkpoint with --weights FILE.safetensors, or time it with --synthetic-weights 1")
      ]
    case .checkpointFlag(let flag, let isCheckpoint):
      [
        Diagnostic(
          fault: .usage, code: "usage-checkpoint",
          what: isCheckpoint
            ? "\(flag) is not for checkpoint folders" : "\(flag) is for checkpoint folders, and the model is none",
          place: .init(flag: flag),
          remedy: isCheckpoint
            ? "leave it out; --size and --batch fix sizes, --variant chooses weights"
            : "leave it out; --shape fixes sizes of other models")
      ]
    case .unknownInput(let name, let known):
      [
        Diagnostic(
          fault: .usage, code: "usage-shape", what: "the model has no input \(name)", place: .init(flag: "--shape"),
          remedy: "its inputs are \(known.joined(separator: ", "))")
      ]
    }
  }
}
