import SwageGraph

/// The difference between two versions of a graph, line by line of their text forms.
///
/// Values are written by name or source node, so that a rewrite shows as the lines that it changed and nothing else.
public enum GraphDiff {
  /// Lines that went with `-`, new ones with `+`, and `context` lines around each change; `(unchanged)` where there
  /// is no difference.
  public static func text(_ before: Graph, _ after: Graph, context: Int = 2) -> String {
    let edits = lines(print(before), print(after))
    guard edits.contains(where: { $0.kind != .same }) else { return "(unchanged)\n" }
    var text = ""
    var lastShown = -1
    for index in edits.indices {
      let near = edits[max(0, index - context)...min(edits.count - 1, index + context)]
      guard near.contains(where: { $0.kind != .same }) else { continue }
      if index != lastShown + 1 { text += "@@\n" }
      lastShown = index
      text += "\(edits[index].kind.rawValue)\(edits[index].line)\n"
    }
    return text
  }

  private static func print(_ graph: Graph) -> [String] {
    var printer = GraphPrinter()
    printer.namesValues = true
    return printer.print(graph).split(separator: "\n").map { Self.withoutResourceNumber(String($0)) }
  }

  /// Large constants are numbered in order; the number says nothing about the constant.
  private static func withoutResourceNumber(_ line: String) -> String {
    guard line.contains("= constant "), let range = line.range(of: " resource ") else { return line }
    let rest = line[range.upperBound...].drop { $0.isNumber }
    return line[..<range.lowerBound] + " …" + rest
  }

  enum Kind: String { case same = " ", removed = "-", added = "+" }

  struct Edit {
    var kind: Kind
    var line: String
  }

  /// The shortest edit script by Myers' algorithm, between the common head and tail. Two graphs that differ in more
  /// than 4,000 lines are shown as one block replaced by the other.
  static func lines(_ a: [String], _ b: [String]) -> [Edit] {
    var head = 0
    while head < a.count, head < b.count, a[head] == b[head] { head += 1 }
    var tail = 0
    while tail < a.count - head, tail < b.count - head, a[a.count - 1 - tail] == b[b.count - 1 - tail] { tail += 1 }
    let middle = middle(Array(a[head..<a.count - tail]), Array(b[head..<b.count - tail]))
    return a[..<head].map { Edit(kind: .same, line: $0) } + middle
      + a[(a.count - tail)...].map { Edit(kind: .same, line: $0) }
  }

  private static func middle(_ a: [String], _ b: [String]) -> [Edit] {
    let limit = min(a.count + b.count, 4000)
    // reach[k] is the furthest position in `a` on diagonal k after d edits; `trail` keeps it for each d.
    var reach: [Int: Int] = [1: 0]
    var trail: [[Int: Int]] = []
    var found = false
    search: for d in 0...limit {
      trail.append(reach)
      for k in stride(from: -d, through: d, by: 2) {
        let isDown = k == -d || (k != d && reach[k - 1, default: -1] < reach[k + 1, default: -1])
        var x = isDown ? reach[k + 1, default: 0] : reach[k - 1, default: 0] + 1
        var y = x - k
        while x < a.count, y < b.count, a[x] == b[y] { (x, y) = (x + 1, y + 1) }
        reach[k] = x
        if x >= a.count, y >= b.count {
          found = true
          break search
        }
      }
    }
    guard found else {
      return a.map { Edit(kind: .removed, line: $0) } + b.map { Edit(kind: .added, line: $0) }
    }
    var edits: [Edit] = []
    var (x, y) = (a.count, b.count)
    for d in trail.indices.reversed() {
      let reach = trail[d]
      let k = x - y
      let isDown = k == -d || (k != d && reach[k - 1, default: -1] < reach[k + 1, default: -1])
      let previousK = isDown ? k + 1 : k - 1
      let previousX = d == 0 ? 0 : reach[previousK, default: 0]
      let previousY = d == 0 ? 0 : previousX - previousK
      while x > previousX, y > previousY {
        edits.append(Edit(kind: .same, line: a[x - 1]))
        (x, y) = (x - 1, y - 1)
      }
      guard d > 0 else { break }
      edits.append(isDown ? Edit(kind: .added, line: b[y - 1]) : Edit(kind: .removed, line: a[x - 1]))
      (x, y) = (previousX, previousY)
    }
    return edits.reversed()
  }
}
