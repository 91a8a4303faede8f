import SwagePartition
import SwageTensor

/// Lowers partitioned graphs to the entry points of one plan: control and views itself, the rest through the targets.
final class PlanLowerer {
  private let plan = PlanBuilder()
  private let lowerings: [String: any Lowering]
  private let targetOrder: [String]
  /// Bodies of loops, inner ones first.
  private var bodies: [EntryPoint] = []
  private var bodyCount = 0

  init(targets: [any Target], options: LoweringOptions) {
    targetOrder = targets.map(\.name)
    lowerings = Dictionary(uniqueKeysWithValues: targets.map { ($0.name, $0.makeLowering(options)) })
  }

  /// Lowers one graph to an entry point whose buffers are not placed yet.
  func lower(_ graph: Graph, name: String) throws -> EntryPoint {
    let builder = EntryPointBuilder(name: name, plan: plan)
    for input in graph.inputs { builder.addInput(input, in: graph) }
    for check in try Self.checks(of: graph, builder) { builder.add(check: check) }
    try lower(graph, into: builder)
    for (output, name) in zip(graph.outputs, graph.outputNames) {
      builder.addOutput(builder.value(output), name: name, type: graph.objectTypes[name])
    }
    return builder.finish()
  }

  /// The plan of all entry points lowered so far.
  func finish(_ entries: [EntryPoint], provenance: Provenance) throws -> Plan {
    for name in targetOrder { try lowerings[name]?.finish(plan) }
    return Plan(
      provenance: provenance, host: plan.host, weights: plan.weights, modules: plan.modules, entryPoints: entries,
      bodies: bodies)
  }

  private func lower(_ graph: Graph, into builder: EntryPointBuilder) throws {
    for node in graph.nodes {
      switch node.op {
      case .constant(let constant):
        builder.bind(node.results[0], toConstant: constant.value, name: graph[node.results[0]].name)
      case .reshape:
        builder.defineView(node.results[0], in: graph, of: builder.value(node.operands[0]!))
      case .copy(let copy):
        let operands = builder.values(node.operands)
        let results = builder.defineResults(of: node, in: graph, device: copy.target)
        builder.emit(.copy, operands: operands, results: results, label: "copy to \(copy.target)", for: node, in: graph)
      case .bindSymbols(let bind):
        builder.emit(
          .bindSymbols(bind.names.map { builder.symbol($0) }), operands: builder.values(node.operands), results: [],
          label: "bind \(bind.names.joined(separator: ", "))", for: node, in: graph)
      case .fail(let fail):
        builder.emit(.fail(message: fail.message), operands: [], results: [], label: "fail", for: node, in: graph)
        return
      case .if(let op): try lower(op, node, in: graph, into: builder)
      case .loop(let op): try lower(op, node, in: graph, into: builder)
      default:
        guard let target = node.target, let lowering = lowerings[target] else {
          throw CompilerError.unassigned(op: node.op.mnemonic, sources: node.sources)
        }
        try lowering.lower(node, in: graph, into: builder)
      }
    }
  }

  private func lower(_ op: If, _ node: Node, in graph: Graph, into builder: EntryPointBuilder) throws {
    let operands = node.operands.compactMap { $0.map { builder.value($0) } }
    let results = builder.defineResults(of: node, in: graph)
    var blocks: [Block] = []
    for region in node.regions {
      let fails = region.nodes.contains { if case .fail = $0.op { true } else { false } }
      blocks.append(
        try builder.block(
          of: region, inputs: Array(operands.dropFirst()), fails: fails,
          checks: fails ? [] : Self.checks(of: region, builder)
        ) { try lower($0, into: builder) })
    }
    var defines: [SymbolDefinition] = []
    for symbol in op.definedSymbols(regions: node.regions) {
      for (index, type) in op.results.enumerated() {
        guard let axis = type.shape.firstIndex(where: { $0.symbolName == symbol }) else { continue }
        defines.append(SymbolDefinition(symbol: builder.symbol(symbol), result: index, axis: axis))
        break
      }
    }
    builder.emit(
      .conditional(then: blocks[0], else: blocks[1]), operands: [operands[0]], results: results, defines: defines,
      label: "if", sources: node.sources, flops: 0, bytes: 0)
  }

  private func lower(_ op: Loop, _ node: Node, in graph: Graph, into builder: EntryPointBuilder) throws {
    let body = MemoryPlanner.plan(try lowerBody(node.regions[0], name: "\(builder.entry.name).loop"))
    bodies.append(body)
    let operands = builder.values(node.operands)
    let sizes = body.parameters.map { builder.size(.symbol(body.symbols[$0])) }
    let results = builder.defineResults(of: node, in: graph)
    var defines: [SymbolDefinition] = []
    for symbol in graph.definedSymbols(of: node) {
      for (index, type) in op.results.enumerated() {
        guard let axis = type.shape.firstIndex(where: { $0.symbolName == symbol }) else { continue }
        defines.append(SymbolDefinition(symbol: builder.symbol(symbol), result: index, axis: axis))
        break
      }
    }
    // The work may depend on sizes that the iterations decide.
    let types = (node.operands.compactMap { $0 } + node.results).map { graph.type(of: $0) }
    let known = Set(types.flatMap { $0.shape.flatMap(\.symbols) } + body.parameters.map { body.symbols[$0] })
    let flops = graph.flops(of: node)
    builder.emit(
      .loop(LoopCall(body: bodies.count - 1, carried: op.carried, sizes: sizes)), operands: operands, results: results,
      defines: defines, label: "loop", sources: node.sources,
      flops: known.isSuperset(of: flops.symbols) ? flops : 0, bytes: graph.bytes(of: node))
  }

  /// A loop's region as a body. Its ports are numbered: values of a region need no names.
  private func lowerBody(_ region: Graph, name: String) throws -> EntryPoint {
    bodyCount += 1
    let builder = EntryPointBuilder(name: "\(name)\(bodyCount)", plan: plan)
    for (index, input) in region.inputs.enumerated() { builder.addInput(input, in: region, name: "\(index)") }
    let fail = region.nodes.compactMap { if case .fail(let fail) = $0.op { fail } else { nil } }.first
    if fail == nil {
      for check in try Self.checks(of: region, builder) { builder.add(check: check) }
      try lower(region, into: builder)
      for (index, output) in region.outputs.enumerated() { builder.addOutput(builder.value(output), name: "\(index)") }
    } else {
      // No iteration comes to its end: its results have types and no bytes.
      let results = region.outputs.map { output in
        let type = region.type(of: output)
        return builder.temporary(TensorType(type.elementType, type.shape.map { _ in 0 }))
      }
      builder.emit(
        .fail(message: fail?.message ?? ""), operands: [], results: results, label: "fail", sources: [], flops: 0,
        bytes: 0)
      for (index, result) in results.enumerated() { builder.addOutput(result, name: "\(index)") }
    }
    return builder.finishBody()
  }

  /// What the type rules of a graph's own nodes rely on. Nested graphs have checks of their own.
  private static func checks(of graph: Graph, _ builder: EntryPointBuilder) throws -> [SizeCheck] {
    try graph.sizeConstraints().map { constraint, node in
      let relation: SizeCheck.Relation =
        switch constraint.relation {
        case .equal: .equal
        case .broadcast: .broadcast
        case .atMost: .atMost
        }
      return SizeCheck(
        left: builder.size(constraint.left), relation: relation, right: builder.size(constraint.right),
        source: node.sources.first?.name ?? node.op.mnemonic)
    }
  }
}
