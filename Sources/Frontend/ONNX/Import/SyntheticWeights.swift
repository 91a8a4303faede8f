import SwageTensor

/// Made-up weights for timing: numbers close to normal, with the variance that keeps activations of order one. They follow
/// from the tensor's name, its type and the seed alone.
enum SyntheticWeights {
  /// - Throws: `ImportError.port` where the tensor is too large.
  static func tensor(_ requirement: WeightRequirement, seed: UInt64) throws -> Tensor {
    let type = requirement.type
    guard let shape = type.staticShape, let count = Checked.product(shape), count <= 1 << 30,
      let byteCount = type.elementType.byteCount(elements: count), type.elementType != .string
    else {
      throw ImportError.port(
        name: requirement.name, reason: "\(type) is too large to make up", remedy: "bind a checkpoint with --weights")
    }
    guard type.elementType.isFloat else { return Tensor(zeros: type.elementType, shape) }
    let distribution = Distribution(requirement.name, shape, count: count, seed: seed)
    let fill = { (bytes: UnsafeMutableRawBufferPointer) in
      distribution.fill(bytes, type.elementType, count: count)
    }
    if byteCount >= Tensor.smallestDeferred,
      let later = Tensor(type.elementType, shape, recipe: StorageRecipe(distribution, fill: fill))
    {
      return later
    }
    var result = Tensor(zeros: type.elementType, shape)
    result.withMutableBytes { fill($0) }
    return result
  }
}

/// Where the elements of one tensor lie.
private struct Distribution: Hashable {
  let state: UInt64
  let mean: Float
  let deviation: Float

  init(_ name: String, _ shape: [Int], count: Int, seed: UInt64) {
    // FNV-1a (Fowler, Noll and Vo), started from the seed.
    state = name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    // Vectors are scales or offsets; matrices and kernels multiply: `[outputs, inputs, ...]`, or a matrix the other way.
    let fanIn = shape.count < 2 ? 0 : max(shape.count == 2 ? max(shape[0], shape[1]) : count / max(shape[0], 1), 1)
    deviation = fanIn == 0 ? 0.01 : (1 / Float(fanIn)).squareRoot()
    let lower = name.lowercased()
    let isScale =
      fanIn == 0 && ["weight", "scale", "gamma", "var"].contains { lower.contains($0) } && !lower.contains("bias")
    mean = isScale ? 1 : 0
  }

  func fill(_ bytes: UnsafeMutableRawBufferPointer, _ type: ElementType, count: Int) {
    var state = state
    switch type {
    case .f32:
      for index in 0..<count { bytes.storeBytes(of: next(&state), toByteOffset: index * 4, as: Float.self) }
    default:
      for index in 0..<count { ScalarCoding.store(Double(next(&state)), type, bytes, index) }
    }
  }

  /// The sum of four uniform numbers, scaled to variance one: close to normal. The numbers are the quarters of one of
  /// SplitMix64 (Steele, Lea and Flood 2014).
  @inline(__always)
  private func next(_ state: inout UInt64) -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    let sum = Int32(z & 0xFFFF) + Int32(z >> 16 & 0xFFFF) + Int32(z >> 32 & 0xFFFF) + Int32(z >> 48)
    return (Float(sum) / 65536 - 2) * 1.7320508 * deviation + mean
  }
}
