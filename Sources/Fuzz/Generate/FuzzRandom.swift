/// Seeded random numbers, the same on every machine (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
struct FuzzRandom: RandomNumberGenerator {
  private var state: UInt64

  /// A stream of its own for each pair.
  init(seed: UInt64, stream: UInt64) {
    state = seed
    state = next() ^ stream &* 0xD1B5_4A32_D192_ED03
    state = next()
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// 0..<bound; 0 where the bound is not positive.
  mutating func below(_ bound: Int) -> Int { bound <= 0 ? 0 : Int(next() % UInt64(bound)) }

  mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

  mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }

  mutating func pick<T>(optional list: [T]) -> T? { list.isEmpty ? nil : list[below(list.count)] }

  /// 0..<1
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for index in order.indices { order.swapAt(index, below(count)) }
    return order
  }
}
