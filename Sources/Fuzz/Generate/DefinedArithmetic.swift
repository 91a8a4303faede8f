import SwageGraph
import SwageTensor

/// Finds, while a node is evaluated, with those of its nested graphs, what is defined nowhere.
final class DefinedArithmetic: EvaluationObserver {
  private let isPortable: Bool
  private(set) var fault: TypeFault?

  /// `isPortable`: what ONNX leaves open counts too.
  init(isPortable: Bool) { self.isPortable = isPortable }

  func operands(of node: Node, _ operands: [Tensor?]) -> [Tensor?] {
    if fault == nil { fault = refuseMagnitudes(node, operands) ?? refuseOperands(node, operands) }
    return operands
  }

  func results(of node: Node, _ operands: [Tensor?], _ results: [Tensor]) -> [Tensor] {
    if case .linearAttention = node.op, fault == nil, !results.allSatisfy({ $0.doubles.allSatisfy(\.isFinite) }) {
      // Where the state of single precision overflows depends on every rounding before.
      fault = TypeFault("the state overflows")
    }
    return results
  }

  /// What no kernel in single precision can be asked for: sums of squares that overflow or vanish.
  private func refuseMagnitudes(_ node: Node, _ operands: [Tensor?]) -> TypeFault? {
    guard sums(node, operands) else { return nil }
    for operand in operands {
      guard let operand, operand.elementType.isFloat else { continue }
      for value in operand.doubles {
        if value.isFinite, value != 0, abs(value) > 1e15 || abs(value) < 1e-15 { return TypeFault("squares overflow") }
      }
    }
    return nil
  }

  /// Adds up products, or makes squares that are added next: a norm before it is recognized.
  private func sums(_ node: Node, _ operands: [Tensor?]) -> Bool {
    switch node.op {
    case .unary(let unary) where unary.function == .square: true
    case .binary(let binary) where binary.function == .mul: node.operands[0] == node.operands[1]
    case .binary(let binary) where binary.function == .pow: operands[1]?.doubles.allSatisfy { $0 == 2 } == true
    case .if, .loop: false
    default: if case .accumulating = node.op.definition.numericClass { true } else { false }
    }
  }

  /// Whether weights that are no numbers count beside padding, or inputs that are none beside the zeros that spread them;
  /// and in ONNX, what the mean or an extremum of nothing is.
  private func refuseOperands(_ node: Node, _ operands: [Tensor?]) -> TypeFault? {
    switch node.op {
    case .convolution(let op):
      let indices = op.isTransposed ? [0, 1] : [1]
      let areNumbers = indices.allSatisfy { index in
        index >= operands.count || operands[index]?.doubles.allSatisfy(\.isFinite) != false
      }
      return areNumbers ? nil : TypeFault("a convolution of what is no number")
    case .linearAttention:
      // Factors of the state that are beyond single precision: infinite, or nothing times infinity.
      let isBeyond = operands.count > 4 && operands[4]?.doubles.contains { $0 > 80 } == true
      return isBeyond ? TypeFault("a decay that grows without bounds") : nil
    case .reduce(let op):
      guard isPortable, let x = operands[0] else { return nil }
      return op.axes.contains { x.shape[$0] == 0 } ? TypeFault("reduces nothing") : nil
    default: return nil
    }
  }
}
