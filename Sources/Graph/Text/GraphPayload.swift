import SwageTensor

/// One node as text that can be run elsewhere: a graph of that node alone, whose inputs are the node's operands, and
/// what else it needs: the values of symbols, and large constants of nested graphs as further operands.
public struct GraphPayload: Hashable, Sendable {
  /// Symbols whose values are handed over at each run, in order.
  public var symbols: [String]
  /// Operands after the graph's inputs that stand for `resource 0`, `resource 1`, … of the text.
  public var resourceCount: Int
  /// The graph in its text form.
  public var graph: String

  public init(symbols: [String], resourceCount: Int, graph: String) {
    self.symbols = symbols
    self.resourceCount = resourceCount
    self.graph = graph
  }

  /// The payload of `node`, and the tensors that follow its operands. Absent operands have no input.
  public static func make(_ node: Node, in graph: Graph) throws -> (payload: GraphPayload, resources: [Tensor]) {
    var single = Graph(name: node.op.mnemonic)
    let operands = node.operands.enumerated().map { index, operand in
      operand.map { single.addInput(name: "operand\(index)", type: graph.type(of: $0)) }
    }
    let results = try single.append(node.op, operands, regions: node.regions, sources: node.sources)
    for (index, result) in results.enumerated() { single.addOutput(result, name: "result\(index)") }
    var printer = GraphPrinter(inlineLimit: 64)
    let text = printer.print(single)
    return (
      GraphPayload(symbols: neededSymbols(node, in: graph), resourceCount: printer.resources.count, graph: text),
      printer.resources
    )
  }

  /// What the node reads, without what its nested graphs bind themselves.
  private static func neededSymbols(_ node: Node, in graph: Graph) -> [String] {
    var names = graph.usedSymbols(of: node)
    let known = Set(node.operands.compactMap { $0 }.flatMap { graph.type(of: $0).shape.flatMap(\.symbols) })
    for region in node.regions { names.subtract(Set(region.inputSymbols).subtracting(known)) }
    return names.subtracting(graph.definedSymbols(of: node)).sorted()
  }

  public var text: String {
    "symbols \(symbols.joined(separator: " "))\nresources \(resourceCount)\n\(graph)"
  }

  /// - Throws: `GraphError.text` where the text is no payload.
  public init(parsing text: String) throws {
    let parts = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].hasPrefix("symbols"), parts[1].hasPrefix("resources "),
      let count = Int(parts[1].dropFirst("resources ".count)), count >= 0
    else { throw GraphError.text(line: 1, message: "the payload of a node begins with its symbols and resources") }
    symbols = parts[0].dropFirst("symbols".count).split(separator: " ").map(String.init)
    guard symbols.allSatisfy(Dim.isSymbolName) else {
      throw GraphError.text(line: 1, message: "the symbols of a node must be names")
    }
    resourceCount = count
    graph = String(parts[2])
  }
}
