import SwageGraph
import SwageTensor

/// Concatenations of one value, of empty values, and of concatenations along the same axis.
///
///     %2 = concat(%0, %1) {axis = 1} : f32[2, 7]
///     %3 = concat(%2, %0) {axis = 1} : f32[2, 10]
/// ->
///     %3 = concat(%0, %1, %0) {axis = 1} : f32[2, 10]
///
/// Legal when
/// 1. operands that go have size zero along the axis; and
/// 2. the inner concatenation has no other reader and the same axis.
///
/// Leaves alone: an inner concatenation that others read, since its bytes are moved once for both.
public let mergeConcats = RewriteRule(name: "merge-concats") { node, graph in
  guard case .concat(let op) = node.op else { return nil }
  var operands: [ValueID?] = []
  var covered: [Node] = []
  for operand in node.operands {
    guard let operand else { return nil }
    if graph.type(of: operand).shape[op.axis] == 0 { continue }
    if let inner = graph.soleProducer(of: operand), case .concat(let first) = inner.op, first.axis == op.axis {
      operands += inner.operands
      covered.append(inner)
    } else {
      operands.append(operand)
    }
  }
  if operands.count == 1 { return Patch.forward(node, to: operands[0], in: graph) }
  guard operands != node.operands, !operands.isEmpty else { return nil }
  return try Patch.swap(node, for: .concat(op), operands, covering: covered, in: graph)
}
