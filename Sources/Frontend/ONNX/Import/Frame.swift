import SwageGraph
import SwageTensor

/// What the nodes of a graph or function body are written against.
struct FrameContext {
  var opsets: [String: Int]
  /// Attributes of the call, inside a function's body.
  var parameters: [String: ONNXAttributeValue]
}

/// Names of the graphs around one that is being imported.
final class ScopeBox {
  let names: [String: ImportedValue]
  let outer: ScopeBox?

  init(names: [String: ImportedValue], outer: ScopeBox?) {
    self.names = names
    self.outer = outer
  }
}

/// A node list on its way into the graph: the model's, a branch's, or a function's body. The frames of a stack are the
/// continuations of each other: the results of one are bound to names of the one below.
struct Frame {
  let nodes: [ONNXNode]
  var position = 0
  var names: [String: ImportedValue]
  let outer: ScopeBox?
  let context: FrameContext
  let outputs: [String]
  /// Names of the frame below that take the results; empty ones take none.
  var targets: [String] = []
  /// Names that something reads, nested graphs included.
  let read: Set<String>

  init(
    graph: ONNXGraph, names: [String: ImportedValue], outer: ScopeBox?, context: FrameContext, targets: [String] = []
  ) {
    self.init(
      nodes: graph.nodes, outputs: graph.outputs.map(\.name), names: names, outer: outer, context: context,
      targets: targets)
  }

  init(
    nodes: [ONNXNode], outputs: [String], names: [String: ImportedValue], outer: ScopeBox?, context: FrameContext,
    targets: [String]
  ) {
    self.nodes = nodes
    self.outputs = outputs
    self.names = names
    self.outer = outer
    self.context = context
    self.targets = targets
    var read = Set(outputs)
    Self.collectReads(nodes, &read)
    self.read = read
  }

  private static func collectReads(_ nodes: [ONNXNode], _ read: inout Set<String>) {
    for node in nodes {
      read.formUnion(node.inputs)
      for attribute in node.attributes {
        switch attribute.value {
        case .graph(let graph): collectReads(graph, &read)
        case .graphs(let graphs): for graph in graphs { collectReads(graph, &read) }
        default: break
        }
      }
    }
  }

  private static func collectReads(_ graph: ONNXGraph, _ read: inout Set<String>) {
    read.formUnion(graph.outputs.map(\.name))
    collectReads(graph.nodes, &read)
  }

  func lookup(_ name: String) -> ImportedValue? {
    if let value = names[name] { return value }
    var scope = outer
    while let current = scope {
      if let value = current.names[name] { return value }
      scope = current.outer
    }
    return nil
  }

  /// The names that a graph inside this frame sees.
  var scope: ScopeBox { ScopeBox(names: names, outer: outer) }

  mutating func bind(_ name: String, to value: ImportedValue) {
    guard !name.isEmpty else { return }
    if value.name.isEmpty { value.name = name }
    names[name] = value
  }

  /// The values of the graph's outputs.
  func results() throws -> [ImportedValue] {
    try outputs.map { name in
      guard let value = lookup(name) else {
        throw ImportError.invalidNode(node: name, operatorName: "graph", reason: "output \(name) is never computed")
      }
      return value
    }
  }
}

// MARK: - Running frames

extension ONNXImporter {
  /// Nested regions and repeated branches that an import may go through at once.
  static let depthLimit = 64

  /// Imports the top frame, then those below it in turn; the results are those of the lowest.
  func importFrames(_ stack: inout [Frame], _ builder: RegionBuilder, depth: Int) throws -> [ImportedValue] {
    guard depth <= Self.depthLimit else { throw ImportError.tooManyNodes(limit: Self.depthLimit) }
    // Frames are not copied here: a second reference to a frame's names would copy them at the next binding.
    while !stack.isEmpty {
      let top = stack.count - 1
      let position = stack[top].position
      if position < stack[top].nodes.count {
        stack[top].position += 1
        try step(stack[top].nodes[position], &stack, builder, depth: depth)
        continue
      }
      let results = try stack[top].results()
      if top == 0 { return results }
      let targets = stack[top].targets
      stack.removeLast()
      bind(results, to: targets, in: &stack[top - 1], builder)
    }
    return []
  }

  func bind(_ values: [ImportedValue], to names: [String], in frame: inout Frame, _ builder: RegionBuilder) {
    for (name, value) in zip(names, values) {
      frame.bind(name, to: value)
      if case .node(let id, let owner) = value.content, owner === builder { builder.graph.setName(value.name, of: id) }
    }
  }

  private func step(_ node: ONNXNode, _ stack: inout [Frame], _ builder: RegionBuilder, depth: Int) throws {
    try charge()
    let top = stack.count - 1
    do {
      var inputs: [ImportedValue?] = []
      for name in node.inputs {
        guard !name.isEmpty else {
          inputs.append(nil)
          continue
        }
        guard let value = stack[top].lookup(name) else { throw NodeFault.invalid("nothing defines its input \(name)") }
        inputs.append(value)
      }
      if let function = function(for: node) {
        try pushFunction(function, node, inputs, &stack)
        return
      }
      let given = try makeCall(node, inputs, stack[top].context, stack[top].read, builder)
      if inputs.contains(where: { $0?.isPoison == true }) {
        note(unknownOperatorsIn: node, stack[top].context)
        poison(node, &stack, builder)
        return
      }
      let call = try given.modernized()
      try OperatorSignature.check(call)
      switch (node.domain, node.opType) {
      case ("", "If"): try importIf(call, &stack, depth: depth)
      case ("", "Loop"):
        let results = try importLoop(call, stack[top], depth: depth)
        try bindResults(results, of: call, &stack)
      case ("", "Scan"):
        let results = try importScan(call, stack[top], depth: depth)
        try bindResults(results, of: call, &stack)
      case ("ai.onnx.preview", "FlexAttention"):
        let results = try importFlexAttention(call, stack[top], depth: depth)
        try bindResults(results, of: call, &stack)
      case ("", "SequenceMap"):
        let results = try importSequenceMap(call, stack[top], depth: depth)
        try bindResults(results, of: call, &stack)
      default:
        guard let handler = OperatorTable.handler(domain: node.domain, node.opType) else {
          throw NodeFault.unsupported(
            "swage has no translation of this operator", remedy: "export the model without it, or with a newer opset")
        }
        let results = try handler(call)
        if let ignored = call.ignoredAttributes.first {
          throw NodeFault.unsupported(
            "swage does not know its attribute \(ignored)", remedy: "export the model without it")
        }
        try bindResults(results, of: call, &stack)
      }
    } catch let fault as NodeFault {
      switch fault {
      case .unsupported(let reason, let remedy):
        note(node, reason, remedy, stack[top])
        poison(node, &stack, builder)
      case .invalid(let reason):
        throw ImportError.invalidNode(node: label(node), operatorName: node.opType, reason: reason)
      }
    }
  }

  private func makeCall(
    _ node: ONNXNode, _ inputs: [ImportedValue?], _ context: FrameContext, _ read: Set<String>,
    _ builder: RegionBuilder
  ) throws
    -> Call
  {
    var attributes: [String: ONNXAttributeValue] = [:]
    for attribute in node.attributes {
      if case .reference(let parameter) = attribute.value {
        if let value = context.parameters[parameter] { attributes[attribute.name] = value }
      } else {
        attributes[attribute.name] = attribute.value
      }
    }
    guard let opset = context.opsets[node.domain] ?? (node.domain.isEmpty ? nil : 1) else {
      throw ImportError.domainNotImported(node: label(node), domain: node.domain)
    }
    return Call(
      importer: self, builder: builder, node: node, opset: opset, inputs: inputs, attributes: attributes,
      isRead: node.outputs.map { !$0.isEmpty && read.contains($0) })
  }

  private func bindResults(_ results: [ImportedValue?], of call: Call, _ stack: inout [Frame]) throws {
    for (index, name) in call.node.outputs.enumerated() where !name.isEmpty {
      guard index < results.count, let value = results[index] else {
        if call.wants(output: index) { throw call.unsupported("its output \(index) is not supported") }
        continue
      }
      bind([value], to: [name], in: &stack[stack.count - 1], call.builder)
    }
  }

  private func poison(_ node: ONNXNode, _ stack: inout [Frame], _ builder: RegionBuilder) {
    bind(node.outputs.map { ImportedValue.poison(name: $0) }, to: node.outputs, in: &stack[stack.count - 1], builder)
  }

  private func note(_ node: ONNXNode, _ reason: String, _ remedy: String, _ frame: Frame) {
    let types = node.inputs.compactMap { name in
      frame.lookup(name).flatMap { $0.isPoison ? nil : $0.type.elementType.name }
    }
    let entry = ImportError.Unsupported(
      node: label(node), operatorName: node.opType, domain: node.domain,
      opset: frame.context.opsets[node.domain] ?? 1, elementTypes: types, reason: reason, remedy: remedy)
    if !unsupported.contains(entry) { unsupported.append(entry) }
  }

  /// Reports operators without a translation that stand behind another one without, nested graphs included.
  private func note(unknownOperatorsIn node: ONNXNode, _ context: FrameContext) {
    if !OperatorTable.knows(node), function(for: node) == nil {
      let entry = ImportError.Unsupported(
        node: label(node), operatorName: node.opType, domain: node.domain, opset: context.opsets[node.domain] ?? 1,
        elementTypes: [], reason: "swage has no translation of this operator",
        remedy: "export the model without it, or with a newer opset")
      if !unsupported.contains(entry) { unsupported.append(entry) }
    }
    for attribute in node.attributes {
      if case .graph(let graph) = attribute.value {
        for inner in graph.nodes { note(unknownOperatorsIn: inner, context) }
      }
    }
  }
}

// MARK: - Functions

extension ONNXImporter {
  func function(for node: ONNXNode) -> ONNXFunction? {
    guard !model.functions.isEmpty else { return nil }
    return model.functions.first {
      $0.domain == node.domain && $0.name == node.opType && $0.overload == node.overload
    }
  }

  /// Expands a call: the body's nodes come next, in a scope of their own.
  private func pushFunction(
    _ function: ONNXFunction, _ node: ONNXNode, _ inputs: [ImportedValue?], _ stack: inout [Frame]
  ) throws {
    guard inputs.count <= function.inputs.count, node.outputs.count <= function.outputs.count else {
      throw NodeFault.invalid(
        "the function \(function.name) takes \(function.inputs.count) inputs and gives \(function.outputs.count) outputs"
      )
    }
    let caller = stack[stack.count - 1].context
    var parameters: [String: ONNXAttributeValue] = [:]
    for attribute in function.defaultAttributes { parameters[attribute.name] = attribute.value }
    for attribute in node.attributes {
      if case .reference(let name) = attribute.value {
        if let value = caller.parameters[name] { parameters[attribute.name] = value }
      } else {
        parameters[attribute.name] = attribute.value
      }
    }
    var opsets: [String: Int] = [:]
    for entry in model.opsetImports { opsets[entry.domain] = entry.version }
    for entry in function.opsetImports { opsets[entry.domain] = entry.version }
    var names: [String: ImportedValue] = [:]
    for (name, value) in zip(function.inputs, inputs) { if let value { names[name] = value } }
    // Optional inputs that the call leaves out are absent in the body too.
    let absent = Set(function.inputs.filter { names[$0] == nil })
    let nodes =
      absent.isEmpty
      ? function.nodes
      : function.nodes.map { inner in
        var copy = inner
        copy.inputs = inner.inputs.map { absent.contains($0) ? "" : $0 }
        return copy
      }
    let wanted = Array(function.outputs.prefix(node.outputs.count))
    stack.append(
      Frame(
        nodes: nodes, outputs: wanted, names: names, outer: nil,
        context: FrameContext(opsets: opsets, parameters: parameters), targets: node.outputs))
  }
}
