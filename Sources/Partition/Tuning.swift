@_exported import SwageGraph
import SwageTensor

/// One of the ways in which a target can compute a node: `panels`, `library`.
public struct KernelChoice: Hashable, Sendable, CustomStringConvertible {
  public let name: String
  public init(_ name: String) { self.name = name }
  public var description: String { name }
}

/// A node alone: what is measured in its place.
///
///     graph "node" (%0 "0": f32[1, 56, 56, 64]) { %1 = constant …  %2 = convolution(%0, %1) {…} … }
public struct NodeSignature: Sendable {
  /// The node on inputs, one for each value that it reads, and on its constants.
  public let graph: Graph
  /// The graph's text without the elements of constants: nodes with the same text are computed by the same kernels.
  public let text: String
  /// Whether all sizes are known.
  public let isStatic: Bool

  /// `convolution f32[1, 56, 56, 64], f32[64, 64, 3, 3]`
  public var summary: String {
    guard let node = graph.nodes.first(where: { if case .constant = $0.op { false } else { true } }) else { return "" }
    let types = node.operands.compactMap { $0.map { graph.type(of: $0).description } }
    return "\(node.op.mnemonic) \(types.joined(separator: ", "))"
  }

  /// Throws where the type rule refuses the node alone: its operands' sizes may be related by what stands before it.
  public init(_ node: Node, in graph: Graph) throws {
    var alone = Graph(name: "node")
    var values: [GraphValueID: GraphValueID] = [:]
    for operand in node.operands.compactMap({ $0 }) where values[operand] == nil {
      if let constant = graph.constant(operand) {
        values[operand] = try alone.constant(constant)
      } else {
        values[operand] = alone.addInput(name: "\(alone.inputs.count)", type: graph.type(of: operand))
      }
    }
    let results = try alone.append(
      node.op, node.operands.map { $0.flatMap { values[$0] } }, regions: node.regions,
      sources: [Source(name: "node", operatorName: node.op.mnemonic)])
    for (index, result) in results.enumerated() { alone.addOutput(result, name: "\(index)") }
    self.graph = alone
    text = GraphPrinter.text(alone, inlineLimit: 0, showsProvenance: false)
    isStatic = node.operands.compactMap { $0 }.allSatisfy { graph.type(of: $0).staticShape != nil }
  }
}

/// Something to choose: a node that a target can compute in several ways.
public struct TuningTask: Sendable {
  public let signature: NodeSignature
  public let target: String
  /// The cost model's choice first.
  public let choices: [KernelChoice]
  /// Nodes with this signature.
  public var count: Int

  public init(signature: NodeSignature, target: String, choices: [KernelChoice], count: Int = 1) {
    self.signature = signature
    self.target = target
    self.choices = choices
    self.count = count
  }
}

/// What was found for a task.
public struct TuningRecord: Sendable {
  public let task: TuningTask
  public let choice: KernelChoice
  /// Nanoseconds of one run, the lower quartile, for each choice that neither failed nor was given up early.
  public let times: [KernelChoice: Double]
  /// Whether an earlier call measured it.
  public let isKept: Bool

  public init(task: TuningTask, choice: KernelChoice, times: [KernelChoice: Double], isKept: Bool) {
    self.task = task
    self.choice = choice
    self.times = times
    self.isKept = isKept
  }
}

/// Decides tasks by measurement.
public protocol KernelTuner: Sendable {
  /// A record for each task, in order. `weightBytes` are those of the whole plan: how far from the processor weights are
  /// found when a run comes to them.
  func tune(_ tasks: [TuningTask], threads: Int, weightBytes: Int, progress: (String) -> Void) throws -> [TuningRecord]
}
