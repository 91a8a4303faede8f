import SwageGraph
import SwageTensor

/// The branches of a conditional lead to results of different types, and what follows them here does not bring these
/// together: whoever imports the enclosing graph goes on from there.
struct Divergence: Error {
  var node: String
  var reason: String
}

/// One branch of a conditional that only the run decides.
private struct Branch {
  let builder: RegionBuilder
  /// The results so far, or why the branch has no meaning.
  var results: Result<[ImportedValue], ImportError>
}

// `If`: a condition that is known takes its branch alone. Otherwise both become regions; where they give results that
// one type cannot hold, what follows the conditional is imported into both, as far as needed until the types agree.
// A branch in which it cannot be imported fails when it is taken.
extension ONNXImporter {
  func importIf(_ call: Call, _ stack: inout [Frame], depth: Int) throws {
    let condition = try call.input(0)
    let (thenGraph, elseGraph) = (try call.graph("then_branch"), try call.graph("else_branch"))
    for graph in [thenGraph, elseGraph] where graph.outputs.count < call.node.outputs.count {
      throw NodeFault.invalid("a branch gives \(graph.outputs.count) of \(call.node.outputs.count) results")
    }
    if let known = condition.known?.elements.first?.constant ?? condition.tensor?.integers.first.map({ Int($0) }) {
      let frame = stack[stack.count - 1]
      let graph = known != 0 ? thenGraph : elseGraph
      stack.append(try makeFrame(graph, in: frame, targets: call.node.outputs))
      return
    }
    let flag = try call.reshape(try call.cast(condition, to: .bool), [])
    try importUndecided(call, flag, thenGraph, elseGraph, &stack, depth: depth)
  }

  /// A frame for a graph inside `frame`.
  func makeFrame(_ graph: ONNXGraph, in frame: Frame, targets: [String] = []) throws -> Frame {
    Frame(
      graph: graph, names: try importInitializers(graph), outer: frame.scope, context: frame.context, targets: targets)
  }

  private func importUndecided(
    _ call: Call, _ condition: ImportedValue, _ thenGraph: ONNXGraph, _ elseGraph: ONNXGraph, _ stack: inout [Frame],
    depth: Int
  ) throws {
    let frame = stack[stack.count - 1]
    let frames = [
      try makeFrame(thenGraph, in: frame, targets: call.node.outputs),
      try makeFrame(elseGraph, in: frame, targets: call.node.outputs),
    ]
    do {
      var branches = try frames.map { try importBranch([$0], call, depth: depth) }
      if try finish(branches, call, condition, names: call.node.outputs, &stack, level: stack.count) { return }
      // Frame by frame, what follows goes into both branches.
      var level = stack.count - 1
      var targets = call.node.outputs
      while level >= 0 {
        for index in branches.indices {
          try proceed(&branches[index], with: stack[level], targets, depth: depth)
        }
        if try finish(branches, call, condition, names: stack[level].targets, &stack, level: level) { return }
        targets = stack[level].targets
        level -= 1
      }
    } catch is Divergence {
      // A conditional inside a branch needs what follows this one: import all of it.
      let branches = try frames.map { try importBranch(stack + [$0], call, depth: depth) }
      if try finish(branches, call, condition, names: [], &stack, level: 0) { return }
    }
    throw Divergence(node: label(call.node), reason: "its branches end in results of different types")
  }

  /// Imports frames into a region of their own.
  private func importBranch(_ frames: [Frame], _ call: Call, depth: Int) throws -> Branch {
    let builder = RegionBuilder(name: call.node.opType.lowercased(), parent: call.builder)
    var frames = frames
    let noted = unsupported.count
    do {
      return Branch(builder: builder, results: .success(try importFrames(&frames, builder, depth: depth + 1)))
    } catch let error as ImportError {
      guard case .invalidNode = error else { throw error }
      unsupported.removeSubrange(noted...)
      return Branch(builder: builder, results: .failure(error))
    }
  }

  /// Goes on in a branch with the rest of a frame.
  private func proceed(_ branch: inout Branch, with frame: Frame, _ targets: [String], depth: Int) throws {
    guard case .success(let results) = branch.results else { return }
    var frames = [frame]
    bind(results, to: targets, in: &frames[0], branch.builder)
    let noted = unsupported.count
    do {
      branch.results = .success(try importFrames(&frames, branch.builder, depth: depth + 1))
    } catch let error as ImportError {
      guard case .invalidNode = error else { throw error }
      unsupported.removeSubrange(noted...)
      branch.results = .failure(error)
    }
  }

  /// Makes the conditional, when one type holds the results of both branches, and binds its results in place of those of
  /// the frames from `level` on. Returns false where the types differ.
  private func finish(
    _ branches: [Branch], _ call: Call, _ condition: ImportedValue, names: [String], _ stack: inout [Frame], level: Int
  ) throws -> Bool {
    var results = branches.map { try? $0.results.get() }
    if results[0] == nil, results[1] == nil, case .failure(let error) = branches[0].results { throw error }
    // As many results as the conditional has names for, where it has names.
    if level == stack.count {
      results = results.map { $0.map { Array($0.prefix(names.count)) } }
    }
    let types = results.map { $0?.map(\.type) }
    guard let model = types[0] ?? types[1] else { return false }
    if (results[0] ?? []).contains(where: \.isPoison) || (results[1] ?? []).contains(where: \.isPoison) {
      place(
        model.indices.map { ImportedValue.poison(name: $0 < names.count ? names[$0] : "") }, names, call, &stack, level)
      return true
    }
    if let a = types[0], let b = types[1] {
      guard a.count == b.count, zip(a, b).allSatisfy({ $0.elementType == $1.elementType && $0.rank == $1.rank })
      else { return false }
    }
    let merged = model.indices.map { index -> TensorType in
      merge(types.compactMap { $0?[index] }, into: call.builder)
    }
    let objectTypes = try model.indices.map { index -> ValueType? in
      let held = results.compactMap { $0?[index].objectType }
      guard let first = held.first else { return nil }
      guard let joined = held.dropFirst().reduce(first, { $0?.joined($1) }) else {
        throw NodeFault.invalid("its branches give \(held.map(\.description).joined(separator: " and "))")
      }
      return joined
    }
    var regions: [Graph] = []
    for index in branches.indices {
      let builder = branches[index].builder
      if let values = results[index] {
        for value in values { builder.graph.addOutput(try builder.id(of: value), name: value.name) }
      }
    }
    // Failed branches read nothing: they get a graph with the other's inputs.
    let live = branches.filter { if case .success = $0.results { true } else { false } }.map(\.builder)
    var captured: [ImportedValue] = []
    var seen: Set<ObjectIdentifier> = []
    for builder in live {
      for capture in builder.captures where seen.insert(ObjectIdentifier(capture.value)).inserted {
        captured.append(capture.value)
      }
    }
    for (index, branch) in branches.enumerated() {
      let builder: RegionBuilder
      if case .failure(let error) = branch.results {
        builder = RegionBuilder(name: branch.builder.graph.name, parent: call.builder)
        let types = merged.map { type in
          TensorType(type.elementType, type.shape.map { $0.symbols.allSatisfy(call.builder.knows) ? $0 : 0 })
        }
        let message = error.diagnostics.first.map { fault in
          [fault.place.node.map { "node \($0)" }, fault.why].compactMap { $0 }.joined(separator: ": ")
        }
        let ids = try builder.graph.append(
          .fail(Fail(message: message ?? "this branch has no meaning", results: types)), [], sources: [call.source])
        for (id, value) in zip(ids, results[1 - index] ?? []) { builder.graph.addOutput(id, name: value.name) }
      } else {
        builder = branch.builder
      }
      try builder.capture(captured)
      try builder.arrangeInputs(captured)
      regions.append(builder.graph)
    }
    let values = try call.emitAll(
      .if(If(results: merged)), [condition] + captured, regions: regions, objectTypes: objectTypes)
    place(values, names, call, &stack, level)
    return true
  }

  /// Puts results in place of those of the frames from `level` on.
  private func place(
    _ values: [ImportedValue], _ names: [String], _ call: Call, _ stack: inout [Frame], _ level: Int
  ) {
    if level == stack.count {
      bind(values, to: names, in: &stack[stack.count - 1], call.builder)
      return
    }
    // The frame at `level` has ended with these results.
    stack.removeSubrange((level + 1)...)
    let done = stack[level]
    stack[level] = Frame(
      nodes: [], outputs: done.outputs, names: [:], outer: nil, context: done.context, targets: done.targets)
    bind(values, to: done.outputs, in: &stack[level], call.builder)
  }

  /// One type for the results of several branches, which agree in rank: sizes that differ, or that a branch decides
  /// inside, are fresh symbols.
  func merge(_ types: [TensorType], into builder: RegionBuilder) -> TensorType {
    guard let first = types.first else { return TensorType(.f32) }
    let shape = first.shape.indices.map { axis -> Dim in
      let size = first.shape[axis]
      let agrees = types.allSatisfy { $0.shape[axis] == size }
      if agrees, size.symbols.allSatisfy(builder.knows) { return size }
      return .symbol(symbols.freshSize())
    }
    return TensorType(first.elementType, shape)
  }
}
