import SwageGraph
import SwageKernel
import SwagePartition
import SwageTensor

/// The Mersenne Twister and what NumPy makes of its words, on one thread: each word depends on those before it.
enum RandomKernels {
  private static let size = 624
  private static let shift = 397
  /// Tries for a pair of normal numbers; all of them fail with a probability of 2^-141.
  private static let tries = 64

  static func make(_ op: Random, _ node: Node, in graph: Graph) -> Recipe? {
    let element = op.type.elementType
    let k = KernelBuilder("random_\(op.distribution.rawValue)_\(element.name)")
    let stream = node.type(0, in: graph).map { k.input($0.elementType) }
    let y = k.output(element)
    let state = k.array("state", .u32, count: size)
    func word(_ value: UInt32) -> Expression { .integer(Int64(value), .u32) }
    func right(_ x: Expression, _ bits: UInt32) -> Expression { .call(.shiftRight, [x, word(bits)]) }
    func left(_ x: Expression, _ bits: UInt32) -> Expression { .call(.shiftLeft, [x, word(bits)]) }

    var seed = word(op.seed)
    if let stream { seed = seed + k.load(stream, 0).cast(.u32) * word(2_654_435_769) }
    k.store(state, 0, seed)
    k.loop("i", from: 1, to: .i64(size)) { i in
      let last = k.let("last", k.load(state, i - 1))
      k.store(state, i, word(1_812_433_253) * last.bitXor(right(last, 30)) + i.cast(.u32))
    }
    let place = k.variable("place", 0)
    /// Words are mixed one at a time, which gives the same ones as mixing all at once.
    func next() -> Expression {
      let at = k.let("at", place.value)
      let after = k.let("after", .choose((at + 1).equal(.i64(size)), 0, at + 1))
      let far = k.let(
        "far", .choose((at + .i64(shift)).lessThan(.i64(size)), at + .i64(shift), at - .i64(size - shift)))
      let mixed = k.let(
        "mixed",
        k.load(state, at).bitAnd(word(0x8000_0000)).bitOr(k.load(state, after).bitAnd(word(0x7fff_ffff))))
      let new = k.load(state, far).bitXor(right(mixed, 1)).bitXor(mixed.bitAnd(word(1)) * word(0x9908_b0df))
      k.store(state, at, new)
      k.assign(place, after)
      var bits = k.let("bits", k.load(state, at))
      bits = k.let("bits", bits.bitXor(right(bits, 11)))
      bits = k.let("bits", bits.bitXor(left(bits, 7).bitAnd(word(0x9d2c_5680))))
      bits = k.let("bits", bits.bitXor(left(bits, 15).bitAnd(word(0xefc6_0000))))
      return k.let("bits", bits.bitXor(right(bits, 18)))
    }
    func uniform() -> Expression {
      let high = right(next(), 5).cast(.f64)
      let low = right(next(), 6).cast(.f64)
      return k.let("uniform", (high * .f64(0x1p26) + low) * .f64(0x1p-53))
    }
    func put(_ index: Expression, _ number: Expression) {
      let value = .f64(op.offset) + .f64(op.scale) * number
      k.store(y, index, ElementwiseExpressions.cast(value, from: .f64, to: element))
    }

    let count = k.size(op.type.elementCount)
    switch op.distribution {
    case .uniform: k.loop("i", to: count) { put($0, uniform()) }
    case .normal:
      k.loop("pair", to: count, step: 2) { pair in
        let (first, second) = (k.variable("first", .f64(0)), k.variable("second", .f64(0)))
        let isOpen = k.variable("open", .bool(true))
        k.loop("attempt", to: .i64(tries)) { _ in
          k.if(isOpen.value) {
            let a = k.let("x", .f64(2) * uniform() - .f64(1))
            let b = k.let("y", .f64(2) * uniform() - .f64(1))
            let square = k.let("square", a * a + b * b)
            k.if(square.greaterThan(.f64(0)).and(square.lessThan(.f64(1)))) {
              let factor = k.let("factor", .call(.sqrt, [.f64(-2) * .call(.log, [square]) / square]))
              k.assign(first, factor * b)
              k.assign(second, factor * a)
              k.assign(isOpen, .bool(false))
            }
          }
        }
        put(pair, first.value)
        k.if((pair + 1).lessThan(count)) { put(pair + 1, second.value) }
      }
    }
    return .kernel(k.finish(), operands: stream == nil ? [] : [0], label: "random")
  }
}
