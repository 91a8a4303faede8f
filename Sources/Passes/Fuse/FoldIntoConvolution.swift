import SwageGraph
import SwageTensor

/// Neighbours of a convolution that disappear into its weights, pads and strides.
public let foldIntoConvolution = Pass(
  name: "fold-into-convolution",
  rules: [scaleIntoConvolution, scalePastBias, mergeBiases, padIntoConvolution, upsampleIntoConvolution])

/// A factor for each filter (the first half of a folded batch normalisation) in the weights.
///
///     %1 = convolution(%0, %w)
///     %2 = binary(%1, %s) {function = mul}
///     ->
///     %2 = convolution(%0, %w·s)
///
/// Legal when: 1. nothing else reads the convolution; 2. weights and factor are constants, the factor varies along the
/// channels only; 3. the convolution has no epilogue; 4. the weights are floats.
let scaleIntoConvolution = RewriteRule(name: "scale-into-convolution") { node, graph in
  guard let (value, factor) = scaling(node, graph), let convolution = graph.soleProducer(of: value),
    case .convolution(let op) = convolution.op, op.epilogue.steps.isEmpty,
    let weights = graph.constant(convolution.operands[1] ?? value), weights.elementType.isFloat,
    let factors = channelFactors(factor, of: value, op.layout, graph),
    let scaled = scale(weights, by: factors, op)
  else { return nil }
  var patch = Patch(replacing: node, covering: [convolution], in: graph)
  let name = convolution.operands[1].map { graph[$0].name } ?? ""
  let constant = try patch.constant(scaled, name: name)
  patch.replaceRoot(with: try patch.add(convolution.op, [convolution.operands[0], constant]))
  return patch
}

/// A factor behind a bias moves before it, towards the convolution.
///
///     %1 = convolution(%0, %w)
///     %2 = binary(%1, %b) {function = add}
///     %3 = binary(%2, %s) {function = mul}
///     ->
///     %2 = binary(%1, %s) {function = mul}
///     %3 = binary(%2, %b·s) {function = add}
///
/// Legal when nothing else reads %1 and %2, and b and s are constants that vary along the channels only. What is subtracted
/// (the mean of a batch normalisation that was written out) is a bias too.
let scalePastBias = RewriteRule(name: "scale-past-bias") { node, graph in
  guard let (value, factor) = scaling(node, graph), let sum = graph.soleProducer(of: value),
    let (inner, offsets) = bias(sum, graph), let convolution = graph.soleProducer(of: inner),
    case .convolution(let op) = convolution.op, op.epilogue.steps.isEmpty,
    graph.constant(convolution.operands[1] ?? inner) != nil,
    let factors = channelFactors(factor, of: value, op.layout, graph)
  else { return nil }
  var patch = Patch(replacing: node, covering: [sum], in: graph)
  let scales = try patch.constant(channels(factors, of: value, op.layout, graph))
  let moved = try patch.constant(channels(zip(offsets, factors).map(*), of: value, op.layout, graph))
  let scaled = try patch.add(.binary(Binary(.mul)), [inner, scales])
  patch.replaceRoot(with: try patch.add(.binary(Binary(.add)), [scaled, moved]))
  return patch
}

/// Two biases as one.
///
///     %1 = convolution(%0, %w)
///     %2 = binary(%1, %b) {function = add}
///     %3 = binary(%2, %c) {function = add}
///     ->
///     %3 = binary(%1, %b+c) {function = add}
///
/// Legal when nothing else reads %1 and %2, and b and c are constants of floats that vary along the channels only; either
/// may be subtracted. One rounding takes the place of two.
let mergeBiases = RewriteRule(name: "merge-biases") { node, graph in
  guard let (value, outer) = bias(node, graph), let sum = graph.soleProducer(of: value),
    let (inner, first) = bias(sum, graph), let convolution = graph.soleProducer(of: inner),
    case .convolution(let op) = convolution.op
  else { return nil }
  var patch = Patch(replacing: node, covering: [sum], in: graph)
  let constant = try patch.constant(channels(zip(first, outer).map(+), of: value, op.layout, graph))
  patch.replaceRoot(with: try patch.add(.binary(Binary(.add)), [inner, constant]))
  return patch
}

/// Zeros around the input as pads of the convolution.
///
///     %1 = pad(%0) {mode = constant, begins = [0, 0, a, b], ends = [0, 0, c, d]}
///     %2 = convolution(%1, %w) {pads_begin = [0, 0], pads_end = [0, 0]}
///     ->
///     %2 = convolution(%0, %w) {pads_begin = [a, b], pads_end = [c, d]}
///
/// Legal when: 1. nothing else reads the padded value; 2. it is padded with zeros, along spatial axes, by known amounts
/// that are not negative; 3. the convolution is not transposed.
let padIntoConvolution = RewriteRule(name: "pad-into-convolution") { node, graph in
  guard case .convolution(var op) = node.op, !op.isTransposed, let padding = graph.soleProducer(of: node.operands[0]),
    case .pad(let pad) = padding.op, pad.mode == .constant
  else { return nil }
  if padding.operands.count > 1, let value = padding.operands[1], graph.scalar(value) != 0 { return nil }
  let spatial = op.layout.firstSpatialAxis..<op.layout.firstSpatialAxis + op.strides.count
  for axis in pad.begins.indices {
    guard let begin = pad.begins[axis].constant, let end = pad.ends[axis].constant else { return nil }
    if spatial.contains(axis) ? begin < 0 || end < 0 : begin != 0 || end != 0 { return nil }
  }
  for (index, axis) in spatial.enumerated() {
    op.padsBegin[index] = op.padsBegin[index] + pad.begins[axis]
    op.padsEnd[index] = op.padsEnd[index] + pad.ends[axis]
  }
  var operands = node.operands
  operands[0] = padding.operands[0]
  return try Patch.swap(node, for: .convolution(op), operands, covering: [padding], in: graph)
}

/// A multiplication by a constant tensor, or a scaling by a number.
private func scaling(_ node: Node, _ graph: Graph) -> (value: ValueID, factor: Tensor)? {
  switch node.op {
  case .unary(let unary):
    guard unary.function == .linear, unary.beta == 0, let value = node.operands[0] else { return nil }
    return (value, Tensor(scalar: unary.alpha, .f64))
  case .binary(let binary):
    guard binary.function == .mul, let a = node.operands[0], let b = node.operands[1] else { return nil }
    for (value, factor) in [(a, b), (b, a)] {
      guard let tensor = graph.constant(factor), graph.type(of: value) == graph.type(of: node.results[0]) else {
        continue
      }
      return (value, tensor)
    }
    return nil
  default: return nil
  }
}

/// What a node adds to each channel of a convolution's results, or of those and their bias.
private func bias(_ node: Node, _ graph: Graph) -> (value: ValueID, offsets: [Double])? {
  guard case .binary(let op) = node.op, op.function == .add || op.function == .sub, let a = node.operands[0],
    let b = node.operands[1], graph.type(of: node.results[0]).elementType.isFloat
  else { return nil }
  for (value, other) in op.function == .add ? [(a, b), (b, a)] : [(a, b)] {
    guard let constant = graph.constant(other), graph.type(of: value) == graph.type(of: node.results[0]),
      let layout = layout(of: value, graph), let offsets = channelFactors(constant, of: value, layout, graph)
    else { continue }
    return (value, op.function == .add ? offsets : offsets.map { -$0 })
  }
  return nil
}

/// Of the convolution that a value, or what it is the sum of, comes from.
private func layout(of value: ValueID, _ graph: Graph) -> ImageLayout? {
  guard let producer = graph.soleProducer(of: value) else { return nil }
  if case .convolution(let op) = producer.op { return op.layout }
  guard case .binary = producer.op else { return nil }
  for operand in producer.operands {
    if let source = graph.soleProducer(of: operand), case .convolution(let op) = source.op { return op.layout }
  }
  return nil
}

/// Numbers of channels as a tensor that broadcasts to a value.
private func channels(_ numbers: [Double], of value: ValueID, _ layout: ImageLayout, _ graph: Graph) -> Tensor {
  let type = graph.type(of: value)
  var shape = [Int](repeating: 1, count: type.rank)
  shape[layout.channelAxis(rank: type.rank)] = numbers.count
  return Tensor(type.elementType, shape, doubles: numbers)
}

/// One number for each channel; nil where the constant varies along other axes.
private func channelFactors(_ tensor: Tensor, of value: ValueID, _ layout: ImageLayout, _ graph: Graph) -> [Double]? {
  let type = graph.type(of: value)
  let axis = layout.channelAxis(rank: type.rank)
  guard let channels = type.shape[axis].constant, tensor.shape.count <= type.rank else { return nil }
  if tensor.count == 1 { return [Double](repeating: tensor.doubles[0], count: channels) }
  let padded = [Int](repeating: 1, count: type.rank - tensor.shape.count) + tensor.shape
  guard padded[axis] == channels, tensor.count == channels else { return nil }
  return tensor.doubles
}

private func scale(_ weights: Tensor, by factors: [Double], _ op: Convolution) -> Tensor? {
  var values = weights.doubles
  let inner = weights.shape.dropFirst(2).reduce(1, *)
  let (rows, columns) = (weights.shape[0], weights.shape[1])
  guard factors.count == (op.isTransposed ? columns * op.groups : rows) else { return nil }
  for row in 0..<rows {
    for column in 0..<columns {
      // Of the transpose, rows are input channels: filters are the columns of each group.
      let filter = op.isTransposed ? row / (rows / op.groups) * columns + column : row
      for k in 0..<inner { values[(row * columns + column) * inner + k] *= factors[filter] }
    }
  }
  return Tensor(weights.elementType, weights.shape, doubles: values)
}
