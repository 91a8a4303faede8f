import SwageGraph
import SwageTensor

/// Padding by nothing.
///
///     %1 = pad(%0) {mode = reflect, begins = [0, 0], ends = [0, 0]} : f32[2, h]
/// ->
///     %0
///
/// Legal when all amounts are zero. Leaves alone: amounts that are symbols.
public let emptyPad = RewriteRule(name: "empty-pad") { node, graph in
  guard case .pad(let op) = node.op, (op.begins + op.ends).allSatisfy({ $0 == 0 }) else { return nil }
  return Patch.forward(node, to: node.operands[0], in: graph)
}
