import SwageTensor

/// Builds one entry point: maps graph values to plan values, and collects instructions in order.
///
/// Every value gets a buffer of its own here; the memory planner merges and places buffers afterwards.
public final class EntryPointBuilder {
  public let plan: PlanBuilder
  public private(set) var entry: EntryPoint
  private var sizeIDs: [Dim: SizeID] = [:]
  private var symbolIDs: [String: SymbolID] = [:]
  /// One map for each graph being lowered, the innermost last.
  private var scopes: [[GraphValueID: PlanValueID]] = [[:]]
  /// Constants of the same graphs that nothing has read yet.
  private var constants: [[GraphValueID: (tensor: Tensor, name: String)]] = [[:]]
  /// Instructions of each open block, the innermost last.
  private var blocks: [[Instruction]] = [[]]
  private var weightValues: [Int: PlanValueID] = [:]

  public init(name: String, plan: PlanBuilder) {
    entry = EntryPoint(name: name)
    self.plan = plan
  }

  // MARK: - Sizes

  /// The id of a size expression.
  public func size(_ dimension: Dim) -> SizeID {
    if let known = sizeIDs[dimension] { return known }
    for name in dimension.symbols { _ = symbol(name) }
    sizeIDs[dimension] = entry.sizes.count
    entry.sizes.append(dimension)
    return entry.sizes.count - 1
  }

  public func symbol(_ name: String) -> SymbolID {
    if let known = symbolIDs[name] { return known }
    symbolIDs[name] = entry.symbols.count
    entry.symbols.append(name)
    return entry.symbols.count - 1
  }

  public func add(check: SizeCheck) { if !entry.checks.contains(check) { entry.checks.append(check) } }

  // MARK: - Values

  /// The plan value of a graph value that was defined before.
  public func value(_ id: GraphValueID) -> PlanValueID {
    if let value = scopes[scopes.count - 1][id] { return value }
    guard let constant = constants[constants.count - 1][id] else { preconditionFailure("\(id) was not lowered") }
    let value = weight(constant.tensor, name: constant.name)
    scopes[scopes.count - 1][id] = value
    return value
  }

  public func values(_ ids: [GraphValueID?]) -> [PlanValueID?] { ids.map { $0.map { value($0) } } }

  /// The plan type of a value: element type and size ids.
  public func planValue(_ id: PlanValueID) -> PlanValue { entry.values[id] }

  /// New values for the results of a node, each in a buffer of its own in the memory of `device`.
  public func defineResults(of node: Node, in graph: Graph, device: String = "cpu") -> [PlanValueID] {
    node.results.map { result in
      let id = temporary(graph.type(of: result), name: graph[result].name, device: device)
      scopes[scopes.count - 1][result] = id
      return id
    }
  }

  /// A new value that no graph value stands for.
  public func temporary(_ type: TensorType, name: String = "", device: String = "cpu") -> PlanValueID {
    let buffer = entry.buffers.count
    entry.buffers.append(
      PlanBuffer(byteCount: size(type.byteCount), placement: .arena, first: 0, last: 0, device: device))
    return append(name: name, type, .buffer(buffer, offset: nil))
  }

  /// Makes `result` another view of the bytes of `value`.
  public func defineView(_ result: GraphValueID, in graph: Graph, of value: PlanValueID) {
    let base = entry.values[value]
    let id = append(name: graph[result].name, graph.type(of: result), base.location)
    entry.values[id].viewOf = value
    scopes[scopes.count - 1][result] = id
  }

  /// Makes `result` stand for an existing plan value.
  public func bind(_ result: GraphValueID, to value: PlanValueID) { scopes[scopes.count - 1][result] = value }

  /// Makes `result` stand for a constant, which becomes a weight of the plan when something reads it: targets may keep
  /// a constant in a form of their own instead.
  public func bind(_ result: GraphValueID, toConstant tensor: Tensor, name: String) {
    constants[constants.count - 1][result] = (tensor, name)
  }

  /// A constant of the plan.
  public func weight(_ tensor: Tensor, name: String) -> PlanValueID {
    let index = plan.weight(tensor, name: name)
    if let known = weightValues[index] { return known }
    let id = append(name: plan.weights[index].name, tensor.type, .weight(index))
    weightValues[index] = id
    return id
  }

  /// `name` nil takes the value's own.
  public func addInput(_ id: GraphValueID, in graph: Graph, name: String? = nil) {
    let value = append(name: graph[id].name, graph.type(of: id), .input(entry.inputs.count))
    let name = name ?? graph[id].name
    let isObject = graph.type(of: id).elementType == .object
    entry.inputs.append(
      Port(name: name, value: value, type: isObject ? graph.objectTypes[name] ?? Self.unknownObject : nil))
    scopes[0][id] = value
  }

  /// `type` is what an output that is no tensor holds.
  public func addOutput(_ value: PlanValueID, name: String, type: ValueType? = nil) {
    let isObject = entry.values[value].elementType == .object
    entry.outputs.append(Port(name: name, value: value, type: isObject ? type ?? Self.unknownObject : nil))
  }

  /// Ports of bodies, and of graphs that were read from text: nobody outside of the run sees them.
  private static let unknownObject = ValueType.sequence(.tensor(.f32, .any))

  private func append(name: String, _ type: TensorType, _ location: PlanValue.Location) -> PlanValueID {
    entry.values.append(
      PlanValue(name: name, elementType: type.elementType, shape: type.shape.map { size($0) }, location: location))
    return entry.values.count - 1
  }

  // MARK: - Instructions

  /// Appends an instruction. `inPlace` lists results that may be written over an operand; the memory planner keeps
  /// those pairs where the operand dies here.
  public func emit(
    _ operation: Operation, operands: [PlanValueID?], results: [PlanValueID],
    defines: [SymbolDefinition] = [], label: String, for node: Node, in graph: Graph, inPlace: [InPlace] = []
  ) {
    emit(
      operation, operands: operands, results: results, defines: defines, label: label, sources: node.sources,
      flops: graph.flops(of: node), bytes: graph.bytes(of: node), inPlace: inPlace)
  }

  /// Appends an instruction with work of its own, for nodes that become several.
  public func emit(
    _ operation: Operation, operands: [PlanValueID?], results: [PlanValueID],
    defines: [SymbolDefinition] = [], label: String, sources: [Source], flops: Dim, bytes: Dim, inPlace: [InPlace] = []
  ) {
    blocks[blocks.count - 1].append(
      Instruction(
        operation: operation, operands: operands, results: results, defines: defines, label: label,
        sources: sources.map(\.name), flops: size(flops), bytes: size(bytes), inPlace: inPlace))
  }

  /// Lowers a nested graph into a block of its own: `inputs` are the plan values its inputs stand for. A block that
  /// `fails` has no results.
  public func block(
    of graph: Graph, inputs: [PlanValueID], fails: Bool, checks: [SizeCheck], _ lower: (Graph) throws -> Void
  ) rethrows -> Block {
    scopes.append(Dictionary(uniqueKeysWithValues: zip(graph.inputs, inputs)))
    constants.append([:])
    blocks.append([])
    defer {
      scopes.removeLast()
      constants.removeLast()
    }
    try lower(graph)
    return Block(
      instructions: blocks.removeLast(), results: fails ? [] : graph.outputs.map { value($0) }, checks: checks)
  }

  /// The finished entry point; buffers are not placed yet.
  public func finish() -> EntryPoint {
    entry.body = Block(instructions: blocks[0], results: [])
    return entry
  }

  /// The finished body of a loop: symbols that neither its inputs nor its instructions bind are its parameters.
  public func finishBody() -> EntryPoint {
    var body = finish()
    var bound = Set(body.inputs.flatMap { body.values[$0.value].shape.compactMap { body.sizes[$0].symbolName } })
    for flat in body.flattened {
      bound.formUnion(flat.instruction.defines.map { body.symbols[$0.symbol] })
      if case .bindSymbols(let symbols) = flat.instruction.operation {
        bound.formUnion(symbols.map { body.symbols[$0] })
      }
    }
    body.parameters = body.symbols.indices.filter { !bound.contains(body.symbols[$0]) }
    return body
  }
}
