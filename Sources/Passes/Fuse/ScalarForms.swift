import SwageGraph
import SwageTensor

/// `scale · value + offset`.
struct Affine {
  var value: ValueID
  var scale: Double
  var offset: Double
  /// The nodes that compute it, the outermost first.
  var nodes: [Node]
}

/// A product: `constant` times the factors.
struct Product {
  var constant: Double
  var factors: [ValueID]
  /// The nodes that multiply.
  var nodes: [Node]
}

/// Arithmetic by scalars, in whatever way an exporter writes it.
extension Graph {
  /// The value as an affine function of another, as far down as additions and multiplications by scalars go. Inner
  /// nodes count only where nothing else reads them, unless `crossesShared`. What computes `end` is not looked at.
  func affine(_ value: ValueID, until end: ValueID? = nil, crossesShared: Bool = true) -> Affine {
    var result = Affine(value: value, scale: 1, offset: 0, nodes: [])
    while result.value != end, let node = producer(of: result.value),
      crossesShared || result.nodes.isEmpty || hasSingleUse(result.value)
    {
      guard let step = affineStep(node) else { break }
      result.offset += result.scale * step.offset
      result.scale *= step.scale
      result.value = step.value
      result.nodes.append(node)
    }
    return result
  }

  private func affineStep(_ node: Node) -> (value: ValueID, scale: Double, offset: Double)? {
    switch node.op {
    case .unary(let unary):
      guard let operand = node.operands[0], type(of: operand).elementType.isFloat else { return nil }
      switch unary.function {
      case .linear: return (operand, unary.alpha, unary.beta)
      case .neg: return (operand, -1, 0)
      default: return nil
      }
    case .binary(let binary):
      guard let (operand, scalar, isFirst) = splitScalar(node), type(of: operand).elementType.isFloat,
        type(of: operand) == type(of: node.results[0])
      else { return nil }
      switch binary.function {
      case .add: return (operand, 1, scalar)
      case .sub: return isFirst ? (operand, -1, scalar) : (operand, 1, -scalar)
      case .mul: return (operand, scalar, 0)
      case .div: return isFirst || scalar == 0 ? nil : (operand, 1 / scalar, 0)
      default: return nil
      }
    default: return nil
    }
  }

  /// The factors of a value that is a product; inner products count only where nothing else reads them.
  func product(_ root: Node) -> Product? {
    var result = Product(constant: 1, factors: [], nodes: [])
    guard isProduct(root) else { return nil }
    collect(root, into: &result)
    return result
  }

  private func isProduct(_ node: Node) -> Bool {
    guard node.results.count == 1, type(of: node.results[0]).elementType.isFloat else { return false }
    switch node.op {
    case .unary(let unary): return unary.function == .linear && unary.beta == 0 || unary.function == .square
    case .binary(let binary):
      return binary.function == .mul || binary.function == .div && (node.operands[1].flatMap { scalar($0) } ?? 0) != 0
    default: return false
    }
  }

  private func collect(_ node: Node, into product: inout Product) {
    product.nodes.append(node)
    func descend(_ value: ValueID?) {
      guard let value else { return }
      if let inner = soleProducer(of: value), isProduct(inner), product.nodes.count < 8 {
        collect(inner, into: &product)
      } else {
        product.factors.append(value)
      }
    }
    switch node.op {
    case .unary(let unary):
      if unary.function == .square, let operand = node.operands[0] {
        product.factors += [operand, operand]
        return
      }
      product.constant *= unary.alpha
      descend(node.operands[0])
    case .binary(let binary):
      if let (value, number, _) = splitScalar(node) {
        product.constant *= binary.function == .div ? 1 / number : number
        descend(value)
      } else {
        descend(node.operands[0])
        descend(node.operands[1])
      }
    default: break
    }
  }

  /// The unary function that computes a value, with its operand.
  func unary(_ value: ValueID?) -> (unary: Unary, operand: ValueID, node: Node)? {
    guard let node = producer(of: value), case .unary(let unary) = node.op, let operand = node.operands[0] else {
      return nil
    }
    return (unary, operand, node)
  }
}

/// Whether an exporter's constant is meant to be `exact`: constants come rounded to half precision at worst.
func isNear(_ value: Double, _ exact: Double) -> Bool { abs(value - exact) <= 6e-4 * max(abs(exact), 1e-3) }
