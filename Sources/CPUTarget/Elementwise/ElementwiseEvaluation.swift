import SwageGraph
import SwageKernel
import SwageTensor

/// Computes elementwise nodes on kernel expressions.
struct ElementwiseEvaluation {
  private let k: KernelBuilder

  init(_ k: KernelBuilder) { self.k = k }

  /// The values of the results `wanted`, from the operands' values; those that no wanted result needs may be nil.
  func results(
    _ node: Node, _ operands: [Expression?], _ types: [ElementType], wanted: [Int]
  ) -> [Expression] {
    func operand(_ index: Int) -> Expression { operands[index] ?? .literal(0, types[index].computeType) }
    switch node.op {
    case .unary(let unary): return [ElementwiseExpressions.unary(unary, operand(0), types[0])]
    case .binary(let binary):
      return [ElementwiseExpressions.binary(binary.function, operand(0), operand(1), types[0])]
    case .select: return [.choose(operand(0), operand(1), operand(2))]
    case .cast(let cast): return [ElementwiseExpressions.cast(operand(0), from: types[0], to: cast.to)]
    case .fused: return region(node, operands, wanted)
    default: preconditionFailure("\(node.op.mnemonic) is not elementwise")
    }
  }

  private func region(_ node: Node, _ operands: [Expression?], _ wanted: [Int]) -> [Expression] {
    let graph = node.regions[0]
    let live = Self.live(graph, outputs: wanted.map { graph.outputs[$0] })
    var values: [ValueID: Expression] = [:]
    for (input, operand) in zip(graph.inputs, operands) { values[input] = operand }
    for inner in graph.nodes where inner.results.contains(where: { live.contains($0) }) {
      if case .constant(let constant) = inner.op {
        values[inner.results[0]] = ElementwiseKernels.literal(constant.value)
        continue
      }
      let indices = inner.results.indices.filter { live.contains(inner.results[$0]) }
      let computed = results(
        inner, inner.operands.map { $0.flatMap { values[$0] } },
        inner.operands.map { graph.type(of: $0 ?? ValueID(0)).elementType }, wanted: indices)
      for (index, value) in zip(indices, computed) { values[inner.results[index]] = bind(value) }
    }
    return wanted.map { values[graph.outputs[$0]] ?? .bool(false) }
  }

  /// Names a value; rounding to a narrow type stays outside, where a store can leave it away.
  private func bind(_ value: Expression) -> Expression {
    if case .narrow(let type, let inner) = value { return .narrow(type, k.let("v", inner)) }
    return k.let("v", value)
  }

  /// The values that `outputs` depend on.
  private static func live(_ graph: Graph, outputs: [ValueID]) -> Set<ValueID> {
    var live = Set(outputs)
    for node in Array(graph.nodes).reversed() where node.results.contains(where: { live.contains($0) }) {
      live.formUnion(node.operands.compactMap { $0 })
    }
    return live
  }

  /// Indices of the operands that `results` depend on.
  static func neededOperands(_ node: Node, results: [Int]) -> Set<Int> {
    guard case .fused = node.op else { return Set(node.operands.indices) }
    let graph = node.regions[0]
    let live = live(graph, outputs: results.map { graph.outputs[$0] })
    return Set(graph.inputs.indices.filter { live.contains(graph.inputs[$0]) })
  }

  /// What a kernel is called: the functions it computes and the type of its result.
  static func name(_ node: Node, _ type: ElementType) -> String {
    var words: [String] = []
    func collect(_ node: Node) {
      switch node.op {
      case .unary(let unary): words.append(unary.function.rawValue)
      case .binary(let binary): words.append(binary.function.rawValue)
      case .fused: for inner in node.regions[0].nodes { collect(inner) }
      default: words.append(node.op.mnemonic)
      }
    }
    collect(node)
    let shown = words.count <= 4 ? words : words.prefix(3) + ["\(words.count - 3)_more"]
    return (shown + [type.name]).joined(separator: "_")
  }

  /// About how many simple operations one element takes.
  static func cost(_ node: Node) -> Int {
    switch node.op {
    case .fused: return node.regions[0].nodes.reduce(0) { $0 + cost($1) }
    case .binary(let binary):
      switch binary.function {
      case .pow, .fmod, .mod: return 16
      case .div: return 4
      default: return 1
      }
    case .unary(let unary):
      switch unary.function {
      case .abs, .neg, .relu, .not, .bitNot, .isNaN, .isInf, .linear, .clip, .leakyRelu, .square, .sign, .ceil, .floor,
        .round, .thresholdedRelu, .shrink, .hardSigmoid, .hardSwish:
        return 1
      case .sqrt, .rsqrt, .reciprocal, .softsign: return 4
      default: return 12
      }
    default: return 1
    }
  }
}
