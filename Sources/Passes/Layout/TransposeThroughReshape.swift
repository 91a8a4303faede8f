import SwageGraph
import SwageTensor

/// A reshape between two transposes, where it joins or splits axes that the first transpose keeps together: the
/// transposes become one.
///
///     %1 = transpose(%0) {permutation = [0, 3, 1, 2]} : f32[1, 8, 4, 5]
///     %2 = reshape(%1) {shape = [1, 8, 20]} : f32[1, 8, 20]
///     %3 = transpose(%2) {permutation = [0, 2, 1]} : f32[1, 20, 8]
/// ->
///     %3 = reshape(%0) {shape = [1, 20, 8]} : f32[1, 20, 8]
///
/// (with %0 : f32[1, 4, 5, 8])
///
/// Legal when
/// 1. the reshape splits into groups of neighbouring axes with equal products on both sides;
/// 2. the axes of each group stand next to each other, in the same order, before the first transpose;
/// 3. the reshape and the first transpose have no other reader.
///
/// Leaves alone: groups of which symbols hide the products.
public let transposeThroughReshape = RewriteRule(name: "transpose-through-reshape") { node, graph in
  guard case .transpose(let outer) = node.op, let moved = graph.reshapedFirst(node.operands[0]) else { return nil }
  var patch = Patch(replacing: node, covering: moved.nodes, in: graph)
  var result = try patch.add(.reshape(Reshape(moved.shape)), [moved.value])
  let permutation = outer.permutation.map { moved.permutation[$0] }
  if permutation != Array(permutation.indices) {
    result = try patch.add(.transpose(Transpose(permutation)), [result])
  }
  guard patch.type(of: result) == graph.type(of: node.results[0]) else { return nil }
  patch.replaceRoot(with: result)
  return patch
}

extension Graph {
  /// A reshape of a transpose as a transpose of a reshape: `value` reshaped to `shape`, then permuted. nil where the
  /// reshape mixes what the transpose pulls apart, or where others read either node.
  func reshapedFirst(_ result: ValueID?) -> (value: ValueID, shape: [Dim], permutation: [Int], nodes: [Node])? {
    guard let reshape = soleProducer(of: result), case .reshape(let op) = reshape.op,
      let inner = soleProducer(of: reshape.operands[0]), case .transpose(let transpose) = inner.op,
      let value = inner.operands[0], let groups = ReshapeGroups.match(type(of: inner.results[0]).shape, op.shape)
    else { return nil }
    // The axes of `value` that each group takes, which must be a run.
    var runs: [(start: Int, group: ReshapeGroups.Group)] = []
    for group in groups {
      let axes = group.from.map { transpose.permutation[$0] }
      guard let start = axes.first, axes == Array(start..<start + axes.count) else { return nil }
      runs.append((start, group))
    }
    // `value` reshaped group by group in its own order, then the groups brought into the order after the reshape.
    let order = runs.sorted { $0.start < $1.start }.flatMap { Array($0.group.to) }
    var position = [Int](repeating: 0, count: order.count)
    for (index, axis) in order.enumerated() { position[axis] = index }
    return (value, order.map { op.shape[$0] }, position, [reshape, inner])
  }
}

/// A reshape as groups of neighbouring axes whose products agree.
enum ReshapeGroups {
  struct Group: Equatable {
    var from: Range<Int>
    var to: Range<Int>
  }

  /// nil where the groups cannot be told.
  static func match(_ from: [Dim], _ to: [Dim]) -> [Group]? {
    var groups: [Group] = []
    var (i, j) = (0, 0)
    while i < from.count, j < to.count {
      guard let (a, b) = smallestGroup(from[i...], to[j...]) else { return nil }
      groups.append(Group(from: i..<i + a, to: j..<j + b))
      (i, j) = (i + a, j + b)
    }
    // Trailing axes of size one belong to the last group.
    guard !groups.isEmpty, from[i...].allSatisfy({ $0 == 1 }), to[j...].allSatisfy({ $0 == 1 }) else { return nil }
    groups[groups.count - 1].from = groups[groups.count - 1].from.lowerBound..<from.count
    groups[groups.count - 1].to = groups[groups.count - 1].to.lowerBound..<to.count
    return groups
  }

  /// How many axes on each side have equal products, as few as possible.
  private static func smallestGroup(_ from: ArraySlice<Dim>, _ to: ArraySlice<Dim>) -> (from: Int, to: Int)? {
    for total in 2..<max(from.count + to.count + 1, 3) {
      for a in max(1, total - to.count)...max(1, min(from.count, total - 1))
      where total - a >= 1 && total - a <= to.count {
        if product(from.prefix(a)) == product(to.prefix(total - a)) { return (a, total - a) }
      }
    }
    return nil
  }

  private static func product(_ sizes: ArraySlice<Dim>) -> Dim { sizes.reduce(1, *) }
}
