import Foundation
import SwageTensor

/// What the elements of a made-up tensor are for.
enum FuzzContent {
  case any
  /// No zeros: divisors.
  case nonZero
  /// 0.25...2: scales, variances.
  case positive
  /// Small whole numbers from 0 on: exponents, shifts.
  case small
  /// Valid along an axis of this many elements; a part counts from the end.
  case indices(Int)
  /// Whole numbers within these bounds.
  case range(ClosedRange<Int>)
}

/// How adventurous the numbers of one graph are.
enum FuzzMood {
  /// Small numbers, many of them whole.
  case calm
  /// Zeros of both signs, denormals, large and small numbers among them.
  case special
  /// NaN and infinities too.
  case wild
}

extension FuzzRandom {
  mutating func tensor(
    _ type: ElementType, _ shape: [Int], _ content: FuzzContent = .any, mood: FuzzMood = .calm
  ) -> Tensor {
    let count = shape.reduce(1, *)
    switch content {
    case .indices(let size):
      let negative = chance(30)
      return Tensor(
        type, shape,
        integers: (0..<count).map { _ in
          let index = below(size)
          return Int64(negative && chance(40) ? index - size : index)
        })
    case .range(let range):
      return Tensor(type, shape, doubles: (0..<count).map { _ in Double(within(range)) })
    case .small: return Tensor(type, shape, doubles: (0..<count).map { _ in Double(below(4)) })
    case .any, .nonZero, .positive: break
    }
    if type == .string { return strings(shape) }
    if type == .bool { return Tensor(.bool, shape, integers: (0..<count).map { _ in Int64(below(2)) }) }
    if type.isFloat {
      let isPositive = if case .positive = content { true } else { false }
      let isWhole = !isPositive && chance(15)
      let isSplat = chance(8)
      let first = number(type, mood: mood)
      let values = (0..<count).map { _ -> Double in
        if isPositive { return 0.25 + unit() * 1.75 }
        if isSplat { return first }
        let value = isWhole ? Double(within(-4...4)) : number(type, mood: mood)
        if case .nonZero = content, value == 0 { return 1 }
        return value
      }
      return Tensor(type, shape, doubles: values)
    }
    let isLarge = mood != .calm && chance(40)
    let values = (0..<count).map { _ -> Int64 in
      let value = isLarge ? Int64(bitPattern: next()) >> Int64(below(64)) : Int64(within(-8...8))
      let kept = type.isUnsignedInteger && !isLarge ? abs(value) : value
      switch content {
      case .nonZero, .positive: return Self.lowBits(kept, type) == 0 ? 1 : kept
      case .any, .small, .indices, .range: return kept
      }
    }
    return Tensor(type, shape, integers: values)
  }

  private static func lowBits(_ value: Int64, _ type: ElementType) -> Int64 {
    type.bitWidth >= 64 ? value : value & ((1 << Int64(type.bitWidth)) - 1)
  }

  private mutating func number(_ type: ElementType, mood: FuzzMood) -> Double {
    let plain = unit() * 4 - 2
    switch mood {
    case .calm: return chance(4) ? pick([0, 1, -1, 0.5, 2]) : plain
    case .special, .wild:
      let isWide = type == .f32 || type == .f64 || type == .bf16
      switch below(40) {
      case 0: return 0
      case 1: return -0.0
      case 2: return isWide ? 1e-40 * plain : 1e-7 * plain
      case 3: return (isWide ? 1e6 : 100) * plain
      case 4: return 1e-4 * plain
      case 5: return Double(within(-100...100))
      case 6 where isWide: return 1e30 * plain
      case 7 where mood == .wild: return pick([.nan, .infinity, -.infinity])
      case 8: return pick([0.5, 1.5, 2.5, -0.5, -1.5, 1, -1, 2, 3])
      default: return plain
      }
    }
  }
}
