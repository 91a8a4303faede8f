/// Checks that the operators of every node are imported or a function's, that calls fit their functions, and that
/// functions have distinct names, do not recurse (through nested graphs neither), and do not expand to more nodes than
/// allowed: without the last, forty functions that call each other twice are 2^40 nodes.
struct ONNXFunctionCheck {
  private struct Key: Hashable {
    var domain: String
    var name: String
    var overload: String

    var words: String {
      (domain.isEmpty ? "" : domain + ".") + name + (overload.isEmpty ? "" : ":" + overload)
    }
  }

  var faults: ONNXFaults
  private let inlinedLimit: Int

  init(limits: ONNXLimits) {
    faults = ONNXFaults(limit: limits.faults)
    inlinedLimit = limits.inlinedNodes
  }

  mutating func check(_ model: ONNXModel) {
    var indices: [Key: Int] = [:]
    let keys = model.functions.map { Key(domain: $0.domain, name: $0.name, overload: $0.overload) }
    for (index, key) in keys.enumerated() where indices.updateValue(index, forKey: key) != nil {
      faults.add(ONNXFault(.duplicateFunction(key.words)))
    }
    let imports = Set(model.opsetImports.map(\.domain))
    let main = calls(in: model.graph.nodes, model, indices, imports: imports, scope: nil)
    let calls = model.functions.map { function in
      self.calls(
        in: function.nodes, model, indices, imports: imports.union(function.opsetImports.map(\.domain)),
        scope: "function \(function.name)")
    }
    let order: [Int]
    switch ONNXNameCheck.sorted(calls.map(\.functions)) {
    case .success(let sorted): order = sorted
    case .failure(let cycle):
      let names = cycle.nodes.map { keys[$0].words }
      faults.add(ONNXFault(.recursiveFunction(ONNXNameCheck.shortened(names))))
      return
    }
    var sizes = [Int](repeating: 0, count: keys.count)
    func total(_ calls: Calls) -> Int {
      calls.functions.reduce(calls.nodes) { sum, function in
        let (result, overflow) = sum.addingReportingOverflow(sizes[function])
        return overflow ? .max : result
      }
    }
    for index in order { sizes[index] = total(calls[index]) }
    if total(main) > inlinedLimit {
      faults.add(ONNXFault(.tooManyInlinedNodes(limit: inlinedLimit)))
    }
  }

  private struct Calls {
    /// One entry a call.
    var functions: [Int] = []
    /// Nodes that are no calls, nested graphs' included.
    var nodes = 0
  }

  private mutating func calls(
    in nodes: [ONNXNode], _ model: ONNXModel, _ indices: [Key: Int], imports: Set<String>, scope: String?
  ) -> Calls {
    var result = Calls()
    var pending = [nodes]
    while let nodes = pending.popLast() {
      for node in nodes {
        if let index = indices[Key(domain: node.domain, name: node.opType, overload: node.overload)] {
          result.functions.append(index)
          checkCall(node, of: model.functions[index], scope: scope)
        } else {
          result.nodes += 1
          if !imports.contains(node.domain) {
            faults.add(ONNXFault(.domain(node.domain), scope: scope, node: node.label))
          }
        }
        for graph in node.graphs { pending.append(graph.nodes) }
      }
    }
    return result
  }

  private mutating func checkCall(_ node: ONNXNode, of function: ONNXFunction, scope: String?) {
    func fault(_ reason: String) {
      faults.add(
        ONNXFault(.functionCall(function: function.name, reason: reason), scope: scope, node: node.label))
    }
    if node.inputs.count > function.inputs.count {
      fault("it has \(node.inputs.count) inputs, the function takes \(function.inputs.count)")
    }
    if node.outputs.count > function.outputs.count {
      fault("it has \(node.outputs.count) outputs, the function gives \(function.outputs.count)")
    }
  }
}
