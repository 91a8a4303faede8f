import SwageTensor
import Testing

@Suite struct DimTests {
  /// An expression as it was written, to be valued without the normal form.
  private indirect enum Tree {
    case constant(Int)
    case symbol(String)
    case binary(String, Tree, Tree)

    static func random(_ depth: Int, _ random: inout SplitMix) -> Tree {
      let kind = Int.random(in: 0..<(depth == 0 ? 2 : 9), using: &random)
      switch kind {
      case 0: return .constant(Int.random(in: -6...12, using: &random))
      case 1: return .symbol(["a", "b", "c"].randomElement(using: &random) ?? "a")
      default:
        let name = ["+", "-", "*", "floordiv", "mod", "min", "max"][kind - 2]
        return .binary(name, .random(depth - 1, &random), .random(depth - 1, &random))
      }
    }

    var dim: Dim {
      switch self {
      case .constant(let value): Dim(value)
      case .symbol(let name): .symbol(name)
      case .binary(let name, let a, let b):
        switch name {
        case "+": a.dim + b.dim
        case "-": a.dim - b.dim
        case "*": a.dim * b.dim
        case "floordiv": a.dim.floorDivided(by: b.dim)
        case "mod": a.dim.remainder(by: b.dim)
        case "min": .minimum(a.dim, b.dim)
        default: .maximum(a.dim, b.dim)
        }
      }
    }

    /// Whether a divisor is the number zero: such a size has no value and no text.
    var dividesByZero: Bool {
      guard case .binary(let name, let a, let b) = self else { return false }
      return a.dividesByZero || b.dividesByZero || (["floordiv", "mod"].contains(name) && b.dim == 0)
    }

    /// nil where a divisor is zero.
    func value(_ symbols: [String: Int]) -> Int? {
      switch self {
      case .constant(let value): return value
      case .symbol(let name): return symbols[name]
      case .binary(let name, let left, let right):
        guard let a = left.value(symbols), let b = right.value(symbols) else { return nil }
        switch name {
        case "+": return a + b
        case "-": return a - b
        case "*": return a * b
        case "floordiv": return b == 0 ? nil : DimTests.floorDivide(a, b)
        case "mod": return b == 0 ? nil : a - b * DimTests.floorDivide(a, b)
        case "min": return min(a, b)
        default: return max(a, b)
        }
      }
    }
  }

  private static func floorDivide(_ a: Int, _ b: Int) -> Int {
    let quotient = a / b
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient
  }

  @Test func theNormalFormKeepsTheValue() {
    var random = SplitMix(seed: 2)
    var compared = 0
    for _ in 0..<4000 {
      let tree = Tree.random(4, &random)
      let dim = tree.dim
      for _ in 0..<4 {
        let symbols = ["a": 1, "b": 1, "c": 1].mapValues { _ in Int.random(in: 1...9, using: &random) }
        guard let expected = tree.value(symbols) else { continue }
        #expect(dim.evaluate(symbols) == expected, "\(dim) at \(symbols)")
        #expect(dim.substituting(symbols.mapValues { Dim($0) }).constant == expected, "\(dim) at \(symbols)")
        compared += 1
      }
    }
    #expect(compared > 8000)
  }

  @Test func theTextReadsBack() {
    var random = SplitMix(seed: 3)
    for _ in 0..<4000 {
      let tree = Tree.random(4, &random)
      if tree.dividesByZero { continue }
      let dim = tree.dim
      #expect(Dim(parsing: dim.description) == dim, "\(dim)")
    }
  }

  @Test func equalSizesCompareEqual() {
    var random = SplitMix(seed: 4)
    for _ in 0..<2000 {
      let (x, y, z) = (Tree.random(2, &random).dim, Tree.random(2, &random).dim, Tree.random(2, &random).dim)
      #expect(x + y == y + x)
      #expect(x * y == y * x)
      #expect((x + y) + z == x + (y + z))
      #expect((x * y) * z == x * (y * z))
      #expect(x * (y + z) == x * y + x * z)
      #expect(x - x == 0)
      #expect(Dim.minimum(x, y) == .minimum(y, x))
      #expect(Dim.maximum(x, y) == .maximum(y, x))
      #expect((x + y).hashValue == (y + x).hashValue)
      #expect((x + y).description == (y + x).description)
    }
  }

  @Test func divisionLaws() {
    let (h, w) = (Dim.symbol("h"), Dim.symbol("w"))
    #expect((h * 4 + 8).floorDivided(by: 4) == h + 2)
    #expect((h * 4 + w).floorDivided(by: 4) == h + w.floorDivided(by: 4))
    #expect(h.floorDivided(by: 2).floorDivided(by: 3) == h.floorDivided(by: 6))
    #expect((h - 1).floorDivided(by: 2) + 1 == (h + 1).floorDivided(by: 2))
    #expect((h * 4 - 9).floorDivided(by: 8) == (h * 4 + 7).floorDivided(by: 8) - 2)
    // Two convolutions of stride 2 are one of stride 4.
    #expect(((h - 1).floorDivided(by: 2)).floorDivided(by: 2) + 1 == (h + 3).floorDivided(by: 4))
    #expect((h * w * 6).floorDivided(by: h * 2) == w * 3)
    #expect((h * w).dividedExactly(by: h) == w)
    #expect((h + w).dividedExactly(by: h) == nil)
    #expect((h * 6).remainder(by: 3) == 0)
    #expect(h.remainder(by: 1) == 0)
    for n in -20...20 {
      for d in [-7, -3, -1, 1, 2, 5] {
        let floor = Dim(n).floorDivided(by: Dim(d)).constant
        let ceil = Dim(n).ceilDivided(by: Dim(d)).constant
        let mod = Dim(n).remainder(by: Dim(d)).constant
        #expect(floor == Int((Double(n) / Double(d)).rounded(.down)))
        #expect(ceil == Int((Double(n) / Double(d)).rounded(.up)))
        #expect(mod == n - d * Self.floorDivide(n, d))
        #expect(mod == 0 || ((mod ?? 0) < 0) == (d < 0))
        let symbols = ["n": n, "d": d]
        #expect(Dim.symbol("n").floorDivided(by: .symbol("d")).evaluate(symbols) == floor)
        #expect(Dim.symbol("n").ceilDivided(by: .symbol("d")).evaluate(symbols) == ceil)
        #expect(Dim.symbol("n").remainder(by: .symbol("d")).evaluate(symbols) == mod)
      }
    }
  }

  @Test func whatHasNoValue() {
    let h = Dim.symbol("h")
    #expect(h.evaluate([:]) == nil)
    #expect(Dim(1).floorDivided(by: h).evaluate(["h": 0]) == nil)
    #expect(Dim(1).remainder(by: h).evaluate(["h": 0]) == nil)
    #expect(h.floorDivided(by: .symbol("w")).substituting(["h": 0, "w": 0]).evaluate([:]) == nil)
    #expect(h.remainder(by: .symbol("w")).substituting(["h": 0, "w": 0]).evaluate([:]) == nil)
    #expect((h * h).evaluate(["h": 1 << 40]) == nil)
    #expect((h + h).evaluate(["h": .max]) == nil)
    #expect((-h).evaluate(["h": .min]) == nil)
  }

  @Test func extremesDoNotTrap() {
    let h = Dim.symbol("h")
    for n in [Int.min, .min + 1, -1, 0, 1, .max] {
      for d in [Int.min, -2, -1, 1, 2, .max] {
        for x in [Dim(n), h * Dim(n), h * Dim(n) + 1] {
          _ = x.floorDivided(by: Dim(d)).evaluate(["h": 3])
          _ = x.ceilDivided(by: Dim(d)).evaluate(["h": .min])
          _ = x.remainder(by: Dim(d)).evaluate(["h": .max])
          _ = x.dividedExactly(by: Dim(d))
          _ = x.dividedExactly(by: h * Dim(d))
          _ = (x * Dim(d) + Dim(d) - x).evaluate(["h": .max])
          _ = h.floorDivided(by: .symbol("d")).evaluate(["h": n, "d": d])
          _ = h.remainder(by: .symbol("d")).evaluate(["h": n, "d": d])
        }
        #expect(Dim.minimum(Dim(n), Dim(d)).constant == min(n, d))
        #expect(Dim.maximum(Dim(n), Dim(d)).constant == max(n, d))
      }
    }
  }

  @Test func boundsHold() {
    var random = SplitMix(seed: 5)
    for _ in 0..<2000 {
      let tree = Tree.random(3, &random)
      let bounds = tree.dim.bounds { _ in Dim.Bounds(lower: 1, upper: 9) }
      for _ in 0..<8 {
        let symbols = ["a": 1, "b": 1, "c": 1].mapValues { _ in Int.random(in: 1...9, using: &random) }
        guard let value = tree.dim.evaluate(symbols) else { continue }
        #expect(bounds.lower.map { $0 <= value } ?? true, "\(tree.dim) at \(symbols)")
        #expect(bounds.upper.map { value <= $0 } ?? true, "\(tree.dim) at \(symbols)")
      }
    }
  }

  // MARK: - Hostile text

  @Test(arguments: [
    "", " ", "+", "-", "a +", "a b", "2a", "a..", "(", ")", "(a", "a)", "floordiv", "floordiv(a)", "floordiv(a, 0)",
    "mod(a, 1 - 1)", "min(a, b, c)", "foo(a, b)", "a/b", "9223372036854775808", "--a", "a\n", "é", "inf", "nan", "true",
    "min", "a,b", "\u{0}", "0x10", "1e3",
  ])
  func textThatIsNoSize(_ text: String) {
    // A dot is part of a name.
    if text != "a.." { #expect(Dim(parsing: text) == nil) }
  }

  @Test func hostileTextEndsSoon() {
    func nested(_ open: String, _ close: String, _ count: Int) -> String {
      String(repeating: open, count: count) + "a" + String(repeating: close, count: count)
    }
    let sums = (0..<40).map { "(a\($0) + b\($0))" }.joined(separator: "*")
    let squares = Array(repeating: "(a + b + c + d + e)", count: 60).joined(separator: "*")
    let texts = [
      nested("(", ")", 100_000), nested("(-", ")", 100_000), nested("min(b, ", ")", 100_000),
      nested("floordiv(a + ", ", 2)", 63), String(repeating: "-", count: 100_000), sums, squares,
      Array(repeating: sums, count: 40).joined(separator: "*"),
      (0..<20_000).map { "a\($0)" }.joined(separator: " + "), (0..<20_000).map { "a\($0)" }.joined(separator: "*"),
      Array(repeating: "a", count: 30_000).joined(separator: "*"),
      nested("(b + 1)*(c + ", ")", 60), String(repeating: "min(a, b)*", count: 5_000) + "a",
    ]
    for text in texts {
      let dim = Dim(parsing: text)
      if let dim { #expect(dim.description.utf8.count < 1 << 20) }
    }
    #expect(Dim(parsing: nested("(", ")", 100_000)) == nil)
    #expect(Dim(parsing: sums) == nil)
  }

  /// Files decide how sizes are computed: each step may use the one before twice.
  @Test func arithmeticThatGrowsIsCutOff() {
    let steps: [(Dim, Dim) -> Dim] = [
      { $0 * ($0 + $1) }, { $0 * $0 * $1 }, { .minimum($0, $0.floorDivided(by: $1) + $1) },
      { .maximum($0 + $1, ($0 + 1).remainder(by: $1)) }, { ($0 + $1).floorDivided(by: $0 + 1) },
    ]
    for (number, step) in steps.enumerated() {
      var x = Dim.symbol("a")
      for _ in 0..<300 { x = step(x, .symbol("b")) }
      #expect(x.isTooComplex, "\(number)")
      #expect(x.evaluate(["a": 1, "b": 1]) == nil)
      for y in [x + 1, x - x, x * 0, -x, x.floorDivided(by: x), x.remainder(by: 1), .minimum(x, 1), .maximum(1, x)] {
        #expect(y.isTooComplex)
      }
      #expect(x.substituting(["a": 1, "b": 1]).isTooComplex)
      #expect(Dim(parsing: x.description) == nil)
    }
  }

  @Test func symbolNames() {
    for name in ["a", "_", "batch_size", "A.b9"] {
      #expect(Dim.isSymbolName(name))
      #expect(Dim(parsing: name) == .symbol(name))
    }
    for name in ["", "9a", "a b", "a-b", "é", "min", "max", "mod", "floordiv", "inf", "nan", "true", "false", "a\u{0}"]
    {
      #expect(!Dim.isSymbolName(name), "\(name.debugDescription)")
    }
  }
}
