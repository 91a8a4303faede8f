import SwageTensor

/// What a tokenizer folder says, checked.
struct TokenizerFiles: Sendable {
  /// The id of each token's UTF-8 text.
  private(set) var ids: [[UInt8]: Int32] = [:]
  private(set) var tokens: [Int32: String] = [:]
  private(set) var merges: [BytePairEncoder.Pair: BytePairEncoder.Merge] = [:]
  /// Tokens found in the text; distinct contents, all with an id.
  private(set) var added: [AddedToken] = []
  private(set) var start: Int32 = 0
  private(set) var end: Int32 = 0
  private(set) var pad: Int32 = 0
  private(set) var unknown: Int32 = 0

  /// The largest file that is read, and the longest list of tokens; CLIP has 1.1 MB and 49,408.
  static let byteLimit = 64 << 20
  static let tokenLimit = 2_000_000

  init(
    vocabulary: [UInt8], merges: [UInt8], configuration: [UInt8]?, specialTokens: [UInt8]?, place: String
  ) throws(TokenizerError) {
    try readVocabulary(vocabulary, place: place + "/vocab.json")
    try readMerges(merges, place: place + "/merges.txt")
    let settings = try TokenizerSettings(configuration: configuration, specialTokens: specialTokens, place: place)
    var next = (tokens.keys.max() ?? -1) &+ 1
    for token in settings.added { add(token, next: &next) }
    added = settings.added
    func id(_ attribute: TokenizerSettings.Attribute) throws(TokenizerError) -> Int32 {
      guard let token = settings.named[attribute], let id = ids[Array(token.content.utf8)] else {
        throw .file(place: place + "/tokenizer_config.json", offset: nil, reason: "it has no \(attribute.rawValue)")
      }
      return id
    }
    start = try id(.start)
    end = try id(.end)
    pad = try id(.pad)
    unknown = try id(.unknown)
  }

  /// An object of token texts with their ids.
  private mutating func readVocabulary(_ bytes: [UInt8], place: String) throws(TokenizerError) {
    guard let members = try Self.json(bytes, place: place).object else {
      throw .file(place: place, offset: nil, reason: "it is no JSON object")
    }
    guard members.count <= Self.tokenLimit else {
      throw .file(place: place, offset: nil, reason: "it has more than \(Self.tokenLimit) tokens")
    }
    ids.reserveCapacity(members.count)
    for (token, value) in members {
      guard let number = value.integer, let id = Int32(exactly: number), id >= 0 else {
        throw .token(place: place, token: token, reason: "its id is no integer from 0 to \(Int32.max)")
      }
      ids[Array(token.utf8)] = id
      guard tokens.updateValue(token, forKey: id) == nil else {
        throw .token(place: place, token: token, reason: "another token has its id \(id)")
      }
    }
  }

  /// A line for each merge, most frequent first: two tokens between which there is one space.
  private mutating func readMerges(_ bytes: [UInt8], place: String) throws(TokenizerError) {
    guard bytes.count <= Self.byteLimit else {
      throw .file(place: place, offset: nil, reason: "it is larger than \(Self.byteLimit >> 20) MiB")
    }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    while let line = lines.last, line.isEmpty { lines.removeLast() }
    var rank: Int32 = 0
    for var line in lines {
      if line.starts(with: "#version".utf8) { continue }
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw .file(place: place, offset: line.startIndex, reason: "a line does not hold two tokens and one space")
      }
      func id(_ token: [UInt8]) throws(TokenizerError) -> Int32 {
        guard let id = ids[token] else {
          throw .token(
            place: place, token: String(decoding: token, as: UTF8.self), reason: "a merge needs it, vocab.json lacks it"
          )
        }
        return id
      }
      let pair = try BytePairEncoder.Pair(left: id(Array(parts[0])), right: id(Array(parts[1])))
      merges[pair] = try BytePairEncoder.Merge(rank: rank, result: id(Array(parts[0]) + parts[1]))
      rank += 1
    }
  }

  /// Gives a token that the vocabulary lacks the next free id.
  private mutating func add(_ token: AddedToken, next: inout Int32) {
    let text = Array(token.content.utf8)
    guard ids[text] == nil, next >= 0 else { return }
    ids[text] = next
    tokens[next] = token.content
    next &+= 1
  }

  static func json(_ bytes: [UInt8], place: String) throws(TokenizerError) -> StrictJSON {
    guard bytes.count <= byteLimit else {
      throw .file(place: place, offset: nil, reason: "it is larger than \(byteLimit >> 20) MiB")
    }
    do throws(StrictJSON.Fault) {
      return try StrictJSON.parse(bytes, maximumDepth: 16, allowsNonFinite: true)
    } catch {
      throw .file(place: place, offset: error.offset, reason: error.reason)
    }
  }
}
