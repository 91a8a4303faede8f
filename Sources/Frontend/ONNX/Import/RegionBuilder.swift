import SwageGraph
import SwageTensor

/// A graph that is being built: the model's, or a region. Values of enclosing graphs become inputs when they are first
/// read; constants and sizes are made again, so that a region's passes see them.
final class RegionBuilder {
  var graph: Graph
  let parent: RegionBuilder?
  /// Values of enclosing graphs in the order of the region's trailing inputs.
  private(set) var captures: [(value: ImportedValue, input: ValueID)] = []
  /// The number of the iteration, in the body of a loop.
  var iteration: ImportedValue?
  /// Inputs that are no captures.
  private(set) var ownInputs: [ValueID] = []
  private var local: [ObjectIdentifier: (value: ImportedValue, id: ValueID)] = [:]
  private var symbols: Set<String> = []

  init(name: String, parent: RegionBuilder?) {
    graph = Graph(name: name)
    self.parent = parent
  }

  /// An input of the graph itself.
  func addInput(name: String, type: TensorType, objectType: ValueType? = nil) -> ImportedValue {
    let id = graph.addInput(name: name, type: type)
    ownInputs.append(id)
    define(type.shape.flatMap(\.symbols))
    return ImportedValue(.node(id, self), type: type, name: name, sources: [], objectType: objectType)
  }

  /// Notes symbols that have a value from here on.
  func define(_ names: some Sequence<String>) { symbols.formUnion(names) }

  /// Whether a symbol has a value in this graph.
  func knows(_ symbol: String) -> Bool { symbols.contains(symbol) || parent?.knows(symbol) == true }

  /// The value's id in this graph, made or captured where needed.
  func id(of value: ImportedValue) throws -> ValueID {
    if case .node(let id, let owner) = value.content, owner === self { return id }
    if let entry = local[ObjectIdentifier(value)] { return entry.id }
    let id: ValueID
    switch value.content {
    case .node:
      id = graph.addInput(name: value.name, type: value.type)
      captures.append((value, id))
    case .constant(let tensor): id = try graph.constant(tensor, name: value.name, sources: value.sources)
    case .sizes(let sizes): id = try make(sizes, value)
    case .sequence(let items):
      id = try graph.append(
        .object(ObjectOp(.construct)), try items.map { try self.id(of: $0) }, names: [value.name],
        sources: value.sources)[0]
    case .optional(let inner):
      id = try graph.append(
        .object(ObjectOp(.optional)), try inner.map { [try self.id(of: $0)] } ?? [], names: [value.name],
        sources: value.sources)[0]
    case .poison: throw NodeFault.invalid("a value has no translation")
    }
    local[ObjectIdentifier(value)] = (value, id)
    return id
  }

  /// Reads every value of the list from this graph, so that its captures come first and in that order.
  func capture(_ values: [ImportedValue]) throws { for value in values { _ = try id(of: value) } }

  /// Puts own inputs first, then the captures of `order`, which holds all of this graph's.
  func arrangeInputs(_ order: [ImportedValue]) throws {
    graph.reorderInputs(ownInputs + (try order.map { try id(of: $0) }))
  }

  private func make(_ sizes: KnownSizes, _ value: ImportedValue) throws -> ValueID {
    let isScalar = sizes.shape.isEmpty
    var id = try append(.sizes(Sizes(sizes.elements, isScalar: isScalar)), nil, value)
    if sizes.shape.count > 1 { id = try append(.reshape(Reshape(sizes.shape.map { Dim($0) })), id, value) }
    if value.type.elementType != .i64 { id = try append(.cast(Cast(to: value.type.elementType)), id, value) }
    graph.setName(value.name, of: id)
    return id
  }

  private func append(_ op: Op, _ operand: ValueID?, _ value: ImportedValue) throws -> ValueID {
    try graph.append(op, operand.map { [$0] } ?? [], sources: value.sources)[0]
  }
}
