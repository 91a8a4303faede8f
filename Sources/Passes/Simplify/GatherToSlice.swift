import SwageGraph
import SwageTensor

/// A gather at known, evenly spaced indices as a slice, which needs no index and moves whole runs.
///
///     %1 = constant i64[] [2]
///     %2 = gather(%0, %1) {axis = 1} : f32[h, 4]
/// ->
///     %1 = slice(%0) {starts = [0, 2, 0], sizes = [h, 1, 4]} : f32[h, 1, 4]
///     %2 = reshape(%1) {shape = [h, 4]} : f32[h, 4]
///
/// Legal when
/// 1. the indices are a constant scalar or vector, all negative or none, with one step between neighbours;
/// 2. where the size of the axis is known, the indices lie inside it; where it is not, the indices count from the
///    front, and the slice checks them when it runs.
///
/// Leaves alone: indices out of range, which must fail when they run.
public let gatherToSlice = RewriteRule(name: "gather-to-slice") { node, graph in
  guard case .gather(let op) = node.op, let data = node.operands[0], let value = node.operands[1],
    let constant = graph.constant(value), constant.shape.count <= 1, constant.count >= 1, constant.count <= 4096
  else { return nil }
  var indices = constant.integers.map { Int($0) }
  let type = graph.type(of: data)
  if let size = type.shape[op.axis].constant {
    guard indices.allSatisfy({ $0 >= -size && $0 < size }) else { return nil }
    indices = indices.map { $0 < 0 ? $0 + size : $0 }
  }
  guard indices.allSatisfy({ $0 >= 0 }) else { return nil }
  let step = indices.count > 1 ? indices[1] - indices[0] : 1
  guard step != 0, zip(indices, indices.dropFirst()).allSatisfy({ $1 - $0 == step }) else { return nil }
  var slice = Slice(starts: type.shape.map { _ in 0 }, sizes: type.shape)
  slice.starts[op.axis] = Dim(indices[0])
  slice.sizes[op.axis] = Dim(indices.count)
  slice.steps[op.axis] = Dim(step)
  var patch = Patch(replacing: node, in: graph)
  var result = try patch.add(.slice(slice), [data])
  if constant.shape.isEmpty {
    result = try patch.add(.reshape(Reshape(graph.type(of: node.results[0]).shape)), [result])
  }
  guard patch.type(of: result) == graph.type(of: node.results[0]) else { return nil }
  patch.replaceRoot(with: result)
  return patch
}
