import Swage

/// Whether two values agree.
enum Comparison {
  /// Nil when they agree; else the first difference in words.
  static func difference(_ actual: HostValue, _ expected: HostValue, _ tolerance: VerifyTolerance) -> String? {
    switch (actual, expected) {
    case (.tensor(let x), .tensor(let y)): return difference(x, y, tolerance)
    case (.sequence(let x), .sequence(let y)):
      if x.count != y.count { return "has \(x.count) elements, expected \(y.count)" }
      for index in x.indices {
        if let reason = difference(x[index], y[index], tolerance) { return "at \(index): \(reason)" }
      }
      return nil
    case (.optional(let x), .optional(let y)):
      switch (x, y) {
      case (nil, nil): return nil
      case (let x?, let y?): return difference(x, y, tolerance)
      default: return x == nil ? "has no value, expected one" : "has a value, expected none"
      }
    case (.map(let xKeys, let xValues), .map(let yKeys, let yValues)):
      let (x, y) = (entries(xKeys, xValues), entries(yKeys, yValues))
      if Set(x.keys) != Set(y.keys) { return "has the keys \(x.keys.sorted()), expected \(y.keys.sorted())" }
      for key in x.keys.sorted() {
        if let a = x[key], let b = y[key], let reason = difference(a, b, tolerance) { return "at \(key): \(reason)" }
      }
      return nil
    default: return "is \(actual.kind), expected \(expected.kind)"
    }
  }

  /// Maps have no order.
  private static func entries(_ keys: Tensor, _ values: Tensor) -> [String: Tensor] {
    let names =
      keys.elementType == .string ? keys.stringBytes.map { GraphPrinter.quoted($0) } : keys.integers.map { "\($0)" }
    var result: [String: Tensor] = [:]
    for (index, name) in names.enumerated() {
      let offset = values.byteOffset + index * values.elementType.bitWidth / 8
      result[name] = Tensor(values.elementType, [], storage: values.storage, byteOffset: offset)
    }
    return result
  }

  /// Nil when they agree; else the largest difference in words. NaN equals NaN.
  static func difference(_ actual: Tensor, _ expected: Tensor, _ tolerance: VerifyTolerance) -> String? {
    guard actual.elementType == expected.elementType, actual.shape == expected.shape else {
      return "is \(actual.type), expected \(expected.type)"
    }
    if expected.elementType == .string {
      let (x, y) = (actual.stringBytes, expected.stringBytes)
      guard let index = x.indices.first(where: { x[$0] != y[$0] }) else { return nil }
      return "element \(index) is \(GraphPrinter.quoted(x[index])), expected \(GraphPrinter.quoted(y[index]))"
    }
    if !expected.elementType.isFloat {
      let pairs = zip(actual.integers, expected.integers)
      guard let index = Array(pairs).firstIndex(where: { $0 != $1 }) else { return nil }
      return "element \(index) is \(actual.integers[index]), expected \(expected.integers[index])"
    }
    // As the runner of the ONNX tests has it: two units in the last place of bf16.
    let rtol = expected.elementType == .bf16 ? max(tolerance.rtol, 0x1p-6) : tolerance.rtol
    var worst: (index: Int, excess: Double)?
    let (x, y) = (actual.doubles, expected.doubles)
    for index in x.indices where !(x[index] == y[index] || (x[index].isNaN && y[index].isNaN)) {
      let excess = abs(x[index] - y[index]) - (tolerance.atol + rtol * abs(y[index]))
      if excess > worst?.excess ?? 0 || excess.isNaN { worst = (index, excess.isNaN ? .infinity : excess) }
    }
    return worst.map { "element \($0.index) is \(x[$0.index]), expected \(y[$0.index])" }
  }
}
