import SwageGraph
import SwageTensor

/// A quotient of sizes.
struct SizeRatio {
  var numerator: Dim
  var denominator: Dim
}

// Translations that need numbers look back through the nodes that made them. The graph stays as it is: folding is a
// pass's work.
extension Call {
  /// Elements that such a computation may have, and nodes that it may go through.
  private static let limit = 1024

  /// The tensor, where it is a constant or follows from constants by few small operations.
  func folded(_ value: ImportedValue) -> Tensor? {
    if let tensor = value.tensor { return tensor }
    if let known = value.known { return known.tensor(value.type.elementType) }
    guard case .node(let id, let owner) = value.content else { return nil }
    var budget = 256
    return Self.fold(id, in: owner.graph, &budget)
  }

  private static func fold(_ id: ValueID, in graph: Graph, _ budget: inout Int) -> Tensor? {
    budget -= 1
    guard budget > 0, let count = graph.type(of: id).elementCount.constant, (0...limit).contains(count),
      let node = graph.producer(of: id), node.regions.isEmpty, node.op.definition.symbols.isEmpty, !node.op.hasEffect,
      case .node(_, let index) = graph[id].definition
    else { return nil }
    if case .constant(let constant) = node.op { return constant.value }
    if case .object = node.op { return nil }
    guard !node.operands.isEmpty else { return nil }
    var operands: [Tensor?] = []
    for operand in node.operands {
      guard let operand else {
        operands.append(nil)
        continue
      }
      guard let tensor = fold(operand, in: graph, &budget) else { return nil }
      operands.append(tensor)
    }
    var context = EvaluationContext()
    return (try? Evaluator.evaluate(node, in: graph, operands, &context)).map { $0[index] }
  }

  /// The elements as quotients of sizes: factors that exporters compute as `Cast(size) / Cast(shape)`.
  func ratios(_ value: ImportedValue) -> [SizeRatio]? {
    if let known = value.known { return known.elements.map { SizeRatio(numerator: $0, denominator: 1) } }
    guard case .node(let id, let owner) = value.content else { return value.tensor.flatMap(Self.ratios) }
    var budget = 256
    return Self.ratios(id, in: owner.graph, &budget)
  }

  private static func ratios(_ tensor: Tensor) -> [SizeRatio]? {
    guard tensor.count <= 16, tensor.elementType.isFloat || tensor.elementType.isInteger else { return nil }
    let values = tensor.doubles
    guard values.allSatisfy({ $0.magnitude < 0x1p20 }) else { return nil }
    return values.map { value in
      let (numerator, denominator) = ResizeOperators.fraction(Float(value))
      return SizeRatio(numerator: Dim(numerator), denominator: Dim(denominator))
    }
  }

  private static func ratios(_ id: ValueID, in graph: Graph, _ budget: inout Int) -> [SizeRatio]? {
    budget -= 1
    guard budget > 0, let node = graph.producer(of: id) else { return nil }
    var operands: [[SizeRatio]] = []
    switch node.op {
    case .constant(let constant): return ratios(constant.value)
    case .sizes(let sizes): return sizes.values.map { SizeRatio(numerator: $0, denominator: 1) }
    case .cast(let cast) where cast.to.isFloat || graph.type(of: id).elementType.isInteger: break
    case .reshape, .concat, .binary: break
    default: return nil
    }
    for operand in node.operands {
      guard let operand, let parts = ratios(operand, in: graph, &budget) else { return nil }
      operands.append(parts)
    }
    switch node.op {
    case .cast(let cast):
      // A cast to integers would round.
      return cast.to.isFloat || operands[0].allSatisfy { $0.denominator == 1 } ? operands[0] : nil
    case .reshape: return operands[0]
    case .concat: return operands.flatMap { $0 }
    case .binary(let binary):
      let count = max(operands[0].count, operands[1].count)
      guard operands.allSatisfy({ $0.count == count || $0.count == 1 }), graph.type(of: id).elementType.isFloat else {
        return nil
      }
      return (0..<count).compactMap { index -> SizeRatio? in
        let a = operands[0][operands[0].count == 1 ? 0 : index]
        let b = operands[1][operands[1].count == 1 ? 0 : index]
        switch binary.function {
        case .mul: return SizeRatio(numerator: a.numerator * b.numerator, denominator: a.denominator * b.denominator)
        case .div where b.numerator != 0:
          return SizeRatio(numerator: a.numerator * b.denominator, denominator: a.denominator * b.numerator)
        default: return nil
        }
      }
    default: return nil
    }
  }
}
