import SwageGraph
import SwageTensor

/// How much the results of a graph move when its arithmetic is rounded differently: Monte Carlo arithmetic after Parker
/// ("Monte Carlo Arithmetic", 1997), with one evaluation in double precision throughout.
///
/// Each sample evaluates the graph with every operand of a sum, and every rounded result, moved at random by a few units
/// of its last place. Exact operations, inputs and constants stay exact, so that an integer result, or a step such as
/// floor on exact numbers, does not move: there a difference is a fault. An element that moves may differ by a
/// multiple of how far it moved; one of an integer that moves at all has no verdict.
struct Conditioning {
  /// Results of each sample; nil where a sample failed: indices that data decides may have no meaning when it moves.
  private var samples: [[Tensor]?] = []
  private let graph: Graph
  private let hasProducts: Bool
  private let inputs: [String: Tensor]
  private let expected: [Tensor]
  private var random: FuzzRandom

  /// A fault that is this many times what the samples moved has another cause.
  private static let margin = 12.0
  private static let counts = [6, 24]

  init(graph: Graph, inputs: [String: Tensor], expected: [Tensor]) {
    self.graph = (try? graph.withoutEpilogues()) ?? graph
    hasProducts = graph.nodes.contains {
      switch $0.op {
      case .matmul, .convolution: true
      default: false
      }
    }
    self.inputs = inputs
    self.expected = expected
    random = FuzzRandom(seed: 1, stream: UInt64(graph.nodeCount))
  }

  /// Whether rounding alone can have given `got` for output `index`, at each of the elements that differ; nil for
  /// `elements` says that the sizes do.
  mutating func explains(_ got: Tensor, output index: Int, elements: [Int]?) -> Bool {
    for count in Self.counts {
      while samples.count < count { samples.append(samples.isEmpty ? wide() : sample()) }
      if verdict(got, index, elements) { return true }
    }
    return false
  }

  /// How far each element of output `index` may be from the reference, in whatever way it was computed; infinite where
  /// there is no verdict, nil where the sizes move.
  mutating func bounds(output index: Int) -> [Double]? {
    while samples.count < Self.counts[1] { samples.append(samples.isEmpty ? wide() : sample()) }
    let want = expected[index]
    let others = samples.compactMap { $0.map { $0[index] } }
    if others.contains(where: { $0.shape != want.shape }) { return nil }
    let reference = want.doubles
    let moved = others.map(\.doubles)
    let tolerance = Agreement.tolerance(want.elementType)
    let largest = reference.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    return reference.indices.map { element in
      let center = reference[element]
      let values = moved.map { $0[element] }
      let isStill = values.allSatisfy { $0 == center || ($0.isNaN && center.isNaN) }
      guard Agreement.isRounded(want.elementType) else { return isStill ? 0 : .infinity }
      guard center.isFinite else { return isStill ? 0 : .infinity }
      let reach = values.reduce(0) { max($0, $1.isFinite ? abs($1 - center) : .infinity) }
      return Self.margin * reach + tolerance.relative * abs(center) + tolerance.ofLargest * largest
    }
  }

  private func verdict(_ got: Tensor, _ index: Int, _ elements: [Int]?) -> Bool {
    let want = expected[index]
    let others = samples.compactMap { $0.map { $0[index] } }
    // Sizes that move with the data leave nothing to compare.
    if others.contains(where: { $0.shape != want.shape }) { return true }
    guard let elements else { return false }
    let reference = want.doubles
    let actual = got.doubles
    let moved = others.map(\.doubles)
    let tolerance = Agreement.tolerance(want.elementType)
    if want.elementType.isInteger {
      // Doubles would hide what moves in integers of 64 bits: the bits of a float, say.
      let (exact, integers) = (want.integers, others.map(\.integers))
      return elements.allSatisfy { element in integers.contains { $0[element] != exact[element] } }
    }
    return elements.allSatisfy { element in
      let center = reference[element]
      let values = moved.map { $0[element] }
      guard Agreement.isRounded(want.elementType) else {
        return values.contains { $0 != center && !($0.isNaN && center.isNaN) }
      }
      if values.contains(where: { $0.isFinite != center.isFinite || $0.isNaN != center.isNaN }) { return true }
      guard center.isFinite else {
        return values.contains { $0 != center && !($0.isNaN && center.isNaN) }
      }
      let reach = values.reduce(0) { max($0, abs($1 - center)) }
      return abs(actual[element] - center) <= Self.margin * reach + tolerance.relative * abs(center)
    }
  }

  // MARK: - Samples

  /// All of it in double precision, results rounded to the types of the graph.
  private func wide() -> [Tensor]? {
    guard let widened = try? graph.widened() else { return nil }
    let tensors = graph.inputs.compactMap { inputs[graph[$0].name]?.widened }
    var context = EvaluationContext()
    guard tensors.count == graph.inputs.count, let results = try? Evaluator.run(widened, tensors, &context) else {
      return nil
    }
    return results
  }

  private mutating func sample() -> [Tensor]? {
    var context = EvaluationContext()
    var values: [ValueID: Tensor] = [:]
    for input in graph.inputs {
      guard let tensor = inputs[graph[input].name] else { return nil }
      values[input] = tensor
      for (size, actual) in zip(graph.type(of: input).shape, tensor.shape) {
        if let name = size.symbolName { context.symbols[name] = actual }
      }
    }
    for node in graph.nodes {
      let kind = node.op.definition.numericClass
      var operands = node.operands.map { $0.flatMap { values[$0] } }
      if case .accumulating = kind {
        for index in operands.indices {
          if let operand = operands[index] { operands[index] = moved(operand, by: 1.5) }
        }
      }
      guard var results = try? Evaluator.evaluate(node, in: graph, operands, &context) else { return nil }
      if case .bitcast = node.op, let operand = operands[0] { results[0] = otherNaN(results[0], of: operand) }
      if hasProducts, let bound = bound(of: node.op), let operand = operands[0], samples.count % 2 == 0 {
        results[0] = results[0].replacingNaN(with: bound, where: operand)
      }
      switch kind {
      case .exact: break
      case .rounding, .accumulating:
        if let operand = operands.first.flatMap({ $0 }), let unit = cancelling(node.op) {
          results[0] = cancelled(results[0], operand, unit)
        }
        // Gates near one and steps of a state: what they leave is rounded as one is.
        let floor = if case .recurrent = node.op { 1.0 } else { 0.0 }
        results = results.map { moved($0, by: 3, floor: floor) }
      }
      for (id, tensor) in zip(node.results, results) { values[id] = tensor }
    }
    return graph.outputs.compactMap { values[$0] }
  }

  /// What the post-operations of oneDNN make of a NaN, where this may become one.
  private func bound(of op: Op) -> Double? {
    guard case .unary(let unary) = op else { return nil }
    switch unary.function {
    case .relu: return 0
    case .clip: return unary.alpha.isFinite ? unary.alpha : unary.beta
    case .hardSigmoid: return 0
    default: return nil
    }
  }

  /// Functions that are commonly computed as one minus a number near one, or as that times the operand: the magnitude
  /// at `x` of what is rounded before it cancels.
  private func cancelling(_ op: Op) -> ((_ x: Double) -> Double)? {
    guard case .unary(let unary) = op else { return nil }
    switch unary.function {
    case .gelu, .geluTanh: return { abs($0) }
    case .elu, .celu: return { _ in abs(unary.alpha) }
    case .selu: return { _ in abs(unary.alpha * unary.beta) }
    default: return nil
    }
  }

  /// Results moved by what is rounded before it cancels; in every second sample what lies below that is zero.
  private mutating func cancelled(_ result: Tensor, _ operand: Tensor, _ unit: (Double) -> Double) -> Tensor {
    guard Agreement.isRounded(result.elementType), operand.count == result.count else { return result }
    let epsilon = Agreement.epsilon(result.elementType).relative
    return Tensor(
      result.elementType, result.shape,
      doubles: zip(result.doubles, operand.doubles).map { value, x in
        guard value.isFinite, value != 0, x < 0 else { return value }
        let reach = 3 * epsilon * unit(x)
        if abs(value) < reach, samples.count % 2 == 0 { return 0 }
        return value + (random.unit() * 2 - 1) * reach
      })
  }

  /// Integers that are the bits of floats: sign and payload of a NaN that arithmetic made are those of the processor's
  /// instructions.
  private mutating func otherNaN(_ bits: Tensor, of floats: Tensor) -> Tensor {
    let free: Int64
    switch floats.elementType {
    case .f64: free = Int64(bitPattern: 0x8007_ffff_ffff_ffff)
    case .f32: free = 0x803f_ffff
    case .f16: free = 0x81ff
    case .bf16: free = 0x803f
    case .f8e4m3fn: free = 0x80
    case .f8e5m2: free = 0x81
    default: return bits
    }
    let values = floats.doubles
    guard bits.elementType.isInteger, values.contains(where: \.isNaN) else { return bits }
    return Tensor(
      bits.elementType, bits.shape,
      integers: zip(bits.integers, values).map { pattern, value in
        value.isNaN ? pattern ^ (Int64(bitPattern: random.next()) & free) : pattern
      })
  }

  /// Each element moved by up to `units` of half its last place.
  /// Those below `floor` are moved as it is.
  private mutating func moved(_ tensor: Tensor, by units: Double, floor: Double = 0) -> Tensor {
    guard Agreement.isRounded(tensor.elementType) else { return tensor }
    let epsilon = Agreement.epsilon(tensor.elementType)
    return Tensor(
      tensor.elementType, tensor.shape,
      doubles: tensor.doubles.map { value in
        guard value.isFinite, value != 0 else { return value }
        let noise = (random.unit() * 2 - 1) * units
        return value + max(abs(value), floor) * epsilon.relative * noise + epsilon.tiny * noise
      })
  }
}

extension Tensor {
  func replacingNaN(with bound: Double, where operand: Tensor) -> Tensor {
    guard elementType.isFloat, operand.count == count else { return self }
    let source = operand.doubles
    guard source.contains(where: \.isNaN) else { return self }
    return Tensor(elementType, shape, doubles: zip(doubles, source).map { $1.isNaN ? bound : $0 })
  }

  /// Floats that are rounded, in double precision.
  var widened: Tensor {
    Agreement.isRounded(elementType) && elementType != .f64 ? Tensor(.f64, shape, doubles: doubles) : self
  }
}

extension TensorType {
  var widened: TensorType { Agreement.isRounded(elementType) ? TensorType(.f64, shape) : self }
}

extension Graph {
  /// The graph with the steps behind products as nodes of their own.
  func withoutEpilogues() throws -> Graph {
    var result = Graph(name: name)
    var map: [ValueID: ValueID] = [:]
    for input in inputs { map[input] = result.addInput(name: self[input].name, type: type(of: input)) }
    for node in nodes {
      var op = node.op
      var steps: [Epilogue.Step] = []
      switch node.op {
      case .matmul(var product):
        (steps, product.epilogue) = (product.epilogue.steps, Epilogue())
        op = .matmul(product)
      case .convolution(var product):
        (steps, product.epilogue) = (product.epilogue.steps, Epilogue())
        op = .convolution(product)
      default: break
      }
      let operands = node.operands.map { $0.flatMap { map[$0] } }
      var created = try result.append(
        op, steps.isEmpty ? operands : Array(operands.prefix(2)), regions: node.regions, sources: node.sources)
      for step in steps {
        switch step {
        case .unary(let unary): created = try result.append(.unary(unary), created, sources: node.sources)
        case .binary(let function, let operand):
          created = try result.append(
            .binary(Binary(function)), [created[0], operands[operand]], sources: node.sources)
        }
      }
      for (old, new) in zip(node.results, created) { map[old] = new }
    }
    for (value, name) in zip(outputs, outputNames) {
      if let mapped = map[value] { result.addOutput(mapped, name: name) }
    }
    return result
  }

  /// The graph with f32, f16 and bf16 replaced by f64, in nested graphs too.
  func widened() throws -> Graph {
    var result = Graph(name: name)
    var map: [ValueID: ValueID] = [:]
    for input in inputs { map[input] = result.addInput(name: self[input].name, type: type(of: input).widened) }
    for node in nodes {
      var op = node.op
      switch node.op {
      case .constant(let constant): op = .constant(Constant(constant.value.widened))
      case .cast(let cast) where Agreement.isRounded(cast.to): op = .cast(Cast(to: .f64))
      case .if(let conditional): op = .if(If(results: conditional.results.map(\.widened)))
      case .loop(let loop): op = .loop(Loop(carried: loop.carried, results: loop.results.map(\.widened)))
      default: break
      }
      let created = try result.append(
        op, node.operands.map { $0.flatMap { map[$0] } }, regions: node.regions.map { try $0.widened() },
        sources: node.sources)
      for (old, new) in zip(node.results, created) { map[old] = new }
    }
    for (value, name) in zip(outputs, outputNames) {
      if let mapped = map[value] { result.addOutput(mapped, name: name) }
    }
    return result
  }
}
