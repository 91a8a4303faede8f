import SwageGraph
import SwageTensor

/// A graph with inputs: one set, or several for different sizes of its symbols.
public struct FuzzCase: Sendable {
  public var graph: Graph
  public var runs: [[String: Tensor]]
  /// What the reference evaluator gives for the graph as it is, for each set of inputs.
  public private(set) var expected: [[Tensor]]

  /// - Throws: `GraphError` where the evaluator refuses the inputs.
  public init(graph: Graph, runs: [[String: Tensor]]) throws {
    self.graph = graph
    self.runs = runs
    expected = try runs.map { try Self.evaluate(graph, $0) }
  }

  init(graph: Graph, runs: [[String: Tensor]], expected: [[Tensor]]) {
    self.graph = graph
    self.runs = runs
    self.expected = expected
  }

  /// The outputs in order.
  static func evaluate(_ graph: Graph, _ inputs: [String: Tensor]) throws -> [Tensor] {
    let tensors = try graph.inputs.map { input -> Tensor in
      guard let tensor = inputs[graph[input].name] else {
        throw GraphError.evaluation(op: graph.name, message: "input \(graph[input].name) is missing")
      }
      return tensor
    }
    var context = EvaluationContext()
    return try Evaluator.run(graph, tensors, &context)
  }
}
