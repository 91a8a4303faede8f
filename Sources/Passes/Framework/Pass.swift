import SwageGraph

/// A named step from graph to graph.
///
/// A pass is declared as a global value in a file of its own, with a comment that says when it is legal and what it
/// leaves alone, and stands in `Pipeline.all`. It runs on nested graphs too, the inner ones first; the regions of
/// `fused` are left alone, since they are what later passes made on purpose.
public struct Pass: Sendable {
  public enum Scope: Sendable {
    /// The graph and its nested graphs, each on its own.
    case everyGraph
    /// The outermost graph only; the pass goes into regions by itself if it wants to.
    case outermost
  }

  /// Lower case with hyphens, as in `--stop-after dead-code`.
  public let name: String
  public let scope: Scope
  /// The rules of a rewrite pass; empty for a pass that is a function.
  public let rules: [RewriteRule]
  private let body: @Sendable (inout Graph, inout PassContext) throws -> Void

  /// A pass that is a function of the whole graph. It calls `context.begin` before each rewrite, and makes none
  /// where that is refused.
  public init(
    name: String, scope: Scope = .everyGraph,
    run: @escaping @Sendable (inout Graph, inout PassContext) throws -> Void
  ) {
    self.name = name
    self.scope = scope
    rules = []
    body = run
  }

  /// A pass that applies rules until none matches.
  public init(name: String, rules: [RewriteRule]) {
    self.name = name
    scope = .everyGraph
    self.rules = rules
    body = { graph, context in try RewriteDriver(pass: name, rules: rules).run(&graph, &context) }
  }

  /// Runs the pass on a graph and its nested graphs.
  public func run(_ graph: inout Graph, _ context: inout PassContext) throws {
    if scope == .everyGraph {
      for id in graph.order {
        guard !graph[id].regions.isEmpty else { continue }
        if case .fused = graph[id].op { continue }
        var regions = graph[id].regions
        let before = context.rewrites
        context.depth += 1
        defer { context.depth -= 1 }
        for index in regions.indices { try run(&regions[index], &context) }
        if context.rewrites != before { graph.setRegions(regions, of: id) }
      }
    }
    try body(&graph, &context)
  }

  /// Runs the pass alone, without a pipeline.
  @discardableResult
  public func run(_ graph: inout Graph, options: PipelineOptions = PipelineOptions()) throws -> PassContext {
    var context = PassContext(options: options)
    try run(&graph, &context)
    return context
  }
}
