import SwageGraph

/// A broadcast operand of an operation that broadcasts by itself.
///
///     %2 = broadcast(%1) {shape = [h, 4]} : f32[h, 4]
///     %3 = binary(%0, %2) {function = add} : f32[h, 4]
/// ->
///     %3 = binary(%0, %1) {function = add} : f32[h, 4]
///
/// Legal when
/// 1. the reader is `binary` or `select`, or a `matmul` whose operand keeps its last two axes;
/// 2. the result has the same type without the broadcast, because another operand has those sizes.
///
/// Leaves alone: broadcasts that the result owes its shape to.
public let broadcastIntoUser = RewriteRule(name: "broadcast-into-user") { node, graph in
  switch node.op {
  case .binary, .select: break
  case .matmul(let op): guard op.epilogue.steps.isEmpty else { return nil }
  default: return nil
  }
  for (index, operand) in node.operands.enumerated() {
    guard let operand, let producer = graph.producer(of: operand), case .broadcast = producer.op,
      let value = producer.operands[0]
    else { continue }
    if case .matmul = node.op {
      let (small, large) = (graph.type(of: value).shape, graph.type(of: operand).shape)
      guard small.count >= 2, small.suffix(2) == large.suffix(2) else { continue }
    }
    var operands = node.operands
    operands[index] = value
    if let patch = try Patch.swap(node, for: node.op, operands, covering: [producer], in: graph) { return patch }
  }
  return nil
}
