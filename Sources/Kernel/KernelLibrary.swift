/// The kernels of one module: functions with the same body share one symbol.
public struct KernelLibrary: Sendable {
  /// Functions in the order in which they were added, with their symbols.
  public private(set) var functions: [(symbol: String, function: KernelFunction)] = []
  private var symbols: [Key: String] = [:]
  private var counts: [String: Int] = [:]

  /// What the generated code depends on; sizes, range and grain are the caller's.
  private struct Key: Hashable {
    var parameters: [KernelFunction.Parameter]
    var sizeCount: Int
    var body: [Statement]
  }

  public init() {}

  public var isEmpty: Bool { functions.isEmpty }

  /// The symbol of a function, a C identifier that no other function of the library has.
  public mutating func add(_ function: KernelFunction) -> String {
    let key = Key(parameters: function.parameters, sizeCount: function.sizes.count, body: function.body)
    if let known = symbols[key] { return known }
    let base = Self.identifier(function.name)
    let count = counts[base, default: 0]
    counts[base] = count + 1
    let symbol = "\(base)_k\(count)"
    symbols[key] = symbol
    functions.append((symbol, function))
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

  /// Sources in one dialect, the functions dealt in order to `count` translation units of about the same length.
  public func sources(_ dialect: Dialect, count: Int = 1) -> [String] {
    let printer = KernelPrinter(dialect: dialect)
    let texts = functions.map { printer.print($0.function, symbol: $0.symbol) }
    let total = texts.reduce(0) { $0 + $1.utf8.count }
    var units = [String](repeating: dialect.prelude, count: max(count, 1))
    var written = 0
    for text in texts {
      let index = min(written * units.count / max(total, 1), units.count - 1)
      units[index] += "\n" + text
      written += text.utf8.count
    }
    return units
  }
}
