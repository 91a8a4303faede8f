import SwageGraph
import SwageTensor

/// Symbols whose values are known give way to them, everywhere.
///
///     %1 = sizes() {values = [2*h]} : i64[1]
///     bind_symbols(%1) {names = ["s0"]}
///     %2 = reshape(%0) {shape = [s0, 2]} : f32[s0, 2]
/// ->
///     %2 = reshape(%0) {shape = [2*h, 2]} : f32[2*h, 2]
///
/// Legal when
/// 1. a `bind_symbols` reads a `sizes` node or a constant, or the operand of a `nonzero` is a constant, so that the
///    number of its hits is known;
/// 2. every type rule still holds with the values: a branch that never runs may hold sizes that do not fit, and then
///    the symbols stay.
///
/// Leaves alone: symbols whose values come from data.
public let bindKnownSymbols = Pass(name: "bind-known-symbols") { graph, context in
  var values: [String: Dim] = [:]
  var bound: Set<NodeID> = []
  var hits: [(node: Node, indices: Tensor)] = []
  for id in graph.order {
    let node = graph[id]
    switch node.op {
    case .bindSymbols(let op):
      guard let sizes = graph.knownSizes(node.operands[0]), sizes.count == op.names.count else { continue }
      for (name, size) in zip(op.names, sizes) { values[name] = size.substituting(values) }
      bound.insert(id)
    case .nonZero(let op):
      guard let operand = node.operands[0], let constant = graph.constant(operand), constant.count <= 1 << 20 else {
        continue
      }
      var evaluation = EvaluationContext()
      guard let indices = try Evaluator.evaluate(node, in: graph, [constant], &evaluation).first,
        let count = evaluation.symbols[op.symbol]
      else { continue }
      values[op.symbol] = Dim(count)
      hits.append((node, indices))
    default: continue
    }
  }
  guard !values.isEmpty else { return }
  var changed = graph
  for (node, indices) in hits {
    let constant = try changed.constant(indices, name: changed[node.results[0]].name, before: node.id)
    changed.replaceUses(of: node.results[0], with: constant)
    bound.insert(node.id)
  }
  // What binds goes first: with values in place of names it would bind nothing.
  changed.eraseAll(bound)
  do {
    try changed.substitute(values)
    guard context.begin("bind-known-symbols") else { return }
    graph = changed
  } catch {
    let names = values.keys.sorted().joined(separator: ", ")
    context.note("the known values of \(names) do not fit the graph; a branch that never runs may hold them")
  }
}
