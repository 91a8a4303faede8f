import SwageTensor

/// Assigns nodes to targets and makes the copies at the borders visible as nodes.
public struct Partitioner {
  public enum Policy: Sendable {
    /// The assignment with the least estimated time, copies included.
    case cheapest
    /// Any target that takes the node, at random: for tests.
    case random(seed: UInt64)
  }

  /// The memory that inputs, outputs and conditions live in.
  public static let hostTarget = "cpu"

  private let targets: [any Target]
  private let policy: Policy
  private let hints: [String: Int]

  /// `targets` in order of preference: of equal costs the first one wins.
  public init(targets: [any Target], policy: Policy = .cheapest, sizeHints: [String: Int] = [:]) {
    self.targets = targets
    self.policy = policy
    hints = sizeHints
  }

  /// Returns the graph with targets set and copies inserted, and what each target said of each node.
  ///
  /// - Throws: `PartitionError.unsupported` that lists every node no target takes.
  public func partition(_ graph: Graph) throws -> (graph: Graph, report: PlacementReport) {
    var report = PlacementReport()
    var random = SplitMix64(seed: { if case .random(let seed) = policy { seed } else { 0 } }())
    var refused: [PartitionError.UnsupportedNode] = []
    let assigned = try assign(graph, &report, &random, &refused)
    guard refused.isEmpty else { throw PartitionError.unsupported(refused) }
    return (try insertCopies(assigned), report)
  }

  // MARK: - Assignment

  private func assign(
    _ graph: Graph, _ report: inout PlacementReport, _ random: inout SplitMix64,
    _ refused: inout [PartitionError.UnsupportedNode]
  ) throws -> Graph {
    var graph = graph
    var options: [NodeID: [(target: String, nanoseconds: Double)]] = [:]
    for node in Array(graph.nodes) {
      if Self.isControl(node.op) {
        var regions: [Graph] = []
        for region in node.regions { regions.append(try assign(region, &report, &random, &refused)) }
        graph.setRegions(regions, of: node.id)
        graph.setTarget(Self.hostTarget, of: node.id)
        continue
      }
      var row = PlacementReport.Row(node: node, in: graph)
      var choices: [(String, Double)] = []
      for target in targets {
        switch target.support(for: node, in: graph) {
        case .yes(let cost):
          let time = cost.nanoseconds(hints)
          row.answers.append(.init(target: target.name, nanoseconds: time, refusal: nil))
          choices.append((target.name, time))
        case .no(let refusal):
          row.answers.append(.init(target: target.name, nanoseconds: nil, refusal: refusal.reason))
        }
      }
      if choices.isEmpty {
        refused.append(.init(row))
      } else if case .random = policy {
        choices = [choices[Int(random.next() % UInt64(choices.count))]]
      }
      options[node.id] = choices
      report.rows.append(row)
    }
    for (id, choices) in options {
      if let best = choices.min(by: { $0.nanoseconds < $1.nanoseconds }) { graph.setTarget(best.target, of: id) }
    }
    improve(&graph, options)
    report.note(assignments: graph)
    return graph
  }

  /// Moves single nodes while the whole gets cheaper: a node between two on another target may follow them.
  private func improve(_ graph: inout Graph, _ options: [NodeID: [(target: String, nanoseconds: Double)]]) {
    for _ in 0..<4 {
      var changed = false
      for id in graph.order {
        guard let choices = options[id], choices.count > 1 else { continue }
        let current = graph[id].target
        let best = choices.min { total($0, id, graph) < total($1, id, graph) }
        if let best, best.target != current {
          graph.setTarget(best.target, of: id)
          changed = true
        }
      }
      if !changed { return }
    }
  }

  private func total(_ choice: (target: String, nanoseconds: Double), _ id: NodeID, _ graph: Graph) -> Double {
    let node = graph[id]
    var time = choice.nanoseconds
    for operand in node.operands {
      guard let operand, graph.constant(operand) == nil else { continue }
      let home = graph.producer(of: operand)?.target ?? Self.hostTarget
      if home != choice.target { time += copyTime(graph.type(of: operand)) }
    }
    for result in node.results {
      let readers = Set(graph.users(of: result).map { graph[$0].target ?? Self.hostTarget })
      for reader in readers where reader != choice.target { time += copyTime(graph.type(of: result)) }
      if graph.isOutput(result), choice.target != Self.hostTarget { time += copyTime(graph.type(of: result)) }
    }
    return time
  }

  /// A copy within host memory at 8 GB/s, after 300 ns.
  private func copyTime(_ type: TensorType) -> Double { Cost.estimate(type.byteCount, hints) / 8 + 300 }

  /// Nodes that the interpreter itself runs, whatever the targets.
  static func isControl(_ op: Op) -> Bool {
    switch op {
    case .if, .loop, .fail, .bindSymbols, .constant, .copy, .reshape: true
    default: false
    }
  }

  // MARK: - Copies

  private func insertCopies(_ graph: Graph) throws -> Graph {
    var result = Graph(name: graph.name)
    result.objectTypes = graph.objectTypes
    var map: [GraphValueID: GraphValueID] = [:]
    var home: [GraphValueID: String] = [:]
    var copies: [CopyKey: GraphValueID] = [:]
    for input in graph.inputs {
      map[input] = result.addInput(name: graph[input].name, type: graph.type(of: input))
      home[input] = Self.hostTarget
    }
    func place(_ value: GraphValueID, on target: String, _ sources: [Source]) throws -> GraphValueID? {
      guard let mapped = map[value] else { return nil }
      guard let from = home[value], from != target else { return mapped }
      let key = CopyKey(value: value, target: target)
      if let known = copies[key] { return known }
      let copy = try result.append(.copy(Copy(to: target)), [mapped], names: [graph[value].name], sources: sources)[0]
      if let id = result.order.last { result.setTarget(target, of: id) }
      copies[key] = copy
      return copy
    }
    for node in graph.nodes {
      let isView = { if case .reshape = node.op { true } else { false } }()
      // A view stays where its operand is.
      let target = isView ? node.operands[0].flatMap { home[$0] } ?? nil : node.target ?? Self.hostTarget
      let operands = try node.operands.map { operand in
        try operand.flatMap { try place($0, on: target ?? Self.hostTarget, node.sources) }
      }
      let regions = try node.regions.map { Self.isControl(node.op) ? try insertCopies($0) : $0 }
      let created = try result.append(
        node.op, operands, regions: regions, names: node.results.map { graph[$0].name }, sources: node.sources)
      if let id = result.order.last { result.setTarget(target ?? Self.hostTarget, of: id) }
      let isConstant = { if case .constant = node.op { true } else { false } }()
      for (old, new) in zip(node.results, created) {
        map[old] = new
        // Constants are at hand everywhere.
        home[old] = isConstant ? nil : target
      }
    }
    for (value, name) in zip(graph.outputs, graph.outputNames) {
      let sources = graph.producer(of: value)?.sources ?? []
      if let placed = try place(value, on: Self.hostTarget, sources) { result.addOutput(placed, name: name) }
    }
    return result
  }

  private struct CopyKey: Hashable {
    var value: GraphValueID
    var target: String
  }
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix64 {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
