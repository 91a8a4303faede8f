import SwageGraph
import SwageTensor

/// The data of a report. Stages share what did not change: each version of a node is stored once, and a graph is the list
/// of its node versions, written as runs of the list before. `model.js` reads this form.
struct ReportData {
  private var strings: [String] = []
  private var stringNumbers: [String: Int] = [:]
  private var versions: [JSONValue] = []
  private var versionNumbers: [String: Int] = [:]
  private var graphs: [JSONValue] = []
  private var graphNumbers: [String: Int] = [:]
  private var stages: [JSONValue] = []
  private var nextNode = 0
  private var nextValue = 0
  /// By the path of a graph: nodes that own it, from the outermost.
  private var identities: [String: NodeIdentity] = [:]
  private var valueNumbers: [String: Int] = [:]
  private var lastOrders: [String: (graph: Int, versions: [Int])] = [:]
  private var symbols: Set<String> = []

  mutating func add(_ stage: InspectedStage) {
    let root = graph(stage.graph, path: "")
    stages.append(
      .object([
        ("name", .string(stage.name)), ("rewrites", .integer(stage.rewrites)), ("before", .integer(stage.nodesBefore)),
        ("after", .integer(stage.nodesAfter)), ("flops", text(work: stage.flops)), ("bytes", text(work: stage.bytes)),
        ("ms", .number((stage.milliseconds * 1000).rounded() / 1000)), ("graph", .integer(root)),
        ("notes", .array(stage.notes.map { .string($0) })),
      ]))
  }

  func document(title: String, placement: [PlacementRow], plan: ReportTable?, sizes: [String: Int]) -> JSONValue {
    .object([
      ("title", .string(title)), ("kinds", .array(NodeKind.allCases.map { .string($0.rawValue) })),
      ("symbols", .array(symbols.sorted().map { .string($0) })),
      ("sizes", .object(sizes.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) })),
      ("strings", .array(strings.map { .string($0) })), ("versions", .array(versions)), ("graphs", .array(graphs)),
      ("stages", .array(stages)),
      (
        "placement",
        .array(
          placement.map {
            .object([
              ("target", .string($0.target)), ("operation", .string($0.operation)), ("source", .string($0.source)),
              ("answers", .array($0.answers.map { .string($0) })),
            ])
          })
      ),
      (
        "plan",
        plan.map { table in
          .object([
            ("title", .string(table.title)), ("columns", .array(table.columns.map { .string($0) })),
            ("rows", .array(table.rows.map { .array($0.map { .string($0) }) })),
          ])
        } ?? .null
      ),
    ])
  }

  // MARK: - Tables

  private mutating func string(_ text: String) -> Int {
    if let known = stringNumbers[text] { return known }
    stringNumbers[text] = strings.count
    strings.append(text)
    return strings.count - 1
  }

  private mutating func text(_ text: String) -> JSONValue { .integer(string(text)) }
  private mutating func text(work: Dim) -> JSONValue {
    symbols.formUnion(work.symbols)
    return text(work.description)
  }

  private mutating func value(_ key: String) -> Int {
    if let known = valueNumbers[key] { return known }
    valueNumbers[key] = nextValue
    nextValue += 1
    return nextValue - 1
  }

  // MARK: - Graphs

  /// Stores a graph; returns its number. Row: `[path, name, inputs, outputs, base, order]`, an input `[value, name,
  /// type]`, an output `[value, name]`, the order a list of version numbers and of runs `[start, count]` of `base`.
  private mutating func graph(_ graph: Graph, path: String) -> Int {
    var inputs: [JSONValue] = []
    var values: [ValueID: Int] = [:]
    for (index, input) in graph.inputs.enumerated() {
      let name = graph[input].name
      let number = value("\(path)|in|\(name.isEmpty ? "#\(index)" : name)")
      values[input] = number
      inputs.append(.array([.integer(number), text(name), text(graph.type(of: input).description)]))
    }
    var identity = identities[path] ?? NodeIdentity()
    var next = nextNode
    let numbers = identity.numbers(of: graph) {
      next += 1
      return next - 1
    }
    nextNode = next
    identities[path] = identity

    var order: [Int] = []
    for node in graph.nodes {
      let number = numbers[node.id] ?? 0
      for (index, result) in node.results.enumerated() { values[result] = value("\(number)#\(index)") }
      order.append(version(of: node, number, in: graph, values))
    }
    let outputs: [JSONValue] = zip(graph.outputs, graph.outputNames).map {
      .array([.integer(values[$0] ?? -1), text($1)])
    }
    let last = lastOrders[path]
    let head: [JSONValue] = [text(path), text(graph.name), .array(inputs), .array(outputs)]
    let key = JSONValue.array(head + order.map { .integer($0) }).text()
    if let known = graphNumbers[key] {
      lastOrders[path] = (known, order)
      return known
    }
    let runs = Self.runs(order, of: last?.versions ?? [])
    graphs.append(.array(head + [.integer(last?.graph ?? -1), .array(runs)]))
    graphNumbers[key] = graphs.count - 1
    lastOrders[path] = (graphs.count - 1, order)
    return graphs.count - 1
  }

  /// A version of a node: `[number, title, mnemonic, kind, attributes, operands, results, sources, target, flops,
  /// bytes, constant, graphs]`. Attributes and sources are flat pairs; absent things are -1.
  private mutating func version(of node: Node, _ number: Int, in graph: Graph, _ values: [ValueID: Int]) -> Int {
    let attributes = node.op.definition.attributes.items.flatMap {
      [text($0.name), text(AttributeText.text($0.value))]
    }
    let operands: [JSONValue] = node.operands.map { operand in
      .integer(operand.flatMap { values[$0] } ?? -1)
    }
    let results: [JSONValue] = node.results.map { result in
      .array([.integer(values[result] ?? -1), text(graph[result].name), text(graph.type(of: result).description)])
    }
    let sources = node.sources.flatMap { [text($0.name), text($0.operatorName)] }
    var constant = JSONValue.integer(-1)
    if case .constant(let op) = node.op { constant = text(AttributeText.preview(op.value)) }
    let kind = NodeKind.allCases.firstIndex(of: NodeKind(node.op)) ?? 0
    let regions = node.regions.enumerated().map { index, region in
      JSONValue.integer(self.graph(region, path: "\(number).\(index)"))
    }
    let row = JSONValue.array([
      .integer(number), text(NodeTitle.text(node.op)), text(node.op.mnemonic), .integer(kind), .array(attributes),
      .array(operands), .array(results), .array(sources), node.target.map { text($0) } ?? .integer(-1),
      text(work: graph.flops(of: node)), text(work: graph.bytes(of: node)), constant, .array(regions),
    ])
    let key = row.text()
    if let known = versionNumbers[key] { return known }
    versionNumbers[key] = versions.count
    versions.append(row)
    return versions.count - 1
  }

  /// The list as runs of `base` and single numbers.
  private static func runs(_ order: [Int], of base: [Int]) -> [JSONValue] {
    var positions: [Int: Int] = [:]
    for (position, version) in base.enumerated() { positions[version] = position }
    var result: [JSONValue] = []
    var index = 0
    while index < order.count {
      guard let start = positions[order[index]] else {
        result.append(.integer(order[index]))
        index += 1
        continue
      }
      var count = 1
      while index + count < order.count, start + count < base.count, base[start + count] == order[index + count] {
        count += 1
      }
      result.append(.array([.integer(start), .integer(count)]))
      index += count
    }
    return result
  }
}
