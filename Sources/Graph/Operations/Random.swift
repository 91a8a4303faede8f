import Foundation
import SwageTensor

/// Random numbers, the same in every run: `offset + scale · n`, where n are the numbers of NumPy's `RandomState(seed)`:
/// those of `random_sample` in [0, 1), or of `randn`, drawn in row-major order in double precision and rounded once.
///
/// Operand 0 (optional): the number of the stream, an i64 scalar such as the iteration of a loop. Stream 0 has the seed
/// itself; others have it plus the number times 2654435769, in 32 bits.
public struct Random: OpDefinition {
  public enum Distribution: String, Hashable, Sendable, CaseIterable { case uniform, normal }

  public static let mnemonic = "random"
  public var distribution: Distribution
  public var type: TensorType
  public var seed: UInt32
  public var offset: Double
  public var scale: Double

  public init(_ distribution: Distribution, type: TensorType, seed: UInt32, offset: Double = 0, scale: Double = 1) {
    self.distribution = distribution
    self.type = type
    self.seed = seed
    self.offset = offset
    self.scale = scale
  }

  public var attributes: AttributeList {
    AttributeList().with("distribution", distribution).with("type", type.elementType).with("shape", type.shape)
      .with("seed", Int(seed)).with("offset", .float(offset), unless: .float(0))
      .with("scale", .float(scale), unless: .float(1))
  }
  public init(_ attributes: inout AttributeReader) throws {
    distribution = try attributes.word("distribution")
    type = TensorType(try attributes.elementType("type"), try attributes.dimensions("shape"))
    let number = try attributes.integer("seed")
    guard let seed = UInt32(exactly: number) else { throw TypeFault("a seed of \(number)") }
    self.seed = seed
    offset = try attributes.float("offset", default: 0)
    scale = try attributes.float("scale", default: 1)
  }
  public var numericClass: NumericClass { .rounding }
  public var symbols: [String] { type.shape.flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Random {
    var copy = self
    copy.type.shape = type.shape.map { $0.substituting(values) }
    return copy
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(0...1)
    if let stream = context.optional(0) {
      try context.require(stream == TensorType(.i64), "the stream is an i64 scalar, got \(stream)")
    }
    try context.require(type.elementType.isFloat, "random numbers are floats, not \(type.elementType.name)")
    return [type]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let shape = try context.sizes(type.shape)
    try context.checkAllocation(type.elementType, shape)
    let stream = operands.first.flatMap { $0?.integers.first } ?? 0
    var numbers = NumPyGenerator(seed: seed &+ UInt32(truncatingIfNeeded: stream) &* 2_654_435_769)
    let values = (0..<(Checked.product(shape) ?? 0)).map { _ in
      offset + scale * (distribution == .uniform ? numbers.uniform() : numbers.normal())
    }
    return [Tensor(type.elementType, shape, doubles: values)]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim { results[0].elementCount * 8 }
}

/// NumPy's `RandomState`: uniform numbers of 53 bits, and normal ones by the polar method of Marsaglia and Bray (1964).
struct NumPyGenerator {
  private var engine: MersenneTwister
  private var spare: Double?

  init(seed: UInt32) { engine = MersenneTwister(seed: seed) }

  mutating func uniform() -> Double {
    let high = Double(engine.next() >> 5)
    return (high * 0x1p26 + Double(engine.next() >> 6)) * 0x1p-53
  }

  mutating func normal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    while true {
      let x = 2 * uniform() - 1
      let y = 2 * uniform() - 1
      let square = x * x + y * y
      guard square > 0, square < 1 else { continue }
      let factor = (-2 * log(square) / square).squareRoot()
      spare = factor * x
      return factor * y
    }
  }
}
