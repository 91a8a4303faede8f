import SwageTensor

/// Names a value inside one graph.
public struct ValueID: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let index: Int
  public init(_ index: Int) { self.index = index }
  public static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
  public var description: String { "%\(index)" }
}

/// Names a node inside one graph. Ids are never reused.
public struct NodeID: Hashable, Sendable, Comparable {
  public let index: Int
  public init(_ index: Int) { self.index = index }
  public static func < (a: NodeID, b: NodeID) -> Bool { a.index < b.index }
}

public struct Value: Sendable {
  public enum Definition: Hashable, Sendable {
    case input(Int)
    case node(NodeID, result: Int)
  }

  /// The name in the source model; empty where there is none.
  public var name: String
  public var type: TensorType
  public var definition: Definition
}

/// A node of the source model that a node here came from.
public struct Source: Hashable, Sendable {
  public var name: String
  /// The operator's name in its own format, such as `Conv`.
  public var operatorName: String

  public init(name: String, operatorName: String) {
    self.name = name
    self.operatorName = operatorName
  }
}

/// One operation: what it computes, from which values, into which values.
public struct Node: Sendable {
  public let id: NodeID
  public var op: Op
  /// nil where an optional operand is absent.
  public var operands: [ValueID?]
  public var results: [ValueID]
  /// Nested graphs. They see nothing of this graph but what the operands hand to their inputs.
  public var regions: [Graph]
  /// Provenance: kept through every rewrite.
  public var sources: [Source]
  /// The target it is assigned to, after partitioning.
  public var target: String?
}

/// The intermediate representation: a list of nodes in an order in which they can run, over typed values.
///
/// Graphs are values. A rewrite changes one through the methods here only, which keep definitions, uses and order
/// consistent; `GraphVerifier` checks the rest after every pass.
public struct Graph: Sendable {
  public var name: String
  public private(set) var inputs: [ValueID] = []
  public private(set) var outputs: [ValueID] = []
  /// Names of the outputs, as the caller of a plan uses them.
  public private(set) var outputNames: [String] = []
  /// What the inputs and outputs that are no tensors hold, by name. The text form leaves it out.
  public var objectTypes: [String: ValueType] = [:]
  /// Nodes in execution order.
  public private(set) var order: [NodeID] = []
  private var valueTable: [Value] = []
  private var nodeTable: [Node?] = []
  private var useTable: [[NodeID]] = []

  public init(name: String) { self.name = name }
}

// MARK: - Reading

extension Graph {
  public var nodes: some Sequence<Node> { order.lazy.map { self[$0] } }
  public var nodeCount: Int { order.count }
  public var valueCount: Int { valueTable.count }

  public subscript(id: NodeID) -> Node {
    guard let node = nodeTable[id.index] else { preconditionFailure("node \(id.index) was erased") }
    return node
  }

  public subscript(value: ValueID) -> Value { valueTable[value.index] }

  public func contains(_ id: NodeID) -> Bool { nodeTable.indices.contains(id.index) && nodeTable[id.index] != nil }

  public func type(of value: ValueID) -> TensorType { valueTable[value.index].type }

  /// The node that computes `value`; nil for inputs, and where the node was erased.
  public func producer(of value: ValueID) -> Node? {
    guard case .node(let id, _) = valueTable[value.index].definition else { return nil }
    return nodeTable[id.index]
  }

  /// The nodes that read `value`, one entry per operand that does.
  public func users(of value: ValueID) -> [NodeID] { useTable[value.index] }

  public func isOutput(_ value: ValueID) -> Bool { outputs.contains(value) }

  /// Whether exactly one operand of one node reads `value`, and it is no output.
  public func hasSingleUse(_ value: ValueID) -> Bool { useTable[value.index].count == 1 && !isOutput(value) }

  /// The tensor, when `value` is a constant.
  public func constant(_ value: ValueID) -> Tensor? {
    guard let node = producer(of: value), case .constant(let constant) = node.op else { return nil }
    return constant.value
  }

  /// All symbols that occur in the types of inputs.
  public var inputSymbols: [String] {
    Set(inputs.flatMap { type(of: $0).shape.flatMap(\.symbols) }).sorted()
  }
}

// MARK: - Building

extension Graph {
  @discardableResult
  public mutating func addInput(name: String, type: TensorType) -> ValueID {
    let id = ValueID(valueTable.count)
    valueTable.append(Value(name: name, type: type, definition: .input(inputs.count)))
    useTable.append([])
    inputs.append(id)
    return id
  }

  public mutating func addOutput(_ value: ValueID, name: String) {
    outputs.append(value)
    outputNames.append(name)
  }

  /// Appends a node; its result types follow from the operation's type rule.
  ///
  /// - Throws: `GraphError` when the operands do not fit the operation.
  @discardableResult
  public mutating func append(
    _ op: Op, _ operands: [ValueID?], regions: [Graph] = [], names: [String] = [], sources: [Source] = []
  ) throws -> [ValueID] {
    try insert(op, operands, regions: regions, names: names, sources: sources, before: nil)
  }

  /// Inserts a node before `next`, or at the end.
  @discardableResult
  public mutating func insert(
    _ op: Op, _ operands: [ValueID?], regions: [Graph] = [], names: [String] = [], sources: [Source] = [],
    before next: NodeID?
  ) throws -> [ValueID] {
    let types = try resultTypes(op, operands, regions, sources)
    let id = NodeID(nodeTable.count)
    var results: [ValueID] = []
    for (index, type) in types.enumerated() {
      let name = index < names.count ? names[index] : ""
      results.append(ValueID(valueTable.count))
      valueTable.append(Value(name: name, type: type, definition: .node(id, result: index)))
      useTable.append([])
    }
    nodeTable.append(
      Node(id: id, op: op, operands: operands, results: results, regions: regions, sources: sources, target: nil))
    for operand in operands { if let operand { useTable[operand.index].append(id) } }
    if let next, let position = order.firstIndex(of: next) {
      order.insert(id, at: position)
    } else {
      order.append(id)
    }
    return results
  }

  func resultTypes(_ op: Op, _ operands: [ValueID?], _ regions: [Graph], _ sources: [Source]) throws -> [TensorType] {
    var context = TypeContext(operands: operands.map { $0.map { type(of: $0) } }, regions: regions)
    do {
      let types = try context.infer(op)
      try context.require(
        !types.contains { $0.shape.contains(where: \.isTooComplex) }
          && !op.definition.symbols.contains(Dim.tooComplex.description), "a size is too complex an expression")
      for type in types { try Self.checkSize(type) }
      return types
    } catch let fault as TypeFault {
      throw GraphError.typeRule(op: op.mnemonic, message: fault.message, sources: sources)
    }
  }

  /// Values of more than 2^40 elements are refused: no machine holds them, and their bytes still fit an `Int`.
  private static func checkSize(_ type: TensorType) throws {
    guard let sizes = type.staticShape else { return }
    guard let count = Checked.product(sizes), count <= 1 << 40 else {
      throw TypeFault("\(type) has more than 2^40 elements, or a negative size")
    }
  }

  /// A constant at the end of the graph or before a node.
  public mutating func constant(_ tensor: Tensor, name: String = "", sources: [Source] = [], before next: NodeID? = nil)
    throws -> ValueID
  {
    try insert(.constant(Constant(tensor)), [], names: [name], sources: sources, before: next)[0]
  }
}

// MARK: - Changing

extension Graph {
  /// Makes every reader of `old`, outputs included, read `new`.
  public mutating func replaceUses(of old: ValueID, with new: ValueID) {
    guard old != new else { return }
    for user in useTable[old.index] {
      guard var node = nodeTable[user.index] else { continue }
      for index in node.operands.indices where node.operands[index] == old { node.operands[index] = new }
      nodeTable[user.index] = node
    }
    useTable[new.index] += useTable[old.index]
    useTable[old.index] = []
    for index in outputs.indices where outputs[index] == old { outputs[index] = new }
    if valueTable[new.index].name.isEmpty { valueTable[new.index].name = valueTable[old.index].name }
  }

  /// Makes one node read other values. Types of its results must not change.
  public mutating func setOperands(of id: NodeID, to operands: [ValueID?]) {
    guard var node = nodeTable[id.index] else { return }
    for operand in node.operands { if let operand { removeUse(of: operand, by: id) } }
    node.operands = operands
    nodeTable[id.index] = node
    for operand in operands { if let operand { useTable[operand.index].append(id) } }
  }

  private mutating func removeUse(of value: ValueID, by id: NodeID) {
    if let index = useTable[value.index].firstIndex(of: id) { useTable[value.index].remove(at: index) }
  }

  public mutating func setOutput(_ index: Int, to value: ValueID) { outputs[index] = value }

  public mutating func setTarget(_ target: String?, of id: NodeID) { nodeTable[id.index]?.target = target }

  public mutating func setRegions(_ regions: [Graph], of id: NodeID) { nodeTable[id.index]?.regions = regions }

  public mutating func addSources(_ sources: [Source], to id: NodeID) {
    guard let node = nodeTable[id.index] else { return }
    let known = Set(node.sources)
    nodeTable[id.index]?.sources += sources.filter { !known.contains($0) }
  }

  /// Removes a node whose results nobody reads.
  public mutating func erase(_ id: NodeID) {
    release(id)
    if let position = order.firstIndex(of: id) { order.remove(at: position) }
  }

  /// Removes nodes whose results nobody outside the set reads.
  public mutating func eraseAll(_ ids: Set<NodeID>) {
    for id in ids { release(id) }
    order.removeAll { nodeTable[$0.index] == nil }
  }

  private mutating func release(_ id: NodeID) {
    guard let node = nodeTable[id.index] else { return }
    for operand in node.operands { if let operand { removeUse(of: operand, by: id) } }
    nodeTable[id.index] = nil
  }

  /// Replaces all types by substituting symbols, in nested graphs too.
  public mutating func substitute(_ values: [String: Dim]) throws {
    var result = Graph(name: name)
    var map: [ValueID: ValueID] = [:]
    for input in inputs {
      var type = type(of: input)
      type.shape = type.shape.map { $0.substituting(values) }
      map[input] = result.addInput(name: self[input].name, type: type)
    }
    for node in nodes {
      var regions = node.regions
      for index in regions.indices { try regions[index].substitute(values) }
      let created = try result.append(
        node.op.substituting(values), node.operands.map { $0.flatMap { map[$0] } }, regions: regions,
        names: node.results.map { self[$0].name }, sources: node.sources)
      for (old, new) in zip(node.results, created) { map[old] = new }
      if let target = node.target, let id = result.order.last { result.setTarget(target, of: id) }
    }
    for (value, name) in zip(outputs, outputNames) {
      if let mapped = map[value] { result.addOutput(mapped, name: name) }
    }
    self = result
  }

  /// Names a value that has no name yet.
  public mutating func setName(_ name: String, of value: ValueID) {
    if valueTable[value.index].name.isEmpty { valueTable[value.index].name = name }
  }

  /// Puts the inputs in another order; `newOrder` must be a permutation of `inputs`.
  public mutating func reorderInputs(_ newOrder: [ValueID]) {
    precondition(newOrder.sorted() == inputs.sorted())
    for (index, value) in newOrder.enumerated() { valueTable[value.index].definition = .input(index) }
    inputs = newOrder
  }

  /// Puts nodes in another order; `newOrder` must be a permutation in which definitions come before uses.
  public mutating func reorder(_ newOrder: [NodeID]) {
    precondition(newOrder.count == order.count)
    order = newOrder
  }
}
