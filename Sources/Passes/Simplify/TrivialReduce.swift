import SwageGraph
import SwageTensor

/// Reductions over axes of size one.
///
///     %1 = reduce(%0) {function = mean, axes = [1]} : f32[h, 4]
/// ->
///     %1 = reshape(%0) {shape = [h, 4]} : f32[h, 4]
///
/// (with %0 : f32[h, 1, 4])
///
/// Legal when every reduced axis has size one and the function gives a single element back: sum, mean, prod, min, max.
/// Leaves alone: the other functions, which change the element.
public let trivialReduce = RewriteRule(name: "trivial-reduce") { node, graph in
  guard case .reduce(let op) = node.op, [.sum, .mean, .prod, .min, .max].contains(op.function),
    let value = node.operands[0]
  else { return nil }
  let shape = graph.type(of: value).shape
  guard op.axes.allSatisfy({ shape[$0] == 1 }) else { return nil }
  return try Patch.swap(node, for: .reshape(Reshape(graph.type(of: node.results[0]).shape)), [value], in: graph)
}
