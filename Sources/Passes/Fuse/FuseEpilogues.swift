import SwageGraph
import SwageTensor

/// Elementwise work behind a convolution or a matrix product as its epilogue: bias, activation, residual.
///
///     %1 = convolution(%0, %w)
///     %2 = binary(%1, %b) {function = add}
///     %3 = unary(%2) {function = relu}
///     ->
///     %3 = convolution(%0, %w, %b) {epilogue = ["add:2", "relu"]}
///
/// Legal when: 1. nothing else reads the product; 2. the result keeps its type; 3. the other operand of a binary step is
/// a scalar, a vector along the channels (the last axis, for a product), or of the result's own shape; 4. the product is
/// the first operand of a subtraction or division; 5. the function is in `fusibleFunctions`; 6. the element type is a
/// float. Leaves alone: more than eight steps.
public let fuseEpilogues = Pass(name: "fuse-epilogues", rules: [epilogueStep, normActivation])

let epilogueStep = RewriteRule(name: "epilogue-step") { node, graph in
  switch node.op {
  case .unary(let unary):
    guard fusibleFunctions.contains(unary.function) else { return nil }
    return try appending(.unary(unary), operand: nil, to: node.operands[0], at: node, graph)
  case .binary(let binary):
    guard fusibleCombinations.contains(binary.function), let a = node.operands[0], let b = node.operands[1], a != b
    else { return nil }
    if let patch = try appending(binary.function, operand: b, to: a, at: node, graph) { return patch }
    guard binary.function.isCommutative else { return nil }
    return try appending(binary.function, operand: a, to: b, at: node, graph)
  default: return nil
  }
}

/// SiLU and others behind a group normalisation that nothing else reads become its activation.
let normActivation = RewriteRule(name: "norm-activation") { node, graph in
  guard case .unary(let unary) = node.op, [.silu, .relu].contains(unary.function),
    let norm = graph.soleProducer(of: node.operands[0]), case .groupNorm(var op) = norm.op, op.activation == nil
  else { return nil }
  op.activation = unary
  return try Patch.swap(node, for: .groupNorm(op), norm.operands, covering: [norm], in: graph)
}

/// Functions that the libraries of all targets apply to a product in registers.
private let fusibleFunctions: Set<Unary.Function> = [
  .relu, .sigmoid, .tanh, .silu, .gelu, .geluTanh, .hardSwish, .hardSigmoid, .clip, .linear, .leakyRelu, .elu, .abs,
  .sqrt, .square, .exp,
]

private let fusibleCombinations: Set<Binary.Function> = [.add, .sub, .mul, .div, .min, .max]

private func appending(
  _ function: Binary.Function, operand: ValueID, to value: ValueID, at node: Node, _ graph: Graph
) throws -> Patch? {
  let (type, other) = (graph.type(of: value), graph.type(of: operand))
  guard let product = graph.soleProducer(of: value), other.rank <= type.rank else { return nil }
  let padded = [Dim](repeating: 1, count: type.rank - other.rank) + other.shape
  let channelAxis: Int
  switch product.op {
  case .convolution(let op): channelAxis = op.layout.channelAxis(rank: type.rank)
  case .matmul: channelAxis = type.rank - 1
  default: return nil
  }
  let isScalar = padded.allSatisfy { $0 == 1 }
  let isChannels = padded.indices.allSatisfy { padded[$0] == ($0 == channelAxis ? type.shape[$0] : 1) }
  guard isScalar || isChannels || padded == type.shape else { return nil }
  return try appending(.binary(function, operand: product.operands.count), operand: operand, to: value, at: node, graph)
}

private func appending(
  _ step: Epilogue.Step, operand: ValueID?, to value: ValueID?, at node: Node, _ graph: Graph
) throws -> Patch? {
  guard let product = graph.soleProducer(of: value), let result = product.results.first,
    graph.type(of: result) == graph.type(of: node.results[0]), graph.type(of: result).elementType.isFloat
  else { return nil }
  let operands = product.operands + (operand.map { [$0] } ?? [])
  switch product.op {
  case .convolution(var op):
    guard op.epilogue.steps.count < 8 else { return nil }
    op.epilogue.steps.append(step)
    return try Patch.swap(node, for: .convolution(op), operands, covering: [product], in: graph)
  case .matmul(var op):
    guard op.epilogue.steps.count < 8 else { return nil }
    op.epilogue.steps.append(step)
    return try Patch.swap(node, for: .matmul(op), operands, covering: [product], in: graph)
  default: return nil
  }
}
