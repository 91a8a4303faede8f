import SwageTensor

/// Reads the syntax of `Regex`.
struct RegexParser {
  private struct Flags {
    var ignoresCase = false
    var isMultiline = false
    var dotTakesNewline = false
  }

  private static let maximumDepth = 200
  private let text: [Unicode.Scalar]
  private var position = 0
  private var flags = Flags()

  init(_ pattern: String) { text = Array(pattern.unicodeScalars) }

  mutating func parse() throws -> RegexTree {
    let tree = try choice(depth: 0)
    guard position == text.count else { throw fault("a parenthesis has no partner") }
    return tree
  }

  private func fault(_ reason: String) -> TypeFault { TypeFault("the pattern is not valid at \(position): \(reason)") }

  private var next: Unicode.Scalar? { position < text.count ? text[position] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    position += 1
    return true
  }

  private mutating func choice(depth: Int) throws -> RegexTree {
    guard depth < Self.maximumDepth else { throw fault("groups nest too deep") }
    // Flags that a group sets end with it.
    let outer = flags
    defer { flags = outer }
    var items = [try list(depth: depth)]
    while take("|") { items.append(try list(depth: depth)) }
    return items.count == 1 ? items[0] : .choice(items)
  }

  private mutating func list(depth: Int) throws -> RegexTree {
    var items: [RegexTree] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      guard let item = try atom(depth: depth) else { continue }
      items.append(try repetition(of: item))
    }
    return items.count == 1 ? items[0] : .list(items)
  }

  private mutating func repetition(of item: RegexTree) throws -> RegexTree {
    var tree = item
    var count = 0
    while let scalar = next {
      let bounds: (Int, Int?)
      switch scalar {
      case "*": bounds = (0, nil)
      case "+": bounds = (1, nil)
      case "?": bounds = (0, 1)
      case "{":
        guard let given = braces() else { return tree }
        bounds = given
        guard bounds.0 <= 1000, bounds.1 ?? 0 <= 1000, bounds.1.map({ $0 >= bounds.0 }) ?? true else {
          throw fault("a repetition is out of range")
        }
      default: return tree
      }
      if scalar != "{" { position += 1 }
      // Lazy or not, the same strings match.
      _ = take("?")
      count += 1
      guard count <= 4 else { throw fault("repetitions are repeated") }
      tree = .repeated(tree, least: bounds.0, most: bounds.1)
    }
    return tree
  }

  /// `{m}`, `{m,}`, `{m,n}`; nil, and nothing taken, where the brace stands for itself.
  private mutating func braces() -> (Int, Int?)? {
    let start = position
    position += 1
    func number() -> Int? {
      var value: Int?
      while let scalar = next, ("0"..."9").contains(scalar), value ?? 0 < 100_000 {
        value = (value ?? 0) * 10 + Int(scalar.value - 48)
        position += 1
      }
      return value
    }
    if let least = number() {
      if take("}") { return (least, least) }
      if take(",") {
        let most = number()
        if take("}") { return (least, most) }
      }
    }
    position = start
    return nil
  }

  /// Nil where what was read takes no characters.
  private mutating func atom(depth: Int) throws -> RegexTree? {
    guard let scalar = next else { return nil }
    position += 1
    switch scalar {
    case "(":
      if take("?") {
        if take("P") || next == "<" {
          guard take("<") else { throw fault("a group has no name") }
          while let letter = next, letter != ">" {
            guard letter == "_" || letter.properties.isAlphabetic || ("0"..."9").contains(letter) else {
              throw fault("a group's name has other characters than letters, digits and '_'")
            }
            position += 1
          }
          guard take(">") else { throw fault("a group's name has no end") }
        } else if try setFlags() {
          return nil
        }
      }
      // What the flags of `(?i:…)` set lasts to the end of the group.
      let outer = groupFlags ?? flags
      groupFlags = nil
      let tree = try choice(depth: depth + 1)
      flags = outer
      guard take(")") else { throw fault("a parenthesis is missing") }
      return tree
    case "[": return .set(try characterClass())
    case ".":
      var set = Regex.CharacterSet(isNegated: true)
      if !flags.dotTakesNewline { set.ranges = [10...10] }
      return .set(set)
    case "^": return .assert(flags.isMultiline ? .lineStart : .start)
    case "$": return .assert(flags.isMultiline ? .lineEnd : .end)
    case "*", "+", "?": throw fault("a repetition has nothing to repeat")
    case "\\": return try escape()
    default: return .set(single(scalar))
    }
  }

  /// The flags around a group that has flags of its own.
  private var groupFlags: Flags?

  /// Reads `i)`, `s-m:` and the like; true where they hold to the end of the enclosing group.
  private mutating func setFlags() throws -> Bool {
    let outer = flags
    var value = true
    while let scalar = next {
      position += 1
      switch scalar {
      case "i": flags.ignoresCase = value
      case "m": flags.isMultiline = value
      case "s": flags.dotTakesNewline = value
      case "U": break
      case "-":
        guard value else { throw fault("flags are taken back twice") }
        value = false
      case ":":
        groupFlags = outer
        return false
      case ")": return true
      default: throw fault("there is no flag \(scalar)")
      }
    }
    throw fault("a parenthesis is missing")
  }

  private func single(_ scalar: Unicode.Scalar) -> Regex.CharacterSet {
    Regex.CharacterSet(ranges: [scalar.value...scalar.value], ignoresCase: flags.ignoresCase)
  }

  // MARK: - Escapes

  private mutating func escape() throws -> RegexTree {
    guard let scalar = next else { throw fault("nothing follows the backslash") }
    switch scalar {
    case "A": position += 1; return .assert(.start)
    case "z": position += 1; return .assert(.end)
    case "b": position += 1; return .assert(.boundary)
    case "B": position += 1; return .assert(.noBoundary)
    case "Q":
      position += 1
      var items: [RegexTree] = []
      while let letter = next {
        if letter == "\\", position + 1 < text.count, text[position + 1] == "E" {
          position += 2
          break
        }
        items.append(.set(single(letter)))
        position += 1
      }
      return .list(items)
    default:
      var set = Regex.CharacterSet(ignoresCase: flags.ignoresCase)
      try escape(into: &set)
      return .set(set)
    }
  }

  /// An escape that stands for one character or a class of them; returns the character.
  @discardableResult
  private mutating func escape(into set: inout Regex.CharacterSet) throws -> UInt32? {
    guard let scalar = next else { throw fault("nothing follows the backslash") }
    position += 1
    func add(_ value: UInt32) -> UInt32 {
      set.ranges.append(value...value)
      return value
    }
    switch scalar {
    case "d": set.ranges += Self.digits
    case "D": set.ranges += Self.complement(Self.digits)
    case "w": set.ranges += Self.words
    case "W": set.ranges += Self.complement(Self.words)
    case "s": set.ranges += Self.spaces
    case "S": set.ranges += Self.complement(Self.spaces)
    case "p", "P":
      let isBraced = take("{")
      var isNegated = scalar == "P"
      if isBraced, take("^") { isNegated.toggle() }
      guard let letter = next, "LNMPSZC".unicodeScalars.contains(letter) else {
        throw fault("only classes of one letter are known: \\pL, \\pN, …")
      }
      position += 1
      if isBraced, !take("}") { throw fault("only classes of one letter are known: \\pL, \\pN, …") }
      set.categories.append((Character(letter), isNegated))
    case "a": return add(7)
    case "f": return add(12)
    case "t": return add(9)
    case "n": return add(10)
    case "r": return add(13)
    case "v": return add(11)
    case "x":
      var digits = ""
      if take("{") {
        while let letter = next, letter != "}", digits.count < 8 {
          digits.unicodeScalars.append(letter)
          position += 1
        }
        guard take("}") else { throw fault("a brace is missing") }
      } else {
        while digits.count < 2, let letter = next {
          digits.unicodeScalars.append(letter)
          position += 1
        }
        guard digits.count == 2 else { throw fault("two hexadecimal digits follow \\x") }
      }
      guard let value = UInt32(digits, radix: 16), Unicode.Scalar(value) != nil else {
        throw fault("\\x\(digits) is no character")
      }
      return add(value)
    default:
      guard scalar.isASCII, !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar) else {
        throw fault("there is no escape \\\(scalar)")
      }
      return add(scalar.value)
    }
    return nil
  }

  private static let digits: [ClosedRange<UInt32>] = [48...57]
  private static let words: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
  private static let spaces: [ClosedRange<UInt32>] = [9...10, 12...13, 32...32]

  /// `ranges` are sorted.
  private static func complement(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    var result: [ClosedRange<UInt32>] = []
    var start: UInt32 = 0
    for range in ranges {
      if range.lowerBound > start { result.append(start...range.lowerBound - 1) }
      start = range.upperBound + 1
    }
    return result + [start...0x10FFFF]
  }

  // MARK: - Classes

  private mutating func characterClass() throws -> Regex.CharacterSet {
    var set = Regex.CharacterSet(ignoresCase: flags.ignoresCase)
    set.isNegated = take("^")
    var isFirst = true
    while let scalar = next, isFirst || scalar != "]" {
      isFirst = false
      if scalar == "[", position + 1 < text.count, text[position + 1] == ":" {
        try namedClass(&set)
        continue
      }
      position += 1
      let low: UInt32?
      if scalar == "\\" {
        low = try escape(into: &set)
      } else {
        low = scalar.value
        set.ranges.append(scalar.value...scalar.value)
      }
      guard next == "-", position + 1 < text.count, text[position + 1] != "]" else { continue }
      position += 1
      guard let low, let end = next else { throw fault("a class is the end of a range") }
      position += 1
      let high: UInt32? = if end == "\\" { try escape(into: &set) } else { end.value }
      guard let high, low <= high else { throw fault("a range is empty") }
      set.ranges.append(low...high)
    }
    guard take("]") else { throw fault("a bracket is missing") }
    return set
  }

  private static let named: [String: [ClosedRange<UInt32>]] = [
    "alnum": [48...57, 65...90, 97...122], "alpha": [65...90, 97...122], "ascii": [0...127], "blank": [9...9, 32...32],
    "cntrl": [0...31, 127...127], "digit": [48...57], "graph": [33...126], "lower": [97...122], "print": [32...126],
    "punct": [33...47, 58...64, 91...96, 123...126], "space": [9...13, 32...32], "upper": [65...90],
    "word": [48...57, 65...90, 95...95, 97...122], "xdigit": [48...57, 65...70, 97...102],
  ]

  /// `[:alpha:]`, `[:^digit:]`
  private mutating func namedClass(_ set: inout Regex.CharacterSet) throws {
    position += 2
    let isNegated = take("^")
    var name = ""
    while let scalar = next, scalar != ":", name.count < 8 {
      name.unicodeScalars.append(scalar)
      position += 1
    }
    guard let ranges = Self.named[name], take(":"), take("]") else { throw fault("there is no class [:\(name):]") }
    set.ranges += isNegated ? Self.complement(ranges) : ranges
  }
}
