import SwageTensor

extension Session {
  /// Inputs made of random numbers: floats between -1 and 1, integers from 0 to 9, bools,
  /// strings from `s0` to `s9`. The same seed gives the same
  /// tensors everywhere. `sizes` gives symbols their values; a symbol it leaves out is 1. Inputs in
  /// `given` need not be tensors.
  public func randomInputs(seed: UInt64, sizes: [String: Int] = [:], except given: Set<String> = []) throws
    -> [String: Tensor]
  {
    var values = sizes
    for name in entryPoint.symbols where values[name] == nil { values[name] = 1 }
    var generator = SplitMix64(state: seed)
    var result: [String: Tensor] = [:]
    for input in inputs {
      if let type = input.objectType {
        if case .optional = type { continue }
        if given.contains(input.name) { continue }
        throw RuntimeError.inputValue(
          name: input.name, reason: "it is \(type), and random numbers are made for tensors")
      }
      var shape: [Int] = []
      for size in input.type.shape {
        guard let value = size.evaluate(values) else {
          throw RuntimeError.sizeOverflow(expression: size.description, node: input.name)
        }
        guard value >= 0 else {
          throw RuntimeError.negativeSize(expression: size.description, value: value, node: input.name)
        }
        shape.append(value)
      }
      guard let count = Checked.product(shape), let bytes = input.type.elementType.byteCount(elements: count),
        bytes <= memoryLimit
      else { throw RuntimeError.memoryLimit(needed: .max, limit: memoryLimit) }
      let type = input.type.elementType
      if type == .string {
        result[input.name] = Tensor(strings: (0..<count).map { _ in "s\(generator.next() % 10)" }, shape)
        continue
      }
      var tensor = Tensor(zeros: type, shape)
      tensor.withMutableBytes { bytes in
        for index in 0..<count {
          let random = generator.next()
          if type.isFloat {
            ScalarCoding.store(Double(random >> 11) * 0x1p-52 - 1, type, bytes, index)
          } else {
            ScalarCoding.store(integer: Int64(random % (type == .bool ? 2 : 10)), type, bytes, index)
          }
        }
      }
      result[input.name] = tensor
    }
    return result
  }
}

/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
private struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
