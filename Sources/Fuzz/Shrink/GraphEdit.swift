import SwageGraph
import SwageTensor

/// Smaller versions of a graph.
enum GraphEdit {
  enum Substitute {
    case value(ValueID)
    case input(TensorType)
    case constant(Tensor)
  }

  /// The graph with values replaced, of the outputs those that `outputs` lists, and only what they need.
  static func rebuild(_ graph: Graph, outputs: [Int], replacing: [ValueID: Substitute] = [:]) throws -> Graph {
    func resolved(_ value: ValueID) -> ValueID {
      if case .value(let other) = replacing[value] { return other }
      return value
    }
    let live = liveNodes(graph, outputs: outputs.map { graph.outputs[$0] }, replacing, resolved)
    var result = Graph(name: graph.name)
    var map: [ValueID: ValueID] = [:]
    var read = Set(outputs.map { resolved(graph.outputs[$0]) })
    for node in graph.nodes where live.contains(node.id) {
      for operand in node.operands { if let operand { read.insert(resolved(operand)) } }
    }
    let symbols = Set(read.flatMap { graph.type(of: $0).shape.flatMap(\.symbols) })
      .union(graph.nodes.filter { live.contains($0.id) }.flatMap { graph.usedSymbols(of: $0) })
    for input in graph.inputs {
      // An input that only gives a symbol its value is needed too.
      let binds = graph.type(of: input).shape.contains { $0.symbolName.map(symbols.contains) ?? false }
      if read.contains(input) || binds {
        map[input] = result.addInput(name: graph[input].name, type: graph.type(of: input))
      }
    }
    for (value, substitute) in replacing.sorted(by: { $0.key < $1.key }) where read.contains(value) {
      switch substitute {
      case .value: break
      case .input(let type): map[value] = result.addInput(name: "cut\(value.index)", type: type)
      case .constant(let tensor): map[value] = try result.constant(tensor)
      }
    }
    for node in graph.nodes where live.contains(node.id) {
      let created = try result.append(
        node.op, node.operands.map { $0.flatMap { map[resolved($0)] } }, regions: node.regions,
        names: node.results.map { graph[$0].name }, sources: node.sources)
      for (old, new) in zip(node.results, created) where map[old] == nil { map[old] = new }
    }
    for output in outputs {
      guard let value = map[resolved(graph.outputs[output])] else { throw TypeFault("an output is lost") }
      result.addOutput(value, name: graph.outputNames[output])
    }
    return result
  }

  private static func liveNodes(
    _ graph: Graph, outputs: [ValueID], _ replacing: [ValueID: Substitute], _ resolved: (ValueID) -> ValueID
  ) -> Set<NodeID> {
    var definers: [String: NodeID] = [:]
    for node in graph.nodes { for name in graph.definedSymbols(of: node) { definers[name] = node.id } }
    var live: Set<NodeID> = []
    var pending: [NodeID] = []
    func need(_ value: ValueID) {
      let value = resolved(value)
      for name in graph.type(of: value).shape.flatMap(\.symbols) { if let id = definers[name] { pending.append(id) } }
      switch replacing[value] {
      case .input, .constant: return
      case .value, nil: if let node = graph.producer(of: value) { pending.append(node.id) }
      }
    }
    for output in outputs { need(output) }
    while let id = pending.popLast() {
      guard live.insert(id).inserted else { continue }
      for operand in graph[id].operands { if let operand { need(operand) } }
      for name in graph.usedSymbols(of: graph[id]) { if let definer = definers[name] { pending.append(definer) } }
    }
    return live
  }

  /// All values of a run.
  static func trace(_ graph: Graph, _ inputs: [String: Tensor]) throws -> [ValueID: Tensor] {
    var context = EvaluationContext()
    var values: [ValueID: Tensor] = [:]
    for input in graph.inputs {
      guard let tensor = inputs[graph[input].name] else { throw TypeFault("an input is missing") }
      values[input] = tensor
      for (size, actual) in zip(graph.type(of: input).shape, tensor.shape) {
        if let name = size.symbolName { context.symbols[name] = actual }
      }
    }
    for node in graph.nodes {
      let results = try Evaluator.evaluate(node, in: graph, node.operands.map { $0.flatMap { values[$0] } }, &context)
      for (id, tensor) in zip(node.results, results) { values[id] = tensor }
    }
    return values
  }

  /// The case with every size `old` in lists of sizes and shapes changed to `new`, tensors cropped.
  static func resized(_ item: FuzzCase, from old: Int, to new: Int) throws -> FuzzCase {
    var printer = GraphPrinter(inlineLimit: -1)
    let text = printer.print(item.graph)
    let graph = try GraphParser.parse(
      replaceInLists(text, old, new), resources: printer.resources.map { try cropped($0, old, new) })
    let runs = try item.runs.map { inputs in try inputs.mapValues { try cropped($0, old, new) } }
    return try FuzzCase(graph: graph, runs: runs)
  }

  private static func replaceInLists(_ text: String, _ old: Int, _ new: Int) -> String {
    var result = ""
    var word = ""
    var depth = 0
    var isQuoted = false
    for character in text {
      let isWord = character.isLetter || character.isNumber || "_.%-".contains(character)
      if !isQuoted, isWord {
        word.append(character)
        continue
      }
      result += depth > 0 && word == "\(old)" ? "\(new)" : word
      word = ""
      result.append(character)
      switch character {
      case "\"": isQuoted.toggle()
      case "[": depth += isQuoted ? 0 : 1
      case "]": depth -= isQuoted ? 0 : 1
      default: break
      }
    }
    return result + word
  }

  private static func cropped(_ tensor: Tensor, _ old: Int, _ new: Int) throws -> Tensor {
    guard new <= old, tensor.shape.contains(old) else { return tensor }
    let slice = Slice(
      starts: tensor.shape.map { _ in 0 }, sizes: tensor.shape.map { Dim($0 == old ? new : $0) })
    var context = EvaluationContext()
    return try slice.evaluate([tensor], &context)[0]
  }
}
