import SwageTensor

/// Regular expressions in RE2's syntax, matched against whole strings in time proportional to the length of both (Thompson,
/// "Regular expression search algorithm", 1968).
///
/// Alternation, groups (named and not), `* + ?` and `{m,n}` (up to 1000) with their lazy forms, classes with ranges and
/// `[:alpha:]`, `\d \w \s` and their opposites, `\pL`-like classes of one letter, `. ^ $ \A \z \b \B`, `\Q…\E`, flags
/// `i s m U`. Differs from RE2: `\p{Greek}` and other scripts, `\C` and folding of case beyond simple mappings are refused or
/// absent.
struct Regex {
  enum Step {
    /// Takes a character of the set.
    case take(CharacterSet)
    case split(Int, Int)
    case jump(Int)
    case assert(Assertion)
    case match
  }

  enum Assertion { case start, end, lineStart, lineEnd, boundary, noBoundary }

  /// A set of Unicode scalars.
  struct CharacterSet {
    var ranges: [ClosedRange<UInt32>] = []
    var categories: [(letter: Character, isNegated: Bool)] = []
    var isNegated = false
    var ignoresCase = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
      var hit = holds(scalar)
      if !hit, ignoresCase {
        let text = String(scalar)
        hit = (text.lowercased().unicodeScalars + text.uppercased().unicodeScalars).contains { holds($0) }
      }
      return hit != isNegated
    }

    private func holds(_ scalar: Unicode.Scalar) -> Bool {
      ranges.contains { $0.contains(scalar.value) }
        || categories.contains { Self.isIn(scalar, $0.letter) != $0.isNegated }
    }

    private static func isIn(_ scalar: Unicode.Scalar, _ letter: Character) -> Bool {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: letter == "L"
      case .decimalNumber, .letterNumber, .otherNumber: letter == "N"
      case .nonspacingMark, .spacingMark, .enclosingMark: letter == "M"
      case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
        .finalPunctuation, .otherPunctuation:
        letter == "P"
      case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: letter == "S"
      case .spaceSeparator, .lineSeparator, .paragraphSeparator: letter == "Z"
      default: letter == "C"
      }
    }
  }

  private var program: [Step] = []

  /// Throws `TypeFault` where the pattern is not of the syntax, or too large.
  init(_ pattern: String) throws {
    var parser = RegexParser(pattern)
    let tree = try parser.parse()
    try compile(tree)
    program.append(.match)
  }

  /// Whether the pattern matches all of `text`.
  func matches(_ text: String) -> Bool {
    let scalars = Array(text.unicodeScalars)
    var current = StateList(program.count)
    var next = StateList(program.count)
    add(0, scalars, 0, &current)
    for position in scalars.indices {
      if current.states.isEmpty { return false }
      next.clear()
      for state in current.states {
        if case .take(let set) = program[state], set.contains(scalars[position]) {
          add(state + 1, scalars, position + 1, &next)
        }
      }
      swap(&current, &next)
    }
    return current.states.contains { if case .match = program[$0] { true } else { false } }
  }

  private struct StateList {
    var states: [Int] = []
    private var marks: [Bool]

    init(_ count: Int) { marks = [Bool](repeating: false, count: count) }

    mutating func insert(_ state: Int) -> Bool {
      if marks[state] { return false }
      marks[state] = true
      states.append(state)
      return true
    }

    mutating func clear() {
      for state in states { marks[state] = false }
      states.removeAll(keepingCapacity: true)
    }
  }

  /// Adds a state and those that it leads to without taking a character.
  private func add(_ state: Int, _ text: [Unicode.Scalar], _ position: Int, _ list: inout StateList) {
    var pending = [state]
    while let state = pending.popLast() {
      guard list.insert(state) else { continue }
      switch program[state] {
      case .split(let a, let b): pending += [b, a]
      case .jump(let target): pending.append(target)
      case .assert(let assertion): if holds(assertion, text, position) { pending.append(state + 1) }
      case .take, .match: break
      }
    }
  }

  private func holds(_ assertion: Assertion, _ text: [Unicode.Scalar], _ position: Int) -> Bool {
    func isWord(_ index: Int) -> Bool {
      text.indices.contains(index)
        && (text[index] == "_" || text[index].isASCII && text[index].properties.isAlphabetic
          || ("0"..."9").contains(text[index]))
    }
    let isBoundary = isWord(position - 1) != isWord(position)
    switch assertion {
    case .start: return position == 0
    case .end: return position == text.count
    case .lineStart: return position == 0 || text[position - 1] == "\n"
    case .lineEnd: return position == text.count || text[position] == "\n"
    case .boundary: return isBoundary
    case .noBoundary: return !isBoundary
    }
  }

  // MARK: - Compiling

  /// The parser bounds the depth of the tree.
  private mutating func compile(_ tree: RegexTree) throws {
    guard program.count < 1 << 18 else { throw TypeFault("the pattern is too large") }
    switch tree {
    case .set(let set): program.append(.take(set))
    case .assert(let assertion): program.append(.assert(assertion))
    case .list(let items): for item in items { try compile(item) }
    case .choice(let items):
      var exits: [Int] = []
      for (index, item) in items.enumerated() {
        guard index < items.count - 1 else {
          try compile(item)
          break
        }
        let fork = program.count
        program.append(.split(fork + 1, 0))
        try compile(item)
        exits.append(program.count)
        program.append(.jump(0))
        program[fork] = .split(fork + 1, program.count)
      }
      for exit in exits { program[exit] = .jump(program.count) }
    case .repeated(let item, let least, let most):
      for _ in 0..<least { try compile(item) }
      guard let most else {
        let fork = program.count
        program.append(.split(fork + 1, 0))
        try compile(item)
        program.append(.jump(fork))
        program[fork] = .split(fork + 1, program.count)
        return
      }
      var forks: [Int] = []
      for _ in least..<max(most, least) {
        forks.append(program.count)
        program.append(.split(program.count + 1, 0))
        try compile(item)
      }
      for fork in forks { program[fork] = .split(fork + 1, program.count) }
    }
  }
}

indirect enum RegexTree {
  case set(Regex.CharacterSet)
  case assert(Regex.Assertion)
  case list([RegexTree])
  case choice([RegexTree])
  case repeated(RegexTree, least: Int, most: Int?)
}
