import Foundation

/// Outcomes of `swage verify`, as text or JSON.
struct VerifyReport {
  private var outcomes: [VerifyCase.Outcome] = []

  mutating func add(_ outcome: VerifyCase.Outcome) { outcomes.append(outcome) }

  func count(_ status: VerifyCase.Status) -> Int { outcomes.filter { $0.status == status }.count }
  var failed: Int { count(.failed) }

  var text: String {
    var lines = outcomes.filter { $0.status != .passed }.map { "\($0.status.rawValue)  \($0.name)  \($0.reason)" }
    lines.append("\(count(.passed)) passed, \(failed) failed, \(count(.skipped)) skipped")
    return lines.joined(separator: "\n")
  }

  private struct Summary: Encodable {
    struct Case: Encodable {
      var name: String
      var status: String
      var reason: String
    }
    var passed: Int
    var failed: Int
    var skipped: Int
    var cases: [Case]
  }

  var json: String {
    let summary = Summary(
      passed: count(.passed), failed: failed, skipped: count(.skipped),
      cases: outcomes.map { .init(name: $0.name, status: $0.status.rawValue, reason: $0.reason) })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(summary)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
