import SwageKernel
import SwagePartition
import SwageTensor

/// The ways to compute matrix products and convolutions, in the order of the cost model's preference.
struct ProductWays {
  private struct Way {
    var choice: KernelChoice
    /// Taken only where measurements say so.
    var isAlternative = false
    /// nil where this way does not fit the node.
    var make: () -> Recipe?

    init(_ name: String, isAlternative: Bool = false, make: @escaping () -> Recipe?) {
      choice = KernelChoice(name)
      self.isAlternative = isAlternative
      self.make = make
    }
  }

  private let ways: [Way]

  /// nil for other operations.
  init?(_ node: Node, in graph: Graph, threads: Int) {
    switch node.op {
    case .matmul(let op): ways = Self.ways(op, node, graph, threads)
    case .convolution(let op): ways = Self.ways(op, node, graph, threads)
    default: return nil
    }
  }

  /// What the cost model takes.
  var preferred: Recipe? {
    for way in ways where !way.isAlternative { if let recipe = way.make() { return recipe } }
    return nil
  }

  func recipe(_ choice: KernelChoice) -> Recipe? { ways.first { $0.choice == choice }?.make() }

  /// All that fit, the preferred one first. Plain loops are no candidate where there is anything else.
  var choices: [KernelChoice] {
    let fitting = ways.filter { $0.make() != nil }
    guard let first = fitting.firstIndex(where: { !$0.isAlternative }) else { return [] }
    var sorted = fitting
    sorted.insert(sorted.remove(at: first), at: 0)
    return sorted.map(\.choice).enumerated().filter { $0.offset == 0 || $0.element.name != "plain" }.map(\.element)
  }

  private static func ways(_ op: MatMul, _ node: Node, _ graph: Graph, _ threads: Int) -> [Way] {
    let plain = Way("plain") { MatMulKernels.make(op, node, in: graph) }
    let others = [
      Way("panels") { PanelMatMulKernels.make(op, node, in: graph, threads: threads) },
      Way("library") { isOfLibrary(node, graph) ? LibraryRecipe.make(op, node, in: graph) : nil },
    ]
    return isSmall(node, graph) ? [plain] + others : others + [plain]
  }

  private static func ways(_ op: Convolution, _ node: Node, _ graph: Graph, _ threads: Int) -> [Way] {
    func winograd(_ transform: WinogradTransform) -> Recipe? {
      WinogradKernels.make(op, node, in: graph, threads: threads, transform: transform)
    }
    func panels(_ pieces: PanelConvolutionKernels.Pieces) -> Recipe? {
      PanelConvolutionKernels.make(op, node, in: graph, threads: threads, pieces: pieces)
    }
    let filtering = WinogradKernels.transforms(op, node, in: graph).map { transform, isPreferred in
      Way("winograd\(transform.results)", isAlternative: !isPreferred) { winograd(transform) }
    }
    return filtering + [
      Way("product") { PanelMatMulKernels.make(op, node, in: graph, threads: threads) },
      Way("scattered") { ScatteredConvolution.make(op, node, in: graph) },
      Way("panels") { panels(.bySize) },
      Way("panels-short", isAlternative: true) { panels(.short) },
      Way("panels-long", isAlternative: true) { panels(.long) },
      Way("library") { isOfLibrary(node, graph) ? LibraryRecipe.make(op, node, in: graph) : nil },
      Way("plain") { ConvolutionKernels.make(op, node, in: graph) },
    ]
  }

  private static func isOfLibrary(_ node: Node, _ graph: Graph) -> Bool {
    node.type(0, in: graph).map { LibraryRecipe.takes($0.elementType) } ?? false
  }

  /// Whether a generated kernel is faster than a call of the library, which takes about half a microsecond.
  private static func isSmall(_ node: Node, _ graph: Graph) -> Bool {
    guard node.type(0, in: graph)?.elementType == .f32, let weights = node.type(1, in: graph)?.staticShape,
      let sizes = graph.type(of: node.results[0]).staticShape
    else { return false }
    return sizes.dropLast().reduce(1, &*) == 1 && weights.reduce(1, &*) <= 4096
  }
}
