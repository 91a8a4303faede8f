import SwageTensor

extension Graph {
  /// Arithmetic operations of one node, nested graphs included (a conditional counts its dearer branch where known).
  public func flops(of node: Node) -> Dim {
    let own = node.op.definition.flops(
      node.operands.map { $0.map { type(of: $0) } }, node.results.map { type(of: $0) })
    guard !node.regions.isEmpty else { return own }
    let inner = node.regions.map(\.flops)
    return inner.reduce(own) { .maximum($0, $1) }
  }

  /// Bytes that a node must at least read and write: each operand and result once.
  public func bytes(of node: Node) -> Dim {
    switch node.op {
    case .constant, .reshape: return 0
    default: break
    }
    let operands = Set(node.operands.compactMap { $0 }).sorted()
    return (operands + node.results).reduce(0) { $0 + type(of: $1).byteCount }
  }

  public var flops: Dim { nodes.reduce(0) { $0 + flops(of: $1) } }
  public var bytes: Dim { nodes.reduce(0) { $0 + bytes(of: $1) } }

  /// Symbols that a node gives a value to when it runs.
  public func definedSymbols(of node: Node) -> [String] {
    switch node.op {
    case .if(let op): return op.definedSymbols(regions: node.regions)
    case .loop(let op): return op.definedSymbols(operands: node.operands.map { $0.map { type(of: $0) } })
    case .object(let op): return op.definedSymbols(operands: node.operands.map { $0.map { type(of: $0) } })
    case .text(let op): return op.definedSymbols(operands: node.operands.map { $0.map { type(of: $0) } })
    default: return node.op.definition.definedSymbols
    }
  }

  /// Symbols that a node needs to have values: in attributes, result types, and nested graphs.
  public func usedSymbols(of node: Node) -> Set<String> {
    var names = Set(node.op.definition.symbols)
    for value in node.results { names.formUnion(type(of: value).shape.flatMap(\.symbols)) }
    for region in node.regions {
      for inner in region.nodes { names.formUnion(region.usedSymbols(of: inner)) }
      // Symbols that the region defines itself are not needed from outside.
      for inner in region.nodes { names.subtract(region.definedSymbols(of: inner)) }
      // Sizes of carried values are bound at each iteration.
      if case .loop = node.op { names.subtract(region.inputSymbols) }
    }
    return names.subtracting(definedSymbols(of: node))
  }

  /// What the type rules took for granted about sizes, node by node, nested graphs included.
  public func sizeConstraints() throws -> [(constraint: SizeConstraint, node: Node)] {
    var found: [(SizeConstraint, Node)] = []
    for node in nodes {
      var context = TypeContext(operands: node.operands.map { $0.map { type(of: $0) } }, regions: node.regions)
      _ = try context.infer(node.op)
      found += context.constraints.map { ($0, node) }
    }
    return found
  }

  /// Every node of the graph and of nested graphs.
  public func forEachNode(_ body: (Graph, Node) throws -> Void) rethrows {
    for node in nodes {
      try body(self, node)
      for region in node.regions { try region.forEachNode(body) }
    }
  }
}
