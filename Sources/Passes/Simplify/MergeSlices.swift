import SwageGraph
import SwageTensor

/// Slices that take everything, and slices of slices.
///
///     %1 = slice(%0) {starts = [2, 0], sizes = [6, 4]} : f32[6, 4]
///     %2 = slice(%1) {starts = [1, 0], sizes = [3, 4]} : f32[3, 4]
/// ->
///     %2 = slice(%0) {starts = [3, 0], sizes = [3, 4]} : f32[3, 4]
///
/// Legal when
/// 1. a slice starts at zero in steps of one, and has its operand's shape; or
/// 2. the inner of two slices has steps of one.
///
/// Leaves alone: an inner slice with other steps.
public let mergeSlices = RewriteRule(name: "merge-slices") { node, graph in
  guard case .slice(let outer) = node.op else { return nil }
  if outer.starts.allSatisfy({ $0 == 0 }), outer.steps.allSatisfy({ $0 == 1 }),
    let same = Patch.forward(node, to: node.operands[0], in: graph)
  {
    return same
  }
  guard let inner = graph.producer(of: node.operands[0]), case .slice(let first) = inner.op,
    first.steps.allSatisfy({ $0 == 1 })
  else { return nil }
  let slice = Slice(starts: zip(first.starts, outer.starts).map(+), sizes: outer.sizes, steps: outer.steps)
  return try Patch.swap(node, for: .slice(slice), [inner.operands[0]], covering: [inner], in: graph)
}
