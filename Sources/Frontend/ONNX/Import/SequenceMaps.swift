import SwageGraph
import SwageTensor

// `SequenceMap`: the body once for each element, in place where the elements are known, else as a loop.
extension ONNXImporter {
  func importSequenceMap(_ call: Call, _ frame: Frame, depth: Int) throws -> [ImportedValue?] {
    let graph = try call.graph("body")
    let inputs = try call.allInputs()
    guard graph.inputs.count == inputs.count, graph.outputs.count >= call.node.outputs.count else {
      throw NodeFault.invalid("the body takes \(graph.inputs.count) inputs for \(inputs.count)")
    }
    guard case .sequence? = inputs[0].objectType else {
      throw NodeFault.invalid("input 0 is \(inputs[0].valueType), not a sequence")
    }
    if let rows = try knownRows(inputs) {
      var results = [[ImportedValue]](repeating: [], count: graph.outputs.count)
      for row in rows {
        var inner = try makeFrame(graph, in: frame)
        for (info, value) in zip(graph.inputs, row) { inner.bind(info.name, to: value) }
        var stack = [inner]
        for (index, value) in try importFrames(&stack, call.builder, depth: depth + 1).enumerated() {
          results[index].append(value)
        }
      }
      return try results.map { items in
        if items.contains(where: \.isPoison) { return .poison(name: "") }
        guard let type = items.dropFirst().reduce(items.first?.valueType, { $0?.joined($1.valueType) }) else {
          guard items.isEmpty else { throw NodeFault.invalid("the body gives values of several types") }
          return SequenceOperators.list(call, [], .tensor(.f32, .none))
        }
        return SequenceOperators.list(call, items, type)
      }
    }
    let trips = try call.emit(.object(ObjectOp(.length, result: TensorType(.i64))), [inputs[0]])
    let empty = graph.outputs.map { _ in SequenceOperators.list(call, [], .tensor(.f32, .none)) }
    return try buildLoop(call, trips, nil, empty, depth: depth) { builder, iteration, more, carried in
      let inside = Call(
        importer: self, builder: builder, node: call.node, opset: call.opset, inputs: inputs, attributes: [:],
        isRead: [])
      var inner = try self.makeFrame(graph, in: frame)
      for (index, info) in graph.inputs.enumerated() {
        guard case .sequence(let type)? = inputs[index].objectType else {
          inner.bind(info.name, to: inputs[index])
          continue
        }
        let element = try SequenceOperators.element(inside, .at, [inputs[index], iteration], type)
        inner.bind(info.name, to: element)
      }
      var stack = [inner]
      let values = try self.importFrames(&stack, builder, depth: depth + 1)
      if values.contains(where: \.isPoison) { return [more] + values }
      return [more]
        + (try zip(carried, values).map { sequence, value in
          guard case .sequence(let type)? = sequence.objectType, let joined = type.joined(value.valueType) else {
            throw NodeFault.invalid("the body gives values of several types")
          }
          return try inside.emit(.object(ObjectOp(.insert)), [sequence, value], objectType: .sequence(joined))
        })
    }
  }

  /// What each pass through the body takes, where all sequences are known and short.
  private func knownRows(_ inputs: [ImportedValue]) throws -> [[ImportedValue]]? {
    guard case .sequence(let first) = inputs[0].content, first.count <= 64 else { return nil }
    var rows = [[ImportedValue]](repeating: [], count: first.count)
    for input in inputs {
      switch (input.content, input.objectType) {
      case (.sequence(let items), _):
        guard items.count == first.count else {
          throw NodeFault.invalid("sequences of \(first.count) and \(items.count) elements")
        }
        for index in rows.indices { rows[index].append(items[index]) }
      case (_, .sequence?): return nil
      default: for index in rows.indices { rows[index].append(input) }
      }
    }
    return rows
  }
}
