/// The cheapest way to split a network between a source and a sink, by Dinic's algorithm.
struct MinimumCut {
  static let infinity = Int.max / 4

  private struct Edge {
    var to: Int
    var capacity: Int
  }

  /// Edge 2·i and its reverse 2·i + 1 stand next to each other.
  private var edges: [Edge] = []
  private var outgoing: [[Int]] = []

  mutating func addVertex() -> Int {
    outgoing.append([])
    return outgoing.count - 1
  }

  mutating func addEdge(from: Int, to: Int, capacity: Int) {
    guard capacity > 0, from != to else { return }
    outgoing[from].append(edges.count)
    edges.append(Edge(to: to, capacity: min(capacity, Self.infinity)))
    outgoing[to].append(edges.count)
    edges.append(Edge(to: from, capacity: 0))
  }

  /// The vertices on the source's side of the cheapest cut: the smallest such set.
  mutating func sourceSide(source: Int, sink: Int) -> [Bool] {
    while true {
      let levels = self.levels(from: source)
      guard levels[sink] >= 0 else { return levels.map { $0 >= 0 } }
      var next = [Int](repeating: 0, count: outgoing.count)
      while let path = path(from: source, to: sink, levels, &next) {
        let amount = path.reduce(Self.infinity) { min($0, edges[$1].capacity) }
        for edge in path {
          edges[edge].capacity -= amount
          edges[edge ^ 1].capacity = min(edges[edge ^ 1].capacity + amount, Self.infinity)
        }
      }
    }
  }

  /// Distances over edges with capacity left; -1 where there is no way.
  private func levels(from source: Int) -> [Int] {
    var levels = [Int](repeating: -1, count: outgoing.count)
    levels[source] = 0
    var queue = [source]
    var head = 0
    while head < queue.count {
      let vertex = queue[head]
      head += 1
      for edge in outgoing[vertex] where edges[edge].capacity > 0 && levels[edges[edge].to] < 0 {
        levels[edges[edge].to] = levels[vertex] + 1
        queue.append(edges[edge].to)
      }
    }
    return levels
  }

  /// Edges of a shortest path with capacity left; `next` keeps where each vertex goes on searching.
  private func path(from source: Int, to sink: Int, _ levels: [Int], _ next: inout [Int]) -> [Int]? {
    var path: [Int] = []
    var vertex = source
    while vertex != sink {
      var found = false
      while next[vertex] < outgoing[vertex].count {
        let edge = outgoing[vertex][next[vertex]]
        if edges[edge].capacity > 0, levels[edges[edge].to] == levels[vertex] + 1 {
          path.append(edge)
          vertex = edges[edge].to
          found = true
          break
        }
        next[vertex] += 1
      }
      if found { continue }
      guard let last = path.popLast() else { return nil }
      vertex = edges[last ^ 1].to
      next[vertex] += 1
    }
    return path
  }
}
