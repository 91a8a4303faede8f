import SwageTensor

/// Runs a graph on host tensors, one node after the other, with each operation's reference definition: the oracle of
/// all tests, the constant folder, and the reference device.
public enum Evaluator {
  /// Runs a whole graph on named inputs.
  ///
  /// - Throws: `GraphError.evaluation` naming the node; inputs must have the element types and ranks of the graph's.
  public static func run(_ graph: Graph, inputs: [String: Tensor]) throws -> [String: Tensor] {
    var context = EvaluationContext()
    let tensors = try graph.inputs.map { input -> Tensor in
      let name = graph[input].name
      guard let tensor = inputs[name] else {
        throw GraphError.evaluation(op: graph.name, message: "input \(name) is missing")
      }
      return tensor
    }
    let results = try run(graph, tensors, &context)
    return Dictionary(zip(graph.outputNames, results), uniquingKeysWith: { first, _ in first })
  }

  /// Runs a graph on inputs in order. Symbols of input types that have no value yet are bound from the sizes.
  public static func run(_ graph: Graph, _ inputs: [Tensor], _ context: inout EvaluationContext) throws -> [Tensor] {
    guard inputs.count == graph.inputs.count else {
      throw GraphError.evaluation(op: graph.name, message: "takes \(graph.inputs.count) inputs, got \(inputs.count)")
    }
    var values: [ValueID: Tensor] = [:]
    for (id, tensor) in zip(graph.inputs, inputs) {
      try bind(graph.type(of: id), tensor, name: graph[id].name, &context)
      values[id] = tensor
    }
    var lastUse: [ValueID: NodeID] = [:]
    for node in graph.nodes { for operand in node.operands { if let operand { lastUse[operand] = node.id } } }
    for output in graph.outputs { lastUse[output] = nil }
    for node in graph.nodes {
      let results = try evaluate(node, in: graph, node.operands.map { $0.flatMap { values[$0] } }, &context)
      for (id, tensor) in zip(node.results, results) { values[id] = tensor }
      for operand in node.operands { if let operand, lastUse[operand] == node.id { values[operand] = nil } }
    }
    return try graph.outputs.map { output in
      guard let tensor = values[output] else {
        throw GraphError.evaluation(op: graph.name, message: "output \(graph[output].name) has no value")
      }
      return tensor
    }
  }

  /// Evaluates one node.
  public static func evaluate(
    _ node: Node, in graph: Graph, _ operands: [Tensor?], _ context: inout EvaluationContext
  ) throws -> [Tensor] {
    let (regions, types) = (context.regions, context.resultTypes)
    context.regions = node.regions
    context.resultTypes = node.results.map { graph.type(of: $0) }
    defer { (context.regions, context.resultTypes) = (regions, types) }
    let observer = context.observer
    let operands = observer?.operands(of: node, operands) ?? operands
    do {
      try check(node, operands, context)
      let results = try node.op.definition.evaluate(operands, &context)
      return observer?.results(of: node, operands, results) ?? results
    } catch let fault as TypeFault {
      let place = node.sources.first.map { " (node \($0.name))" } ?? ""
      throw GraphError.evaluation(op: node.op.mnemonic + place, message: fault.message)
    }
  }

  /// Applies the type rule to the sizes at hand, so that what it took for granted holds before elements are touched, and
  /// refuses results that are too large. Nodes with regions are checked inside.
  private static func check(_ node: Node, _ operands: [Tensor?], _ context: EvaluationContext) throws {
    guard node.regions.isEmpty else { return }
    let values = context.symbols.mapValues { Dim($0) }
    var types = TypeContext(operands: operands.map { $0?.type })
    for type in try types.infer(node.op.substituting(values)) {
      if let shape = type.staticShape { try context.checkAllocation(type.elementType, shape) }
    }
  }

  private static func bind(
    _ type: TensorType, _ tensor: Tensor, name: String, _ context: inout EvaluationContext
  ) throws {
    guard type.elementType == tensor.elementType, type.rank == tensor.shape.count else {
      throw GraphError.evaluation(op: "input \(name)", message: "takes \(type), got \(tensor.type)")
    }
    for (dimension, size) in zip(type.shape, tensor.shape) {
      if let symbol = dimension.symbolName, context.symbols[symbol] == nil { context.symbols[symbol] = size }
    }
    for (dimension, size) in zip(type.shape, tensor.shape) {
      if let expected = dimension.evaluate(context.symbols), expected != size {
        throw GraphError.evaluation(op: "input \(name)", message: "takes \(type), got \(tensor.type)")
      }
    }
  }
}
