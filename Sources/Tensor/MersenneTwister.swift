/// The 32-bit Mersenne Twister mt19937 (Matsumoto and Nishimura 1998), seeded with 32 bits as in the authors'
/// `init_genrand`.
public struct MersenneTwister: Sendable {
  private static let size = 624
  private static let shift = 397

  private var state: [UInt32]
  private var position = MersenneTwister.size

  public init(seed: UInt32) {
    state = [UInt32](repeating: seed, count: Self.size)
    for index in 1..<Self.size {
      let previous = state[index - 1]
      state[index] = 1_812_433_253 &* (previous ^ previous >> 30) &+ UInt32(index)
    }
  }

  public mutating func next() -> UInt32 {
    if position == Self.size { twist() }
    var bits = state[position]
    position += 1
    bits ^= bits >> 11
    bits ^= bits << 7 & 0x9d2c_5680
    bits ^= bits << 15 & 0xefc6_0000
    return bits ^ bits >> 18
  }

  private mutating func twist() {
    for index in 0..<Self.size {
      let next = state[(index + 1) % Self.size]
      let mixed = state[index] & 0x8000_0000 | next & 0x7fff_ffff
      state[index] = state[(index + Self.shift) % Self.size] ^ mixed >> 1 ^ (next & 1) &* 0x9908_b0df
    }
    position = 0
  }
}
