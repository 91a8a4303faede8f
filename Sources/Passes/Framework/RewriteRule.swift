import SwageGraph

/// One rewrite: a pattern that ends in a node, and what to put in its place.
///
/// A rule reads as guards, each one reason not to fire, and then builds a `Patch`. It must make progress: applied
/// again to what it made, it does not match. It is only asked about nodes that have results.
public struct RewriteRule: Sendable {
  public let name: String
  public let match: @Sendable (Node, Graph) throws -> Patch?

  public init(name: String, match: @escaping @Sendable (Node, Graph) throws -> Patch?) {
    self.name = name
    self.match = match
  }
}

/// Applies rules from a worklist until none matches: every node once in order, then what each patch touched.
struct RewriteDriver {
  let pass: String
  let rules: [RewriteRule]

  func run(_ graph: inout Graph, _ context: inout PassContext) throws {
    var queue = graph.order
    var isQueued = Set(queue)
    var head = 0
    var counts = [Int](repeating: 0, count: rules.count)
    var total = 0
    // Each rewrite makes the graph smaller or more canonical; a rule set that needs more than this goes in circles.
    let bound = 64 * graph.nodeCount + 1024
    while head < queue.count {
      let id = queue[head]
      head += 1
      isQueued.remove(id)
      if head > 4096, head > queue.count / 2 {
        queue.removeFirst(head)
        head = 0
      }
      guard graph.contains(id), !graph[id].results.isEmpty else { continue }
      for (index, rule) in rules.enumerated() {
        guard let recipe = try recipe(of: rule, at: graph[id], in: graph) else { continue }
        guard context.begin(rule.name) else { return }
        for next in try graph.apply(recipe, rule: rule.name) where isQueued.insert(next).inserted { queue.append(next) }
        counts[index] += 1
        total += 1
        guard total <= bound else {
          let busiest = counts.indices.sorted { (counts[$0], $1) > (counts[$1], $0) }.prefix(3)
          throw PassError.noFixedPoint(pass: pass, rewrites: total, busiest: busiest.map { rules[$0].name })
        }
        if graph.contains(id), isQueued.insert(id).inserted { queue.append(id) }
        break
      }
    }
  }

  private func recipe(of rule: RewriteRule, at node: Node, in graph: Graph) throws -> Patch.Recipe? {
    do {
      return try rule.match(node, graph)?.recipe
    } catch let fault as PatchFault {
      throw PassError.illTyped(rule: rule.name, op: fault.op, why: fault.message, sources: node.sources)
    }
  }
}
