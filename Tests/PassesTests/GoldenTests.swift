import Foundation
import SwageGraph
import SwagePasses
import SwageTensor
import Testing

/// One case: a file `Golden/<pass or rule>/<case>.swiftir`.
///
///     // pass: dead-code            or  // rule: double-negation
///     // symbols: h=3 w=5           sizes for the check by evaluation (optional)
///     // tolerance: 1e-2            of that check (optional)
///     graph "g" (…) { … }
///     // ->
///     graph "g" (…) { … }           or  // unchanged
///
/// `BLESS=1` writes what the pass gives below the arrow; `BLESS=dead-code,clamp` does so in these folders only.
struct GoldenCase: CustomTestStringConvertible {
  let url: URL
  var testDescription: String {
    url.deletingLastPathComponent().lastPathComponent + "/" + url.deletingPathExtension().lastPathComponent
  }

  var isBlessed: Bool {
    guard let bless = ProcessInfo.processInfo.environment["BLESS"] else { return false }
    return bless == "1"
      || bless.split(separator: ",").contains { $0 == url.deletingLastPathComponent().lastPathComponent }
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")

  static let all: [GoldenCase] = {
    let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL }
    return (files ?? []).filter { $0.pathExtension == "swiftir" }.sorted { $0.path < $1.path }.map {
      GoldenCase(url: $0)
    }
  }()
}

@Suite struct GoldenTests {
  @Test(arguments: GoldenCase.all)
  func rewrites(_ golden: GoldenCase) throws {
    let text = try String(contentsOf: golden.url, encoding: .utf8)
    let parts = text.components(separatedBy: "// ->\n")
    var settings: [String: String] = [:]
    for line in parts[0].split(separator: "\n") where line.hasPrefix("// ") {
      let pair = line.dropFirst(3).split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      if pair.count == 2 { settings[pair[0]] = pair[1] }
    }
    let pass: Pass
    if let name = settings["pass"] {
      pass = try #require(Pipeline.pass(named: name), "there is no pass \(name)")
    } else {
      let name = try #require(settings["rule"], "the file names no pass or rule")
      pass = Pass(name: name, rules: [try #require(Pipeline.rule(named: name), "there is no rule \(name)")])
    }
    var options = PipelineOptions()
    if let precision = settings["precision"] {
      options.precision = try #require(PipelineOptions.Precision(rawValue: precision))
    }

    let before = Self.withSources(try GraphParser.parse(parts[0]))
    try GraphVerifier.verify(before, after: "parse")
    var after = before
    _ = try pass.run(&after, options: options)
    try GraphVerifier.verify(after, after: pass.name)

    let (old, new) = (Self.print(before), Self.print(after))
    let result = old == new ? "// unchanged\n" : new
    if golden.isBlessed {
      try (parts[0] + "// ->\n" + result).write(to: golden.url, atomically: true, encoding: .utf8)
    } else {
      let expected = parts.count > 1 ? parts[1] : ""
      #expect(result == expected, "BLESS=1 swift test --filter PassesTests rewrites \(golden.testDescription)")
    }
    // A case that must not fire says so in its name.
    if golden.url.lastPathComponent.hasPrefix("not") {
      #expect(old == new, "\(golden.testDescription) must not fire")
    } else {
      #expect(old != new, "\(golden.testDescription) must fire")
    }

    var symbols: [String: Int] = [:]
    for pair in (settings["symbols"] ?? "").split(separator: " ") {
      let sides = pair.split(separator: "=")
      symbols[String(sides[0])] = sides.count == 2 ? Int(sides[1]) : nil
    }
    try assertSameResults(
      before, after, symbols: symbols, tolerance: settings["tolerance"].flatMap(Double.init) ?? 1e-6)
  }

  private static func print(_ graph: Graph) -> String {
    GraphPrinter.text(graph, inlineLimit: 64, showsProvenance: false)
  }

  /// The graph with a source for each node, as an importer gives them.
  private static func withSources(_ graph: Graph) -> Graph {
    var graph = graph
    for (index, id) in graph.order.enumerated() where graph[id].sources.isEmpty {
      graph.addSources([Source(name: "n\(index)", operatorName: graph[id].op.mnemonic)], to: id)
    }
    return graph
  }
}
