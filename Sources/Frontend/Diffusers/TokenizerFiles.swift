import Foundation
import SwageTensor

/// The files of a tokenizer that the run side reads: `vocab.json`, `merges.txt`, `tokenizer_config.json`,
/// `special_tokens_map.json`.
public enum TokenizerFiles {
  static let names = ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"]

  /// Names and contents; empty where the folder has no vocabulary. Where the vocabulary and merges lie in a
  /// `tokenizer.json` alone, as newer releases of transformers save them, they are taken from there.
  /// - Throws: `DiffusersError`, `FileError`.
  public static func read(folder: String) throws -> (files: [(name: String, bytes: [UInt8])], sources: [String]) {
    var files: [(name: String, bytes: [UInt8])] = []
    var sources: [String] = []
    for name in names {
      let path = folder + "/" + name
      guard FileManager.default.fileExists(atPath: path) else { continue }
      let file = try MappedFile(path: path)
      guard file.byteCount <= JSONFile.maximumBytes else {
        throw DiffusersError.json(file: path, offset: nil, reason: "it has \(file.byteCount) bytes")
      }
      if name.hasSuffix(".json") { _ = try JSONFile(path: path) }
      files.append((name, file.withBytes { Array($0) }))
      sources.append(path)
    }
    let held = Set(files.map(\.name))
    if held.contains("vocab.json"), held.contains("merges.txt") { return (files, sources) }
    let path = folder + "/tokenizer.json"
    guard FileManager.default.fileExists(atPath: path) else { return ([], []) }
    files.removeAll { $0.name == "vocab.json" || $0.name == "merges.txt" }
    return (try split(path) + files, sources + [path])
  }

  /// Vocabulary and merges of a `tokenizer.json` (huggingface/tokenizers, byte-pair encoding).
  private static func split(_ path: String) throws -> [(name: String, bytes: [UInt8])] {
    let file = try JSONFile(path: path)
    func refuse(_ key: String, _ reason: String) -> DiffusersError {
      .configuration(file: path, key: key, reason: reason)
    }
    guard let model = file["model"], model["type"]?.string ?? "BPE" == "BPE", let members = model["vocab"]?.object
    else {
      throw refuse("model", "it is no byte-pair encoding with a vocabulary")
    }
    var vocabulary: [String: Int] = [:]
    for (token, id) in members {
      guard let id = id.integer, id >= 0 else { throw refuse("vocab", "the id of \(token) is no whole number") }
      vocabulary[token] = id
    }
    for token in file["added_tokens"]?.array ?? [] {
      guard let text = token["content"]?.string, let id = token["id"]?.integer, id >= 0 else {
        throw refuse("added_tokens", "one has no content or id")
      }
      vocabulary[text] = id
    }
    var merges = "#version: 0.2\n"
    for merge in model["merges"]?.array ?? [] {
      // A text with a space between, or a pair.
      let pair = merge.array?.compactMap(\.string)
      guard let line = merge.string ?? (pair?.count == 2 ? pair?.joined(separator: " ") : nil) else {
        throw refuse("merges", "one is no pair of texts")
      }
      merges += line + "\n"
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return [("vocab.json", Array(try encoder.encode(vocabulary))), ("merges.txt", Array(merges.utf8))]
  }
}
