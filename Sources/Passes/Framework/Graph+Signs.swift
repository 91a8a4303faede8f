import SwageGraph
import SwageTensor

extension Graph {
  /// Nodes that are looked through on the way to a proof.
  private static let proofDepth = 16

  /// Whether no element of `value` can have a minus sign: no negative number, no -0, no minus infinity. NaN may be among
  /// them. False where that takes more than a look at the functions that lead there: squares, magnitudes, exponentials,
  /// and their sums, means, products, quotients and roots.
  func hasNoMinus(_ value: ValueID) -> Bool { hasNoMinus(value, Self.proofDepth) }

  private func hasNoMinus(_ value: ValueID, _ depth: Int) -> Bool {
    guard depth > 0, type(of: value).elementType.isFloat, let node = producer(of: value) else { return false }
    func all(_ operands: [ValueID?]) -> Bool {
      operands.allSatisfy { operand in operand.map { hasNoMinus($0, depth - 1) } ?? false }
    }
    switch node.op {
    case .constant(let constant):
      guard !constant.value.isDeferred else { return false }
      guard constant.value.count <= 64 else { return constant.value.splat.map { $0.sign == .plus } ?? false }
      return constant.value.doubles.allSatisfy { $0.sign == .plus }
    case .unary(let op):
      switch op.function {
      case .abs, .square, .exp, .sigmoid: return true
      case .sqrt, .rsqrt, .reciprocal: return all(node.operands)
      case .clip: return op.alpha > 0 && op.beta > 0
      case .linear:
        return op.alpha > 0 && op.beta.sign == .plus && all(node.operands)
      default: return false
      }
    case .binary(let op):
      switch op.function {
      case .mul: return node.operands[0] == node.operands[1] || all(node.operands)
      case .add, .div, .max, .min: return all(node.operands)
      case .pow: return scalar(node.operands[1]) == 2 || all([node.operands[0]])
      default: return false
      }
    case .reduce(let op):
      switch op.function {
      case .sumSquare, .l1, .l2: return true
      // The maximum of nothing is minus infinity.
      case .sum, .mean, .min: return all(node.operands)
      default: return false
      }
    case .softmax(let op): return !op.isLog
    case .reshape, .transpose, .broadcast, .slice, .cast: return all([node.operands[0]])
    default: return false
    }
  }
}
