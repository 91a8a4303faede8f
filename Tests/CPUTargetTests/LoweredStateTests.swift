import SwageGraph
import SwageTensor
import Testing

/// Kernels that go through time, draw numbers, and look at bits.
@Suite struct LoweredStateTests {
  @Test func linearAttention() throws {
    var random = SeededNumbers(31)
    let cases = LoweredCases()
    for rule in LinearAttention.Rule.allCases {
      // Two heads of keys of 5 by 37, read by four of queries; 37 is more than a block of columns.
      let (q, k, v) = (
        random.tensor(.f32, [2, 6, 20], scale: 0.5), random.tensor(.f32, [2, 6, 10], scale: 0.5),
        random.tensor(.f32, [2, 6, 74], scale: 0.5)
      )
      let state = random.tensor(.f32, [2, 2, 5, 37], scale: 0.5)
      let (perHead, perKey) = (
        random.tensor(.f32, [2, 6, 2], scale: 0.5), random.tensor(.f32, [2, 6, 10], scale: 0.5)
      )
      let shared = random.tensor(.f32, [2, 6, 1], scale: 0.5)
      let op = Op.linearAttention(LinearAttention(rule, queryHeads: 4, keyHeads: 2, scale: 0.4))
      for isWide in [false, true] {
        try cases.single(
          "linear attention \(rule)", op,
          [
            .input(q), .input(k), .input(v), isWide ? .input(state) : .absent,
            rule.hasDecay ? .input(isWide ? perKey : perHead) : .absent,
            rule.hasBeta ? .input(isWide ? perHead : shared) : .absent,
          ], tolerance: 1e-4)
      }
    }
    try cases.check()
  }

  @Test func bitsOfOtherTypes() throws {
    let cases = LoweredCases()
    for (from, to) in [(ElementType.f32, ElementType.i32), (.i64, .f64), (.u16, .bf16), (.u8, .f8e8m0), (.i4, .u4)] {
      let values = (0..<67).map { Int64($0) &* 0x0123_4567_89ab_cdef }
      let bits = Tensor(from, [67], integers: values)
      try cases.single("bits of \(from)", .bitcast(Bitcast(to: to)), [.input(bits)], tolerance: 0)
    }
    try cases.check()
  }
}
