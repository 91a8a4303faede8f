import SwageTensor

/// The special tokens that `tokenizer_config.json` and `special_tokens_map.json` name, as transformers 5 reads them.
struct TokenizerSettings {
  enum Attribute: String, CaseIterable {
    case start = "bos_token"
    case end = "eos_token"
    case unknown = "unk_token"
    case separator = "sep_token"
    case pad = "pad_token"
    case classification = "cls_token"
    case mask = "mask_token"
  }

  private(set) var named: [Attribute: AddedToken] = [
    .start: AddedToken(content: "<|startoftext|>"), .end: AddedToken(content: "<|endoftext|>"),
    .unknown: AddedToken(content: "<|endoftext|>"), .pad: AddedToken(content: "<|endoftext|>"),
  ]
  /// All tokens that are found in the text, in the order in which ids are given to new ones.
  private(set) var added: [AddedToken] = []

  static let tokenLimit = 2_000

  init(configuration: [UInt8]?, specialTokens: [UInt8]?, place: String) throws(TokenizerError) {
    let (configPlace, mapPlace) = (place + "/tokenizer_config.json", place + "/special_tokens_map.json")
    var listed: [AddedToken] = []
    var extra: [AddedToken] = []
    var decoder: StrictJSON?
    if let configuration {
      let config = try TokenizerFiles.json(configuration, place: configPlace)
      guard config.object != nil else { throw .file(place: configPlace, offset: nil, reason: "it is no JSON object") }
      decoder = config["added_tokens_decoder"]
      listed = try Self.listed(decoder, place: configPlace)
      try read(config, place: configPlace, extra: &extra)
    }
    // The map is the older form: it counts where the configuration does not list the tokens.
    if decoder == nil, let specialTokens {
      let map = try TokenizerFiles.json(specialTokens, place: mapPlace)
      guard map.object != nil else { throw .file(place: mapPlace, offset: nil, reason: "it is no JSON object") }
      try read(map, place: mapPlace, extra: &extra)
    }
    // A name stands for the listed token of that content, with its properties.
    func resolved(_ token: AddedToken) -> AddedToken { listed.first { $0.content == token.content } ?? token }
    named = named.mapValues(resolved)
    // What comes later says how a token is found.
    for token in listed + Attribute.allCases.compactMap({ named[$0] }) + extra.map(resolved)
    where !token.content.isEmpty {
      if let index = added.firstIndex(where: { Array($0.content.utf8) == Array(token.content.utf8) }) {
        added[index] = token
      } else {
        added.append(token)
      }
    }
  }

  /// `added_tokens_decoder`: tokens by id.
  private static func listed(_ decoder: StrictJSON?, place: String) throws(TokenizerError) -> [AddedToken] {
    guard let decoder else { return [] }
    guard let members = decoder.object, members.count <= tokenLimit else {
      throw .file(
        place: place, offset: nil, reason: "added_tokens_decoder is no object of at most \(tokenLimit) tokens")
    }
    var tokens: [(id: Int, token: AddedToken)] = []
    for (key, value) in members {
      guard let id = Int(key), let token = token(value) else {
        throw .token(place: place, token: key, reason: "added_tokens_decoder gives it no content")
      }
      tokens.append((id, token))
    }
    return tokens.sorted { $0.id < $1.id }.map(\.token)
  }

  private mutating func read(_ file: StrictJSON, place: String, extra: inout [AddedToken]) throws(TokenizerError) {
    for attribute in Attribute.allCases {
      guard let value = file[attribute.rawValue] else { continue }
      if case .null = value {
        named[attribute] = nil
        continue
      }
      guard let token = Self.token(value) else {
        throw .token(place: place, token: attribute.rawValue, reason: "it is neither text nor an object with content")
      }
      named[attribute] = token
    }
    for key in ["additional_special_tokens", "extra_special_tokens"] {
      guard let list = file[key]?.array else { continue }
      guard list.count <= Self.tokenLimit else {
        throw .file(place: place, offset: nil, reason: "\(key) has more than \(Self.tokenLimit) tokens")
      }
      for value in list {
        guard let token = Self.token(value) else {
          throw .token(place: place, token: key, reason: "it holds something that is no token")
        }
        extra.append(token)
      }
    }
  }

  /// A token as text (found before the text is normalized) or with its properties.
  private static func token(_ value: StrictJSON) -> AddedToken? {
    if let content = value.string { return AddedToken(content: content) }
    guard let content = value["content"]?.string else { return nil }
    let isSpecial = value["special"]?.bool ?? false
    return AddedToken(
      content: content, isNormalized: value["normalized"]?.bool ?? !isSpecial,
      stripsLeft: value["lstrip"]?.bool ?? false, stripsRight: value["rstrip"]?.bool ?? false,
      isSingleWord: value["single_word"]?.bool ?? false)
  }
}
