import SwageGraph
import SwageTensor

/// Tells which node of a graph is which of the stage before, so that a report can say what stayed, changed, came and
/// went. A node of the same id with the same operation is the same, and so is one whose result has the same name:
/// passes that rebuild a whole graph give new ids to old nodes.
struct NodeIdentity {
  private struct Known {
    var number: Int
    var mnemonic: String
    var resultName: String
    var sources: [Source]
    var types: [TensorType]
    var attributes: AttributeList

    var content: String {
      let facts = attributes.items.map { "\($0.name)=\(AttributeText.text($0.value))" }.joined(separator: ",")
      return "\(mnemonic) \(facts) \(AttributeText.text(sources)) \(types.map(\.description).joined(separator: ","))"
    }
  }

  private var known: [NodeID: Known] = [:]
  private var order: [NodeID] = []

  /// Numbers for the nodes of the next stage of the graph; `fresh` gives a number that no node had yet.
  mutating func numbers(of graph: Graph, fresh: () -> Int) -> [NodeID: Int] {
    var numbers: [NodeID: Int] = [:]
    var isTaken: Set<NodeID> = []
    let described = graph.nodes.map { node in
      (
        id: node.id,
        node: Known(
          number: 0, mnemonic: Self.identity(of: node.op), resultName: node.results.first.map { graph[$0].name } ?? "",
          sources: node.sources, types: node.results.map { graph.type(of: $0) },
          attributes: node.op.definition.attributes)
      )
    }
    for (id, node) in described {
      guard let old = known[id], old.mnemonic == node.mnemonic,
        old.resultName == node.resultName || old.sources == node.sources
      else { continue }
      numbers[id] = old.number
      isTaken.insert(id)
    }
    var byName: [String: [NodeID]] = [:]
    var byContent: [String: [NodeID]] = [:]
    for id in order.reversed() where !isTaken.contains(id) {
      guard let old = known[id] else { continue }
      if !old.resultName.isEmpty { byName["\(old.mnemonic) \(old.resultName)", default: []].append(id) }
      byContent[old.content, default: []].append(id)
    }
    func claim(_ table: inout [String: [NodeID]], _ key: String) -> Int? {
      while let old = table[key]?.popLast() {
        guard isTaken.insert(old).inserted else { continue }
        return known[old]?.number
      }
      return nil
    }
    for (id, node) in described where numbers[id] == nil && !node.resultName.isEmpty {
      numbers[id] = claim(&byName, "\(node.mnemonic) \(node.resultName)")
    }
    for (id, node) in described where numbers[id] == nil { numbers[id] = claim(&byContent, node.content) }
    for (id, _) in described where numbers[id] == nil { numbers[id] = fresh() }
    known = [:]
    order = described.map(\.id)
    for (id, node) in described {
      var node = node
      node.number = numbers[id] ?? 0
      known[id] = node
    }
    return numbers
  }

  /// What must stay for a node to count as the same: the function of an elementwise node, else the operation.
  private static func identity(of op: Op) -> String {
    switch op {
    case .unary(let unary): unary.function.rawValue
    case .binary(let binary): binary.function.rawValue
    default: op.mnemonic
    }
  }
}
