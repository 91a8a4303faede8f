import SwageTensor

extension ONNXModel {
  /// The initializers whose elements a checkpoint must give, nested graphs' included: each name once, in file order.
  public var weightRequirements: [WeightRequirement] {
    var requirements: [WeightRequirement] = []
    var seen: Set<String> = []
    func collect(_ graph: ONNXGraph) {
      for tensor in graph.initializers where tensor.isWeightless {
        guard seen.insert(tensor.name).inserted else { continue }
        requirements.append(
          WeightRequirement(tensor.name, TensorType(tensor.elementType, sizes: tensor.shape)))
      }
      for node in graph.nodes { node.graphs.forEach(collect) }
    }
    collect(graph)
    for function in functions {
      for node in function.nodes { node.graphs.forEach(collect) }
    }
    return requirements
  }

  /// The model with the checkpoint's tensors in its weightless initializers, bound by name. `WeightSet.bind` says what
  /// must fit, and what is thrown.
  public func bound(
    to weights: WeightSet, allowConversion: Bool = false, allowUnused: Bool = false
  ) throws(WeightBindingError) -> ONNXModel {
    let requirements = weightRequirements
    let tensors = try weights.bind(requirements, allowConversion: allowConversion, allowUnused: allowUnused)
    let byName = Dictionary(zip(requirements.map(\.name), tensors)) { first, _ in first }
    var model = self
    model.graph.bind(byName)
    for index in model.functions.indices {
      for node in model.functions[index].nodes.indices { model.functions[index].nodes[node].bindGraphs(byName) }
    }
    model.files += weights.files
    return model
  }
}

extension ONNXTensor {
  public var isWeightless: Bool { if case .weightless = content { true } else { false } }
}

extension ONNXGraph {
  fileprivate mutating func bind(_ tensors: [String: Tensor]) {
    for index in initializers.indices where initializers[index].isWeightless {
      guard let tensor = tensors[initializers[index].name] else { continue }
      initializers[index].content = .tensor(tensor)
    }
    for index in nodes.indices where nodes[index].hasGraphs { nodes[index].bindGraphs(tensors) }
  }
}

extension ONNXNode {
  fileprivate mutating func bindGraphs(_ tensors: [String: Tensor]) {
    for index in attributes.indices {
      switch attributes[index].value {
      case .graph(var graph):
        graph.bind(tensors)
        attributes[index].value = .graph(graph)
      case .graphs(var graphs):
        for position in graphs.indices { graphs[position].bind(tensors) }
        attributes[index].value = .graphs(graphs)
      default: break
      }
    }
  }
}
