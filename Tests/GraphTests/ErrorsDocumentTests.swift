import Foundation
import Testing

/// `docs/errors.md` lists every diagnostic code of the sources, and none besides.
@Suite struct ErrorsDocumentTests {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Codes are kebab-case string literals after `code:`, in `code = "…"`, or first in the tuples and calls of the error
  /// files (`return ("onnx-truncated", …`).
  private func codesInSources() throws -> Set<String> {
    let folder = Self.root.appendingPathComponent("Sources").resolvingSymlinksInPath()
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL }
    let literal = try Regex<(Substring, Substring)>(#""([a-z][a-z0-9]*(?:-[a-z0-9]+)+)""#)
    let marked = try Regex<(Substring, Substring)>(#"code(?::| =) "([a-z][a-z0-9-]*)""#)
    var codes: Set<String> = []
    for file in (files ?? []).filter({ $0.pathExtension == "swift" }) {
      let text = try String(contentsOf: file, encoding: .utf8)
      codes.formUnion(text.matches(of: marked).map { String($0.output.1) })
      // Modules that make the words of all their errors in one place name codes there without a label.
      if file.lastPathComponent.hasSuffix("Error.swift") || file.lastPathComponent.hasSuffix("Diagnostics.swift") {
        codes.formUnion(text.matches(of: literal).map { String($0.output.1) })
      }
    }
    return codes
  }

  /// Codes that stand first in a row of a table.
  private func codesInDocument() throws -> [String] {
    let text = try String(contentsOf: Self.root.appendingPathComponent("docs/errors.md"), encoding: .utf8)
    let row = try Regex<(Substring, Substring)>(#"^\| `([a-z0-9-]+)` \|"#)
    return text.split(separator: "\n").compactMap { $0.firstMatch(of: row).map { String($0.output.1) } }
  }

  @Test func everyCodeIsListed() throws {
    let (sources, document) = (try codesInSources(), try codesInDocument())
    #expect(sources.count > 50)
    for code in sources.subtracting(document).sorted() {
      Issue.record("docs/errors.md lacks \(code): add a row with what it means and what the user does")
    }
    for code in Set(document).subtracting(sources).sorted() {
      Issue.record("docs/errors.md lists \(code), which no source gives: remove the row")
    }
    #expect(document.count == Set(document).count, "docs/errors.md lists a code twice")
  }
}
