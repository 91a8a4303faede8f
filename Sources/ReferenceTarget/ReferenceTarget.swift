import SwagePartition
import SwageTensor

/// Runs every operation by its reference definition, slowly: for what no other target takes, and to compare with.
public struct ReferenceTarget: Target {
  public let name = "reference"
  /// Arithmetic of the reference evaluator, coarse.
  static let flopsPerSecond = 5e7
  /// Elements are converted to double precision and back.
  static let bytesPerSecond = 1e8
  /// Nanoseconds to read operands and hand results over.
  static let launch = 20_000.0

  public init() {}

  public func support(for node: Node, in graph: Graph) -> Support {
    switch node.op {
    case .constant, .reshape, .bindSymbols, .if, .loop, .copy, .fail:
      return .no(Refusal("\(node.op.mnemonic) is the interpreter's own work"))
    case .unary,
      .binary,
      .select,
      .cast,
      .bitcast,
      .fused,
      .transpose,
      .broadcast,
      .slice,
      .concat,
      .pad,
      .iota,
      .random,
      .sizes,
      .gather,
      .gatherElements,
      .gatherND,
      .scatterElements,
      .scatterND,
      .nonZero,
      .nonMaxSuppression,
      .reduce,
      .argReduce,
      .cumulative,
      .topK,
      .sliceOrder,
      .determinant,
      .softmax,
      .layerNorm,
      .groupNorm,
      .matmul,
      .convolution,
      .pool,
      .resize,
      .recurrent,
      .attention,
      .linearAttention,
      .treeEnsemble,
      .pairwiseCoupling,
      .quantizeLinear,
      .dequantizeLinear,
      .object,
      .text,
      .ngramCount:
      break
    }
    return .yes(
      Cost(
        flops: graph.flops(of: node), bytes: graph.bytes(of: node), flopsPerSecond: Self.flopsPerSecond,
        bytesPerSecond: Self.bytesPerSecond, launch: Self.launch))
  }

  public func makeLowering(_ options: LoweringOptions) -> any Lowering { ReferenceLowering() }
}

/// Each node becomes one instruction that carries the node as text.
final class ReferenceLowering: Lowering {
  func lower(_ node: Node, in graph: Graph, into builder: EntryPointBuilder) throws {
    let (payload, resources) = try GraphPayload.make(node, in: graph)
    let operands = builder.values(node.operands)
    let weights = resources.map { Optional(builder.weight($0, name: "")) }
    let sizes = payload.symbols.map { builder.size(.symbol($0)) }
    let results = builder.defineResults(of: node, in: graph, device: "reference")
    let defines = graph.definedSymbols(of: node).compactMap { name -> SymbolDefinition? in
      for (index, result) in node.results.enumerated() {
        guard let axis = graph.type(of: result).shape.firstIndex(where: { $0.symbolName == name }) else { continue }
        return SymbolDefinition(symbol: builder.symbol(name), result: index, axis: axis)
      }
      return nil
    }
    // The work of a loop may depend on sizes that its own steps decide.
    let types = (node.operands.compactMap { $0 } + node.results).map { graph.type(of: $0) }
    let known = Set(payload.symbols + types.flatMap { $0.shape.flatMap(\.symbols) })
    let flops = graph.flops(of: node)
    builder.emit(
      .device(name: "reference", payload: payload.text, sizes: sizes), operands: operands + weights, results: results,
      defines: defines, label: "\(node.op.mnemonic) (reference)", sources: node.sources,
      flops: known.isSuperset(of: flops.symbols) ? flops : 0, bytes: graph.bytes(of: node))
  }

  func finish(_ plan: PlanBuilder) throws {}
}
