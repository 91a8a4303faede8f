/// A token that is found in the text itself, before it is cut into words: `<|endoftext|>`, and whatever the tokenizer's
/// settings name.
struct AddedToken: Sendable {
  var content: String
  /// Whether it is looked for after the text is normalized, in normalized form.
  var isNormalized = false
  /// Whether white space at its sides belongs to it.
  var stripsLeft = false
  var stripsRight = false
  /// Whether it counts only where no word character touches it.
  var isSingleWord = false
}

/// Finds added tokens in text: from left to right, the longest at each place.
struct AddedTokenFinder: Sendable {
  private struct Entry {
    var pattern: [Unicode.Scalar]
    var token: AddedToken
    var id: Int32
  }
  enum Piece {
    case text(ArraySlice<Unicode.Scalar>)
    case token(Int32)
  }

  /// The tokens that begin with a scalar, longest first.
  private var entries: [Unicode.Scalar: [Entry]] = [:]

  mutating func add(_ token: AddedToken, id: Int32) {
    let pattern =
      token.isNormalized ? PromptText.normalized(token.content.unicodeScalars) : Array(token.content.unicodeScalars)
    guard let first = pattern.first else { return }
    entries[first, default: []].append(Entry(pattern: pattern, token: token, id: id))
    entries[first]?.sort { $0.pattern.count > $1.pattern.count }
  }

  func pieces(_ text: [Unicode.Scalar]) -> [Piece] {
    var pieces: [Piece] = []
    var done = 0
    var position = 0
    while position < text.count {
      guard let entry = entries[text[position]]?.first(where: { text[position...].starts(with: $0.pattern) }) else {
        position += 1
        continue
      }
      var (start, end) = (position, position + entry.pattern.count)
      position = end
      if entry.token.isSingleWord {
        if start > 0, isWordCharacter(text[start - 1]) { continue }
        if end < text.count, isWordCharacter(text[end]) { continue }
      }
      if entry.token.stripsLeft { while start > done, text[start - 1].properties.isWhitespace { start -= 1 } }
      if entry.token.stripsRight { while end < text.count, text[end].properties.isWhitespace { end += 1 } }
      if done < start { pieces.append(.text(text[done..<start])) }
      pieces.append(.token(entry.id))
      done = end
      position = max(position, end)
    }
    if done < text.count { pieces.append(.text(text[done...])) }
    return pieces
  }

  private func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isAlphabetic || scalar.properties.numericType == .decimal || scalar == "_"
      || scalar.properties.isJoinControl
      || [.nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation].contains(
        scalar.properties.generalCategory)
  }
}
