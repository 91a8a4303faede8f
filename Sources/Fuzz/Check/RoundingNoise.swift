import SwageGraph
import SwageTensor

/// Moves what is rounded while a graph is evaluated: one sample of Monte Carlo arithmetic.
///
/// Every operand of a sum, and every rounded result, moves at random by a few units of its last place. Exact
/// operations, inputs and constants stay as they are.
final class RoundingNoise: EvaluationObserver {
  private var random: FuzzRandom
  /// Every second sample takes the other way where there are two: what is left of a difference is zero, a bound stands
  /// for a NaN.
  private let isEven: Bool
  private let hasProducts: Bool

  /// `hasProducts`: functions may be computed behind products, by oneDNN.
  init(random: FuzzRandom, isEven: Bool, hasProducts: Bool) {
    self.random = random
    self.isEven = isEven
    self.hasProducts = hasProducts
  }

  func operands(of node: Node, _ operands: [Tensor?]) -> [Tensor?] {
    guard node.regions.isEmpty, case .accumulating = node.op.definition.numericClass else { return operands }
    return operands.map { $0.map { moved($0, by: 1.5) } }
  }

  func results(of node: Node, _ operands: [Tensor?], _ results: [Tensor]) -> [Tensor] {
    // Nested graphs have moved already.
    guard node.regions.isEmpty else { return results }
    var results = results
    let operand = operands.first.flatMap { $0 }
    if case .bitcast = node.op, let operand { results[0] = otherNaN(results[0], of: operand) }
    if hasProducts, let bound = bound(of: node.op), let operand, isEven {
      results[0] = results[0].replacingNaN(with: bound, where: operand)
    }
    switch node.op.definition.numericClass {
    case .exact: return results
    case .rounding, .accumulating:
      if let operand, let unit = cancelling(node.op) { results[0] = cancelled(results[0], operand, unit) }
      if case .layerNorm(let op) = node.op, !op.isRMS, let operand {
        results[0] = shifted(results[0], operand, width: operand.shape[op.axis...].reduce(1, *))
      }
      if leavesZeros(node.op) { results[0] = otherZeros(results[0]) }
      if isEven, underflows(node.op) { results = results.map(flushed) }
      return results.map { moved($0, by: 3, floor: floor(node.op)) }
    }
  }

  /// What results are rounded as, at least: gates near one and steps of a state, and sums of exponentials whose logarithm
  /// is near zero, leave little of what was rounded.
  private func floor(_ op: Op) -> Double {
    switch op {
    case .recurrent: 1
    case .softmax(let softmax) where softmax.isLog: 1
    default: 0
    }
  }

  /// A normalised row moved by the rounding of its mean, beside which its deviations may be small.
  private func shifted(_ result: Tensor, _ operand: Tensor, width: Int) -> Tensor {
    guard Agreement.isRounded(result.elementType), width > 0, operand.count == result.count else { return result }
    let epsilon = Agreement.epsilon(result.elementType).relative
    let rows = operand.doubles
    var values = result.doubles
    for start in stride(from: 0, to: rows.count, by: width) {
      let row = rows[start..<start + width]
      let mean = row.reduce(0, +) / Double(width)
      let deviation = (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)).squareRoot()
      guard mean.isFinite, deviation > 0 else { continue }
      let reach = 2 * epsilon * abs(mean) / deviation * (random.unit() * 2 - 1)
      for index in start..<start + width { values[index] += reach }
    }
    return Tensor(result.elementType, result.shape, doubles: values)
  }

  /// Whether a zero may be what is left of a difference, or a sum of nothing but zeros, whose sign is that of the order in
  /// which it was taken.
  private func leavesZeros(_ op: Op) -> Bool {
    switch op {
    case .binary(let binary): binary.function == .add || binary.function == .sub
    case .unary(let unary): unary.function == .linear && unary.beta != 0
    case .matmul, .convolution: true
    default: false
    }
  }

  private func otherZeros(_ tensor: Tensor) -> Tensor {
    guard Agreement.isRounded(tensor.elementType) else { return tensor }
    return Tensor(
      tensor.elementType, tensor.shape,
      doubles: tensor.doubles.map { $0 == 0 ? (random.chance(50) ? 0.0 : -0.0) : $0 })
  }

  /// Whether what is next to nothing may be nothing: exponentials beside larger ones, and states.
  private func underflows(_ op: Op) -> Bool {
    switch op {
    case .softmax, .attention, .recurrent: true
    default: false
    }
  }

  /// Subnormal numbers of single precision as zero.
  private func flushed(_ tensor: Tensor) -> Tensor {
    guard Agreement.isRounded(tensor.elementType) else { return tensor }
    let least = Double(Float.leastNormalMagnitude)
    return Tensor(tensor.elementType, tensor.shape, doubles: tensor.doubles.map { abs($0) < least ? 0 : $0 })
  }

  /// What the post-operations of oneDNN make of a NaN, where this may become one.
  private func bound(of op: Op) -> Double? {
    guard case .unary(let unary) = op else { return nil }
    switch unary.function {
    case .relu: return 0
    case .clip: return unary.alpha.isFinite ? unary.alpha : unary.beta
    case .hardSigmoid: return 0
    default: return nil
    }
  }

  /// Functions that are commonly computed as one minus a number near one, or as that times the operand: the magnitude
  /// at `x` of what is rounded before it cancels.
  private func cancelling(_ op: Op) -> ((_ x: Double) -> Double)? {
    guard case .unary(let unary) = op else { return nil }
    switch unary.function {
    case .gelu, .geluTanh: return { abs($0) }
    case .elu, .celu: return { _ in abs(unary.alpha) }
    case .selu: return { _ in abs(unary.alpha * unary.beta) }
    default: return nil
    }
  }

  /// Results moved by what is rounded before it cancels; in every second sample what lies below that is zero.
  private func cancelled(_ result: Tensor, _ operand: Tensor, _ unit: (Double) -> Double) -> Tensor {
    guard Agreement.isRounded(result.elementType), operand.count == result.count else { return result }
    let epsilon = Agreement.epsilon(result.elementType).relative
    return Tensor(
      result.elementType, result.shape,
      doubles: zip(result.doubles, operand.doubles).map { value, x in
        guard value.isFinite, x < 0 else { return value }
        let reach = 3 * epsilon * unit(x)
        if abs(value) < reach, isEven { return 0 }
        return value + (random.unit() * 2 - 1) * reach
      })
  }

  /// Integers that are the bits of floats: sign and payload of a NaN that arithmetic made are those of the processor's
  /// instructions.
  private func otherNaN(_ bits: Tensor, of floats: Tensor) -> Tensor {
    let free: Int64
    switch floats.elementType {
    case .f64: free = Int64(bitPattern: 0x8007_ffff_ffff_ffff)
    case .f32: free = 0x803f_ffff
    case .f16: free = 0x81ff
    case .bf16: free = 0x803f
    case .f8e4m3fn: free = 0x80
    case .f8e5m2: free = 0x81
    default: return bits
    }
    let values = floats.doubles
    guard bits.elementType.isInteger, values.contains(where: \.isNaN) else { return bits }
    return Tensor(
      bits.elementType, bits.shape,
      integers: zip(bits.integers, values).map { pattern, value in
        value.isNaN ? pattern ^ (Int64(bitPattern: random.next()) & free) : pattern
      })
  }

  /// Each element moved by up to `units` of half its last place.
  /// Those below `floor` are moved as it is.
  private func moved(_ tensor: Tensor, by units: Double, floor: Double = 0) -> Tensor {
    guard Agreement.isRounded(tensor.elementType) else { return tensor }
    let epsilon = Agreement.epsilon(tensor.elementType)
    return Tensor(
      tensor.elementType, tensor.shape,
      doubles: tensor.doubles.map { value in
        guard value.isFinite, value != 0 else { return value }
        let noise = (random.unit() * 2 - 1) * units
        return value + max(abs(value), floor) * epsilon.relative * noise + epsilon.tiny * noise
      })
  }
}

extension Tensor {
  fileprivate func replacingNaN(with bound: Double, where operand: Tensor) -> Tensor {
    guard elementType.isFloat, operand.count == count else { return self }
    let source = operand.doubles
    guard source.contains(where: \.isNaN) else { return self }
    return Tensor(elementType, shape, doubles: zip(doubles, source).map { $1.isNaN ? bound : $0 })
  }
}
