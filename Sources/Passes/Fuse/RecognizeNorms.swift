import SwageGraph
import SwageTensor

/// Layer normalisation, RMS normalisation and group normalisation from what exporters write.
public let recognizeNorms = Pass(
  name: "recognize-norms", rules: [layerNormFromParts, rmsNormFromParts, groupNormFromReshape, normScale, normBias])

/// Normalisation by mean and variance over trailing axes.
///
///     %1 = reduce(%0) {function = mean, axes = [k…], keep = true}
///     %2 = binary(%0, %1) {function = sub}
///     %3 = unary(%2) {function = square}                     (or pow 2, or %2 · %2)
///     %4 = reduce(%3) {function = mean, axes = [k…], keep = true}
///     %5 = unary(%4) {function = linear, beta = epsilon}     (or an addition)
///     %6 = unary(%5) {function = sqrt}
///     %7 = binary(%2, %6) {function = div}                   (or · 1/√, or · x^-0.5)
///     ->
///     %7 = layer_norm(%0) {axis = k, epsilon = …}
///
/// Legal when: 1. both means run over the same axes, which are the last ones; 2. the deviation that is squared is the
/// one that is divided (exporters compute it twice: equal expressions count).
let layerNormFromParts = RewriteRule(name: "layer-norm") { node, graph in
  guard let ratio = inverseRoot(node, graph), let deviation = graph.producer(of: ratio.numerator),
    case .binary(let subtract) = deviation.op, subtract.function == .sub, let x = deviation.operands[0],
    let mean = trailingMean(deviation.operands[1], graph), mean.operand == x,
    let variance = trailingMean(ratio.radicand, graph), variance.axes == mean.axes,
    let square = squared(variance.operand, graph),
    square.value == ratio.numerator || isDeviation(square.value, x, mean.axes, graph),
    graph.type(of: x) == graph.type(of: node.results[0])
  else { return nil }
  return try Patch.swap(
    node, for: .layerNorm(LayerNorm(axis: mean.axes[0], epsilon: ratio.epsilon)), [x],
    covering: ratio.nodes + [deviation, mean.node, variance.node, square.node], in: graph)
}

/// `x / √(mean(x²) + ε)` -> layer_norm with `rms = true`; legal when the mean runs over the last axes.
let rmsNormFromParts = RewriteRule(name: "rms-norm") { node, graph in
  guard let ratio = inverseRoot(node, graph), let variance = trailingMean(ratio.radicand, graph),
    let square = squared(variance.operand, graph), square.value == ratio.numerator,
    graph.type(of: ratio.numerator) == graph.type(of: node.results[0])
  else { return nil }
  return try Patch.swap(
    node, for: .layerNorm(LayerNorm(axis: variance.axes[0], epsilon: ratio.epsilon, isRMS: true)), [ratio.numerator],
    covering: ratio.nodes + [variance.node, square.node], in: graph)
}

/// Group normalisation as exporters write it: an instance normalisation of regrouped channels.
///
///     %1 = reshape(%0) {shape = [n, g, …]}
///     %2 = group_norm(%1) {groups = g}        (or layer_norm over everything behind g)
///     %3 = reshape(%2) {shape = [n, c, h, w]}
///     ->
///     %3 = group_norm(%0) {groups = g}
///
/// Legal when: 1. the first reshape keeps the first axis and splits the channels of the original shape into g groups;
/// 2. the second restores that shape; 3. scale and bias of the inner one are absent or ones and zeros.
let groupNormFromReshape = RewriteRule(name: "group-norm") { node, graph in
  guard case .reshape = node.op, let inner = graph.soleProducer(of: node.operands[0]),
    let regroup = graph.producer(of: inner.operands.first ?? nil), case .reshape = regroup.op,
    let x = regroup.operands[0]
  else { return nil }
  let shape = graph.type(of: x).shape
  let grouped = graph.type(of: regroup.results[0]).shape
  guard graph.type(of: node.results[0]) == graph.type(of: x), shape.count >= 3, grouped.count >= 3,
    grouped[0] == shape[0], let channels = shape[1].constant, let groups = grouped[1].constant, groups > 0,
    channels % groups == 0
  else { return nil }
  let epsilon: Double
  switch inner.op {
  case .groupNorm(let norm):
    guard norm.layout == .channelsFirst, norm.groups == groups, norm.activation == nil,
      isSplat(inner, 1, of: 1, graph), isSplat(inner, 2, of: 0, graph)
    else { return nil }
    epsilon = norm.epsilon
  case .layerNorm(let norm):
    guard norm.axis == 2, !norm.isRMS, inner.operands.dropFirst().allSatisfy({ $0 == nil }) else { return nil }
    epsilon = norm.epsilon
  default: return nil
  }
  return try Patch.swap(
    node, for: .groupNorm(GroupNorm(groups: groups, epsilon: epsilon)), [x], covering: [inner, regroup], in: graph)
}

/// A multiplication behind a norm as its scale.
///
///     %1 = layer_norm(%0) {axis = k, …}
///     %2 = binary(%1, %s) {function = mul}
///     ->
///     %2 = layer_norm(%0, %s) {axis = k, …}
///
/// Legal when: 1. nothing else reads the norm; 2. it has no scale and no bias yet, and no activation; 3. the factor is a
/// constant that varies along the normalised axes (of group_norm: the channels) only.
let normScale = RewriteRule(name: "norm-scale") { node, graph in
  try normParameter(node, .mul, graph)
}

/// An addition behind a norm as its bias; legal as for the scale, but a scale may be there.
let normBias = RewriteRule(name: "norm-bias") { node, graph in
  try normParameter(node, .add, graph)
}

private func normParameter(_ node: Node, _ function: Binary.Function, _ graph: Graph) throws -> Patch? {
  guard case .binary(let binary) = node.op, binary.function == function else { return nil }
  for (value, parameter) in [(node.operands[0], node.operands[1]), (node.operands[1], node.operands[0])] {
    guard let norm = graph.soleProducer(of: value), let parameter, let tensor = graph.constant(parameter),
      let result = norm.results.first, graph.type(of: result) == graph.type(of: node.results[0])
    else { continue }
    let type = graph.type(of: result)
    let extent: [Int]
    switch norm.op {
    case .layerNorm(let op):
      guard let sizes = TensorType(type.elementType, Array(type.shape[op.axis...])).staticShape else { return nil }
      extent = sizes
      guard let own = spread(tensor, over: type.rank, onto: Array(op.axis..<type.rank), sizes) else { continue }
      return try attach(own, extent, to: norm, node, function, graph)
    case .groupNorm(let op):
      let axis = op.layout.channelAxis(rank: type.rank)
      guard op.activation == nil, let channels = type.shape[axis].constant else { return nil }
      extent = [channels]
      guard let own = spread(tensor, over: type.rank, onto: [axis], extent) else { continue }
      return try attach(own, extent, to: norm, node, function, graph)
    default: continue
    }
  }
  return nil
}

/// Puts the parameter into its slot, where that is free.
private func attach(
  _ tensor: Tensor, _ extent: [Int], to norm: Node, _ node: Node, _ function: Binary.Function, _ graph: Graph
) throws -> Patch? {
  var operands = norm.operands
  while operands.count < 3 { operands.append(nil) }
  if function == .mul {
    guard isAbsent(operands[1], 1, graph), isAbsent(operands[2], 0, graph) else { return nil }
    operands[2] = nil
  } else {
    guard isAbsent(operands[2], 0, graph) else { return nil }
  }
  var patch = Patch(replacing: node, covering: [norm], in: graph)
  operands[function == .mul ? 1 : 2] = try patch.constant(tensor)
  while operands.last == .some(nil) { operands.removeLast() }
  patch.replaceRoot(with: try patch.add(norm.op, operands))
  return patch
}

private func isAbsent(_ value: ValueID?, _ neutral: Double, _ graph: Graph) -> Bool {
  value == nil || graph.scalar(value) == neutral
}

/// A constant that broadcasts against `rank` axes as a tensor of the sizes of `axes` alone; nil where it varies along
/// others.
private func spread(_ tensor: Tensor, over rank: Int, onto axes: [Int], _ sizes: [Int]) -> Tensor? {
  guard tensor.shape.count <= rank else { return nil }
  let padded = [Int](repeating: 1, count: rank - tensor.shape.count) + tensor.shape
  for axis in 0..<rank where !axes.contains(axis) && padded[axis] != 1 { return nil }
  let own = axes.map { padded[$0] }
  for (have, want) in zip(own, sizes) where have != 1 && have != want { return nil }
  guard let count = Checked.product(sizes), count <= 1 << 24 else { return nil }
  var context = EvaluationContext()
  let target = Broadcast(sizes.map { Dim($0) })
  return try? target.evaluate([tensor.reshaped(own)], &context).first
}

/// `numerator / √(radicand + ε)` in its forms.
private func inverseRoot(
  _ node: Node, _ graph: Graph
) -> (numerator: ValueID, radicand: ValueID, epsilon: Double, nodes: [Node])? {
  guard case .binary(let binary) = node.op, let a = node.operands[0], let b = node.operands[1] else { return nil }
  func sum(_ value: ValueID, _ nodes: [Node]) -> (ValueID, Double, [Node])? {
    let line = graph.affine(value)
    guard isNear(line.scale, 1), line.offset >= 0 else { return nil }
    return (line.value, line.offset, nodes + line.nodes)
  }
  func reciprocalRoot(_ value: ValueID) -> (ValueID, Double, [Node])? {
    guard let outer = graph.producer(of: value) else { return nil }
    switch outer.op {
    case .unary(let unary) where unary.function == .rsqrt: return outer.operands[0].flatMap { sum($0, [outer]) }
    case .unary(let unary) where unary.function == .reciprocal:
      guard let root = graph.unary(outer.operands[0]), root.unary.function == .sqrt else { return nil }
      return sum(root.operand, [outer, root.node])
    case .binary(let power) where power.function == .pow:
      guard graph.scalar(outer.operands[1]) == -0.5 else { return nil }
      return outer.operands[0].flatMap { sum($0, [outer]) }
    case .binary(let divide) where divide.function == .div:
      guard graph.scalar(outer.operands[0]) == 1, let root = graph.unary(outer.operands[1]),
        root.unary.function == .sqrt
      else { return nil }
      return sum(root.operand, [outer, root.node])
    default: return nil
    }
  }
  switch binary.function {
  case .div:
    if let root = graph.unary(b), root.unary.function == .sqrt, let found = sum(root.operand, [root.node]) {
      return (a, found.0, found.1, found.2)
    }
    if let power = graph.producer(of: b), case .binary(let op) = power.op, op.function == .pow,
      graph.scalar(power.operands[1]) == 0.5, let base = power.operands[0], let found = sum(base, [power])
    {
      return (a, found.0, found.1, found.2)
    }
    return nil
  case .mul:
    if let found = reciprocalRoot(b) { return (a, found.0, found.1, found.2) }
    if let found = reciprocalRoot(a) { return (b, found.0, found.1, found.2) }
    return nil
  default: return nil
  }
}

/// A mean over the last axes that keeps them.
private func trailingMean(_ value: ValueID?, _ graph: Graph) -> (operand: ValueID, axes: [Int], node: Node)? {
  guard let node = graph.producer(of: value), case .reduce(let reduce) = node.op, reduce.function == .mean,
    reduce.keepsAxes, let operand = node.operands[0], let first = reduce.axes.first,
    reduce.axes == Array(first..<graph.type(of: operand).rank)
  else { return nil }
  return (operand, reduce.axes, node)
}

/// A square, and what is squared.
private func squared(_ value: ValueID, _ graph: Graph) -> (value: ValueID, node: Node)? {
  guard let node = graph.producer(of: value), let operand = node.operands.first ?? nil else { return nil }
  switch node.op {
  case .unary(let unary) where unary.function == .square: return (operand, node)
  case .binary(let binary) where binary.function == .mul && node.operands[1] == operand: return (operand, node)
  case .binary(let binary) where binary.function == .pow && graph.scalar(node.operands[1]) == 2: return (operand, node)
  default: return nil
  }
}

private func isDeviation(_ value: ValueID, _ x: ValueID, _ axes: [Int], _ graph: Graph) -> Bool {
  guard let node = graph.producer(of: value), case .binary(let binary) = node.op, binary.function == .sub,
    node.operands[0] == x, let mean = trailingMean(node.operands[1], graph)
  else { return false }
  return mean.operand == x && mean.axes == axes
}

/// Whether an operand is absent, or a constant with this number everywhere.
private func isSplat(_ node: Node, _ index: Int, of number: Double, _ graph: Graph) -> Bool {
  guard index < node.operands.count, let value = node.operands[index] else { return true }
  return graph.scalar(value) == number
}
