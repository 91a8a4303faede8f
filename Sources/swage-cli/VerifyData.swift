import Foundation
import Swage

/// One `test_data_set_N`: files `input_I.pb` and `output_I.pb`, in the order of the model's inputs and outputs.
struct VerifyData {
  /// By name; inputs without a file are left out.
  var inputs: [String: HostValue] = [:]
  /// Names and values that the run must give.
  var outputs: [(name: String, value: HostValue)] = []
  /// The types of the inputs whose declared types leave a rank open, with the ranks of the data.
  var openTypes: [String: ValueType] = [:]

  init(folder: String, model: ONNXModel) throws {
    // Before IR version 4 initialisers stand among the inputs; files are for the others.
    let constants = Set(model.graph.initializers.map(\.name))
    for (index, info) in model.graph.inputs.filter({ !constants.contains($0.name) }).enumerated() {
      guard let (type, value) = try Self.read("\(folder)/input_\(index).pb", info) else { continue }
      inputs[info.name] = value
      let refined = type.refined(by: value)
      if refined != type { openTypes[info.name] = refined }
    }
    for (index, info) in model.graph.outputs.enumerated() {
      if let (_, value) = try Self.read("\(folder)/output_\(index).pb", info) { outputs.append((info.name, value)) }
    }
  }

  private static func read(_ path: String, _ info: ONNXValueInfo) throws -> (ValueType, HostValue)? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let type = info.type.flatMap { ValueType($0) } ?? .tensor(.f32, .any)
    return (type, try HostValueFile.read(path: path, as: type))
  }
}

extension ValueType {
  /// The type with the ranks that a value has, where they are open.
  fileprivate func refined(by value: HostValue) -> ValueType {
    switch (self, value) {
    case (.tensor(let type, .any), .tensor(let tensor)):
      return .tensor(type, .sizes([Int?](repeating: nil, count: tensor.shape.count)))
    case (.sequence(let type), .sequence(let items)):
      let types = items.map { type.refined(by: $0) }
      return types.dropFirst().reduce(types.first) { $0?.joined($1) }.map { .sequence($0) } ?? self
    case (.optional(let type), .optional(let inner?)): return .optional(type.refined(by: inner))
    default: return self
    }
  }
}

/// How far floats may differ: as `data.json` beside the model says, else as the user does.
struct VerifyTolerance {
  var rtol: Double
  var atol: Double

  init(folder: String, rtol: Double, atol: Double) throws {
    self.rtol = rtol
    self.atol = atol
    struct Settings: Decodable {
      var rtol: Double?
      var atol: Double?
    }
    let path = folder + "/data.json"
    guard let bytes = FileManager.default.contents(atPath: path) else { return }
    guard let settings = try? JSONDecoder().decode(Settings.self, from: bytes) else {
      throw Diagnostic(
        code: "verify-settings", what: "the tolerances of a case cannot be read", place: .init(file: path),
        why: "it is not {\"rtol\": number, \"atol\": number}", remedy: "correct the file, or remove it")
    }
    self.rtol = settings.rtol ?? rtol
    self.atol = settings.atol ?? atol
  }
}
