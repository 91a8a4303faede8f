import SwageGraph

/// What a pass knows beside its graph, and where it keeps its books.
public struct PassContext {
  public let options: PipelineOptions
  /// Rewrites made by this pass so far, nested graphs included.
  public private(set) var rewrites = 0
  /// What the pass left undone and why, for the report.
  public private(set) var notes: [String] = []
  /// How many rewrites each rule made, in order of first use.
  public private(set) var ruleCounts: [(rule: String, count: Int)] = []
  /// How many graphs stand around the one at hand.
  public internal(set) var depth = 0
  /// What constant folding has spent in this compilation.
  public internal(set) var foldSpending = FoldSpending()
  private var fuel: Int
  private var noteSet: Set<String> = []
  private static let noteLimit = 50

  public init(options: PipelineOptions = PipelineOptions(), fuel: Int = .max) {
    self.options = options
    self.fuel = fuel
  }

  /// Whether another rewrite may be made under `--max-rewrites`.
  public var hasFuel: Bool { fuel > 0 }

  /// Counts one rewrite; false where `--max-rewrites` forbids it.
  public mutating func begin(_ rule: String) -> Bool {
    guard fuel > 0 else { return false }
    fuel -= 1
    rewrites += 1
    if let index = ruleCounts.firstIndex(where: { $0.rule == rule }) {
      ruleCounts[index].count += 1
    } else {
      ruleCounts.append((rule, 1))
    }
    return true
  }

  /// Records what was not done. Each note stands once; after 50 only their number grows.
  public mutating func note(_ text: String) {
    guard noteSet.insert(text).inserted else { return }
    if noteSet.count <= Self.noteLimit {
      notes.append(text)
    } else {
      let rest = "and \(noteSet.count - Self.noteLimit) more"
      if noteSet.count == Self.noteLimit + 1 { notes.append(rest) } else { notes[notes.count - 1] = rest }
    }
  }
}
