import SwageKernel
import SwagePartition
import SwageTensor

/// Finds what a node becomes on a CPU, or says why nothing.
enum NodeRecipe {
  enum Answer {
    case recipe(Recipe)
    case refused(String)
  }

  static func make(_ node: Node, in graph: Graph, threads: Int) -> Answer {
    if let reason = refusedTypes(node, in: graph) { return .refused(reason) }
    switch node.op {
    case .unary, .binary, .select, .cast, .fused:
      return generated(ElementwiseKernels.make(node, in: graph), node, in: graph)
    case .bitcast,
      .transpose,
      .broadcast,
      .slice,
      .concat,
      .pad,
      .iota,
      .sizes,
      .gather,
      .gatherElements,
      .gatherND,
      .scatterElements,
      .scatterND:
      return generated(MovementKernels.make(node, in: graph), node, in: graph)
    case .nonZero(let op): return own(ScanKernels.make(op, node, in: graph), node, in: graph)
    case .nonMaxSuppression(let op): return own(DetectionKernels.make(op, node, in: graph), node, in: graph)
    case .reduce(let op): return own(ReduceKernels.make(op, node, in: graph), node, in: graph)
    case .argReduce(let op): return own(ScanKernels.make(op, node, in: graph), node, in: graph)
    case .cumulative(let op): return own(ScanKernels.make(op, node, in: graph), node, in: graph)
    case .topK(let op): return own(ScanKernels.make(op, node, in: graph), node, in: graph)
    case .sliceOrder(let op): return own(OrderKernels.make(op, node, in: graph), node, in: graph)
    case .determinant(let op): return own(OrderKernels.make(op, node, in: graph), node, in: graph)
    case .softmax(let op): return own(SoftmaxKernels.make(op, node, in: graph), node, in: graph)
    case .layerNorm(let op): return own(NormKernels.make(op, node, in: graph), node, in: graph)
    case .groupNorm(let op): return own(NormKernels.make(op, node, in: graph), node, in: graph)
    case .matmul, .convolution:
      return own(ProductWays(node, in: graph, threads: threads)?.preferred, node, in: graph)
    case .pool(let op): return own(PoolKernels.make(op, node, in: graph), node, in: graph)
    case .resize(let op): return own(ResizeKernels.make(op, node, in: graph), node, in: graph)
    case .recurrent(let op):
      if op.hiddenSize > RecurrentKernels.largestState {
        return .refused("hidden size \(op.hiddenSize) exceeds \(RecurrentKernels.largestState)")
      }
      return own(RecurrentKernels.make(op, node, in: graph, threads: threads), node, in: graph)
    case .attention(let op):
      if let recipe = AttentionKernels.make(op, node, in: graph) { return .recipe(recipe) }
      let types = node.operands.prefix(3).map { $0.map { graph.type(of: $0).description } ?? "none" }
      return .refused(
        "head sizes of \(types.joined(separator: ", ")) must be known and at most \(AttentionKernels.largestHead)")
    case .linearAttention(let op):
      if let recipe = LinearAttentionKernels.make(op, node, in: graph) { return .recipe(recipe) }
      return .refused(
        "heads of \(types(node, in: graph)) must be known and at most \(LinearAttentionKernels.largestHead)")
    case .random: return .refused("random numbers are drawn by the reference evaluator")
    case .treeEnsemble(let op): return own(TreeKernels.make(op, node, in: graph), node, in: graph)
    case .pairwiseCoupling(let op): return own(CouplingKernels.make(op, node, in: graph), node, in: graph)
    case .quantizeLinear(let op):
      if op.to.isPacked { return .refused("results of \(op.to.bitWidth) bits share bytes") }
      return own(QuantizeKernels.make(op, node, in: graph), node, in: graph)
    case .dequantizeLinear(let op): return own(QuantizeKernels.make(op, node, in: graph), node, in: graph)
    case .constant, .reshape, .bindSymbols, .if, .loop, .copy, .fail:
      return .refused("\(node.op.mnemonic) is the interpreter's own work")
    case .text, .ngramCount: return .refused("kernels hold no characters of strings")
    case .object: return .refused("sequences, optionals and maps are no memory for a kernel")
    }
  }

  private static func own(_ recipe: Recipe?, _ node: Node, in graph: Graph) -> Answer {
    if let recipe { return .recipe(recipe) }
    return .refused("no kernel of \(node.op.mnemonic) fits \(types(node, in: graph))")
  }

  private static func generated(_ kernels: [GeneratedKernel]?, _ node: Node, in graph: Graph) -> Answer {
    guard let kernels else { return .refused("no generated kernel of \(node.op.mnemonic) fits these types") }
    var recipe = Recipe()
    let label = label(node)
    // A result that a later kernel goes on with: until then it is a temporary, which that kernel writes over.
    var unfinished: [Int: Recipe.Slot] = [:]
    for (index, kernel) in kernels.enumerated() {
      let inPlace = kernel.inPlace.compactMap { alias -> InPlace? in
        guard let operand = kernel.operands.firstIndex(of: alias.operand),
          let result = kernel.results.firstIndex(of: alias.result)
        else { return nil }
        return InPlace(operand: operand, result: result)
      }
      var reads = kernel.operands.map { Recipe.Slot.operand($0) }
      for pair in inPlace {
        if let slot = unfinished.removeValue(forKey: kernel.results[pair.result]) { reads[pair.operand] = slot }
      }
      let writes = kernel.results.map { result -> Recipe.Slot in
        guard kernels[(index + 1)...].contains(where: { $0.results.contains(result) }) else { return .result(result) }
        let slot = recipe.addTemporary(graph.type(of: node.results[result]))
        unfinished[result] = slot
        return slot
      }
      recipe.steps.append(
        .init(
          action: .kernel(kernel.function), reads: reads, writes: writes, inPlace: inPlace,
          label: kernels.count == 1 ? label : "\(label) (\(index + 1) of \(kernels.count))", isMain: index == 0))
    }
    return .recipe(recipe)
  }

  /// `add`, `fused(add, mul)`, `transpose`
  private static func label(_ node: Node) -> String {
    switch node.op {
    case .unary(let op): return op.function.rawValue
    case .binary(let op): return op.function.rawValue
    case .fused:
      let inner = node.regions.flatMap { region in
        region.nodes.compactMap { inner -> String? in
          switch inner.op {
          case .unary(let op): op.function.rawValue
          case .binary(let op): op.function.rawValue
          case .constant: nil
          default: inner.op.mnemonic
          }
        }
      }
      let shown = inner.count > 6 ? inner.prefix(5) + ["and \(inner.count - 5) more"] : inner[...]
      return "fused(\(shown.joined(separator: ", ")))"
    default: return node.op.mnemonic
    }
  }

  private static func types(_ node: Node, in graph: Graph) -> String {
    node.operands.map { $0.map { graph.type(of: $0).description } ?? "none" }.joined(separator: ", ")
  }

  private static func refusedTypes(_ node: Node, in graph: Graph) -> String? {
    for value in node.operands.compactMap({ $0 }) + node.results {
      let type = graph.type(of: value)
      switch type.elementType {
      case .string where !takesStrings(node): return "\(type) holds strings"
      case .object: return "\(type) is no tensor"
      default: break
      }
      if let sizes = type.staticShape, Checked.product(sizes) == nil { return "\(type) has too many elements" }
    }
    // Threads would write into the same byte.
    guard !node.op.isElementwise, !node.op.movesData else { return nil }
    for result in node.results where graph.type(of: result).elementType.isPacked {
      return "elements of \(graph.type(of: result)) share bytes"
    }
    return nil
  }

  /// Strings are numbers that kernels move and compare. None stands in code: it would be another one in the next process.
  private static func takesStrings(_ node: Node) -> Bool {
    switch node.op {
    case .select: true
    case .binary(let op): op.function == .equal
    case .fused:
      node.regions.allSatisfy { region in
        region.nodes.allSatisfy { inner in
          if case .constant(let constant) = inner.op { return constant.value.elementType != .string }
          return takesStrings(inner)
            || !inner.operands.contains { $0.map { region.type(of: $0).elementType } == .string }
        }
      }
    default: node.op.movesData
    }
  }
}

extension Op {
  /// Whether results are copies of operands' elements in other places.
  var movesData: Bool {
    switch self {
    case .bitcast,
      .transpose,
      .broadcast,
      .slice,
      .concat,
      .pad,
      .gather,
      .gatherElements,
      .gatherND,
      .scatterElements,
      .scatterND:
      true
    default: false
    }
  }
}
