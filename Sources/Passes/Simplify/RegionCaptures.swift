import SwageGraph
import SwageTensor

/// Values of a region that never change are captures, and captured constants are constants inside, where kernels for them
/// are chosen.
///
///     %1 = constant f32[4, 4]
///     %2, %3 = loop(%trips, none, %0, %1) {carried = 2} graph (… %s "state", %w "weights") { … return %more, %next, %w }
/// ->
///     %2 = loop(%trips, none, %0) {carried = 1} graph (… %s "state") { %w = constant f32[4, 4] … return %more, %next }
///
/// Readers of %3 read %1. Captures that nothing reads go.
///
/// Legal when
/// 1. what is no longer carried is handed on by the body as it is, and operand, input, output and result have one type;
/// 2. what becomes a constant inside is a capture: constants share their storage.
///
/// Leaves alone: values that change places with each other, and constants that a loop starts from.
public let regionCaptures = Pass(name: "region-captures") { graph, context in
  for id in graph.order {
    if let change = try graph.withoutFixedState(graph[id]) {
      guard context.begin("loop-invariant-state") else { return }
      try graph.rebuild(id, change)
    }
  }
  for id in graph.order {
    if let change = try graph.withoutConstantCaptures(graph[id]) {
      guard context.begin("constant-captures") else { return }
      try graph.rebuild(id, change)
    }
  }
}

/// A node with regions in another form.
private struct RebuiltNode {
  var op: Op
  var operands: [ValueID?]
  var regions: [Graph]
  /// For each old result, the number of the new one, or a value that is there already.
  var results: [Result]

  enum Result {
    case result(Int)
    case value(ValueID)
  }
}

extension Graph {
  /// A loop whose unchanging values are captures.
  fileprivate func withoutFixedState(_ node: Node) throws -> RebuiltNode? {
    guard case .loop(let op) = node.op else { return nil }
    let body = node.regions[0]
    let fixed = (0..<op.carried).filter { index in
      guard let operand = node.operands[2 + index] else { return false }
      let input = body.inputs[2 + index]
      return body.outputs[1 + index] == input && type(of: operand) == body.type(of: input)
        && type(of: operand) == type(of: node.results[index])
    }
    guard !fixed.isEmpty else { return nil }
    let kept = (0..<op.carried).filter { !fixed.contains($0) }
    let order = [0, 1] + kept.map { 2 + $0 } + (2 + op.carried..<node.operands.count) + fixed.map { 2 + $0 }
    let outputs = [0] + kept.map { 1 + $0 } + (1 + op.carried..<body.outputs.count)
    let results = kept + (op.carried..<node.results.count)
    return RebuiltNode(
      op: .loop(Loop(carried: kept.count, results: results.map { op.results[$0] })),
      operands: order.map { node.operands[$0] },
      regions: [try body.rebuilt(inputs: order.map { .input($0) }, outputs: outputs)],
      results: node.results.indices.compactMap { old in
        results.firstIndex(of: old).map { .result($0) } ?? node.operands[2 + old].map { .value($0) }
      })
  }

  /// A loop or conditional without captures that are constants, or that nothing reads.
  fileprivate func withoutConstantCaptures(_ node: Node) throws -> RebuiltNode? {
    // Operands that the regions have no input for.
    let shift: Int
    let first: Int
    switch node.op {
    case .loop(let op): (shift, first) = (0, 2 + op.carried)
    case .if: (shift, first) = (1, 1)
    default: return nil
    }
    var kept = Array(0..<first)
    var inputs: [RebuiltInput] = kept.dropFirst(shift).map { .input($0 - shift) }
    for index in first..<node.operands.count {
      guard let operand = node.operands[index] else { return nil }
      let isRead = node.regions.contains { region in
        let input = region.inputs[index - shift]
        return !region.users(of: input).isEmpty || region.isOutput(input)
      }
      if let constant = constant(operand) {
        inputs.append(.constant(index - shift, constant))
      } else if isRead {
        inputs.append(.input(index - shift))
        kept.append(index)
      }
    }
    guard kept.count < node.operands.count else { return nil }
    return RebuiltNode(
      op: node.op, operands: kept.map { node.operands[$0] },
      regions: try node.regions.map { try $0.rebuilt(inputs: inputs, outputs: Array($0.outputs.indices)) },
      results: node.results.indices.map { .result($0) })
  }

  fileprivate mutating func rebuild(_ id: NodeID, _ change: RebuiltNode) throws {
    let node = self[id]
    var names = [String](repeating: "", count: node.results.count)
    for (old, result) in zip(node.results, change.results) {
      if case .result(let index) = result { names[index] = self[old].name }
    }
    let new = try insert(
      change.op, change.operands, regions: change.regions, names: names, sources: node.sources, before: id)
    for (old, result) in zip(node.results, change.results) {
      switch result {
      case .result(let index): replaceUses(of: old, with: new[index])
      case .value(let value): replaceUses(of: old, with: value)
      }
    }
    erase(id)
  }
}

extension Graph {
  /// What becomes of an input of a region.
  fileprivate enum RebuiltInput {
    case input(Int)
    /// The input of this number is a constant.
    case constant(Int, Tensor)
  }

  /// The region with these of its inputs, in this order, and these outputs. Inputs that are not listed are not read.
  fileprivate func rebuilt(inputs chosen: [RebuiltInput], outputs kept: [Int]) throws -> Graph {
    var result = Graph(name: name)
    result.objectTypes = objectTypes
    var map: [ValueID: ValueID] = [:]
    for input in chosen {
      guard case .input(let index) = input else { continue }
      let old = inputs[index]
      map[old] = result.addInput(name: self[old].name, type: type(of: old))
    }
    for input in chosen {
      guard case .constant(let index, let tensor) = input else { continue }
      map[inputs[index]] = try result.constant(tensor, name: self[inputs[index]].name)
    }
    for node in nodes {
      let results = try result.append(
        node.op, node.operands.map { $0.flatMap { map[$0] } }, regions: node.regions,
        names: node.results.map { self[$0].name }, sources: node.sources)
      for (old, new) in zip(node.results, results) { map[old] = new }
    }
    for index in kept {
      guard let value = map[outputs[index]] else {
        preconditionFailure("output \(index) of a region reads an input that is not there")
      }
      result.addOutput(value, name: outputNames[index])
    }
    return result
  }
}
