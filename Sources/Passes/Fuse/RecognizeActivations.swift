import SwageGraph
import SwageTensor

/// Activation functions that exporters write out, as one operation each.
///
/// Legal for all rules when: 1. the constants are those of the function, up to half-precision rounding; 2. inner values
/// may have other readers (they stay for them), where a rule does not say otherwise. Leaves alone: integer arithmetic, and constants that are not scalars.
public let recognizeActivations = Pass(
  name: "recognize-activations", rules: [recognizeHardSigmoid, recognizeGatedActivation])

/// A clipped line as the hard sigmoid.
///
///     %1 = unary(%0) {function = linear, alpha = a, beta = b}
///     %2 = unary(%1) {function = clip, alpha = 0.0, beta = c}
///     ->
///     %2 = unary(%0) {function = hard_sigmoid, alpha = a/c, beta = b/c}     (then · c, where c is not 1)
///
/// Legal when c = 1, or a division by c follows (the product's rule sees that one), and nothing else reads the line: it
/// would be computed all the same, and rounded otherwise.
let recognizeHardSigmoid = RewriteRule(name: "hard-sigmoid") { node, graph in
  guard case .unary(let clip) = node.op, clip.function == .clip, clip.alpha == 0, clip.beta == 1,
    let operand = node.operands[0], graph.type(of: operand).elementType.isFloat
  else { return nil }
  let line = graph.affine(operand)
  guard !line.nodes.isEmpty, line.scale != 0,
    line.nodes.allSatisfy({ graph.soleProducer(of: $0.results[0]) != nil })
  else { return nil }
  return try Patch.swap(
    node, for: .unary(Unary(.hardSigmoid, alpha: line.scale, beta: line.offset)), [line.value], covering: line.nodes,
    in: graph)
}

/// `x · gate(x)`: SiLU, hard swish, GELU (both forms) and Mish.
///
///     x · sigmoid(a · x)                                     -> silu, alpha = a
///     x · clip(x + 3, 0, 6) / 6                              -> hard_swish
///     0.5 · x · (1 + erf(x / √2))                            -> gelu
///     0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))     -> gelu_tanh
///     x · tanh(softplus(x))                                  -> mish
///
/// Legal when both factors depend on the same x, in any order of the products.
let recognizeGatedActivation = RewriteRule(name: "gated-activation") { node, graph in
  guard let product = graph.product(node), product.factors.count == 2 else { return nil }
  for (x, gate) in [(product.factors[0], product.factors[1]), (product.factors[1], product.factors[0])] {
    guard graph.type(of: x) == graph.type(of: node.results[0]),
      let (function, nodes) = gatedFunction(x, gate, product.constant, graph)
    else { continue }
    return try Patch.swap(node, for: .unary(function), [x], covering: product.nodes.dropFirst() + nodes, in: graph)
  }
  return nil
}

/// The function f with `f(x) = constant · x · gate`, and the nodes of the gate.
private func gatedFunction(_ x: ValueID, _ gate: ValueID, _ constant: Double, _ graph: Graph) -> (Unary, [Node])? {
  let line = graph.affine(gate, until: x)
  guard let inner = graph.unary(line.value) else { return nil }
  let nodes = line.nodes + [inner.node]
  let (scale, offset) = (constant * line.scale, constant * line.offset)
  let argument = graph.affine(inner.operand, until: x)
  switch inner.unary.function {
  case .sigmoid:
    guard isNear(scale, 1), offset == 0, argument.value == x, argument.offset == 0 else { return nil }
    return (Unary(.silu, alpha: argument.scale), nodes + argument.nodes)
  case .hardSigmoid:
    guard inner.operand == x, offset == 0, isNear(scale, 1), isNear(inner.unary.alpha, 1 / 6.0),
      isNear(inner.unary.beta, 0.5)
    else { return nil }
    return (Unary(.hardSwish), nodes)
  case .clip:
    guard argument.value == x, offset == 0, inner.unary.alpha == 0, isNear(scale * inner.unary.beta, 1),
      isNear(scale * argument.scale, 1 / 6.0), isNear(scale * argument.offset, 0.5)
    else { return nil }
    return (Unary(.hardSwish), nodes + argument.nodes)
  case .erf:
    guard isNear(scale, 0.5), isNear(offset, 0.5), argument.value == x, argument.offset == 0,
      isNear(argument.scale, 0.5.squareRoot())
    else { return nil }
    return (Unary(.gelu), nodes + argument.nodes)
  case .tanh:
    if isNear(scale, 1), offset == 0, let softplus = graph.unary(inner.operand), softplus.unary.function == .softplus,
      softplus.operand == x
    {
      return (Unary(.mish), nodes + [softplus.node])
    }
    guard isNear(scale, 0.5), isNear(offset, 0.5), let cubic = geluCubic(argument, x, graph) else { return nil }
    return (Unary(.geluTanh), nodes + argument.nodes + cubic)
  default: return nil
  }
}

/// The nodes of `x + 0.044715 · x³` (or `x · (1 + 0.044715 · x²)`) where `argument` is √(2/π) times that.
private func geluCubic(_ argument: Affine, _ x: ValueID, _ graph: Graph) -> [Node]? {
  let outer = (2 / Double.pi).squareRoot()
  guard argument.offset == 0, let node = graph.producer(of: argument.value), case .binary(let binary) = node.op else {
    return nil
  }
  if binary.function == .add, isNear(argument.scale, outer) {
    for (a, b) in [(node.operands[0], node.operands[1]), (node.operands[1], node.operands[0])] {
      guard a == x, let b, let cube = power(b, of: x, graph), cube.exponent == 3, isNear(cube.constant, 0.044715) else {
        continue
      }
      return [node] + cube.nodes
    }
  }
  if let product = graph.product(node), product.factors.count == 2,
    let index = product.factors.firstIndex(of: x)
  {
    let line = graph.affine(product.factors[1 - index], until: x)
    let total = argument.scale * product.constant
    guard let square = power(line.value, of: x, graph), square.exponent == 2, isNear(total * line.offset, outer),
      isNear(total * line.scale * square.constant, outer * 0.044715)
    else { return nil }
    return product.nodes + line.nodes + square.nodes
  }
  return nil
}

/// A value as `constant · xⁿ`.
private func power(_ value: ValueID, of x: ValueID, _ graph: Graph) -> (constant: Double, exponent: Int, nodes: [Node])?
{
  let line = graph.affine(value, until: x)
  guard line.offset == 0 else { return nil }
  if line.value == x { return (line.scale, 1, line.nodes) }
  guard let node = graph.producer(of: line.value) else { return nil }
  if case .unary(let unary) = node.op, unary.function == .square, let operand = node.operands[0],
    let inner = power(operand, of: x, graph)
  {
    return (line.scale * inner.constant * inner.constant, inner.exponent * 2, line.nodes + [node] + inner.nodes)
  }
  guard case .binary(let binary) = node.op, let a = node.operands[0], let b = node.operands[1] else { return nil }
  if binary.function == .pow, let exponent = graph.scalar(b), let inner = power(a, of: x, graph), inner.constant == 1,
    inner.exponent == 1, exponent == 2 || exponent == 3
  {
    return (line.scale, Int(exponent), line.nodes + [node] + inner.nodes)
  }
  if binary.function == .mul, let first = power(a, of: x, graph), let second = power(b, of: x, graph),
    first.exponent + second.exponent <= 3
  {
    return (
      line.scale * first.constant * second.constant, first.exponent + second.exponent,
      line.nodes + [node] + first.nodes + second.nodes
    )
  }
  return nil
}
