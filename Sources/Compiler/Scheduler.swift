import SwagePartition
import SwageTensor

/// Orders the nodes of a graph so that less memory is alive at once.
///
/// List scheduling: of the nodes whose operands and symbols are ready, the one that frees most and allocates least comes
/// next; ties keep the given order. The given order stays where it needs no more memory.
enum Scheduler {
  static func schedule(_ graph: Graph, sizeHints: [String: Int]) -> Graph {
    var graph = graph
    for node in Array(graph.nodes) where !node.regions.isEmpty {
      graph.setRegions(node.regions.map { schedule($0, sizeHints: sizeHints) }, of: node.id)
    }
    let sizes = Sizer(graph, sizeHints)
    let candidate = listSchedule(graph, sizes)
    if peak(graph, candidate, sizes) < peak(graph, graph.order, sizes) { graph.reorder(candidate) }
    return graph
  }

  private struct Sizer {
    private var bytes: [GraphValueID: Double] = [:]

    init(_ graph: Graph, _ hints: [String: Int]) {
      for node in graph.nodes {
        if case .constant = node.op { continue }
        for result in node.results { bytes[result] = Cost.estimate(graph.type(of: result).byteCount, hints) }
      }
    }

    /// Bytes that a value takes in working memory: nothing for inputs and constants.
    subscript(value: GraphValueID) -> Double { bytes[value] ?? 0 }
  }

  private static func listSchedule(_ graph: Graph, _ sizes: Sizer) -> [NodeID] {
    let rank = Dictionary(uniqueKeysWithValues: graph.order.enumerated().map { ($1, $0) })
    var definer: [String: NodeID] = [:]
    for node in graph.nodes { for symbol in graph.definedSymbols(of: node) { definer[symbol] = node.id } }
    var waiting: [NodeID: Int] = [:]
    var followers: [NodeID: [NodeID]] = [:]
    for node in graph.nodes {
      var before = Set(node.operands.compactMap { $0.flatMap { graph.producer(of: $0)?.id } })
      before.formUnion(graph.usedSymbols(of: node).compactMap { definer[$0] })
      before.remove(node.id)
      waiting[node.id] = before.count
      for other in before { followers[other, default: []].append(node.id) }
    }
    var readers: [GraphValueID: Int] = [:]
    for node in graph.nodes { for value in Set(node.operands.compactMap { $0 }) { readers[value, default: 0] += 1 } }
    for output in graph.outputs { readers[output, default: 0] += 1 }
    var ready = graph.order.filter { waiting[$0] == 0 }
    var order: [NodeID] = []
    while !ready.isEmpty {
      var best = 0
      var bestScore = (growth: Double.infinity, rank: Int.max)
      for (index, id) in ready.enumerated() {
        let node = graph[id]
        let freed = Set(node.operands.compactMap { $0 }).reduce(0.0) { $0 + (readers[$1] == 1 ? sizes[$1] : 0) }
        let score = (growth: node.results.reduce(0.0) { $0 + sizes[$1] } - freed, rank: rank[id] ?? 0)
        if score < bestScore { (best, bestScore) = (index, score) }
      }
      let id = ready.remove(at: best)
      order.append(id)
      for value in Set(graph[id].operands.compactMap { $0 }) { readers[value, default: 1] -= 1 }
      for follower in followers[id] ?? [] {
        waiting[follower, default: 1] -= 1
        if waiting[follower] == 0 { ready.append(follower) }
      }
    }
    return order
  }

  private static func peak(_ graph: Graph, _ order: [NodeID], _ sizes: Sizer) -> Double {
    var readers: [GraphValueID: Int] = [:]
    for node in graph.nodes { for value in Set(node.operands.compactMap { $0 }) { readers[value, default: 0] += 1 } }
    for output in graph.outputs { readers[output, default: 0] += 1 }
    var alive = 0.0
    var peak = 0.0
    for id in order {
      let node = graph[id]
      alive += node.results.reduce(0.0) { $0 + sizes[$1] }
      peak = max(peak, alive)
      for value in Set(node.operands.compactMap { $0 }) {
        readers[value, default: 1] -= 1
        if readers[value] == 0 { alive -= sizes[value] }
      }
      for result in node.results where readers[result] == nil { alive -= sizes[result] }
    }
    return peak
  }
}
