import SwageGraph
import SwageTensor

// Conditionals that a translation itself needs: what an operator means is known only when the plan runs, and each
// meaning has its own nodes. The passes drop the branches that do not run as soon as the condition becomes a constant.
extension Call {
  /// What a translation gives inside one branch, or why the branch has no meaning.
  fileprivate struct Branch {
    let call: Call
    var results: [ImportedValue?]
    var fault: String?
  }

  /// The results of one of two translations. A branch that is no valid ONNX fails when it is taken; results that one of
  /// the branches does not have are nil.
  /// - Throws: the fault, when neither branch is valid; what is not supported in either.
  func conditional(
    _ condition: ImportedValue, then: (Call) throws -> [ImportedValue?], else other: (Call) throws -> [ImportedValue?]
  ) throws -> [ImportedValue?] {
    if let known = condition.known?.elements.first?.constant { return try known != 0 ? then(self) : other(self) }
    let branches = [try branch(then), try branch(other)]
    let valid = branches.filter { $0.fault == nil }
    guard let model = valid.first else { throw NodeFault.invalid(branches[0].fault ?? "it has no results") }
    let present = model.results.indices.filter { index in
      valid.allSatisfy { index < $0.results.count && $0.results[index] != nil }
    }
    let types = try present.map { index -> TensorType in
      let own = valid.compactMap { $0.results[index]?.type }
      try require(
        own.allSatisfy { $0.elementType == own[0].elementType && $0.rank == own[0].rank },
        "its result \(index) is \(own.map(\.description).joined(separator: " or "))")
      return importer.merge(own, into: builder)
    }
    var captured: [ImportedValue] = []
    var seen: Set<ObjectIdentifier> = []
    for branch in branches {
      try branch.end(with: present.map { branch.fault == nil ? branch.results[$0] : nil }, types, branch.fault)
      for capture in branch.call.builder.captures where seen.insert(ObjectIdentifier(capture.value)).inserted {
        captured.append(capture.value)
      }
    }
    for branch in branches {
      try branch.call.builder.capture(captured)
      try branch.call.builder.arrangeInputs(captured)
    }
    let values = try emitAll(
      .if(If(results: types)), [condition] + captured, regions: branches.map(\.call.builder.graph))
    var results = [ImportedValue?](repeating: nil, count: model.results.count)
    for (index, value) in zip(present, values) { results[index] = value }
    return results
  }

  private func branch(_ body: (Call) throws -> [ImportedValue?]) throws -> Branch {
    let name = node.opType.lowercased()
    let inside = with(RegionBuilder(name: name, parent: builder))
    defer { log.names.formUnion(inside.log.names) }
    do {
      return Branch(call: inside, results: try body(inside), fault: nil)
    } catch NodeFault.invalid(let reason) {
      // What the branch has made so far would only run in vain.
      return Branch(call: with(RegionBuilder(name: name, parent: builder)), results: [], fault: reason)
    }
  }

  /// Nothing, or a failure when the condition does not hold.
  func alwaysFailing(_ reason: String) -> (Call) throws -> [ImportedValue?] {
    { _ in throw NodeFault.invalid(reason) }
  }
}

extension Call.Branch {
  /// Makes the results the outputs of the branch's graph; a fault becomes a node that fails.
  fileprivate func end(with results: [ImportedValue?], _ types: [TensorType], _ fault: String?) throws {
    let builder = call.builder
    guard let fault else {
      for case let value? in results { builder.graph.addOutput(try builder.id(of: value), name: value.name) }
      return
    }
    let own = types.map { type in
      TensorType(type.elementType, type.shape.map { $0.symbols.allSatisfy(builder.knows) ? $0 : 0 })
    }
    for id in try builder.graph.append(.fail(Fail(message: fault, results: own)), [], sources: [call.source]) {
      builder.graph.addOutput(id, name: "")
    }
  }
}
