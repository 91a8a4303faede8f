import SwageGraph
import SwageTensor

/// Runs products, and what moves their results about, in bf16 or f16.
///
///     %1 = matmul(%0, %w) : f32[4, 8]
///     %2 = unary(%1) {function = relu} : f32[4, 8]
///     %3 = matmul(%2, %v) : f32[4, 8]
/// ->
///     %1 = cast(%0) {to = bf16} : bf16[4, 8]
///     %2 = cast(%w) {to = bf16} : bf16[8, 8]
///     %3 = matmul(%1, %2) : bf16[4, 8]
///     %4 = unary(%3) {function = relu} : bf16[4, 8]
///     %5 = cast(%v) {to = bf16} : bf16[8, 8]
///     %6 = matmul(%4, %5) : bf16[4, 8]
///     %7 = cast(%6) {to = f32} : f32[4, 8]
///
/// Casts of weights are folded when the model is compiled.
///
/// Legal when the user asks for it (`--precision`); results change by rounding. A node works in the narrow type when
/// 1. it is a product (convolution, matmul, attention); or
/// 2. it may follow (see `PrecisionRole`), a value that it reads went through a product in the narrow type already,
///    and the chain of such nodes moves fewer bytes narrow, its casts counted, than in f32: a minimum cut as for the
///    layout.
///
/// Leaves alone: inputs and outputs of graphs, which keep their types; operations, functions and source nodes that
/// `keepsF32` names; values that are not f32. Sums inside of operations and statistics of norms are f32 or better in
/// every implementation.
public let reducePrecision = Pass(name: "reduce-precision") { graph, context in
  guard context.options.precision != .f32 else { return }
  let type = context.options.precision.elementType
  var choice = PrecisionChoice(graph, keeping: context.options.keepsF32)
  let narrow = choice.solve()
  var rewriter = PrecisionRewriter(type: type)
  for id in graph.order where narrow.contains(id) {
    guard context.begin("reduce-precision") else { break }
    try rewriter.rewrite(id, in: &graph)
  }
  graph.eraseDead(rewriter.created)
}

/// Decides which nodes work in the narrow type.
private struct PrecisionChoice {
  private let graph: Graph
  private var roles: [NodeID: PrecisionRole] = [:]

  init(_ graph: Graph, keeping names: Set<String>) {
    self.graph = graph
    for node in graph.nodes {
      var isNamed = names.contains(node.op.mnemonic) || node.sources.contains { names.contains($0.name) }
      switch node.op {
      case .unary(let op): isNamed = isNamed || names.contains(op.function.rawValue)
      case .binary(let op): isNamed = isNamed || names.contains(op.function.rawValue)
      default: break
      }
      roles[node.id] = isNamed ? .keeps : PrecisionRole(node, in: graph)
    }
    keepUnreached(of: Set(graph.order))
  }

  /// Followers that read nothing from a narrow node keep their type.
  private mutating func keepUnreached(of narrow: Set<NodeID>) {
    var reached: Set<NodeID> = []
    for node in graph.nodes {
      switch roles[node.id] {
      case .narrows: reached.insert(node.id)
      case .follows:
        let reads = node.operands.contains { operand in
          graph.producer(of: operand).map { reached.contains($0.id) } ?? false
        }
        if reads && narrow.contains(node.id) { reached.insert(node.id) } else { roles[node.id] = .keeps }
      case .keeps, nil: break
      }
    }
  }

  mutating func solve() -> Set<NodeID> {
    while true {
      let narrow = cheapest()
      let before = roles.values.count { $0 == .follows }
      keepUnreached(of: narrow)
      if roles.values.count(where: { $0 == .follows }) == before { return narrow }
    }
  }

  private func cheapest() -> Set<NodeID> {
    let sizes = NominalSizes(graph)
    var cut = MinimumCut()
    let narrow = cut.addVertex()
    let wide = cut.addVertex()
    var vertices: [NodeID: Int] = [:]
    for node in graph.nodes {
      switch roles[node.id] {
      case .narrows: vertices[node.id] = narrow
      case .follows: vertices[node.id] = cut.addVertex()
      case .keeps, nil: break
      }
    }
    func isWide(_ value: ValueID) -> Bool { graph.type(of: value).elementType == .f32 }
    for node in graph.nodes {
      // In f32 a node moves two more bytes for each element.
      if case .follows? = roles[node.id], let vertex = vertices[node.id] {
        let values = Set(node.operands.compactMap { $0 } + node.results).filter(isWide)
        cut.addEdge(
          from: narrow, to: vertex, capacity: values.reduce(0) { $0 + sizes.bytes(graph.type(of: $1)) / 2 })
      }
      if case .constant = node.op { continue }
      for result in node.results where isWide(result) { addCasts(of: result, vertices[node.id] ?? wide) }
    }
    for input in graph.inputs where isWide(input) { addCasts(of: input, wide) }

    /// A cast reads four bytes of an element and writes two, or the other way round.
    func addCasts(of value: ValueID, _ source: Int) {
      let cost = sizes.bytes(graph.type(of: value)) / 4 * 6
      var readers: Set<Int> = graph.isOutput(value) ? [wide] : []
      for id in graph.users(of: value) { readers.insert(vertices[id] ?? wide) }
      let down = cut.addVertex()
      let up = cut.addVertex()
      cut.addEdge(from: source, to: up, capacity: max(cost, 1))
      cut.addEdge(from: down, to: source, capacity: max(cost, 1))
      for reader in readers.sorted() {
        cut.addEdge(from: up, to: reader, capacity: MinimumCut.infinity)
        cut.addEdge(from: reader, to: down, capacity: MinimumCut.infinity)
      }
    }
    let side = cut.sourceSide(source: narrow, sink: wide)
    return Set(vertices.filter { side[$0.value] }.keys)
  }
}

private struct PrecisionRewriter {
  let type: ElementType
  private var narrowForm: [ValueID: ValueID] = [:]
  /// Casts that may turn out to have no reader.
  private(set) var created: [NodeID] = []

  init(type: ElementType) { self.type = type }

  mutating func rewrite(_ id: NodeID, in graph: inout Graph) throws {
    let node = graph[id]
    let operands = try node.operands.map { operand -> ValueID? in
      guard let operand, graph.type(of: operand).elementType == .f32 else { return operand }
      if let known = narrowForm[operand] { return known }
      let narrow = try insert(.cast(Cast(to: type)), operand, before: node, in: &graph)
      narrowForm[operand] = narrow
      return narrow
    }
    let old = node.results[0]
    let name = graph[old].name
    let result = try graph.insert(
      node.op, operands, regions: node.regions, names: [name.isEmpty ? "" : "\(name).\(type.name)"],
      sources: node.sources, before: id)[0]
    let wide = try insert(.cast(Cast(to: .f32)), result, before: node, in: &graph)
    graph.replaceUses(of: old, with: wide)
    narrowForm[wide] = result
    graph.erase(id)
  }

  private mutating func insert(_ op: Op, _ operand: ValueID, before node: Node, in graph: inout Graph) throws -> ValueID
  {
    let value = try graph.insert(op, [operand], sources: node.sources, before: node.id)[0]
    if let producer = graph.producer(of: value) { created.append(producer.id) }
    return value
  }
}
