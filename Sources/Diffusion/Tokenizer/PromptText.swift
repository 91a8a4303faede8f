@_spi(_Unicode) import Swift

/// How CLIP's tokenizer normalizes a prompt and cuts it into words.
enum PromptText {
  /// Composed (NFC), runs of white space as one space, lower case character by character.
  static func normalized(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    for scalar in composed(text) {
      if scalar.properties.isWhitespace {
        if result.last != " " { result.append(" ") }
      } else {
        result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
      }
    }
    return result
  }

  /// NFC with the tables of Unicode 9, which the tokenizers library has: younger characters stay as they are, and
  /// nothing is composed or ordered across them.
  ///
  /// The standard library's form is used, as Foundation's leaves some Hangul syllables apart.
  private static func composed(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var run = String.UnicodeScalarView()
    for scalar in text {
      if isKnown(scalar, upTo: 9) {
        run.append(scalar)
      } else {
        result.append(contentsOf: String(run)._nfc)
        run = String.UnicodeScalarView()
        result.append(scalar)
      }
    }
    result.append(contentsOf: String(run)._nfc)
    return result
  }

  private static func isKnown(_ scalar: Unicode.Scalar, upTo major: Int) -> Bool {
    guard scalar.value >= 0x80 else { return true }
    return scalar.properties.age.map { ($0.major, $0.minor) <= (major, 0) } ?? false
  }

  /// The words of normalized text, in order: special tokens' names taken apart, contractions, runs of letters, single
  /// numbers, runs of anything else that is no space.
  static func words(_ text: [Unicode.Scalar]) -> [ArraySlice<Unicode.Scalar>] {
    var words: [ArraySlice<Unicode.Scalar>] = []
    var position = 0
    func take(_ count: Int) {
      words.append(text[position..<position + count])
      position += count
    }
    while position < text.count {
      if let name = specialNames.first(where: { text[position...].starts(with: $0) }) {
        take(2)
        take(name.count - 4)
        take(2)
      } else if let contraction = contractions.first(where: { text[position...].starts(with: $0) }) {
        take(contraction.count)
      } else {
        let kind = kind(text[position])
        switch kind {
        case .space: position += 1
        case .number: take(1)
        case .letter, .other:
          let end = text[position...].firstIndex { Self.kind($0) != kind } ?? text.count
          take(end - position)
        }
      }
    }
    return words
  }

  private static let specialNames = ["<|startoftext|>", "<|endoftext|>"].map { Array($0.unicodeScalars) }
  private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map { Array($0.unicodeScalars) }

  private enum Kind { case space, letter, number, other }

  /// By Unicode 16, which the tokenizers library's expressions have.
  private static func kind(_ scalar: Unicode.Scalar) -> Kind {
    if scalar.properties.isWhitespace { return .space }
    guard isKnown(scalar, upTo: 16) else { return .other }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return .other
    }
  }
}
