import SwageTensor

/// Checks what must hold of a graph after every pass, and reports every fault with its place.
///
/// 1. Nodes stand after the nodes whose results they read, and after those that define the symbols they use.
/// 2. Operands, results and outputs name values of this graph; definitions and uses agree.
/// 3. Each node's result types are what its operation's type rule gives (up to sizes that are equal by a constraint).
/// 4. Regions hold graphs that obey the same rules; fused regions hold elementwise operations only.
/// 5. Input and output names are unique.
/// 6. Every node of the graph knows a source node, unless it is a constant.
public enum GraphVerifier {
  /// - Throws: `GraphError.invalid` with all faults.
  public static func verify(_ graph: Graph, after stage: String) throws {
    var faults: [String] = []
    check(graph, path: graph.name, known: Set(graph.inputSymbols), isTop: true, &faults)
    if !faults.isEmpty { throw GraphError.invalid(faults, stage: stage) }
  }

  private static func check(_ graph: Graph, path: String, known: Set<String>, isTop: Bool, _ faults: inout [String]) {
    var defined = Set(graph.inputs)
    var symbols = known.union(graph.inputSymbols)
    if isTop {
      checkUnique(graph.inputs.map { graph[$0].name }, "input", path, &faults)
      checkUnique(graph.outputNames, "output", path, &faults)
    }
    for node in graph.nodes {
      let place = describe(node, path)
      for (index, operand) in node.operands.enumerated() {
        guard let operand else { continue }
        guard operand.index < graph.valueCount else {
          faults.append("\(place): operand \(index) names no value")
          continue
        }
        if !defined.contains(operand) { faults.append("\(place): operand \(index) is read before it is computed") }
        if !graph.users(of: operand).contains(node.id) {
          faults.append("\(place): operand \(index) does not know its user")
        }
      }
      for (index, result) in node.results.enumerated() where graph[result].definition != .node(node.id, result: index) {
        faults.append("\(place): result \(index) has another definition")
      }
      let missing = graph.usedSymbols(of: node).subtracting(symbols)
      if !missing.isEmpty { faults.append("\(place): symbols \(missing.sorted()) have no value yet") }
      do {
        let types = try graph.resultTypes(node.op, node.operands, node.regions, node.sources)
        for (index, type) in types.enumerated() where index < node.results.count {
          if !agree(type, graph.type(of: node.results[index])) {
            faults.append("\(place): result \(index) is \(graph.type(of: node.results[index])), the rule gives \(type)")
          }
        }
        if types.count != node.results.count {
          faults.append("\(place): \(node.results.count) results, the rule gives \(types.count)")
        }
      } catch {
        faults.append("\(place): \((error as? SwageError)?.diagnostics.first?.why ?? "\(error)")")
      }
      for (index, region) in node.regions.enumerated() {
        check(region, path: "\(place).region\(index)", known: symbols, isTop: false, &faults)
      }
      defined.formUnion(node.results)
      symbols.formUnion(graph.definedSymbols(of: node))
      if isTop, node.sources.isEmpty, !isConstant(node) { faults.append("\(place): has no source node") }
    }
    for output in graph.outputs where !defined.contains(output) {
      faults.append("\(path): output \(output) is never computed")
    }
  }

  private static func isConstant(_ node: Node) -> Bool {
    if case .constant = node.op { return true }
    return false
  }

  /// Sizes with symbols may be written in ways that only the run tells equal.
  private static func agree(_ a: TensorType, _ b: TensorType) -> Bool {
    guard a.elementType == b.elementType, a.rank == b.rank else { return false }
    return zip(a.shape, b.shape).allSatisfy { x, y in x == y || x.constant == nil || y.constant == nil }
  }

  private static func describe(_ node: Node, _ path: String) -> String {
    "\(path)/\(node.op.mnemonic)#\(node.id.index)" + (node.sources.first.map { " (\($0.name))" } ?? "")
  }

  private static func checkUnique(_ names: [String], _ what: String, _ path: String, _ faults: inout [String]) {
    var seen: Set<String> = []
    for name in names where !seen.insert(name).inserted { faults.append("\(path): \(what) \(name) stands twice") }
  }
}
