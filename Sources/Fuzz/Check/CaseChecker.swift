import SwageFrontend
import SwageGraph
import SwageInspect
import SwagePasses
import SwageTensor

/// Holds one case against every oracle that needs no plan, and results of others against the reference.
struct CaseChecker {
  let item: FuzzCase
  private var conditionings: [Int: Conditioning] = [:]
  private(set) var failures: [FuzzFailure] = []
  /// Elements whose difference rounding explains.
  private(set) var explained = 0
  /// Compared elements.
  private(set) var compared = 0

  init(_ item: FuzzCase) { self.item = item }

  /// The differences of `results` from the reference become a failure, unless rounding explains them.
  mutating func compare(_ results: [Tensor], run: Int, _ oracle: Oracle) {
    let expected = item.expected[run]
    guard results.count == expected.count else {
      return fail(oracle, "\(results.count) outputs instead of \(expected.count)")
    }
    for (index, (got, want)) in zip(results, expected).enumerated() {
      compared += want.count
      let elements = Agreement.differences(got, want)
      if elements?.isEmpty == true { continue }
      let name = item.graph.outputNames[index]
      guard got.elementType == want.elementType else {
        return fail(oracle, "output \(name) is \(got.type), not \(want.type)")
      }
      var conditioning =
        conditionings[run]
        ?? Conditioning(graph: item.graph, inputs: item.runs[run], expected: expected)
      let isExplained = conditioning.explains(got, output: index, elements: elements)
      conditionings[run] = conditioning
      if isExplained {
        explained += elements?.count ?? want.count
        continue
      }
      guard let first = elements?.first else { return fail(oracle, "output \(name) is \(got.type), not \(want.type)") }
      let place = item.runs.count > 1 ? " of run \(run)" : ""
      return fail(
        oracle,
        "output \(name)\(place): element \(first) is \(Self.text(got, first)), not \(Self.text(want, first)); "
          + "\(elements?.count ?? 0) of \(want.count) differ")
    }
  }

  /// All bits must be the same.
  mutating func compareBits(_ results: [Tensor], _ others: [Tensor], run: Int, _ oracle: Oracle) {
    for (index, (a, b)) in zip(results, others).enumerated() where !Agreement.isIdentical(a, b) {
      return fail(oracle, "output \(item.graph.outputNames[index]) of run \(run) has other bits")
    }
  }

  mutating func fail(_ oracle: Oracle, _ detail: String) {
    failures.append(FuzzFailure(oracle: oracle, detail: detail))
  }

  mutating func fail(_ oracle: Oracle, _ error: any Error) { fail(oracle, Self.words(error)) }

  static func words(_ error: any Error) -> String {
    guard let error = error as? any SwageError, let first = error.diagnostics.first else { return "\(error)" }
    return "\(first.code): \(first.what)" + (first.why.map { " (\($0))" } ?? "")
      + (first.place.node.map { " at \($0)" } ?? "")
  }

  private static func text(_ tensor: Tensor, _ index: Int) -> String {
    tensor.elementType.isFloat ? "\(tensor.doubles[index])" : "\(tensor.integers[index])"
  }

  // MARK: - Oracles

  /// `note` is told each oracle before it is asked.
  mutating func check(only: Oracle? = nil, note: (Oracle) -> Void) {
    func wants(_ oracle: Oracle) -> Bool {
      guard only == nil || only == oracle else { return false }
      note(oracle)
      return true
    }
    do { try GraphVerifier.verify(item.graph, after: "generation") } catch { fail(.text, error) }
    if wants(.text) { checkText() }
    if wants(.onnx) { checkONNX() }
    for pass in Pipeline.all where wants(.pass(pass.name)) {
      evaluate(.pass(pass.name)) { graph in try pass.run(&graph).rewrites > 0 }
    }
    if wants(.pipeline) {
      evaluate(.pipeline) { graph in try Pipeline.standard().run(&graph).rewrites > 0 }
    }
  }

  /// Changes the graph, verifies it, and evaluates it on all inputs.
  private mutating func evaluate(_ oracle: Oracle, _ change: (inout Graph) throws -> Bool) {
    do {
      var graph = item.graph
      guard try change(&graph) else { return }
      try GraphVerifier.verify(graph, after: "\(oracle)")
      for (run, inputs) in item.runs.enumerated() {
        compare(try FuzzCase.evaluate(graph, inputs), run: run, oracle)
        if failures.last?.oracle == oracle { return }
      }
    } catch { fail(oracle, error) }
  }

  private mutating func checkText() {
    do {
      var printer = GraphPrinter()
      let text = printer.print(item.graph)
      let parsed = try GraphParser.parse(text, resources: printer.resources)
      var second = GraphPrinter()
      let again = second.print(parsed)
      if again != text {
        let lines = zip(text.split(separator: "\n"), again.split(separator: "\n"))
        let line = lines.first { $0 != $1 }
        fail(.text, "reads back as \(line?.1 ?? "nothing") instead of \(line?.0 ?? "nothing")")
      }
    } catch { fail(.text, error) }
  }

  private mutating func checkONNX() {
    let graph = item.graph
    guard graph.nodes.allSatisfy({ ONNXWriter.isStandard($0, in: graph) }) else { return }
    // A size of zero in the type of an input is one that the file does not tell, as exporters have it.
    guard !graph.inputs.contains(where: { graph.type(of: $0).shape.contains(0) }) else { return }
    evaluate(.onnx) { graph in
      let bytes = try ONNXWriter.bytes(graph)
      graph = try ONNXImporter.importModel(try ONNXModel.load(bytes: bytes, name: graph.name))
      return true
    }
  }
}
