import SwageGraph
import SwageTensor

/// Arithmetic on sizes as expressions, so that shapes which an earlier pass made known are known to the end.
///
///     %1 = sizes() {values = [h, w]} : i64[2]
///     %2 = constant i64[2] [2, 2]
///     %3 = binary(%1, %2) {function = mul} : i64[2]
/// ->
///     %3 = sizes() {values = [2*h, 2*w]} : i64[2]
///
/// Legal when
/// 1. each operand is a `sizes` node or an i64 constant of rank 0 or 1 with at most 64 elements, and at least one is a
///    `sizes` node; the result is i64 of rank 0 or 1;
/// 2. the node is `slice`, `gather` with constant indices, `concat`, `reshape`, a cast to i64, or `binary` with `add`,
///    `sub`, `mul`, `min` or `max`;
/// 3. or it is `div`, `mod` or `fmod` of a dividend that is never negative by a divisor that is always positive, so that
///    truncated and floor division agree. Sizes of inputs are not negative; nothing is known of other symbols.
///
/// Leaves alone: everything else, floating-point detours included, and what grows beyond the limits of expressions.
public let sizeArithmetic = RewriteRule(name: "size-arithmetic") { node, graph in
  guard node.results.count == 1, !node.operands.isEmpty else { return nil }
  let type = graph.type(of: node.results[0])
  guard type.elementType == .i64, type.rank <= 1, let count = type.elementCount.constant, (1...64).contains(count),
    node.operands.contains(where: { graph.producer(of: $0).map { $0.op.isSizes } ?? false })
  else { return nil }
  var known: [[Dim]] = []
  for operand in node.operands {
    guard let values = graph.knownSizes(operand) else { return nil }
    known.append(values)
  }
  guard let values = graph.sizes(of: node, known), values.count == count, !values.contains(where: \.isTooComplex) else {
    return nil
  }
  return try Patch.swap(node, for: .sizes(Sizes(values, isScalar: type.rank == 0)), [], in: graph)
}

extension Op {
  fileprivate var isSizes: Bool {
    if case .sizes = self { return true }
    return false
  }
}

extension Graph {
  /// The elements of a small vector of sizes.
  func knownSizes(_ value: ValueID?) -> [Dim]? {
    guard let value, let node = producer(of: value) else { return nil }
    switch node.op {
    case .sizes(let op): return op.values
    case .constant(let op):
      let tensor = op.value
      guard tensor.elementType == .i64, tensor.shape.count <= 1, tensor.count <= 64 else { return nil }
      return tensor.integers.map { Dim(Int($0)) }
    default: return nil
    }
  }

  fileprivate func sizes(of node: Node, _ operands: [[Dim]]) -> [Dim]? {
    switch node.op {
    case .reshape: return operands[0]
    case .cast(let op): return op.to == .i64 ? operands[0] : nil
    case .concat: return operands.flatMap { $0 }
    case .slice(let op):
      guard let start = op.starts.first?.constant, let size = op.sizes.first?.constant,
        let step = op.steps.first?.constant
      else { return nil }
      return pick(operands[0], (0..<size).map { start + $0 * step })
    case .gather:
      let indices = operands[1].compactMap(\.constant)
      guard indices.count == operands[1].count else { return nil }
      return pick(operands[0], indices.map { $0 < 0 ? $0 + operands[0].count : $0 })
    case .binary(let op): return combine(op.function, operands[0], operands[1])
    default: return nil
    }
  }

  private func pick(_ values: [Dim], _ indices: [Int]) -> [Dim]? {
    indices.allSatisfy(values.indices.contains) ? indices.map { values[$0] } : nil
  }

  private func combine(_ function: Binary.Function, _ a: [Dim], _ b: [Dim]) -> [Dim]? {
    let count = max(a.count, b.count)
    guard a.count == count || a.count == 1, b.count == count || b.count == 1 else { return nil }
    let inputs = Set(inputSymbols)
    func least(_ size: Dim) -> Int {
      size.bounds { inputs.contains($0) ? .size : .unknown }.lower ?? .min
    }
    var result: [Dim] = []
    for index in 0..<count {
      let (x, y) = (a[a.count == 1 ? 0 : index], b[b.count == 1 ? 0 : index])
      switch function {
      case .add: result.append(x + y)
      case .sub: result.append(x - y)
      case .mul: result.append(x * y)
      case .min: result.append(.minimum(x, y))
      case .max: result.append(.maximum(x, y))
      case .div:
        guard least(x) >= 0, least(y) >= 1 else { return nil }
        result.append(x.floorDivided(by: y))
      case .mod, .fmod:
        guard least(x) >= 0, least(y) >= 1 else { return nil }
        result.append(x.remainder(by: y))
      default: return nil
      }
    }
    return result
  }
}
