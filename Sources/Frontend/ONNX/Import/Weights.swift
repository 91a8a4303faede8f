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
