import Foundation

/// A profile as a table for the terminal.
public enum ProfileTable {
  /// Nodes that the run came to, the slowest first; `limit` of them, and one line for the rest.
  public static func text(_ profile: Profile, peak: MachinePeak, limit: Int? = nil) -> String {
    let sum = max(profile.nodeSumNanoseconds, 1)
    let reached = profile.nodes.filter { $0.wasReached || $0.hostNanoseconds > 0 }
    let sorted = reached.sorted { a, b in
      a.hostNanoseconds != b.hostNanoseconds ? a.hostNanoseconds > b.hostNanoseconds : a.position < b.position
    }
    let shown = limit.map { Array(sorted.prefix(max($0, 0))) } ?? sorted
    let hasDevice = reached.contains { $0.deviceNanoseconds != nil }

    var header = ["#", "time", "share", "flops", "GFLOP/s", "GB/s", "of peak", "kind", "node", "source"]
    if hasDevice { header.insert("device", at: 2) }
    var rows = [header]
    for node in shown {
      let seconds = max(node.hostNanoseconds, 1) * 1e-9
      let share = peak.share(
        flops: node.flops, bytes: node.bytes, nanoseconds: node.hostNanoseconds, elementType: node.elementType)
      var row = [
        "\(node.position)", time(node.hostNanoseconds), percent(node.hostNanoseconds / sum), count(node.flops),
        number(Double(node.flops) / seconds * 1e-9), number(Double(node.bytes) / seconds * 1e-9),
        share.map { "\(percent($0.0)) \($0.1.rawValue)" } ?? "-", clipped(node.implementation ?? node.kind, 32),
        clipped(node.label, 40),
        clipped(node.sources.joined(separator: " "), 48),
      ]
      if hasDevice { row.insert(node.deviceNanoseconds.map(time) ?? "-", at: 2) }
      rows.append(row)
    }
    var lines = columns(rows, leftFrom: hasDevice ? 7 : 6)
    if shown.count < sorted.count {
      let rest = sorted.dropFirst(shown.count).reduce(0) { $0 + $1.hostNanoseconds }
      lines.append("… \(sorted.count - shown.count) more nodes: \(time(rest)), \(percent(rest / sum))")
    }
    let rate = Double(profile.flops) / max(profile.wallNanoseconds, 1)
    lines.append("")
    lines.append(
      "run \(time(profile.wallNanoseconds)) = nodes \(time(profile.nodeSumNanoseconds))"
        + " + gap \(time(profile.gapNanoseconds)); mean of \(profile.runs) runs, \(profile.threads) threads,"
        + " \(number(rate)) GFLOP/s")
    let bf16 = peak.bf16FlopsPerSecond > 0 ? ", \(number(peak.bf16FlopsPerSecond * 1e-9)) GFLOP/s bf16" : ""
    lines.append(
      "peak \(number(peak.flopsPerSecond * 1e-9)) GFLOP/s f32\(bf16), \(number(peak.bytesPerSecond * 1e-9)) GB/s"
        + " (measured, \(peak.threads) threads)")
    return lines.joined(separator: "\n") + "\n"
  }

  private static func columns(_ rows: [[String]], leftFrom: Int) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { index, cell in
        let padding = String(repeating: " ", count: widths[index] - cell.count)
        return index < leftFrom ? padding + cell : cell + padding
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  private static func clipped(_ text: String, _ width: Int) -> String {
    let safe = String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 })
    return safe.count <= width ? safe : safe.prefix(width - 1) + "…"
  }

  static func time(_ nanoseconds: Double) -> String {
    let magnitude = abs(nanoseconds)
    if magnitude >= 1e9 { return String(format: "%.3f s", nanoseconds * 1e-9) }
    if magnitude >= 1e6 { return String(format: "%.3f ms", nanoseconds * 1e-6) }
    return String(format: "%.2f us", nanoseconds * 1e-3)
  }

  private static func percent(_ share: Double) -> String { String(format: "%.1f%%", share * 100) }

  private static func number(_ value: Double) -> String {
    value >= 100 ? String(format: "%.0f", value) : String(format: value >= 10 ? "%.1f" : "%.2f", value)
  }

  private static func count(_ value: Int) -> String {
    for (limit, unit) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] where Double(value) >= limit {
      return String(format: "%.2f%@", Double(value) / limit, unit)
    }
    return "\(value)"
  }
}
