import SwageGraph
import SwageTensor

/// A value of a graph with the name and element type under which a new graph takes it or hands it out.
public struct GraphPort: Hashable, Sendable {
  public var value: ValueID
  public var name: String
  /// nil keeps the value's own.
  public var elementType: ElementType?

  public init(_ value: ValueID, name: String, elementType: ElementType? = nil) {
    self.value = value
    self.name = name
    self.elementType = elementType
  }
}

extension Graph {
  /// A graph of the nodes that compute `outputs` from `inputs`, which may be any values of this one. Casts stand where a
  /// port has another element type than its value. Inputs that nothing reads are kept.
  /// - Throws: `GraphError` where an output needs an input that is not listed.
  public func extracting(name: String, inputs: [GraphPort], outputs: [GraphPort]) throws -> Graph {
    var result = Graph(name: name)
    result.objectTypes = objectTypes
    var map: [ValueID: ValueID] = [:]
    for port in inputs {
      var type = type(of: port.value)
      let own = type.elementType
      type.elementType = port.elementType ?? own
      let input = result.addInput(name: port.name, type: type)
      map[port.value] = type.elementType == own ? input : try result.append(.cast(Cast(to: own)), [input])[0]
    }
    let needed = needed(for: outputs.map(\.value), given: Set(map.keys))
    for id in order where needed.contains(id) {
      let node = self[id]
      let operands = try node.operands.map { operand -> ValueID? in
        guard let operand else { return nil }
        guard let mapped = map[operand] else {
          throw GraphError.evaluation(op: name, message: "it needs the input \(self[operand].name)")
        }
        return mapped
      }
      let created = try result.append(
        node.op, operands, regions: node.regions, names: node.results.map { self[$0].name }, sources: node.sources)
      for (old, new) in zip(node.results, created) where map[old] == nil { map[old] = new }
    }
    for port in outputs {
      guard let value = map[port.value] else {
        throw GraphError.evaluation(op: name, message: "it needs the input \(self[port.value].name)")
      }
      let own = result.type(of: value).elementType
      let cast = port.elementType.flatMap { $0 == own ? nil : $0 }
      result.addOutput(try cast.map { try result.append(.cast(Cast(to: $0)), [value])[0] } ?? value, name: port.name)
    }
    return result
  }

  /// The nodes that `values` depend on, without going beyond `given`; those that define symbols for them too.
  private func needed(for values: [ValueID], given: Set<ValueID>) -> Set<NodeID> {
    var definer: [String: NodeID] = [:]
    for node in nodes { for symbol in definedSymbols(of: node) { definer[symbol] = node.id } }
    var needed: Set<NodeID> = []
    var pending = values.filter { !given.contains($0) }.compactMap { producer(of: $0)?.id }
    while let id = pending.popLast() {
      guard needed.insert(id).inserted else { continue }
      let node = self[id]
      pending += node.operands.compactMap { $0 }.filter { !given.contains($0) }.compactMap { producer(of: $0)?.id }
      pending += usedSymbols(of: node).compactMap { definer[$0] }
    }
    return needed
  }
}
