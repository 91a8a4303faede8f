import SwageGraph
import SwageTensor

/// A graph as it stood after one step of the compiler, with what the step did. The first stage of a report is the
/// imported graph.
public struct InspectedStage: Sendable {
  /// How the step is called: `import`, a pass, `partition`.
  public var name: String
  public var rewrites: Int
  /// Nodes of the graph and of nested graphs.
  public var nodesBefore: Int
  public var nodesAfter: Int
  /// Work after the step, as expressions in the symbols of the graph.
  public var flops: Dim
  public var bytes: Dim
  /// Time that the step took.
  public var milliseconds: Double
  /// The graph after the step.
  public var graph: Graph
  /// Remarks of the step: what it left undone and why, how often each rule fired.
  public var notes: [String]

  public init(
    name: String, rewrites: Int, nodesBefore: Int, nodesAfter: Int, flops: Dim, bytes: Dim, milliseconds: Double,
    graph: Graph, notes: [String] = []
  ) {
    self.name = name
    self.rewrites = rewrites
    self.nodesBefore = nodesBefore
    self.nodesAfter = nodesAfter
    self.flops = flops
    self.bytes = bytes
    self.milliseconds = milliseconds
    self.graph = graph
    self.notes = notes
  }

  /// A graph that no pass made, or one whose pass left no record; work and nodes are counted here.
  public init(name: String, graph: Graph) {
    var nodes = 0
    graph.forEachNode { _, _ in nodes += 1 }
    self.init(
      name: name, rewrites: 0, nodesBefore: nodes, nodesAfter: nodes,
      flops: WorkTotal.sum(graph.nodes.map { graph.flops(of: $0) }),
      bytes: WorkTotal.sum(graph.nodes.map { graph.bytes(of: $0) }), milliseconds: 0, graph: graph)
  }
}

enum WorkTotal {
  /// The sum; equal expressions are counted first, since graphs repeat a few of them many times.
  static func sum(_ work: [Dim]) -> Dim {
    var counts: [Dim: Int] = [:]
    var distinct: [Dim] = []
    for value in work where value != 0 {
      if counts[value] == nil { distinct.append(value) }
      counts[value, default: 0] += 1
    }
    return distinct.reduce(0) { $0 + $1 * Dim(counts[$1] ?? 0) }
  }
}
