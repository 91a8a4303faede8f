import Foundation
import SwageTensor

/// PyTorch's generator on the CPU: the same seed gives the numbers of `torch.Generator().manual_seed(seed)`.
///
/// The random bits are those of PyTorch; normal values agree within 1e-6, as PyTorch's vectorised logarithm and cosine
/// differ from the C library's in the last bits.
public struct TorchGenerator: Sendable {
  private var engine: MersenneTwister
  /// The second value of a pair that the scalar algorithm has made and not yet given out.
  private var cached: Double?

  /// Seeds as `manual_seed` does: the engine takes the low 32 bits.
  public init(seed: UInt64) {
    engine = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
  }

  /// `torch.randn(count, generator: self)` in f32. From 16 values on PyTorch fills blocks of 16; shorter requests take
  /// values one by one in double precision, and keep the second value of each pair for the next short request.
  public mutating func randn(_ count: Int) -> [Float] {
    guard count > 0 else { return [] }
    if count < 16 { return (0..<count).map { _ in Float(normal()) } }
    var values = (0..<count).map { _ in uniform() }
    for start in stride(from: 0, through: count - 16, by: 16) { Self.transform(&values, from: start) }
    if count % 16 != 0 {
      // The last 16 values are drawn again, over the end of the last whole block.
      for index in count - 16..<count { values[index] = uniform() }
      Self.transform(&values, from: count - 16)
    }
    return values
  }

  /// 24 random bits in [0, 1).
  private mutating func uniform() -> Float {
    Float(engine.next() & 0xff_ffff) * 0x1p-24
  }

  /// 53 random bits in [0, 1); the first word drawn is the high one.
  private mutating func uniformDouble() -> Double {
    let high = UInt64(engine.next())
    let bits = high << 32 | UInt64(engine.next())
    return Double(bits & (1 << 53 - 1)) * 0x1p-53
  }

  /// Box–Muller on one pair.
  private mutating func normal() -> Double {
    if let value = cached {
      cached = nil
      return value
    }
    let angle = 2 * Double.pi * uniformDouble()
    let radius = (-2 * log1p(-uniformDouble())).squareRoot()
    cached = radius * sin(angle)
    return radius * cos(angle)
  }

  /// Box–Muller on 16 uniform values: value j pairs with value j + 8. PyTorch rounds the angle to f32; how it rounds the
  /// functions depends on the machine, so they are exact here.
  private static func transform(_ values: inout [Float], from start: Int) {
    let turn = Float(2 * Double.pi)
    for index in start..<start + 8 {
      let radius = (-2 * log(Double(1 - values[index]))).squareRoot()
      let angle = Double(turn * values[index + 8])
      values[index] = Float(radius * cos(angle))
      values[index + 8] = Float(radius * sin(angle))
    }
  }
}
