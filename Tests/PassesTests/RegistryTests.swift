import Foundation
import SwagePasses
import Testing

@Suite struct RegistryTests {
  private static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/Passes")

  /// Names declared as `Pass(name: "…"` or `RewriteRule(name: "…"` outside the framework.
  private static func declared(_ constructor: String) throws -> [(name: String, file: String)] {
    let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL }
    var found: [(String, String)] = []
    for file in (files ?? []).filter({ $0.pathExtension == "swift" }).sorted(by: { $0.path < $1.path }) {
      if file.path.contains("/Framework/") { continue }
      let text = try String(contentsOf: file, encoding: .utf8)
      for part in text.components(separatedBy: "= \(constructor)(").dropFirst() {
        guard let start = part.firstIndex(of: "\"") else { continue }
        found.append((String(part[part.index(after: start)...].prefix { $0 != "\"" }), file.lastPathComponent))
      }
    }
    return found
  }

  @Test func everyPassIsListed() throws {
    let declared = try Self.declared("Pass")
    #expect(!declared.isEmpty)
    for (name, file) in declared {
      #expect(Pipeline.pass(named: name) != nil, "add the pass \(name) of \(file) to Pipeline.all")
    }
  }

  @Test func everyRuleBelongsToAPass() throws {
    let declared = try Self.declared("RewriteRule")
    #expect(!declared.isEmpty)
    for (name, file) in declared {
      #expect(Pipeline.rule(named: name) != nil, "list the rule \(name) of \(file) in a pass of Pipeline.all")
    }
  }

  @Test func namesAreUnique() {
    let names = Pipeline.all.map(\.name)
    #expect(Set(names).count == names.count)
    let rules = Pipeline.all.flatMap { $0.rules.map(\.name) }
    #expect(Set(rules).count == rules.count)
  }

  @Test func standardPipelineRunsListedPasses() {
    for name in Pipeline.standard().passNames { #expect(Pipeline.pass(named: name) != nil) }
  }

  /// Cases stand in a folder of the rule's name, or of the pass's for its rules together.
  @Test func everyRuleHasAGoldenCaseAndOneThatMustNotFire() throws {
    var firing: Set<String> = []
    var quiet: Set<String> = []
    for golden in GoldenCase.all {
      let folder = golden.url.deletingLastPathComponent().lastPathComponent
      let isQuiet = try String(contentsOf: golden.url, encoding: .utf8).contains("// unchanged")
      if isQuiet { quiet.insert(folder) } else { firing.insert(folder) }
    }
    let missing = Pipeline.all.flatMap { pass -> [String] in
      if firing.contains(pass.name), quiet.contains(pass.name) { return [] }
      return (pass.rules.isEmpty ? [pass.name] : pass.rules.map(\.name)).filter {
        !firing.contains($0) || !quiet.contains($0)
      }
    }
    #expect(missing.isEmpty, "Tests/PassesTests/Golden needs a case that fires and one that does not: \(missing)")
  }
}
