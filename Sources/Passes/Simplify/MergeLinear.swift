import SwageGraph

/// Multiplications and additions by numbers, as one function a·x + b.
///
///     %1 = constant f32[] [2.0]
///     %2 = constant f32[] [3.0]
///     %3 = binary(%0, %1) {function = mul} : f32[4]
///     %4 = binary(%3, %2) {function = add} : f32[4]
/// ->
///     %1 = unary(%0) {function = linear, alpha = 2.0, beta = 3.0} : f32[4]
///
/// Legal when
/// 1. the element type is a float and each constant has one value in all its elements;
/// 2. the value side has the result's type;
/// 3. the inner node has no other reader;
/// 4. where something is added, the sum's offset is not zero: zeros of both signs would keep what an addition takes.
///
/// One rounding takes the place of two, so that results may differ by a unit in the last place, and a zero that is left of
/// a difference may have the other sign.
/// Leaves alone: a single multiplication or addition, which patterns of other passes look for; infinite numbers.
public let mergeLinear = RewriteRule(name: "merge-linear") { node, graph in
  guard let outer = graph.linear(node), let inner = graph.soleProducer(of: outer.value),
    let first = graph.linear(inner)
  else { return nil }
  let factor = outer.factor * first.factor
  let adds = first.offset != nil || outer.offset != nil
  let offset = outer.factor * (first.offset ?? 0) + (outer.offset ?? 0)
  guard factor.isFinite, offset.isFinite, !adds || offset != 0 else { return nil }
  return try Patch.swap(
    node, for: .unary(Unary(.linear, alpha: factor, beta: offset)), [first.value], covering: [inner], in: graph)
}

extension Graph {
  /// A node as factor · value + offset; without an offset nothing is added.
  fileprivate func linear(_ node: Node) -> (value: ValueID, factor: Double, offset: Double?)? {
    guard node.results.count == 1, type(of: node.results[0]).elementType.isFloat else { return nil }
    switch node.op {
    case .unary(let op):
      guard let value = node.operands[0] else { return nil }
      if op.function == .neg { return (value, -1, nil) }
      return op.function == .linear ? (value, op.alpha, op.beta == 0 ? nil : op.beta) : nil
    case .binary(let op):
      guard let (value, number, isFirst) = splitScalar(node), type(of: value) == type(of: node.results[0]) else {
        return nil
      }
      switch op.function {
      case .add: return (value, 1, number)
      case .sub: return isFirst ? (value, -1, number) : (value, 1, -number)
      case .mul: return (value, number, nil)
      default: return nil
      }
    default: return nil
    }
  }
}
