import Foundation
import SwageGraph
import SwageTensor

/// A case as a file that people read: what failed, the inputs of each run as comments, and the graph in its text form.
///
///     // oracle: pass:clamp
///     // run 0: "x0" f32[2] [1.0, nan]
///     graph "fuzz_1_42" (…) { … }
public struct FuzzFile {
  public var item: FuzzCase
  /// Lines above the inputs, without the slashes.
  public var remarks: [String]

  public init(_ item: FuzzCase, remarks: [String]) {
    self.item = item
    self.remarks = remarks
  }

  public var text: String {
    var lines = remarks.flatMap { $0.split(separator: "\n") }.map { "// \($0)" }
    for (run, inputs) in item.runs.enumerated() {
      for input in item.graph.inputs {
        let name = item.graph[input].name
        guard let tensor = inputs[name] else { continue }
        lines.append("// run \(run): \"\(name)\" \(Self.text(tensor))")
      }
    }
    return lines.joined(separator: "\n") + "\n" + GraphPrinter.text(item.graph, inlineLimit: .max)
  }

  private static func text(_ tensor: Tensor) -> String {
    var graph = Graph(name: "")
    _ = try? graph.constant(tensor)
    let mark = "= constant "
    for line in GraphPrinter.text(graph, inlineLimit: .max).split(separator: "\n") {
      if let range = line.range(of: mark) { return String(line[range.upperBound...]) }
    }
    return ""
  }

  /// Reads a file; inputs that it does not give are made up from its name, symbols as 3.
  ///
  /// - Throws: `GraphError` where the graph or an input cannot be read or evaluated.
  public init(parsing text: String) throws {
    let graph = try GraphParser.parse(text)
    var runs: [[String: Tensor]] = []
    remarks = []
    for line in text.split(separator: "\n") where line.hasPrefix("// ") {
      let body = line.dropFirst(3)
      guard body.hasPrefix("run "), let colon = body.firstIndex(of: ":"),
        let run = Int(body[body.index(body.startIndex, offsetBy: 4)..<colon]), run >= 0, run < 16
      else {
        remarks.append(String(body))
        continue
      }
      let parts = body[body.index(after: colon)...].split(
        separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else {
        throw GraphError.text(line: 1, message: "an input has a name and a value: \(line)")
      }
      let value = try GraphParser.parse("graph \"value\" () {\n%0 = constant \(parts[2])\nreturn %0 \"value\"\n}")
      while runs.count <= run { runs.append([:]) }
      runs[run][String(parts[1])] = try FuzzCase.evaluate(value, [:]).first
    }
    if runs.isEmpty { runs = [[:]] }
    var random = FuzzRandom(seed: 1, stream: 0)
    for index in runs.indices {
      for input in graph.inputs where runs[index][graph[input].name] == nil {
        let type = graph.type(of: input)
        let sizes = type.shape.map { size in
          size.evaluate(Dictionary(uniqueKeysWithValues: size.symbols.map { ($0, 3) })) ?? 0
        }
        runs[index][graph[input].name] = random.tensor(type.elementType, sizes)
      }
    }
    item = try FuzzCase(graph: graph, runs: runs)
  }
}
