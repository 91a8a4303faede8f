import SwageGraph
import SwageTensor

/// A graph in two: what depends on some inputs only, and the rest, which takes the results of the former as inputs. A
/// caller who changes only the other inputs from run to run computes the first part once.
///
///     %k = matmul(%text, %w) : f32[batch, 77, 320]
///     %y = attention(%q, %k, %v)
/// ->
///     prompt:  %k = matmul(%text, %w)           returns %k as "invariant.0"
///     step:    %y = attention(%q, %invariant.0, …)
///
/// Values go over where
/// 1. they depend on at least one input, on none that varies, and on no size that only data decides;
/// 2. a product or another operation that adds up is among the nodes that they come from: work that repeats
///    elementwise functions, moves data, or depends on constants alone stays where it is;
/// 3. their producer does not make them larger: a broadcast is done again, from what it repeats;
/// 4. sizes of theirs are symbols of inputs, so that the step can check them.
public enum InvariantSplit {
  public struct Parts: Sendable {
    /// Takes the inputs that do not vary; outputs `invariant.0`, `invariant.1`, …
    public var invariant: Graph
    /// Takes the inputs that vary, those others that it still reads, and `invariant.N`.
    public var varying: Graph
  }

  /// - Parameters:
  ///   - varying: names of the inputs that change from run to run.
  ///   - name: of the graph for the invariant part.
  /// - Returns: nil where there is nothing to gain.
  public static func split(_ graph: Graph, varying: Set<String>, name: String) throws -> Parts? {
    let analysis = InvariantAnalysis(graph, varying: varying)
    let crossing = analysis.crossingValues()
    guard !crossing.isEmpty else { return nil }
    let hoisted = crossing.enumerated().map { GraphPort($1, name: "invariant.\($0)") }
    let fixed = graph.inputs.filter { !varying.contains(graph[$0].name) }
    let invariant = try graph.extracting(
      name: name, inputs: analysis.inputs(of: crossing, among: fixed).map { GraphPort($0, name: graph[$0].name) },
      outputs: hoisted)
    let stillRead = analysis.inputs(of: graph.outputs, among: fixed, stoppingAt: Set(crossing))
    let kept = graph.inputs.filter { varying.contains(graph[$0].name) || stillRead.contains($0) }
    let step = try graph.extracting(
      name: graph.name, inputs: kept.map { GraphPort($0, name: graph[$0].name) } + hoisted,
      outputs: zip(graph.outputs, graph.outputNames).map { GraphPort($0, name: $1) })
    return Parts(invariant: invariant, varying: step)
  }
}

private struct InvariantAnalysis {
  private enum Dependence {
    case constants
    /// Of inputs that do not vary; `isWorth`: a heavy node is among its sources.
    case fixed(isWorth: Bool)
    case varying
  }

  private let graph: Graph
  private let sizes: NominalSizes
  private var dependence: [ValueID: Dependence] = [:]
  /// Symbols that are the size of an axis of an input that varies.
  private var boundSymbols: Set<String> = []

  init(_ graph: Graph, varying: Set<String>) {
    self.graph = graph
    sizes = NominalSizes(graph)
    var fixedSymbols: Set<String> = []
    for input in graph.inputs {
      let isVarying = varying.contains(graph[input].name)
      dependence[input] = isVarying ? .varying : .fixed(isWorth: false)
      let names = graph.type(of: input).shape.compactMap(\.symbolName)
      if isVarying { boundSymbols.formUnion(names) } else { fixedSymbols.formUnion(names) }
    }
    for node in graph.nodes {
      let result = classify(node, fixedSymbols)
      for value in node.results { dependence[value] = result }
    }
  }

  private func classify(_ node: Node, _ fixedSymbols: Set<String>) -> Dependence {
    guard graph.definedSymbols(of: node).isEmpty, !node.op.hasEffect,
      graph.usedSymbols(of: node).isSubset(of: fixedSymbols)
    else { return .varying }
    var isFixed = false
    var isWorth = !node.isCheap
    for operand in node.operands {
      guard let operand else { continue }
      switch dependence[operand] {
      case .varying, nil: return .varying
      case .fixed(let worth): (isFixed, isWorth) = (true, isWorth || worth)
      case .constants: break
      }
    }
    return isFixed ? .fixed(isWorth: isWorth) : .constants
  }

  /// Values that go over, in the order in which the rest needs them.
  func crossingValues() -> [ValueID] {
    var crossing: Set<ValueID> = []
    var seen: Set<ValueID> = []
    var pending = graph.outputs
    while let value = pending.popLast() {
      guard seen.insert(value).inserted, let node = graph.producer(of: value) else { continue }
      if case .fixed(true)? = dependence[value], goesOver(value, node) {
        crossing.insert(value)
      } else {
        pending += node.operands.compactMap { $0 }
      }
    }
    return crossing.sorted()
  }

  private func goesOver(_ value: ValueID, _ node: Node) -> Bool {
    let shape = graph.type(of: value).shape
    let symbols = Set(shape.flatMap(\.symbols))
    guard symbols.isSubset(of: boundSymbols.union(shape.compactMap(\.symbolName))) else { return false }
    guard node.isCheap else { return true }
    var operandBytes = 0
    for operand in Set(node.operands.compactMap { $0 }) {
      if case .fixed? = dependence[operand] { operandBytes += sizes.bytes(graph.type(of: operand)) }
    }
    return sizes.bytes(graph.type(of: value)) <= operandBytes
  }

  /// Those of `candidates` that `values` depend on, in their order.
  func inputs(of values: [ValueID], among candidates: [ValueID], stoppingAt stops: Set<ValueID> = []) -> [ValueID] {
    var seen: Set<ValueID> = []
    var pending = values.filter { !stops.contains($0) }
    while let value = pending.popLast() {
      guard seen.insert(value).inserted, let node = graph.producer(of: value) else { continue }
      pending += node.operands.compactMap { $0 }.filter { !stops.contains($0) }
    }
    return candidates.filter(seen.contains)
  }
}

extension Node {
  /// Whether doing the node again costs about as much as reading its result: data movement and elementwise functions.
  fileprivate var isCheap: Bool {
    switch op {
    case .constant, .reshape, .transpose, .broadcast, .slice, .concat, .pad, .gather, .gatherElements, .gatherND, .cast,
      .bitcast, .select, .iota, .sizes, .unary, .binary, .fused, .copy:
      true
    case .convolution, .matmul, .attention, .linearAttention, .treeEnsemble, .pairwiseCoupling, .random, .pool, .resize,
      .layerNorm, .groupNorm, .softmax,
      .reduce, .argReduce,
      .cumulative, .topK, .sliceOrder, .determinant, .recurrent, .scatterElements, .scatterND, .nonZero,
      .nonMaxSuppression, .quantizeLinear, .dequantizeLinear,
      .if, .loop, .bindSymbols, .fail, .object, .text, .ngramCount:
      false
    }
  }
}
