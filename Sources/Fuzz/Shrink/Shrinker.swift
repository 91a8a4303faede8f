import SwageGraph
import SwageTensor

/// Makes a failing case smaller while it fails: fewer outputs and nodes, one run, sizes that are numbers, smaller sizes,
/// simpler elements.
public struct Shrinker {
  private let isFailing: (FuzzCase) -> Bool
  private let deadline: ContinuousClock.Instant
  private var item: FuzzCase

  /// Shrinks for at most `limit`; the result fails as `isFailing` says.
  public static func shrink(
    _ item: FuzzCase, limit: Duration = .seconds(60), isFailing: @escaping (FuzzCase) -> Bool
  ) -> FuzzCase {
    var shrinker = Shrinker(item, limit, isFailing)
    return shrinker.run()
  }

  private init(_ item: FuzzCase, _ limit: Duration, _ isFailing: @escaping (FuzzCase) -> Bool) {
    self.item = item
    self.isFailing = isFailing
    deadline = .now + limit
  }

  private mutating func run() -> FuzzCase {
    for _ in 0..<6 {
      let before = size
      keepOneOutput()
      keepOneRun()
      cutNodes()
      fixSymbols()
      makeSizesSmaller()
      makeElementsSimpler()
      if size == before || ContinuousClock.now > deadline { break }
    }
    return item
  }

  private var size: Int {
    item.graph.nodeCount * 100 + item.graph.outputs.count * 10 + item.runs.count
      + item.runs.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } }
  }

  /// Takes the smaller case where it still fails.
  @discardableResult
  private mutating func accept(_ make: () throws -> FuzzCase) -> Bool {
    guard ContinuousClock.now < deadline, let candidate = try? make(), isFailing(candidate) else { return false }
    item = candidate
    return true
  }

  private static func remade(_ graph: Graph, _ runs: [[String: Tensor]]) throws -> FuzzCase {
    let names = Set(graph.inputs.map { graph[$0].name })
    return try FuzzCase(graph: graph, runs: runs.map { $0.filter { names.contains($0.key) } })
  }

  private mutating func keepOneOutput() {
    guard item.graph.outputs.count > 1 else { return }
    let (graph, runs) = (item.graph, item.runs)
    for index in graph.outputs.indices {
      if accept({ try Self.remade(GraphEdit.rebuild(graph, outputs: [index]), runs) }) { return }
    }
    for index in graph.outputs.indices.reversed() where item.graph.outputs.count > 1 {
      let (graph, runs) = (item.graph, item.runs)
      guard index < graph.outputs.count else { continue }
      accept { try Self.remade(GraphEdit.rebuild(graph, outputs: graph.outputs.indices.filter { $0 != index }), runs) }
    }
  }

  private mutating func keepOneRun() {
    guard item.runs.count > 1 else { return }
    let (graph, runs) = (item.graph, item.runs)
    for run in runs where accept({ try Self.remade(graph, [run]) }) { return }
  }

  private mutating func cutNodes() {
    var index = item.graph.nodeCount - 1
    while index >= 0, ContinuousClock.now < deadline {
      if index < item.graph.nodeCount { cut(item.graph[item.graph.order[index]]) }
      index -= 1
    }
  }

  private mutating func cut(_ node: Node) {
    if case .constant = node.op { return }
    let (graph, runs) = (item.graph, item.runs)
    let all = Array(graph.outputs.indices)
    guard let traces = try? runs.map({ try GraphEdit.trace(graph, $0) }) else { return }
    // Passed by: an operand of the same type stands for the result.
    for result in node.results {
      for operand in Set(node.operands.compactMap { $0 }).sorted()
      where graph.type(of: operand) == graph.type(of: result) {
        if accept({
          try Self.remade(GraphEdit.rebuild(graph, outputs: all, replacing: [result: .value(operand)]), runs)
        }) {
          return
        }
      }
    }
    // Cut off: its results become inputs.
    var substitutes: [ValueID: GraphEdit.Substitute] = [:]
    var extended = runs
    let known = Set(graph.inputSymbols)
    for result in node.results {
      var type = graph.type(of: result)
      if !type.shape.flatMap(\.symbols).allSatisfy(known.contains) {
        guard runs.count == 1, let tensor = traces[0][result] else { return }
        type = tensor.type
      }
      substitutes[result] = .input(type)
      for run in runs.indices { extended[run]["cut\(result.index)"] = traces[run][result] }
    }
    accept { try Self.remade(GraphEdit.rebuild(graph, outputs: all, replacing: substitutes), extended) }
  }

  private mutating func fixSymbols() {
    guard item.runs.count == 1, !item.graph.inputSymbols.isEmpty else { return }
    let (graph, runs) = (item.graph, item.runs)
    accept {
      var fixed = graph
      var values: [String: Dim] = [:]
      for input in graph.inputs {
        guard let tensor = runs[0][graph[input].name] else { continue }
        for (size, actual) in zip(graph.type(of: input).shape, tensor.shape) {
          if let name = size.symbolName { values[name] = Dim(actual) }
        }
      }
      try fixed.substitute(values)
      return try Self.remade(fixed, runs)
    }
  }

  private mutating func makeSizesSmaller() {
    var sizes: Set<Int> = []
    for input in item.graph.inputs { sizes.formUnion(item.graph.type(of: input).shape.compactMap(\.constant)) }
    for node in item.graph.nodes {
      if case .constant(let constant) = node.op { sizes.formUnion(constant.value.shape) }
    }
    for old in sizes.sorted(by: >) where old > 1 {
      for new in Set([1, 2, 3, old - 1]).sorted() where new < old {
        let current = item
        if accept({ try GraphEdit.resized(current, from: old, to: new) }) { break }
      }
    }
  }

  private mutating func makeElementsSimpler() {
    let changes: [(Double) -> Double] = [
      { _ in 0 }, { _ in 1 }, { $0.isFinite ? $0.rounded() : $0 }, { $0.isFinite ? ($0 * 4).rounded() / 4 : $0 },
    ]
    for run in item.runs.indices {
      for name in item.runs[run].keys.sorted() {
        guard let tensor = item.runs[run][name], tensor.elementType.isFloat else { continue }
        for change in changes {
          let (graph, runs) = (item.graph, item.runs)
          let simpler = Tensor(tensor.elementType, tensor.shape, doubles: tensor.doubles.map(change))
          if Agreement.isIdentical(simpler, tensor) { continue }
          let isDone = accept {
            var changed = runs
            changed[run][name] = simpler
            return try FuzzCase(graph: graph, runs: changed)
          }
          if isDone { break }
        }
      }
    }
  }
}
