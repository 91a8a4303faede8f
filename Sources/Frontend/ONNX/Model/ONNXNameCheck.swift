import SwageTensor

/// Checks that every value of a model is defined once and before use, and puts nodes into topological order.
///
/// A graph inside a node sees the values of the graphs around it, and may define a value of the same name: within it,
/// the inner one counts. A function sees its inputs only.
struct ONNXNameCheck {
  var faults: ONNXFaults

  init(limit: Int) { faults = ONNXFaults(limit: limit) }

  mutating func check(_ model: inout ONNXModel) {
    let initialized = Set(model.graph.initializers.map(\.name))
    for input in model.graph.inputs where !initialized.contains(input.name) {
      if Self.lacksElementType(input.type) { faults.add(ONNXFault(.inputType, value: input.name)) }
    }
    check(&model.graph, outer: [], scope: nil)
    for index in model.functions.indices { check(&model.functions[index]) }
  }

  private static func lacksElementType(_ type: ONNXType?) -> Bool {
    switch type {
    case nil, .tensor(nil, _), .sparseTensor(nil, _): true
    case .sequence(let inner), .optional(let inner): lacksElementType(inner)
    default: false
    }
  }

  // MARK: - Graphs

  private mutating func check(_ graph: inout ONNXGraph, outer: [Set<String>], scope: String?) {
    var given: Set<String> = []
    var inputTypes: [String: ONNXType] = [:]
    for input in graph.inputs {
      if !given.insert(input.name).inserted { faults.add(ONNXFault(.duplicateInput, scope: scope, value: input.name)) }
      inputTypes[input.name] = input.type
    }
    var initialized: Set<String> = []
    for tensor in graph.initializers {
      if !initialized.insert(tensor.name).inserted {
        faults.add(ONNXFault(.duplicateInitializer, scope: scope, value: tensor.name))
      }
      checkType(tensor, declared: inputTypes[tensor.name], scope: scope)
    }
    given.formUnion(initialized)
    let defined = order(&graph.nodes, given: given, outer: outer, scope: scope)
    for output in graph.outputs where !output.name.isEmpty {
      let isKnown = defined.contains(output.name) || outer.contains { $0.contains(output.name) }
      if !isKnown { faults.add(ONNXFault(.undefinedOutput, scope: scope, value: output.name)) }
    }
  }

  private mutating func checkType(_ tensor: ONNXTensor, declared: ONNXType?, scope: String?) {
    guard case .tensor(let element, let shape) = declared else { return }
    let fitsElement = element == nil || element == tensor.elementType
    let fitsShape =
      shape.map { shape in
        shape.count == tensor.shape.count
          && zip(shape, tensor.shape).allSatisfy { declared, size in
            if case .value(let value) = declared { value == size } else { true }
          }
      } ?? true
    guard !fitsElement || !fitsShape else { return }
    let declaredShape = shape?.map(\.words).joined(separator: ", ") ?? "?"
    faults.add(
      ONNXFault(
        .initializerType(
          declared: "\(element?.name ?? "?")[\(declaredShape)]",
          found: "\(TensorType(tensor.elementType, sizes: tensor.shape))"),
        scope: scope, value: tensor.name))
  }

  private mutating func check(_ function: inout ONNXFunction) {
    let scope = "function \(function.name)"
    var given: Set<String> = []
    for input in function.inputs where !given.insert(input).inserted {
      faults.add(ONNXFault(.duplicateInput, scope: scope, value: input))
    }
    let defined = order(&function.nodes, given: given, outer: [], scope: scope)
    for output in function.outputs where !output.isEmpty && !defined.contains(output) {
      faults.add(ONNXFault(.undefinedOutput, scope: scope, value: output))
    }
  }

  // MARK: - Nodes

  /// Sorts `nodes`, checks the graphs inside them, and returns every name that is defined.
  private mutating func order(
    _ nodes: inout [ONNXNode], given: Set<String>, outer: [Set<String>], scope: String?
  ) -> Set<String> {
    var producers: [String: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty {
        if given.contains(output) {
          let who = ["a graph input or initializer", "node \(node.label)"]
          faults.add(ONNXFault(.duplicateValue(producers: who), scope: scope, node: node.label, value: output))
        } else if let first = producers[output] {
          let who = ["node \(nodes[first].label)", "node \(node.label)"]
          faults.add(ONNXFault(.duplicateValue(producers: who), scope: scope, node: node.label, value: output))
        } else {
          producers[output] = index
        }
      }
    }
    var needs = [[Int]](repeating: [], count: nodes.count)
    var isSorted = true
    for (index, node) in nodes.enumerated() {
      for input in node.inputs where !input.isEmpty {
        if let producer = producers[input] {
          needs[index].append(producer)
          isSorted = isSorted && producer < index
        } else if !given.contains(input), !outer.contains(where: { $0.contains(input) }) {
          faults.add(ONNXFault(.undefinedValue, scope: scope, node: node.label, value: input))
        }
      }
      // What a graph inside the node reads and nobody defines is reported where the inner graph is checked.
      for name in Self.captures(of: node) {
        guard let producer = producers[name] else { continue }
        needs[index].append(producer)
        isSorted = isSorted && producer < index
      }
    }
    if !isSorted {
      switch Self.sorted(needs) {
      case .success(let order): nodes = order.map { nodes[$0] }
      case .failure(let cycle):
        let labels = cycle.nodes.map { nodes[$0].label }
        faults.add(ONNXFault(.cycle(nodes: Self.shortened(labels)), scope: scope, node: labels.first))
      }
    }
    let defined = given.union(producers.keys)
    for index in nodes.indices where nodes[index].hasGraphs {
      checkGraphs(of: &nodes[index], outer: outer + [defined], scope: scope)
    }
    return defined
  }

  private mutating func checkGraphs(of node: inout ONNXNode, outer: [Set<String>], scope: String?) {
    for index in node.attributes.indices {
      let name = node.attributes[index].name
      let inner = ONNXGraph.scope(attribute: name, node: node.label, in: scope)
      switch node.attributes[index].value {
      case .graph(var graph):
        check(&graph, outer: outer, scope: inner)
        node.attributes[index].value = .graph(graph)
      case .graphs(var graphs):
        for position in graphs.indices { check(&graphs[position], outer: outer, scope: inner) }
        node.attributes[index].value = .graphs(graphs)
      default: break
      }
    }
  }

  /// Names that the graphs inside a node read from around it, each once, in order of first use.
  private static func captures(of node: ONNXNode) -> [String] {
    guard node.hasGraphs else { return [] }
    var names: [String] = []
    var seen: Set<String> = []
    for graph in node.graphs {
      var inner = Set(graph.inputs.map(\.name)).union(graph.initializers.map(\.name))
      for node in graph.nodes { inner.formUnion(node.outputs) }
      func use(_ name: String) {
        if !name.isEmpty, !inner.contains(name), seen.insert(name).inserted { names.append(name) }
      }
      for node in graph.nodes {
        node.inputs.forEach(use)
        captures(of: node).forEach(use)
      }
      graph.outputs.forEach { use($0.name) }
    }
    return names
  }

  struct Cycle: Error {
    /// Each needs the next, the last needs the first.
    var nodes: [Int]
  }

  /// Indices in an order in which each comes after what it needs, otherwise as they were.
  static func sorted(_ needs: [[Int]]) -> Result<[Int], Cycle> {
    enum Mark { case new, open, done }
    var marks = [Mark](repeating: .new, count: needs.count)
    var order: [Int] = []
    order.reserveCapacity(needs.count)
    for root in needs.indices where marks[root] == .new {
      // The path from the root, with the position of the next need to look at.
      var path: [(node: Int, next: Int)] = [(root, 0)]
      marks[root] = .open
      while let (node, next) = path.last {
        guard next < needs[node].count else {
          marks[node] = .done
          order.append(node)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let need = needs[node][next]
        switch marks[need] {
        case .done: continue
        case .new:
          marks[need] = .open
          path.append((need, 0))
        case .open:
          let start = path.firstIndex { $0.node == need } ?? 0
          return .failure(Cycle(nodes: path[start...].map(\.node)))
        }
      }
    }
    return .success(order)
  }

  /// The cycle closed, with its middle left out where it is long.
  static func shortened(_ labels: [String]) -> [String] {
    let closed = labels + labels.prefix(1)
    return closed.count <= 12 ? closed : Array(closed.prefix(8)) + ["…"] + Array(closed.suffix(3))
  }
}

extension ONNXNode {
  /// The graphs in its attributes.
  public var graphs: [ONNXGraph] {
    attributes.flatMap { attribute -> [ONNXGraph] in
      switch attribute.value {
      case .graph(let graph): [graph]
      case .graphs(let graphs): graphs
      default: []
      }
    }
  }

  var hasGraphs: Bool {
    attributes.contains { attribute in
      switch attribute.value {
      case .graph, .graphs: true
      default: false
      }
    }
  }
}

extension ONNXDimension {
  /// `3`, `batch`, `?`.
  var words: String {
    switch self {
    case .value(let value): String(value)
    case .symbol(let name): name
    case .unknown: "?"
    }
  }
}
