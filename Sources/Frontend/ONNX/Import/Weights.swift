import SwageTensor

// Graphs without weights: initialisers that have a type only take their elements from a checkpoint.
extension ONNXImporter {
  /// Elements for every tensor that the file has no data for, by name.
  func bindWeights() throws -> [String: Tensor] {
    var requirements: [WeightRequirement] = []
    var names: Set<String> = []
    collectWeightless(model.graph) { tensor in
      guard names.insert(tensor.name).inserted else { return }
      requirements.append(
        WeightRequirement(tensor.name, TensorType(tensor.elementType, sizes: tensor.shape)))
    }
    if let checkpoint = options.weights {
      guard let seed = options.syntheticSeed else {
        let tensors = try checkpoint.bind(requirements)
        return Dictionary(zip(requirements.map(\.name), tensors), uniquingKeysWith: { first, _ in first })
      }
      // With a seed, what the checkpoint lacks is made up.
      let present = requirements.filter { checkpoint[$0.name] != nil }
      let tensors = try checkpoint.bind(present)
      var result = Dictionary(zip(present.map(\.name), tensors), uniquingKeysWith: { first, _ in first })
      for requirement in requirements where result[requirement.name] == nil {
        result[requirement.name] = try SyntheticWeights.tensor(requirement, seed: seed)
      }
      return result
    }
    guard !requirements.isEmpty else { return [:] }
    guard let seed = options.syntheticSeed else { throw ImportError.missingWeights(requirements.map(\.name)) }
    var result: [String: Tensor] = [:]
    for requirement in requirements { result[requirement.name] = try SyntheticWeights.tensor(requirement, seed: seed) }
    return result
  }

  private func collectWeightless(_ graph: ONNXGraph, _ body: (ONNXTensor) -> Void) {
    for initializer in graph.initializers { if case .weightless = initializer.content { body(initializer) } }
    for node in graph.nodes {
      for attribute in node.attributes {
        switch attribute.value {
        case .graph(let inner): collectWeightless(inner, body)
        case .graphs(let all): for inner in all { collectWeightless(inner, body) }
        default: break
        }
      }
    }
  }
}

/// Made-up weights for timing: normal numbers with the variance that keeps activations of order one.
enum SyntheticWeights {
  static func tensor(_ requirement: WeightRequirement, seed: UInt64) throws -> Tensor {
    let type = requirement.type
    guard let shape = type.staticShape, let count = Checked.product(shape), count <= 1 << 30,
      type.elementType.byteCount(elements: count) != nil, type.elementType != .string
    else {
      throw ImportError.port(
        name: requirement.name, reason: "\(type) is too large to make up", remedy: "bind a checkpoint with --weights")
    }
    guard type.elementType.isFloat else { return Tensor(zeros: type.elementType, shape) }
    var random = SplitMix(state: requirement.name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    // Vectors are scales or offsets; matrices and kernels multiply.
    let fanIn = shape.count < 2 ? 0 : max(shape.count == 2 ? max(shape[0], shape[1]) : count / max(shape[0], 1), 1)
    let deviation = fanIn == 0 ? 0.01 : (1 / Double(fanIn)).squareRoot()
    let lower = requirement.name.lowercased()
    let isScale =
      fanIn == 0 && ["weight", "scale", "gamma", "var"].contains { lower.contains($0) } && !lower.contains("bias")
    var result = Tensor(zeros: type.elementType, shape)
    result.withMutableBytes { bytes in
      for index in 0..<count {
        let value = random.normal() * deviation + (isScale ? 1 : 0)
        ScalarCoding.store(value, type.elementType, bytes, index)
      }
    }
    return result
  }

  private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }

    /// Close to normal: the sum of four uniform numbers, scaled to variance one.
    mutating func normal() -> Double {
      let bits = next()
      var sum = 0.0
      for part in 0..<4 { sum += Double((bits >> UInt64(part * 16)) & 0xFFFF) / 65536 }
      return (sum - 2) * 3.0.squareRoot()
    }
  }
}
