import Foundation
import Swage
import Testing

/// A small Stable Diffusion checkpoint in a folder of its own, with made-up weights under the names that the shipped tiny
/// graphs need; removed with its last user.
final class TinyCheckpoint {
  enum Layout { case full, half, shards, halfShards }

  static let graphs = Digits.root + "/Tests/CompilerTests/Checkpoints"
  let path: String
  let graphFolder: String
  private(set) var weights: [String: [String: Tensor]] = [:]

  static func components(_ name: String) -> [(folder: String, entries: [String])] {
    let text = name == "tiny-xl" ? ["text_encoder", "text_encoder_2"] : ["text_encoder"]
    return text.map { ($0, [$0]) } + [("unet", ["unet"]), ("vae", ["vae_decoder", "vae_encoder"])]
  }

  init(_ name: String = "tiny", _ layout: Layout? = .full) throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("swage-\(UUID().uuidString)").path
    graphFolder = Self.graphs + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for file in ["model_index.json", "scheduler/scheduler_config.json"] { try copy(file) }
    for (folder, entries) in Self.components(name) {
      try copy(folder + "/config.json")
      var tensors: [String: Tensor] = [:]
      for entry in entries {
        for need in try ONNXModel.load(path: graphFolder + "/\(entry).onnx").weightRequirements {
          tensors[need.name] = Self.tensor(need)
        }
      }
      weights[folder] = tensors
      if let layout { try write(folder, layout) }
    }
    for tokenizer in name == "tiny-xl" ? ["tokenizer", "tokenizer_2"] : ["tokenizer"] {
      try write(Array("{\"a\": 0}".utf8), to: tokenizer + "/vocab.json")
      try write(Array("#version: 0.2\n".utf8), to: tokenizer + "/merges.txt")
      try write(Array("{}".utf8), to: tokenizer + "/tokenizer_config.json")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Numbers that f16 holds, of a size that keeps activations of order one.
  private static func tensor(_ need: WeightRequirement) -> Tensor {
    let shape = need.type.staticShape ?? []
    let count = shape.reduce(1, *)
    var state = UInt64(count) &+ need.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) }
    let scale = shape.count < 2 ? 0.1 : 1 / Double(max(count / shape[0], 1)).squareRoot()
    let offset = shape.count < 2 && need.name.hasSuffix("weight") ? 1.0 : 0
    let values = (0..<count).map { _ -> Double in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (Double(state >> 40) / Double(1 << 24) * 3.4 - 1.7) * scale + offset
    }
    return Tensor(.f32, shape, doubles: Tensor(.f16, shape, doubles: values).doubles)
  }

  // MARK: - Files

  private func copy(_ file: String) throws {
    try write(Array(try Data(contentsOf: URL(fileURLWithPath: graphFolder + "/" + file))), to: file)
  }

  func write(_ bytes: [UInt8], to file: String) throws {
    let url = URL(fileURLWithPath: path + "/" + file)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func text(_ file: String) throws -> String { try String(contentsOfFile: path + "/" + file, encoding: .utf8) }

  /// Replaces text in a file; the text must be there.
  func edit(_ file: String, _ old: String, _ new: String) throws {
    let text = try text(file)
    #expect(text.contains(old))
    try write(Array(text.replacingOccurrences(of: old, with: new).utf8), to: file)
  }

  func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: path + "/" + file) }

  /// Writes the weights of a part again after a change.
  func rewrite(_ part: String, _ change: (inout [String: Tensor]) -> Void) throws {
    change(&weights[part, default: [:]])
    try write(part, .full)
  }

  func write(_ part: String, _ layout: Layout) throws {
    let tensors = weights[part] ?? [:]
    let stem = part.hasPrefix("text_encoder") ? "model" : "diffusion_pytorch_model"
    let isHalf = layout == .half || layout == .halfShards
    let converted = isHalf ? tensors.mapValues { Tensor(.f16, $0.shape, doubles: $0.doubles) } : tensors
    switch layout {
    case .full: try write(Self.safetensors(converted), to: "\(part)/\(stem).safetensors")
    case .half: try write(Self.safetensors(converted), to: "\(part)/\(stem).fp16.safetensors")
    case .shards, .halfShards:
      let names = converted.keys.sorted()
      var map: [String] = []
      for shard in 0..<2 {
        let file = "\(stem)\(isHalf ? ".fp16" : "")-0000\(shard + 1)-of-00002.safetensors"
        let own = names.enumerated().filter { $0.offset % 2 == shard }.map(\.element)
        try write(Self.safetensors(converted.filter { own.contains($0.key) }), to: "\(part)/\(file)")
        map += own.map { "\"\($0)\": \"\(file)\"" }
      }
      let index = "{\"metadata\": {}, \"weight_map\": {\(map.joined(separator: ", "))}}"
      try write(Array(index.utf8), to: "\(part)/\(stem).safetensors.index.\(isHalf ? "fp16." : "")json")
    }
  }

  static func safetensors(_ tensors: [String: Tensor]) -> [UInt8] {
    var entries: [String] = []
    var data: [UInt8] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      let start = data.count
      tensor.withBytes { data += Array($0) }
      let type = tensor.elementType.name.uppercased()
      entries.append(
        "\"\(name)\": {\"dtype\": \"\(type)\", \"shape\": \(tensor.shape), \"data_offsets\": [\(start), \(data.count)]}"
      )
    }
    let header = Array("{\(entries.joined(separator: ", "))}".utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + data
  }

  // MARK: - Compiling

  func request(
    targets: [String] = ["reference"], seed: UInt64? = nil, checkpoint: CheckpointOptions = CheckpointOptions()
  ) -> CompileRequest {
    var options = checkpoint
    options.graphFolders.append(Self.graphs)
    return CompileRequest(models: [path], targets: targets, syntheticSeed: seed, checkpoint: options)
  }

  func plan(seed: UInt64? = nil, _ options: CheckpointOptions = CheckpointOptions()) throws -> Plan {
    let plan = try Compiler(request(seed: seed, checkpoint: options)).compile().plan
    try PlanValidator.validate(plan)
    return plan
  }

  /// The diagnostics of importing the folder.
  func diagnostics(seed: UInt64? = nil, _ options: CheckpointOptions = CheckpointOptions()) -> [Diagnostic] {
    do {
      _ = try Compiler(request(seed: seed, checkpoint: options)).importGraphs()
      return []
    } catch let error as any SwageError {
      return error.diagnostics
    } catch {
      return [Diagnostic(code: "untyped", what: "\(error)")]
    }
  }
}
