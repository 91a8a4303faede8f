import SwageDiffusion
import SwageTensor
import Testing

/// Tokenizer files that must not be trusted.
@Suite struct TokenizerFileTests {
  private static let vocabulary = #"{"a": 0, "a</w>": 1, "aa</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4}"#

  private func diagnostic(
    vocabulary: String = Self.vocabulary, merges: String = "#version: 0.2\na a</w>\n", configuration: String? = nil,
    specialTokens: String? = nil
  ) -> Diagnostic? {
    do throws(TokenizerError) {
      _ = try CLIPTokenizer(
        vocabulary: Array(vocabulary.utf8), merges: Array(merges.utf8),
        configuration: configuration.map { Array($0.utf8) }, specialTokens: specialTokens.map { Array($0.utf8) },
        place: "folder")
      return nil
    } catch {
      return error.diagnostics.first
    }
  }

  @Test func goodFiles() throws {
    #expect(diagnostic() == nil)
    #expect(diagnostic(merges: "") == nil)
    #expect(diagnostic(merges: "#version: 0.2\r\na a</w>\r\n\n") == nil)
    #expect(diagnostic(configuration: "{}", specialTokens: "{}") == nil)
  }

  @Test(arguments: [
    "", "[]", "{\"a\": 0", "{\"a\": 0} x", "{\"a\": 0, \"a\": 1}", "3", "\u{feff}{}",
  ]) func badVocabulary(_ text: String) {
    #expect(diagnostic(vocabulary: text)?.code == "tokenizer-file")
    #expect(diagnostic(vocabulary: text)?.place.file == "folder/vocab.json")
  }

  @Test(arguments: [#"{"a": -1}"#, #"{"a": 1.5}"#, #"{"a": "1"}"#, #"{"a": 4294967296}"#, #"{"a": 0, "b": 0}"#])
  func badIDs(_ text: String) {
    #expect(diagnostic(vocabulary: text)?.code == "tokenizer-token")
  }

  @Test(arguments: ["a", "a a</w> a", "a  a</w>", "\n\na a</w>"]) func badMerges(_ text: String) {
    #expect(diagnostic(merges: text)?.code == "tokenizer-file")
    #expect(diagnostic(merges: text)?.place.file == "folder/merges.txt")
  }

  @Test(arguments: ["a b", "a</w> a"]) func unknownMerges(_ text: String) {
    #expect(diagnostic(merges: text)?.code == "tokenizer-token")
  }

  @Test(arguments: [
    "[]", "{", #"{"pad_token": null}"#, #"{"added_tokens_decoder": []}"#,
  ]) func badConfiguration(_ text: String) {
    #expect(diagnostic(configuration: text)?.code == "tokenizer-file")
  }

  @Test(arguments: [
    #"{"pad_token": 3}"#, #"{"bos_token": {}}"#, #"{"added_tokens_decoder": {"x": "y"}}"#,
    #"{"added_tokens_decoder": {"1": {}}}"#, #"{"additional_special_tokens": [1]}"#,
  ]) func badTokens(_ text: String) {
    #expect(diagnostic(configuration: text)?.code == "tokenizer-token")
  }

  /// Every length of each file, and every byte changed, gives a tokenizer or a diagnostic.
  @Test func damage() throws {
    let configuration = #"{"pad_token": "<|endoftext|>", "added_tokens_decoder": {"4": {"content": "<|endoftext|>"}}}"#
    let files = [Self.vocabulary, "#version: 0.2\na a</w>\n", configuration].map { Array($0.utf8) }
    var refused = 0
    for (index, file) in files.enumerated() {
      for position in file.indices {
        for damaged in [
          Array(file[..<position]), file[..<position] + [file[position] ^ 0x15] + file[(position + 1)...],
        ] {
          var changed = files
          changed[index] = damaged
          do throws(TokenizerError) {
            let tokenizer = try CLIPTokenizer(
              vocabulary: changed[0], merges: changed[1], configuration: changed[2], specialTokens: nil, place: "x")
            #expect(tokenizer.encode("aa b <|endoftext|>", maximumTokens: 6).ids.count == 6)
          } catch {
            refused += 1
          }
        }
      }
    }
    #expect(refused > 200)
  }
}
