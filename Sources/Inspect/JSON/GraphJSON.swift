import SwageGraph
import SwageTensor

/// A graph as JSON for other tools: values, nodes, types, provenance, targets, work.
///
/// Values are numbered in the order of the text form, so that two runs of the same compile give the same text. Sizes,
/// flops and bytes are numbers where they are known, else strings with an expression such as `"2*h + 1"`.
public enum GraphJSON {
  /// The text, closed by a newline. Constants with at most `inlineLimit` elements carry their values.
  public static func text(_ graph: Graph, inlineLimit: Int = 16) -> String {
    var document: [(name: String, value: JSONValue)] = [
      ("format", .string("swage-graph")), ("version", .integer(1)),
    ]
    document += members(graph, inlineLimit)
    return JSONValue.object(document).text(indent: true) + "\n"
  }

  private static func members(_ graph: Graph, _ inlineLimit: Int) -> [(name: String, value: JSONValue)] {
    var numbers: [ValueID: Int] = [:]
    var values: [(id: ValueID, producer: Int?)] = []
    for input in graph.inputs {
      numbers[input] = values.count
      values.append((input, nil))
    }
    var positions: [NodeID: Int] = [:]
    for (position, node) in graph.nodes.enumerated() {
      positions[node.id] = position
      for result in node.results {
        numbers[result] = values.count
        values.append((result, position))
      }
    }
    func reference(_ value: ValueID?) -> JSONValue { value.flatMap { numbers[$0] }.map { .integer($0) } ?? .null }
    return [
      ("name", .string(graph.name)),
      ("symbols", .array(graph.inputSymbols.map { .string($0) })),
      ("flops", size(WorkTotal.sum(graph.nodes.map { graph.flops(of: $0) }))),
      ("bytes", size(WorkTotal.sum(graph.nodes.map { graph.bytes(of: $0) }))),
      ("inputs", .array(graph.inputs.map { .object([("value", reference($0)), ("name", .string(graph[$0].name))]) })),
      (
        "outputs",
        .array(
          zip(graph.outputs, graph.outputNames).map {
            .object([("value", reference($0)), ("name", .string($1))])
          })
      ),
      (
        "values",
        .array(
          values.enumerated().map { index, value in
            let type = graph.type(of: value.id)
            return .object([
              ("id", .integer(index)), ("name", .string(graph[value.id].name)),
              ("element", .string(type.elementType.name)), ("shape", .array(type.shape.map(size))),
              ("producer", value.producer.map { .integer($0) } ?? .null),
              ("users", .array(graph.users(of: value.id).compactMap { positions[$0] }.map { .integer($0) })),
            ])
          })
      ),
      (
        "nodes",
        .array(
          graph.nodes.enumerated().map { position, node in
            var row: [(name: String, value: JSONValue)] = [
              ("id", .integer(position)), ("op", .string(node.op.mnemonic)),
              ("kind", .string(NodeKind(node.op).rawValue)),
              (
                "attributes",
                .object(node.op.definition.attributes.items.map { (name: $0.name, value: attribute($0.value)) })
              ),
              ("operands", .array(node.operands.map(reference))), ("results", .array(node.results.map(reference))),
              (
                "sources",
                .array(
                  node.sources.map {
                    .object([("name", .string($0.name)), ("operator", .string($0.operatorName))])
                  })
              ),
              ("target", node.target.map { .string($0) } ?? .null),
              ("flops", size(graph.flops(of: node))), ("bytes", size(graph.bytes(of: node))),
            ]
            if case .constant(let constant) = node.op, constant.value.count <= inlineLimit {
              row.append(("constant", content(constant.value)))
            }
            if !node.regions.isEmpty {
              row.append(("regions", .array(node.regions.map { .object(members($0, inlineLimit)) })))
            }
            return .object(row)
          })
      ),
    ]
  }

  private static func size(_ value: Dim) -> JSONValue {
    value.constant.map { .integer($0) } ?? .string(value.description)
  }

  private static func attribute(_ value: AttributeValue) -> JSONValue {
    switch value {
    case .integer(let value): .integer(value)
    case .float(let value): .number(value)
    case .bool(let value): .bool(value)
    case .string(let value), .word(let value): .string(value)
    case .list(let values): .array(values.map(attribute))
    case .dimension(let value): size(value)
    }
  }

  private static func content(_ tensor: Tensor) -> JSONValue {
    if tensor.elementType == .string { return .array(tensor.strings.map { .string($0) }) }
    if tensor.elementType == .bool { return .array(tensor.integers.map { .bool($0 != 0) }) }
    if tensor.elementType == .u64 { return .array(tensor.integers.map { .string("\(UInt64(bitPattern: $0))") }) }
    if tensor.elementType.isFloat { return .array(tensor.doubles.map { .number($0) }) }
    return .array(tensor.integers.map { .integer(Int($0)) })
  }
}
