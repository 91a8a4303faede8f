import SwageTensor

/// The functions of a native module in C. Those whose code is equal are one, and a function has the same symbol and the
/// same text in every library, so that it needs to be compiled once.
public struct KernelLibrary: Sendable {
  /// A function in C without the prelude, and the symbol that it exports.
  public struct Unit: Sendable {
    public let symbol: String
    public let text: String
  }

  /// In the order in which functions were added.
  public private(set) var units: [Unit] = []
  private var symbols: Set<String> = []

  public init() {}

  public var isEmpty: Bool { units.isEmpty }

  /// All of it as one translation unit.
  public var source: String { source(units[...]) }

  /// Some of it as one translation unit.
  public func source(_ units: ArraySlice<Unit>) -> String {
    Dialect.c.prelude + units.map { "\n" + $0.text }.joined()
  }

  /// The symbol of a function: its name, and a digest of its code. Sizes, range and grain are the caller's.
  public mutating func add(_ function: KernelFunction) -> String {
    let printer = KernelPrinter(dialect: .c)
    let name = Self.identifier(function.name)
    let symbol = "\(name)_\(SHA256.hexDigest(of: printer.print(function, symbol: name)).prefix(12))"
    if symbols.insert(symbol).inserted {
      units.append(Unit(symbol: symbol, text: printer.print(function, symbol: symbol)))
    }
    return symbol
  }

  /// Letters, digits and underscores, not too many of them.
  private static func identifier(_ name: String) -> String {
    let kept = name.unicodeScalars.map { scalar -> Character in
      let isPlain = scalar.isASCII && scalar.properties.isAlphabetic || (48...57).contains(scalar.value)
      return isPlain ? Character(scalar) : "_"
    }
    return "swage_" + String(kept.prefix(48))
  }
}
