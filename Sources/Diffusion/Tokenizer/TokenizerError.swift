import SwageTensor

/// Tokenizer files that give no tokenizer.
public enum TokenizerError: SwageError, Hashable {
  /// A file that is not what its name says; `offset` in bytes where it is known.
  case file(place: String, offset: Int?, reason: String)
  /// `merges.txt` and `vocab.json` disagree, or the settings name a token that cannot be.
  case token(place: String, token: String, reason: String)

  public var diagnostics: [Diagnostic] {
    switch self {
    case .file(let place, let offset, let reason):
      [
        Diagnostic(
          code: "tokenizer-file", what: "a tokenizer file cannot be read",
          place: Diagnostic.Place(file: place, byteOffset: offset), why: reason,
          remedy: "fetch the checkpoint's tokenizer again")
      ]
    case .token(let place, let token, let reason):
      [
        Diagnostic(
          code: "tokenizer-token", what: "the tokenizer cannot use the token \"\(token)\"",
          place: Diagnostic.Place(file: place), why: reason,
          remedy: "fetch vocab.json, merges.txt and the settings from the same checkpoint")
      ]
    }
  }
}
