import SwagePlan

/// An axis of an input whose size is the value of a symbol.
struct SymbolAxis {
  var input: Int
  var axis: Int
  var symbol: SymbolID
  /// The first axis that bears the symbol gives it its value; the others must agree. A parameter has its value already.
  var isFirst: Bool

  static func all(in entry: EntryPoint) -> [SymbolAxis] {
    let ids = Dictionary(zip(entry.symbols, entry.symbols.indices), uniquingKeysWith: { first, _ in first })
    var seen = Set(entry.parameters)
    var axes: [SymbolAxis] = []
    for (input, port) in entry.inputs.enumerated() {
      for (axis, size) in entry.values[port.value].shape.enumerated() {
        guard let name = entry.sizes[size].symbolName, let symbol = ids[name] else { continue }
        axes.append(SymbolAxis(input: input, axis: axis, symbol: symbol, isFirst: seen.insert(symbol).inserted))
      }
    }
    return axes
  }
}
