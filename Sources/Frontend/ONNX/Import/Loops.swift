import SwageGraph
import SwageTensor

// `Loop` and `Scan`: the body becomes a region. Sizes of carried values that change from one iteration to the next
// are symbols of the region, found by importing the body until nothing changes.
extension ONNXImporter {
  func importLoop(_ call: Call, _ frame: Frame, depth: Int) throws -> [ImportedValue?] {
    let graph = try call.graph("body")
    let initial = try call.inputs.dropFirst(2).indices.map { try call.input($0) }
    guard graph.inputs.count == initial.count + 2, graph.outputs.count >= initial.count + 1 else {
      throw NodeFault.invalid("the body takes \(graph.inputs.count) inputs for \(initial.count) carried values")
    }
    let trips = try call.optional(0).map { try call.reshape(try call.cast($0, to: .i64), []) }
    let condition = try call.optional(1).map { try call.reshape($0, []) }
    return try buildLoop(call, trips, condition, initial, depth: depth) { builder, iteration, more, carried in
      var inner = try self.makeFrame(graph, in: frame)
      for (info, value) in zip(graph.inputs, [iteration, more] + carried) { inner.bind(info.name, to: value) }
      var stack = [inner]
      return try self.importFrames(&stack, builder, depth: depth + 1)
    }
  }

  func importScan(_ call: Call, _ frame: Frame, depth: Int) throws -> [ImportedValue?] {
    guard call.opset >= 9 else {
      throw call.unsupported("Scan before opset 9 has batches", remedy: "convert the model to a newer opset")
    }
    let graph = try call.graph("body")
    guard let scans = try call.int("num_scan_inputs"), scans >= 1, scans <= call.inputs.count,
      graph.inputs.count == call.inputs.count
    else { throw NodeFault.invalid("num_scan_inputs does not fit \(call.inputs.count) inputs") }
    let states = call.inputs.count - scans
    let outputs = graph.outputs.count - states
    guard outputs >= 0 else { throw NodeFault.invalid("the body gives \(graph.outputs.count) results") }
    let initial = try (0..<states).map { try call.input($0) }
    let inputAxes = try call.ints("scan_input_axes") ?? [Int](repeating: 0, count: scans)
    let inputDirections = try call.ints("scan_input_directions") ?? [Int](repeating: 0, count: scans)
    let outputAxes = try call.ints("scan_output_axes") ?? [Int](repeating: 0, count: outputs)
    let outputDirections = try call.ints("scan_output_directions") ?? [Int](repeating: 0, count: outputs)
    try call.require(
      inputAxes.count == scans && inputDirections.count == scans && outputAxes.count == outputs
        && outputDirections.count == outputs, "axes and directions do not fit the scans")
    var sequences: [(value: ImportedValue, axis: Int, isReverse: Bool)] = []
    for index in 0..<scans {
      let value = try call.input(states + index)
      let axis = try call.axis(inputAxes[index], rank: value.type.rank)
      sequences.append((value, axis, inputDirections[index] == 1))
    }
    let length = sequences[0].value.type.shape[sequences[0].axis]
    let trips = ImportedValue(.scalar(length), .i64, sources: [call.source])
    let results = try buildLoop(call, trips, nil, initial, depth: depth) { builder, iteration, more, carried in
      let inside = Call(
        importer: self, builder: builder, node: call.node, opset: call.opset, inputs: [], attributes: [:], isRead: [])
      let last = ImportedValue(.scalar(length - 1), .i64, sources: [call.source])
      var inner = try self.makeFrame(graph, in: frame)
      for (info, value) in zip(graph.inputs, carried) { inner.bind(info.name, to: value) }
      for (info, sequence) in zip(graph.inputs.dropFirst(states), sequences) {
        let index = sequence.isReverse ? try inside.binary(.sub, last, iteration) : iteration
        inner.bind(info.name, to: try inside.emit(.gather(Gather(axis: sequence.axis)), [sequence.value, index]))
      }
      var stack = [inner]
      return [more] + (try self.importFrames(&stack, builder, depth: depth + 1))
    }
    return try results.enumerated().map { index, value in
      guard index >= states, let value, !value.isPoison else { return value }
      var result = value
      if outputDirections[index - states] == 1 {
        let shape = result.type.shape
        var (starts, steps) = ([Dim](repeating: 0, count: shape.count), [Dim](repeating: 1, count: shape.count))
        (starts[0], steps[0]) = (shape[0] - 1, -1)
        result = try call.emit(.slice(Slice(starts: starts, sizes: shape, steps: steps)), [result])
      }
      let axis = try call.axis(outputAxes[index - states], rank: result.type.rank)
      var permutation = Array(1..<max(result.type.rank, 1))
      permutation.insert(0, at: axis)
      return try call.transpose(result, permutation)
    }
  }

  /// Makes a loop. `body` gives the condition, the carried values, and what is stacked, from the iteration's number, the
  /// condition and the carried values.
  private func buildLoop(
    _ call: Call, _ trips: ImportedValue?, _ condition: ImportedValue?, _ initial: [ImportedValue], depth: Int,
    body: (RegionBuilder, ImportedValue, ImportedValue, [ImportedValue]) throws -> [ImportedValue]
  ) throws -> [ImportedValue?] {
    var types = initial.map(\.type)
    // Per carried value and axis: the size changes.
    var changing = types.map { [Bool](repeating: false, count: $0.rank) }
    while true {
      let builder = RegionBuilder(name: "loop", parent: call.builder)
      let iteration = builder.addInput(name: "iteration", type: TensorType(.i64))
      let more = builder.addInput(name: "condition", type: TensorType(.bool))
      let carried = types.enumerated().map { builder.addInput(name: initial[$0].name, type: $1) }
      let results: [ImportedValue]
      do { results = try body(builder, iteration, more, carried) } catch let divergence as Divergence {
        throw call.unsupported(
          "the body has a conditional (\(divergence.node)) whose branches give values of different ranks",
          remedy: "give the sizes that decide the condition with --shape")
      }
      if results.contains(where: \.isPoison) { return call.node.outputs.map { .poison(name: $0) } }
      var isStable = true
      for index in initial.indices {
        let type = results[index + 1].type
        guard type.elementType == types[index].elementType, type.rank == types[index].rank else {
          throw call.unsupported(
            "the carried value \(index) is \(types[index]) before and \(type) after an iteration",
            remedy: "export the model with values of constant rank")
        }
        for axis in 0..<type.rank where type.shape[axis] != types[index].shape[axis] && !changing[index][axis] {
          changing[index][axis] = true
          types[index].shape[axis] = .symbol(symbols.freshSize())
          isStable = false
        }
      }
      guard isStable else { continue }
      return try finishLoop(
        call, builder, trips, condition, initial, results, types, changing, keepsCondition: results[0] === more)
    }
  }

  private func finishLoop(
    _ call: Call, _ builder: RegionBuilder, _ trips: ImportedValue?, _ condition: ImportedValue?,
    _ initial: [ImportedValue], _ results: [ImportedValue], _ types: [TensorType], _ changing: [[Bool]],
    keepsCondition: Bool
  ) throws -> [ImportedValue?] {
    let inside = Call(
      importer: self, builder: builder, node: call.node, opset: call.opset, inputs: [], attributes: [:], isRead: [])
    let next = try inside.reshape(results[0], [])
    for value in [next] + results.dropFirst() {
      builder.graph.addOutput(try builder.id(of: value), name: value.name)
    }
    let startsTrue = condition.map { $0.known?.constants == [1] } ?? true
    let staysTrue = keepsCondition || next.known?.constants == [1]
    var count: Dim?
    if startsTrue, staysTrue, let size = trips?.known?.elements.first { count = sizes.larger(size, 0) }
    let carriedTypes = types.indices.map { index -> TensorType in
      let shape = types[index].shape.indices.map { axis in
        changing[index][axis] ? .symbol(symbols.freshSize()) : types[index].shape[axis]
      }
      return TensorType(types[index].elementType, shape)
    }
    let stackTypes = results.dropFirst(1 + initial.count).map { value -> TensorType in
      let inner = value.type.shape.map { $0.symbols.allSatisfy(call.builder.knows) ? $0 : .symbol(symbols.freshSize()) }
      return TensorType(value.type.elementType, [count ?? .symbol(symbols.freshSize())] + inner)
    }
    let captured = builder.captures.map(\.value)
    try builder.arrangeInputs(captured)
    return try call.emitAll(
      .loop(Loop(carried: initial.count, results: carriedTypes + stackTypes)),
      [trips, condition] + initial + captured, regions: [builder.graph])
  }
}
