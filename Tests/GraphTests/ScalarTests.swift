import Foundation
import SwageTensor
import Testing

@Suite struct ScalarTests {
  private static let narrow: [ElementType] = [.f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0, .f4e2m1]

  private func decoded(_ type: ElementType, _ patterns: [UInt64]) -> [Double] {
    let bytes: ElementType = type.bitWidth == 16 ? .u16 : type.bitWidth == 8 ? .u8 : .u4
    return Tensor(bytes, [patterns.count], integers: patterns.map { Int64($0) }).reinterpreted(as: type).doubles
  }

  private func encoded(_ type: ElementType, _ values: [Double]) -> [UInt64] {
    let bytes: ElementType = type.bitWidth == 16 ? .u16 : type.bitWidth == 8 ? .u8 : .u4
    return Tensor(type, [values.count], doubles: values).reinterpreted(as: bytes).integers.map { UInt64($0) }
  }

  @Test(arguments: narrow)
  func everyPatternDecodesAsMLDtypesDoes(_ type: ElementType) throws {
    let expected = try #require(try Expected.floats().tables[type.name]?.map(\.value))
    #expect(expected.count == 1 << type.bitWidth)
    let values = decoded(type, (0..<UInt64(expected.count)).map { $0 })
    for (pattern, (value, other)) in zip(values, expected).enumerated() {
      #expect(value.isNaN ? other.isNaN : value == other && value.sign == other.sign, "\(type) \(pattern)")
    }
    // Each number encodes to its own pattern.
    for (pattern, value) in values.enumerated() where !value.isNaN {
      #expect(encoded(type, [value]) == [UInt64(pattern)], "\(type) \(value)")
    }
  }

  @Test(arguments: narrow + [.f16, .bf16])
  func roundingIsAsMLDtypesRounds(_ type: ElementType) throws {
    let expected = try #require(try Expected.floats().rounded[type.name])
    let values = expected.from.map { Double(Float($0.value)) }
    let rounded = Tensor(type, [values.count], doubles: values).doubles
    for (index, (value, other)) in zip(rounded, expected.to.map(\.value)).enumerated() {
      #expect(value == other, "\(type) \(values[index])")
    }
  }

  /// Every number between two neighbours rounds to the nearer, a tie to the even pattern.
  @Test(arguments: [ElementType.f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f4e2m1, .f16, .bf16])
  func tiesRoundToEven(_ type: ElementType) {
    let count = UInt64(1) << (type.bitWidth - 1)
    let values = decoded(type, (0..<count).map { $0 })
    let finite = values.prefix { $0.isFinite }.count
    for low in stride(from: 0, to: finite - 1, by: type.bitWidth == 16 ? 7 : 1) {
      let (a, b) = (values[low], values[low + 1])
      let middle = (a + b) / 2
      let even = UInt64(low % 2 == 0 ? low : low + 1)
      #expect(encoded(type, [middle, middle.nextDown, middle.nextUp]) == [even, UInt64(low), UInt64(low) + 1], "\(a)")
    }
  }

  @Test func halfIsTheHardwareHalf() {
    #if !arch(x86_64) || os(Linux)
      let patterns = (0..<UInt64(65536)).map { $0 }
      let values = decoded(.f16, patterns)
      for (pattern, value) in zip(patterns, values) {
        let hardware = Float16(bitPattern: UInt16(pattern))
        #expect(value.isNaN ? hardware.isNaN : value == Double(hardware) && value.sign == hardware.sign)
        if !value.isNaN { #expect(encoded(.f16, [value]) == [pattern]) }
      }
      var random = SplitMix(seed: 6)
      let samples = (0..<20_000).map { _ in Double(Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random)))
      }
      let scaled = samples + (0..<20_000).map { _ in Double.random(in: -70_000...70_000, using: &random) }
      for (value, code) in zip(scaled, encoded(.f16, scaled)) where !value.isNaN {
        #expect(code == UInt64(Float16(value).bitPattern), "\(value)")
      }
    #endif
  }

  @Test func bfloatKeepsTheUpperHalfOfAFloat() {
    let patterns = (0..<UInt64(65536)).map { $0 }
    for (pattern, value) in zip(patterns, decoded(.bf16, patterns)) {
      let float = Float(bitPattern: UInt32(pattern) << 16)
      #expect(value.isNaN ? float.isNaN : value == Double(float) && value.sign == float.sign)
      if !value.isNaN { #expect(encoded(.bf16, [value]) == [pattern]) }
    }
    // Rounding a float adds half a unit, less one where the kept part is even.
    var random = SplitMix(seed: 7)
    for _ in 0..<20_000 {
      let bits = UInt32.random(in: 0...UInt32.max, using: &random)
      let float = Float(bitPattern: bits)
      guard !float.isNaN else { continue }
      let expected = UInt64((bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
      #expect(encoded(.bf16, [Double(float)]) == [expected], "\(float)")
    }
  }

  @Test func beyondTheLargest() {
    for (type, largest) in [(ElementType.f8e4m3fn, 448.0), (.f8e4m3fnuz, 240), (.f8e5m2fnuz, 57344), (.f4e2m1, 6)] {
      let values = Tensor(type, [4], doubles: [1e9, -1e9, .infinity, -.infinity]).doubles
      #expect(values == [largest, -largest, largest, -largest], "\(type)")
    }
    #expect(Tensor(.f16, [2], doubles: [1e9, -65520]).doubles == [.infinity, -.infinity])
    #expect(Tensor(.f16, [1], doubles: [65519.99]).doubles == [65504])
    for type in Self.narrow where type != .f4e2m1 {
      #expect(Tensor(type, [1], doubles: [.nan]).doubles[0].isNaN, "\(type)")
    }
    // No negative zero.
    #expect(encoded(.f8e4m3fnuz, [-0.0, -1e-9]) == [0, 0])
    #expect(encoded(.f8e5m2fnuz, [-0.0, -1e-9]) == [0, 0])
  }

  @Test func integersSaturate() {
    for type in ElementType.allCases where type.isInteger {
      let bits = type.bitWidth
      let low = type.isSignedInteger ? -exp2(Double(bits - 1)) : 0
      let high = exp2(Double(type.isSignedInteger ? bits - 1 : bits)) - 1
      let tensor = Tensor(type, [7], doubles: [1e30, -1e30, .infinity, -.infinity, .nan, 1.9, -1.9])
      let one = min(1, high)
      #expect(tensor.doubles == [high, low, high, low, 0, one, type.isSignedInteger ? -1 : 0], "\(type)")
    }
  }

  @Test func packedElementsDoNotDisturbEachOther() {
    for type in [ElementType.i4, .u4, .i2, .u2] {
      let count = 1 << type.bitWidth
      let half = Int64(type.isSignedInteger ? count / 2 : 0)
      let values = (0..<11).map { Int64($0 * 5 % count) - half }
      var tensor = Tensor(type, [11], integers: values)
      #expect(tensor.integers == values)
      #expect(tensor.byteCount == (11 * type.bitWidth + 7) / 8)
      for index in 0..<11 {
        tensor.withMutableBytes { ScalarCoding.store(integer: 1 - half, type, $0, index) }
        var expected = values
        for k in 0...index { expected[k] = 1 - half }
        #expect(tensor.integers == expected)
      }
    }
  }

  @Test func tensorsShareAndCopy() {
    let a = Tensor(.f32, [2, 3], doubles: [1, 2, 3, 4, 5, 6])
    var b = a.reshaped([3, 2])
    b.withMutableBytes { ScalarCoding.store(9, .f32, $0, 0) }
    #expect(a.doubles[0] == 1 && b.doubles[0] == 9)
    #expect(Tensor(.f32, [2], storage: a.storage, byteOffset: 20) == nil)
    #expect(Tensor(.f32, [-1], storage: a.storage) == nil)
    #expect(Tensor(.f32, [1], storage: a.storage, byteOffset: -4) == nil)
    #expect(Tensor(.f32, [1 << 40, 1 << 40], storage: a.storage) == nil)
    #expect(Tensor(.f32, [2], storage: a.storage, byteOffset: 16)?.doubles == [5, 6])
  }
}
