import SwageGraph

/// A choice whose condition is known, or whose choices are one value.
///
///     %2 = constant bool[] [1]
///     %3 = select(%2, %0, %1) : f32[4]
/// ->
///     %0
///
/// Legal when
/// 1. every element of the condition is the same, or both choices are the same value;
/// 2. the chosen value has the result's type.
///
/// Leaves alone: a choice that would have to be broadcast.
public let selectConstant = RewriteRule(name: "select-constant") { node, graph in
  guard case .select = node.op else { return nil }
  if node.operands[1] == node.operands[2] { return Patch.forward(node, to: node.operands[1], in: graph) }
  guard let condition = graph.scalar(node.operands[0]) else { return nil }
  return Patch.forward(node, to: node.operands[condition != 0 ? 1 : 2], in: graph)
}
