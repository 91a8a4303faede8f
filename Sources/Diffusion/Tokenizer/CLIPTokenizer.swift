/// CLIP's tokenizer: byte-pair encoding with the ids that transformers' `CLIPTokenizer` (version 5, on the tokenizers
/// library) gives, as diffusers calls it.
///
/// Texts are not repaired by ftfy, as the older tokenizer in Python did where that was installed.
public struct CLIPTokenizer: Sendable {
  let files: TokenizerFiles
  private let encoder: BytePairEncoder
  /// Added tokens that are looked for in the text as it is, and those in normalized text.
  private let raw: AddedTokenFinder
  private let normalized: AddedTokenFinder

  /// Reads a checkpoint's tokenizer folder.
  ///
  /// - Parameters:
  ///   - vocabulary: `vocab.json`; `merges`: `merges.txt`.
  ///   - configuration: `tokenizer_config.json`; `specialTokens`: `special_tokens_map.json`, where present.
  ///   - place: the folder, for messages.
  public init(
    vocabulary: [UInt8], merges: [UInt8], configuration: [UInt8]?, specialTokens: [UInt8]?, place: String
  ) throws(TokenizerError) {
    files = try TokenizerFiles(
      vocabulary: vocabulary, merges: merges, configuration: configuration, specialTokens: specialTokens, place: place)
    let ids = files.ids
    encoder = BytePairEncoder(merges: files.merges, unknown: files.unknown) { ids[Array($0.utf8)] }
    var finders = (raw: AddedTokenFinder(), normalized: AddedTokenFinder())
    for token in files.added {
      guard let id = ids[Array(token.content.utf8)] else { continue }
      if token.isNormalized { finders.normalized.add(token, id: id) } else { finders.raw.add(token, id: id) }
    }
    (raw, normalized) = finders
  }

  /// One more than the highest id.
  public var vocabularySize: Int { Int(files.ids.values.max() ?? -1) + 1 }

  /// The ids of `text` between start and end token, padded with the pad token to `maximumTokens` (2 or more; 77 for
  /// CLIP). Where the text has more, `dropped` is the part that was cut off, as the ids spell it: in lower case.
  public func encode(_ text: String, maximumTokens: Int) -> (ids: [Int64], dropped: String?) {
    let tokens = tokens(text)
    let room = max(maximumTokens - 2, 0)
    let kept = tokens.prefix(room)
    var ids = [Int64(files.start)] + kept.map { Int64($0) } + [Int64(files.end)]
    ids += [Int64](repeating: Int64(files.pad), count: max(maximumTokens - ids.count, 0))
    return (ids, tokens.count > room ? decode(tokens.dropFirst(room)) : nil)
  }

  /// The ids of `text` alone.
  func tokens(_ text: String) -> [Int32] {
    var ids: [Int32] = []
    for piece in raw.pieces(Array(text.unicodeScalars)) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let part):
        for piece in normalized.pieces(PromptText.normalized(part)) {
          switch piece {
          case .token(let id): ids.append(id)
          case .text(let part):
            for word in PromptText.words(Array(part)) {
              var view = String.UnicodeScalarView()
              view.append(contentsOf: word)
              ids += encoder.encode(Array(String(view).utf8))
            }
          }
        }
      }
    }
    return ids
  }

  /// The text that ids stand for: words between single spaces.
  func decode(_ ids: some Sequence<Int32>) -> String {
    var bytes: [UInt8] = []
    for id in ids {
      guard let token = files.tokens[id] else { continue }
      let mapped = token.unicodeScalars.map { ByteLevelAlphabet.bytes[$0] }
      bytes += mapped.contains(nil) ? Array(token.utf8) : mapped.compactMap { $0 }
    }
    // By bytes and scalars: a mark that follows makes a sign or space part of a character.
    let words = bytes.split(separator: Array(BytePairEncoder.wordEnd.utf8), omittingEmptySubsequences: false)
    var text = String(decoding: Array(words.joined(separator: [UInt8(ascii: " ")])), as: UTF8.self).unicodeScalars[...]
    while let last = text.last, last.properties.isWhitespace { text.removeLast() }
    return String(text.drop { $0.properties.isWhitespace })
  }
}
