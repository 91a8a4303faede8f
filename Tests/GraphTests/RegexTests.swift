import SwageGraph
import SwageTensor
import Testing

/// `RegexFullMatch`; expectations are RE2's.
@Suite struct RegexTests {
  private func matches(_ pattern: String, _ texts: [String]) throws -> [Bool] {
    var graph = Graph(name: "regex")
    let x = graph.addInput(name: "x", type: TensorType(.string, sizes: [texts.count]))
    let op = TextOp(.fullMatch, words: [pattern], results: [TensorType(.bool, sizes: [texts.count])])
    graph.addOutput(try graph.append(.text(op), [x])[0], name: "y")
    let result = try Evaluator.run(graph, inputs: ["x": Tensor(strings: texts, [texts.count])])
    return result["y"]?.integers.map { $0 != 0 } ?? []
  }

  @Test(
    arguments: [
      ("", ["": true, "a": false]),
      ("abc", ["abc": true, "abcd": false, "xabc": false]),
      ("a|bc|", ["a": true, "bc": true, "": true, "ab": false]),
      ("(ab)+c?", ["ab": true, "ababc": true, "": false, "abcc": false]),
      ("a{2,3}", ["a": false, "aa": true, "aaa": true, "aaaa": false]),
      ("a{,3}", ["a{,3}": true, "aa": false]),
      ("[a-c^\\]-]*", ["ab^]-": true, "d": false]),
      ("[^0-9]+", ["abc": true, "a1": false]),
      ("[[:alpha:]_]\\w*", ["_x9": true, "9x": false]),
      ("(?i)straSSE", ["STRASSE": true, "strasse": true, "strase": false]),
      ("(?i:a)b", ["Ab": true, "AB": false]),
      ("a.c", ["abc": true, "a\nc": false, "aéc": true]),
      ("(?s)a.c", ["a\nc": true]),
      ("\\Aab\\z", ["ab": true]),
      ("a\\b b", ["a b": true]),
      ("\\d+\\.\\d*?", ["12.": true, "12.5": true, "12": false]),
      ("\\x41\\x{e9}\\Q.*\\E", ["Aé.*": true, "AéXX": false]),
      ("\\pL+", ["héllo": true, "h1": false]),
      ("(?P<year>\\d{4})-(?<month>\\d\\d)", ["2024-05": true, "24-05": false]),
      ("[\\w.]+@[\\w-]+\\.com", ["who@example.com": true, "who@example.org": false]),
      // Backtracking would take 2^40 steps.
      ("(a*)*b", [String(repeating: "a", count: 40): false]),
    ] as [(String, [String: Bool])])
  func agrees(_ pattern: String, _ cases: [String: Bool]) throws {
    let texts = cases.keys.sorted()
    #expect(try matches(pattern, texts) == texts.map { cases[$0] ?? false }, "\(pattern) on \(texts)")
  }

  @Test(arguments: [
    "(", ")", "[", "[]", "*", "a{1001}", "\\", "\\k", "(?z)a", "(?P<a", "[b-a]", "[[:word", "\\p{Greek}", "\\x4",
    "(?=a)", String(repeating: "(", count: 1000), "((((a{100}){100}){100}){100})",
  ])
  func refuses(_ pattern: String) {
    // What is no pattern is an error; nothing traps.
    #expect(throws: (any Error).self, "\(pattern)") { try matches(pattern, ["a"]) }
  }
}
