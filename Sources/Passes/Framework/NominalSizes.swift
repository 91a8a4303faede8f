import SwageGraph
import SwageTensor

/// Sizes to weigh costs with, where some are only known when the model runs: each symbol counts as 64.
struct NominalSizes {
  private let values: [String: Int]

  init(_ graph: Graph) {
    var symbols = Set(graph.inputSymbols)
    for node in graph.nodes {
      for result in node.results { for size in graph.type(of: result).shape { symbols.formUnion(size.symbols) } }
    }
    values = Dictionary(uniqueKeysWithValues: symbols.map { ($0, 64) })
  }

  /// Bytes of a tensor, at least one.
  func bytes(_ type: TensorType) -> Int { max(type.byteCount.evaluate(values) ?? 1, 1) }
}
