import SwageGraph
import SwageTensor

/// How much the results of a graph move when its arithmetic is rounded differently: Monte Carlo arithmetic after Parker
/// ("Monte Carlo Arithmetic", 1997), with two evaluations in double precision: throughout, and but for casts.
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
    hasProducts = graph.hasProducts
    self.inputs = inputs
    self.expected = expected
    random = FuzzRandom(seed: 1, stream: UInt64(graph.nodeCount))
  }

  /// Whether rounding alone can have given `got` for output `index`, at each of the elements that differ; nil for
  /// `elements` says that the sizes do.
  mutating func explains(_ got: Tensor, output index: Int, elements: [Int]?) -> Bool {
    for count in Self.counts {
      while samples.count < count { samples.append(next()) }
      if verdict(got, index, elements) { return true }
    }
    return false
  }

  /// How far each element of output `index` may be from the reference, in whatever way it was computed; infinite where
  /// there is no verdict, nil where the sizes move.
  mutating func bounds(output index: Int) -> [Double]? {
    while samples.count < Self.counts[1] { samples.append(next()) }
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

  private mutating func next() -> [Tensor]? {
    samples.count < 2 ? wide(roundsCasts: samples.count == 1) : sample()
  }

  /// All of it in double precision, results rounded to the types of the graph; casts round where `roundsCasts`.
  private func wide(roundsCasts: Bool) -> [Tensor]? {
    guard let widened = try? graph.widened(roundsCasts: roundsCasts) else { return nil }
    let tensors = graph.inputs.compactMap { inputs[graph[$0].name]?.widened }
    var context = EvaluationContext()
    guard tensors.count == graph.inputs.count, let results = try? Evaluator.run(widened, tensors, &context) else {
      return nil
    }
    return results
  }

  /// All of it with every rounding moved, in nested graphs too.
  private mutating func sample() -> [Tensor]? {
    let noise = RoundingNoise(
      random: FuzzRandom(seed: random.next(), stream: 0), isEven: samples.count % 2 == 0, hasProducts: hasProducts)
    let tensors = graph.inputs.compactMap { inputs[graph[$0].name] }
    var context = EvaluationContext(observer: noise)
    guard tensors.count == graph.inputs.count else { return nil }
    return try? Evaluator.run(graph, tensors, &context)
  }
}

extension Tensor {
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

  /// Whether there are products, in nested graphs too.
  fileprivate var hasProducts: Bool {
    nodes.contains { node in
      switch node.op {
      case .matmul, .convolution: true
      default: node.regions.contains(where: \.hasProducts)
      }
    }
  }

  /// The graph with f32, f16 and bf16 replaced by f64, in nested graphs too. Casts round to their type on the way where
  /// `roundsCasts`.
  func widened(roundsCasts: Bool) throws -> Graph {
    var result = Graph(name: name)
    var map: [ValueID: ValueID] = [:]
    for input in inputs { map[input] = result.addInput(name: self[input].name, type: type(of: input).widened) }
    for node in nodes {
      var op = node.op
      switch node.op {
      case .constant(let constant): op = .constant(Constant(constant.value.widened))
      case .cast(let cast) where Agreement.isRounded(cast.to):
        if roundsCasts, let operand = node.operands[0].flatMap({ map[$0] }) {
          let rounded = try result.append(.cast(cast), [operand], sources: node.sources)[0]
          map[node.results[0]] = try result.append(.cast(Cast(to: .f64)), [rounded], sources: node.sources)[0]
          continue
        }
        op = .cast(Cast(to: .f64))
      case .if(let conditional): op = .if(If(results: conditional.results.map(\.widened)))
      case .loop(let loop): op = .loop(Loop(carried: loop.carried, results: loop.results.map(\.widened)))
      default: break
      }
      let created = try result.append(
        op, node.operands.map { $0.flatMap { map[$0] } },
        regions: node.regions.map { try $0.widened(roundsCasts: roundsCasts) },
        sources: node.sources)
      for (old, new) in zip(node.results, created) { map[old] = new }
    }
    for (value, name) in zip(outputs, outputNames) {
      if let mapped = map[value] { result.addOutput(mapped, name: name) }
    }
    return result
  }
}
