import Foundation
import SwageDiffusion
import SwageTensor
import Testing

/// Token ids of 1,200 prompts, as transformers' `CLIPTokenizer` gives them.
@Suite struct CLIPTokenizerTests {
  /// Prompts are compared by their scalars: strings that differ only in composition are equal to Swift.
  private func prompts() throws -> [String] {
    let list = try #require(try Expected.document("prompts.json").array)
    return list.compactMap(\.string)
  }

  private func check(_ tokenizer: CLIPTokenizer, _ reference: StrictJSON, _ name: String) throws {
    let prompts = try prompts()
    #expect(prompts.count == 1200)
    let data = try #require(Data(base64Encoded: try reference.text("rows")))
    let flat = stride(from: 0, to: data.count - 1, by: 2).map { Int64(data[$0]) | Int64(data[$0 + 1]) << 8 }
    let pad = Int64(try reference.integer("pad"))
    let dropped = try reference.member("dropped")
    var position = 0
    var cut = 0
    for (index, prompt) in prompts.enumerated() {
      let count = Int(flat[position])
      let expected =
        flat[position + 1...position + count] + [Int64](repeating: pad, count: 77 - count)
      position += 1 + count
      let result = tokenizer.encode(prompt, maximumTokens: 77)
      if result.ids != Array(expected) {
        let text = prompt.unicodeScalars.map { String($0.value, radix: 16) }.joined(separator: " ")
        Issue.record("\(name), prompt \(index) (\(text)): \(result.ids), transformers has \(expected)")
      }
      #expect((result.dropped == nil) == (dropped["\(index)"] == nil), "\(name), prompt \(index)")
      if let text = result.dropped, let expected = dropped["\(index)"]?.string {
        cut += 1
        #expect(String(text.unicodeScalars.prefix(400)) == expected, "\(name), prompt \(index)")
      }
    }
    #expect(position == flat.count)
    #expect(cut > 8)
  }

  private func tokenizer(
    _ reference: StrictJSON, vocabulary: [UInt8], merges: [UInt8], place: String
  ) throws -> CLIPTokenizer {
    try CLIPTokenizer(
      vocabulary: vocabulary, merges: merges, configuration: reference["config"]?.string.map { Array($0.utf8) },
      specialTokens: reference["special"]?.string.map { Array($0.utf8) }, place: place)
  }

  @Test(arguments: ["sd1", "sdxl", "sdxl-2", "bare", "map-only", "extra"])
  func trainedVocabulary(_ name: String) throws {
    let reference = try Expected.document("tokenizers.json").member(name)
    let tokenizer = try tokenizer(
      reference, vocabulary: Expected.bytes("vocab.json"), merges: Expected.bytes("merges.txt"), place: "tokenizer")
    try check(tokenizer, reference, name)
  }

  /// Bytes that the vocabulary lacks become the unknown token, one each.
  @Test func sparseVocabulary() throws {
    let reference = try Expected.document("tokenizers.json").member("sparse")
    let removed = Set(try reference.list("removed").compactMap(\.string))
    #expect(removed.count > 50)
    let members = try #require(try Expected.document("vocab.json").object)
    let kept: [String: Int] = Dictionary(
      uniqueKeysWithValues: members.filter { !removed.contains($0.key) }.compactMap { member in
        member.value.integer.map { (member.key, $0) }
      })
    let tokenizer = try tokenizer(
      reference, vocabulary: [UInt8](try JSONEncoder().encode(kept)), merges: Expected.bytes("merges.txt"),
      place: "tokenizer")
    try check(tokenizer, reference, "sparse")
  }

  /// CLIP's own vocabulary is too large to keep here: `make_expected.py clip` writes it and its references to a folder.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["SWAGE_CLIP_TOKENIZER"] != nil))
  func clipVocabulary() throws {
    let path = try #require(ProcessInfo.processInfo.environment["SWAGE_CLIP_TOKENIZER"])
    func bytes(_ name: String) throws -> [UInt8] {
      [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
    }
    let document = try StrictJSON.parse(bytes("tokenizers.json"))
    for name in ["sd1", "sdxl", "sdxl-2"] {
      let reference = try document.member(name)
      let tokenizer = try tokenizer(
        reference, vocabulary: bytes("vocab.json"), merges: bytes("merges.txt"), place: path)
      #expect(tokenizer.vocabularySize == 49408)
      try check(tokenizer, reference, name)
    }
  }

  @Test func shortLimits() throws {
    let reference = try Expected.document("tokenizers.json").member("sd1")
    let tokenizer = try tokenizer(
      reference, vocabulary: Expected.bytes("vocab.json"), merges: Expected.bytes("merges.txt"), place: "tokenizer")
    #expect(tokenizer.encode("", maximumTokens: 2).ids == [2012, 2013])
    #expect(tokenizer.encode("", maximumTokens: 2).dropped == nil)
    #expect(tokenizer.encode("  A  Cat ", maximumTokens: 2).dropped == "a cat")
    #expect(tokenizer.encode("cat", maximumTokens: 0).ids.count == 2)
  }
}
