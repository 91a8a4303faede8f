import SwageFrontend
import SwagePartition
import SwageTensor

/// What became of each operator of a model: the operations it is part of, the targets that run them, or why there is no
/// way to run it. No kernel is compiled.
public struct OperatorCoverage: Sendable {
  public struct Row: Hashable, Sendable {
    /// The node's name in the model, or its operator and position where it has none.
    public var node: String
    public var operatorName: String
    /// Mnemonics of the operations after all passes that it is a source of, sorted; empty where nothing is left to run:
    /// views, constants, sizes.
    public var operations: [String] = []
    /// Names of the targets that run these, sorted; `interpreter` for views and control.
    public var targets: [String] = []
    /// Why it cannot run; nil where it can.
    public var refusal: String?
  }

  /// One row per node of the model, in the order in which the importer met them.
  public var rows: [Row]

  /// Imports a model, runs the passes and places every node.
  ///
  /// Nodes that have no translation are rows with a refusal, and then the only ones.
  /// - Throws: everything else that is wrong with the model.
  public static func of(model: String, targets: [String], weights: [String] = []) throws -> OperatorCoverage {
    let compiler = Compiler(CompileRequest(models: [model], weights: weights, targets: targets, syntheticSeed: 1))
    do {
      let imported = try compiler.importGraphs()
      var coverage = OperatorCoverage(rows: [])
      for original in imported.graphs {
        var graph = original
        _ = try compiler.optimize(&graph)
        coverage.add(imported: original, placed: try compiler.partition(graph).graph)
      }
      return coverage
    } catch ImportError.unsupported(let nodes) {
      return OperatorCoverage(
        rows: nodes.map { Row(node: $0.node, operatorName: $0.operatorName, refusal: $0.reason) })
    }
  }

  private mutating func add(imported: Graph, placed: Graph) {
    var order: [Source] = []
    var seen: Set<Source> = []
    Self.visit(imported) { node in
      for source in node.sources where seen.insert(source).inserted { order.append(source) }
    }
    var operations: [Source: Set<String>] = [:]
    var targets: [Source: Set<String>] = [:]
    Self.visit(placed) { node in
      if case .constant = node.op { return }
      for source in node.sources {
        operations[source, default: []].insert(node.op.mnemonic)
        targets[source, default: []].insert(node.target ?? "interpreter")
      }
    }
    rows += order.map { source in
      Row(
        node: source.name, operatorName: source.operatorName, operations: (operations[source] ?? []).sorted(),
        targets: (targets[source] ?? []).sorted())
    }
  }

  /// Visits all nodes; those inside a fused node run with it, and are not visited.
  private static func visit(_ graph: Graph, _ body: (Node) -> Void) {
    for node in graph.nodes {
      body(node)
      switch node.op {
      case .if, .loop: for region in node.regions { visit(region, body) }
      default: break
      }
    }
  }
}
