import SwageTensor

/// Names of symbols: those of the file, made legal and kept apart, and fresh ones.
struct SymbolNames {
  private var byText: [String: String] = [:]
  private var taken: Set<String> = []
  private var counter = 0
  /// Symbols that take their values from data: they may be negative.
  private(set) var fromData: Set<String> = []

  /// The symbol for a `dim_param`; equal texts give equal symbols.
  mutating func name(_ text: String) -> String {
    if let known = byText[text] { return known }
    let name = unique(Self.legal(text))
    byText[text] = name
    return name
  }

  /// Claims the names that are legal as they stand, so that no other is mapped onto them.
  mutating func reserve(_ texts: some Sequence<String>) {
    for text in texts where byText[text] == nil && Dim.isSymbolName(text) {
      byText[text] = text
      taken.insert(text)
    }
  }

  /// A symbol that nothing else uses, near to `text`.
  mutating func fresh(_ text: String) -> String { unique(Self.legal(text)) }

  /// `u0`, `u1`, …: a size that only the run decides, not negative.
  mutating func freshSize() -> String {
    while true {
      let name = "u\(counter)"
      counter += 1
      if taken.insert(name).inserted { return name }
    }
  }

  /// The same for a number that may be negative.
  mutating func freshData() -> String {
    let name = freshSize()
    fromData.insert(name)
    return name
  }

  private mutating func unique(_ base: String) -> String {
    var name = base
    var suffix = 1
    while !taken.insert(name).inserted {
      suffix += 1
      name = "\(base)_\(suffix)"
    }
    return name
  }

  private static func legal(_ text: String) -> String {
    if Dim.isSymbolName(text) { return text }
    var name = ""
    for scalar in text.unicodeScalars.prefix(64) {
      let isLegal = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == ".")
      name += isLegal ? String(scalar) : "_"
    }
    if !Dim.isSymbolName(name) { name = "_" + name }
    return name
  }
}
