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
    if call.opset < 9 { return try importBatchedScan(call, frame, depth: depth) }
    let plan = try ScanPlan(call, hasLengths: false)
    let sequences = try plan.inputs.map { try call.input($0) }
    return try scan(
      call, plan, try plan.states.map { try call.input($0) }, sequences, trips: nil, frame, depth: depth)
  }

  /// Opset 8: every element of the batch (axis 0) is scanned for itself, for as long as `sequence_lens` says; what is
  /// left of its results is zero.
  private func importBatchedScan(_ call: Call, _ frame: Frame, depth: Int) throws -> [ImportedValue?] {
    let plan = try ScanPlan(call, hasLengths: true)
    let (states, sequences) = (try plan.states.map { try call.input($0) }, try plan.inputs.map { try call.input($0) })
    try call.require(
      states.allSatisfy { $0.type.rank >= 1 } && sequences.allSatisfy { $0.type.rank >= 2 },
      "a state or sequence has no batch")
    let (batch, length) = (sequences[0].type.shape[0], sequences[0].type.shape[1])
    let lengths = try call.optional(0).map { try call.cast($0, to: .i64) }
    if let lengths { try call.require(lengths.type.rank == 1, "sequence_lens is \(lengths.type)") }
    let trips = ImportedValue(.scalar(batch), .i64, sources: [call.source])
    return try buildLoop(call, trips, nil, [], depth: depth) { builder, iteration, more, _ in
      let inside = Call(
        importer: self, builder: builder, node: call.node, opset: call.opset, inputs: [], attributes: call.attributes,
        isRead: call.isRead)
      func element(_ value: ImportedValue) throws -> ImportedValue {
        try inside.emit(.gather(Gather(axis: 0)), [value, iteration])
      }
      let own = try lengths.map { try element($0) }
      let results = try self.scan(
        inside, plan, try states.map(element), try sequences.map(element), trips: own, frame, depth: depth + 1)
      return [more]
        + (try results.enumerated().map { index, value in
          guard let value else { throw call.unsupported("its result \(index) is not supported") }
          guard index >= states.count, own != nil, !value.isPoison else { return value }
          let none = [Dim](repeating: 0, count: value.type.rank)
          let ends = [length - value.type.shape[0]] + none.dropFirst()
          return try inside.emit(.pad(Pad(mode: .constant, begins: none, ends: ends)), [value])
        })
    }
  }

  /// Steps through `sequences`, `trips` times or to their end.
  private func scan(
    _ call: Call, _ plan: ScanPlan, _ initial: [ImportedValue], _ sequences: [ImportedValue], trips: ImportedValue?,
    _ frame: Frame, depth: Int
  ) throws -> [ImportedValue?] {
    let axes = try zip(sequences, plan.inputAxes).map { try call.axis($1, rank: $0.type.rank) }
    let whole = ImportedValue(.scalar(sequences[0].type.shape[axes[0]]), .i64, sources: [call.source])
    let length = trips ?? whole
    let results = try buildLoop(call, length, nil, initial, depth: depth) { builder, iteration, more, carried in
      let inside = Call(
        importer: self, builder: builder, node: call.node, opset: call.opset, inputs: [], attributes: [:], isRead: [])
      var inner = try self.makeFrame(plan.body, in: frame)
      for (info, value) in zip(plan.body.inputs, carried) { inner.bind(info.name, to: value) }
      for (number, info) in plan.body.inputs.dropFirst(initial.count).enumerated() {
        var index = iteration
        if plan.inputDirections[number] == 1 {
          index = try inside.binary(.sub, try inside.binary(.sub, length, iteration), 1)
        }
        inner.bind(info.name, to: try inside.emit(.gather(Gather(axis: axes[number])), [sequences[number], index]))
      }
      var stack = [inner]
      return [more] + (try self.importFrames(&stack, builder, depth: depth + 1))
    }
    return try results.enumerated().map { index, value in
      guard index >= initial.count, let value, !value.isPoison else { return value }
      var result = value
      if plan.outputDirections[index - initial.count] == 1 {
        let shape = result.type.shape
        var (starts, steps) = ([Dim](repeating: 0, count: shape.count), [Dim](repeating: 1, count: shape.count))
        (starts[0], steps[0]) = (shape[0] - 1, -1)
        result = try call.emit(.slice(Slice(starts: starts, sizes: shape, steps: steps)), [result])
      }
      let axis = try call.axis(plan.outputAxes[index - initial.count], rank: result.type.rank)
      var permutation = Array(1..<max(result.type.rank, 1))
      permutation.insert(0, at: axis)
      return try call.transpose(result, permutation)
    }
  }

  /// Makes a loop. `body` gives the condition, the carried values, and what is stacked, from the iteration's number, the
  /// condition and the carried values.
  func buildLoop(
    _ call: Call, _ trips: ImportedValue?, _ condition: ImportedValue?, _ initial: [ImportedValue], depth: Int,
    body: (RegionBuilder, ImportedValue, ImportedValue, [ImportedValue]) throws -> [ImportedValue]
  ) throws -> [ImportedValue?] {
    var types = initial.map(\.type)
    var objectTypes = initial.map(\.objectType)
    // Per carried value and axis: the size changes.
    var changing = types.map { [Bool](repeating: false, count: $0.rank) }
    while true {
      let builder = RegionBuilder(name: "loop", parent: call.builder)
      let iteration = builder.addInput(name: "iteration", type: TensorType(.i64))
      builder.iteration = iteration
      let more = builder.addInput(name: "condition", type: TensorType(.bool))
      let carried = types.enumerated().map {
        builder.addInput(name: initial[$0].name, type: $1, objectType: objectTypes[$0])
      }
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
        if let before = objectTypes[index], let after = results[index + 1].objectType {
          guard let joined = before.joined(after) else {
            throw call.unsupported("the carried value \(index) is \(before) before and \(after) after an iteration")
          }
          if joined != before {
            objectTypes[index] = joined
            isStable = false
          }
        }
        for axis in 0..<type.rank where type.shape[axis] != types[index].shape[axis] && !changing[index][axis] {
          changing[index][axis] = true
          types[index].shape[axis] = .symbol(symbols.freshSize())
          isStable = false
        }
      }
      guard isStable else { continue }
      return try finishLoop(
        call, builder, trips, condition, initial, results, types, objectTypes, changing,
        keepsCondition: results[0] === more)
    }
  }

  private func finishLoop(
    _ call: Call, _ builder: RegionBuilder, _ trips: ImportedValue?, _ condition: ImportedValue?,
    _ initial: [ImportedValue], _ results: [ImportedValue], _ types: [TensorType],
    _ objectTypes: [ValueType?], _ changing: [[Bool]],
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
    let stackTypes = try results.dropFirst(1 + initial.count).map { value -> TensorType in
      if let type = value.objectType { throw NodeFault.invalid("values of type \(type) cannot be stacked") }
      let inner = value.type.shape.map { $0.symbols.allSatisfy(call.builder.knows) ? $0 : .symbol(symbols.freshSize()) }
      return TensorType(value.type.elementType, [count ?? .symbol(symbols.freshSize())] + inner)
    }
    let captured = builder.captures.map(\.value)
    try builder.arrangeInputs(captured)
    return try call.emitAll(
      .loop(Loop(carried: initial.count, results: carriedTypes + stackTypes)),
      [trips, condition] + initial + captured, regions: [builder.graph], objectTypes: objectTypes)
  }
}
