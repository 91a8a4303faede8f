import SwageGraph
import SwageTensor

/// A change to a graph that a rule proposes: new nodes in front of the root, and values that stand for old ones.
///
///     guard case .unary(let f) = node.op, f.function == .neg, let x = node.operands[0],
///       let inner = graph.producer(of: x), case .unary(let g) = inner.op, g.function == .neg else { return nil }
///     return Patch.forward(node, to: inner.operands[0], in: graph)
///
/// New nodes know the sources of the root and of the nodes it covers. A patch changes nothing until it is applied.
public struct Patch {
  struct NewNode {
    var op: Op
    var operands: [ValueID?]
    var regions: [Graph]
    var results: [ValueID]
    var names: [String]
  }

  /// What is left of a patch once it is made; it holds no graph, so that applying it copies none.
  struct Recipe {
    var root: NodeID
    var covered: [NodeID]
    var firstValue: Int
    var nodes: [NewNode]
    var replacements: [(old: ValueID, new: ValueID)]
    var sources: [Source]
  }

  public let graph: Graph
  public let root: Node
  private var types: [TensorType] = []
  private(set) var recipe: Recipe

  /// - Parameter covered: other nodes of the pattern, whose work the new nodes do; they give their sources, and go
  ///   where nothing else reads them.
  public init(replacing root: Node, covering covered: [Node] = [], in graph: Graph) {
    self.graph = graph
    self.root = root
    var sources: [Source] = []
    for node in (covered.sorted { $0.id < $1.id } + [root]) {
      for source in node.sources where !sources.contains(source) { sources.append(source) }
    }
    recipe = Recipe(
      root: root.id, covered: covered.map(\.id), firstValue: graph.valueCount, nodes: [], replacements: [],
      sources: sources)
  }

  /// The type of a value of the graph, or of one that this patch adds.
  public func type(of value: ValueID) -> TensorType {
    value.index < recipe.firstValue ? graph.type(of: value) : types[value.index - recipe.firstValue]
  }

  /// Adds a node and returns its results.
  ///
  /// - Throws: `TypeFault` where the operation refuses the operands; the driver turns it into `PassError.illTyped`.
  public mutating func add(
    results op: Op, _ operands: [ValueID?], regions: [Graph] = [], names: [String] = []
  ) throws -> [ValueID] {
    var context = TypeContext(operands: operands.map { $0.map { type(of: $0) } }, regions: regions)
    let new: [TensorType]
    do {
      new = try op.definition.resultTypes(&context)
    } catch let fault as TypeFault {
      throw PatchFault(op: op.mnemonic, message: fault.message)
    }
    let values = new.indices.map { ValueID(recipe.firstValue + types.count + $0) }
    types += new
    recipe.nodes.append(NewNode(op: op, operands: operands, regions: regions, results: values, names: names))
    return values
  }

  /// Adds a node with one result.
  public mutating func add(_ op: Op, _ operands: [ValueID?], regions: [Graph] = [], name: String = "") throws -> ValueID
  {
    let values = try add(results: op, operands, regions: regions, names: name.isEmpty ? [] : [name])
    guard values.count == 1 else {
      throw PatchFault(op: op.mnemonic, message: "gives \(values.count) results, not one")
    }
    return values[0]
  }

  public mutating func constant(_ tensor: Tensor, name: String = "") throws -> ValueID {
    try add(.constant(Constant(tensor)), [], name: name)
  }

  /// Lets `new` stand for `old`, which must be a value of the graph.
  public mutating func replace(_ old: ValueID, with new: ValueID) { recipe.replacements.append((old, new)) }

  /// Lets `new` stand for the root's only result.
  public mutating func replaceRoot(with new: ValueID) { replace(root.results[0], with: new) }

  /// The patch that drops a node with one result in favour of a value that is there already; nil where the types
  /// differ or the value is missing.
  public static func forward(_ node: Node, to value: ValueID?, in graph: Graph) -> Patch? {
    guard let value, node.results.count == 1, graph.type(of: value) == graph.type(of: node.results[0]) else {
      return nil
    }
    var patch = Patch(replacing: node, in: graph)
    patch.replaceRoot(with: value)
    return patch
  }

  /// The patch that computes a node's only result by another operation; nil where that would change its type.
  public static func swap(
    _ node: Node, for op: Op, _ operands: [ValueID?], regions: [Graph] = [], covering covered: [Node] = [],
    in graph: Graph
  ) throws -> Patch? {
    var patch = Patch(replacing: node, covering: covered, in: graph)
    let value = try patch.add(op, operands, regions: regions)
    guard patch.type(of: value) == graph.type(of: node.results[0]) else { return nil }
    patch.replaceRoot(with: value)
    return patch
  }
}

/// Why a patch could not be built; the driver adds the rule and the place.
struct PatchFault: Error {
  var op: String
  var message: String
}

extension Graph {
  /// Applies a patch.
  ///
  /// - Returns: the nodes that must be looked at again: new ones, readers of what changed, and producers that lost a
  ///   reader.
  mutating func apply(_ recipe: Patch.Recipe, rule: String) throws -> [NodeID] {
    func broken(_ why: String) -> PassError { .brokenPatch(rule: rule, why: why, sources: recipe.sources) }
    guard valueCount == recipe.firstValue, contains(recipe.root) else { throw broken("the graph has changed") }
    let replaced = Set(recipe.replacements.map(\.old))
    for node in recipe.nodes where node.operands.contains(where: { $0.map(replaced.contains) ?? false }) {
      throw broken("a new \(node.op.mnemonic) reads the value that it replaces")
    }
    var changed: [NodeID] = []
    for node in recipe.nodes {
      var sources = recipe.sources
      if case .constant = node.op { sources = [] }
      let results: [ValueID]
      do {
        results = try insert(
          node.op, node.operands, regions: node.regions, names: node.names, sources: sources, before: recipe.root)
      } catch GraphError.typeRule(let op, let message, _) {
        throw PassError.illTyped(rule: rule, op: op, why: message, sources: recipe.sources)
      }
      guard results == node.results else { throw broken("the graph has changed") }
      if let id = results.first.flatMap({ producer(of: $0)?.id }) { changed.append(id) }
    }
    for (old, new) in recipe.replacements {
      let (from, to) = (type(of: old), type(of: new))
      guard from == to else {
        throw PassError.typeChanged(rule: rule, value: self[old].name, from: from, to: to, sources: recipe.sources)
      }
      changed += users(of: old)
      replaceUses(of: old, with: new)
      if let id = producer(of: new)?.id { changed.append(id) }
    }
    changed += eraseDead([recipe.root] + recipe.covered)
    return changed
  }

  /// Erases those of `candidates` whose results nobody reads, then producers that only they read.
  ///
  /// - Returns: producers that lost a reader and stay.
  @discardableResult
  public mutating func eraseDead(_ candidates: [NodeID]) -> [NodeID] {
    var pending = candidates
    var kept: [NodeID] = []
    while let id = pending.popLast() {
      guard contains(id) else { continue }
      let node = self[id]
      guard isDead(node) else {
        kept.append(id)
        continue
      }
      let producers = node.operands.compactMap { $0.flatMap { producer(of: $0)?.id } }
      erase(id)
      pending += producers
    }
    return kept.filter { contains($0) }
  }

  /// Whether a node can go: nothing reads its results, and it has no effect and defines no symbol.
  public func isDead(_ node: Node) -> Bool {
    !node.op.hasEffect && node.results.allSatisfy { users(of: $0).isEmpty && !isOutput($0) }
      && definedSymbols(of: node).isEmpty
  }
}
