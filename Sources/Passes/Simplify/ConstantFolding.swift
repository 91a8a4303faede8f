import SwageGraph
import SwageTensor

/// Computes nodes whose operands are all constants.
///
///     %1 = constant f32[2] [1.0, 2.0]
///     %2 = unary(%1) {function = exp} : f32[2]
/// ->
///     %2 = constant f32[2] [2.7182817, 7.389056]
///
/// Legal when
/// 1. all operands are constants or can be computed from them, and no symbol is left in the node;
/// 2. the node has no effect and no nested graph, except that of `fused`;
/// 3. the reference evaluation gives a result: what fails, such as an index out of range, is left to fail when it runs.
///
/// Spends no more than `FoldBudget`, decided from exact sizes before anything is allocated:
/// 4. results of one node take at most `nodeBytes`; all folded constants of a compilation together add at most
///    `totalBytes`, or the bytes of the model's constants, whichever is more, where constants that only a folded node
///    read count as given back; arithmetic stays below `flops`, which moving and casting elements does not count to;
/// 5. a value that is more than `expansionBytes` times as large as the constants it comes from (`iota`, `broadcast`,
///    arithmetic on them) is not kept, but may be computed on the way to a smaller one;
/// 6. `dequantize_linear` keeps its small operand: only results up to 1 KiB are folded.
///
/// Leaves alone, with a note in the report: all that a limit forbids.
public let constantFolding = Pass(name: "constant-fold") { graph, context in
  var folder = ConstantFolder(graph: graph, budget: context.options.foldBudget, spending: context.foldSpending)
  for id in graph.order {
    guard graph.contains(id) else { continue }
    try folder.visit(id, in: &graph, &context)
  }
  context.foldSpending = folder.spending
  folder.reportDeferred(graph, &context)
}

/// What folding has cost so far, over all runs of the pass.
public struct FoldSpending: Sendable {
  public var bytes = 0
  public var flops = 0
}

private struct ConstantFolder {
  let budget: FoldBudget
  let totalBytes: Int
  var spending: FoldSpending
  /// Values that can be computed but are too large to keep, with the bytes of the constants that they come from.
  private var deferred: [ValueID: Int] = [:]

  init(graph: Graph, budget: FoldBudget, spending: FoldSpending) {
    self.budget = budget
    self.spending = spending
    let own = graph.nodes.reduce(0) { sum, node in
      guard case .constant(let constant) = node.op else { return sum }
      return Checked.add(sum, constant.value.byteCount) ?? .max
    }
    totalBytes = max(budget.totalBytes, own)
  }

  mutating func visit(_ id: NodeID, in graph: inout Graph, _ context: inout PassContext) throws {
    let node = graph[id]
    guard isFoldable(node, in: graph) else { return }
    // Bytes of the constants at the leaves, and of those that go with the node.
    var leafBytes = 0
    var freedBytes = 0
    for operand in Set(node.operands.compactMap { $0 }) {
      if let constant = graph.constant(operand) {
        leafBytes += constant.byteCount
        if graph.hasSingleUse(operand) { freedBytes += constant.byteCount }
      } else if let bytes = deferred[operand] {
        leafBytes += bytes
      } else {
        return
      }
    }
    guard let (bytes, work) = cost(of: node, in: graph) else { return }
    guard bytes <= budget.nodeBytes else {
      context.note("\(node.label): not folded, its result takes \(bytes) bytes of at most \(budget.nodeBytes)")
      return
    }
    if case .dequantizeLinear = node.op, bytes > 1 << 10 { return }
    let allowance = Checked.multiply(max(leafBytes, 1), budget.expansionBytes) ?? .max
    guard bytes <= allowance else {
      for result in node.results { deferred[result] = leafBytes }
      return
    }
    let chain = deferredChain(of: node, in: graph)
    let total = chain.reduce(work) { sum, producer in
      Checked.add(sum, cost(of: graph[producer], in: graph)?.work ?? 0) ?? .max
    }
    guard spending.flops <= budget.flops - min(total, budget.flops), total <= budget.flops else {
      context.note("\(node.label): not folded, \(total) operations exceed the budget of \(budget.flops)")
      return
    }
    let added = max(bytes - freedBytes, 0)
    guard added <= totalBytes - min(spending.bytes, totalBytes) else {
      context.note(
        "\(node.label): not folded, \(added) bytes on top of \(spending.bytes) exceed the budget of \(totalBytes)")
      return
    }
    guard let results = postponed(node, in: graph) ?? evaluate(node, chain, in: graph, &context) else { return }
    guard context.begin("constant-fold") else { return }
    spending.bytes += added
    spending.flops += total
    for (old, tensor) in zip(node.results, results) {
      let new = try graph.constant(tensor, name: graph[old].name, before: id)
      graph.replaceUses(of: old, with: new)
    }
    graph.eraseDead([id])
  }

  private func isFoldable(_ node: Node, in graph: Graph) -> Bool {
    switch node.op {
    case .constant, .copy, .fail, .bindSymbols, .if, .loop, .object: return false
    default: break
    }
    return !node.results.isEmpty && node.op.definition.symbols.isEmpty && graph.definedSymbols(of: node).isEmpty
      && node.results.allSatisfy { graph.type(of: $0).staticShape != nil }
  }

  /// Bytes of the results, and operations to get them; nil where they overflow.
  private func cost(of node: Node, in graph: Graph) -> (bytes: Int, work: Int)? {
    var bytes = 0
    var isArithmetic = true
    if case .cast = node.op { isArithmetic = false }
    let work = isArithmetic ? graph.flops(of: node).constant ?? .max : 0
    for result in node.results {
      let type = graph.type(of: result)
      guard let count = type.staticShape.flatMap({ Checked.product($0) }),
        let own = type.elementType.byteCount(elements: count), let sum = Checked.add(bytes, own)
      else { return nil }
      bytes = sum
    }
    return (bytes, work)
  }

  /// The deferred nodes that `node` needs, in order.
  private func deferredChain(of node: Node, in graph: Graph) -> [NodeID] {
    var chain: [NodeID] = []
    var seen: Set<NodeID> = []
    func collect(_ node: Node) {
      for operand in node.operands {
        guard let operand, deferred[operand] != nil, let producer = graph.producer(of: operand),
          seen.insert(producer.id).inserted
        else { continue }
        collect(producer)
        chain.append(producer.id)
      }
    }
    collect(node)
    return chain
  }

  /// A large weight, or a part of one, in another type or order of axes, computed only when it is written: such constants
  /// of a large model do not fit in memory together.
  private func postponed(_ node: Node, in graph: Graph) -> [Tensor]? {
    guard let operand = node.operands.first ?? nil, let source = graph.constant(operand), node.operands.count == 1,
      let result = node.results.first
    else { return nil }
    switch node.op {
    case .cast, .transpose, .slice: break
    default: return nil
    }
    let type = graph.type(of: result)
    guard let shape = type.staticShape, let count = Checked.product(shape),
      (type.elementType.byteCount(elements: count) ?? 0) >= Tensor.smallestDeferred
    else { return nil }
    let recipe = StorageRecipe(node.op, sources: [source]) { bytes in
      if case .transpose(let op) = node.op, source.elementType.bitWidth >= 8 {
        return source.writeTransposed(op.permutation, to: bytes)
      }
      var evaluation = EvaluationContext()
      // Casts, transposes and slices whose type rule holds have a result.
      let value = try? node.op.definition.evaluate([source], &evaluation).first
      value?.withBytes { bytes.copyMemory(from: $0) }
    }
    return Tensor(type.elementType, shape, recipe: recipe).map { [$0] }
  }

  private func evaluate(_ node: Node, _ chain: [NodeID], in graph: Graph, _ context: inout PassContext) -> [Tensor]? {
    var values: [ValueID: Tensor] = [:]
    var evaluation = EvaluationContext()
    do {
      for id in chain + [node.id] {
        let next = graph[id]
        let operands = next.operands.map { operand in operand.flatMap { values[$0] ?? graph.constant($0) } }
        for (value, tensor) in zip(next.results, try Evaluator.evaluate(next, in: graph, operands, &evaluation)) {
          guard tensor.type == graph.type(of: value) else { return nil }
          values[value] = tensor
        }
      }
    } catch {
      let why = (error as? GraphError)?.diagnostics.first?.why ?? "\(error)"
      context.note("\(node.label): not folded, it has no result: \(why)")
      return nil
    }
    return node.results.compactMap { values[$0] }
  }

  func reportDeferred(_ graph: Graph, _ context: inout PassContext) {
    for value in deferred.keys.sorted() {
      guard let node = graph.producer(of: value), !graph.users(of: value).isEmpty || graph.isOutput(value) else {
        continue
      }
      context.note(
        "\(node.label): not folded, \(graph.type(of: value)) is more than \(budget.expansionBytes) times its operands")
    }
  }
}
