import SwageGraph
import SwageTensor

extension FuzzRandom {
  /// Words that text operations tell apart: none, blanks, case, several bytes for a character, numbers, repetitions.
  private static let words = [
    "", " ", "a", "b", "ab", "A", "Äpfel", "straße", "日本", "a b", " a  b ", "a,b,,c", ",", "the", "The", "1", "-2",
    "3.5",
    "1e3", " 7 ", "aaa", "a\tb",
  ]
  private static let numbers = ["0", "1", "-1", "2", "12", "3.5", "-0.25", "1e2", " 7 ", "100"]

  mutating func strings(_ shape: [Int]) -> Tensor {
    let kind = below(4)
    return Tensor(
      strings: (0..<shape.reduce(1, *)).map { _ in
        kind == 0 ? pick(Self.numbers) : kind == 1 ? pick(["a", "b", "ab"]) : pick(Self.words)
      }, shape)
  }
}

/// Strings. Most of what happens to them is movement, which takes them as any other elements; here is what reads them.
extension GraphGenerator {
  mutating func text() {
    let found = random.chance(75) ? value { $0.elementType == .string } : nil
    guard let x = found ?? input(.string, shape()) else { return }
    let shape = type(x).shape
    switch random.below(9) {
    case 0: append(.text(TextOp(.fullMatch, words: [pattern()], results: [TensorType(.bool, shape)])), [x])
    case 1: split(x)
    case 2: normalize(x)
    case 3: format()
    case 4: parse(x)
    case 5: find(x)
    case 6:
      guard let y = partner(of: type(x)) else { return }
      append(.binary(Binary(.equal)), [x, y])
    case 7: grams(x)
    default: concat(x)
    }
  }

  private mutating func pattern() -> String {
    random.pick([
      "a+", "[a-c]*", ".*", "(a|b)b?", "\\s*[-+]?\\d+(\\.\\d*)?\\s*", "(?i)the", "", "日.", "a{2,3}", "\\pL+",
    ])
  }

  private mutating func concat(_ x: ValueID) {
    guard let y = partner(of: type(x)) else { return }
    let (a, b) = random.chance(50) ? (x, y) : (y, x)
    let shapes = [type(a).shape, type(b).shape]
    let rank = max(shapes[0].count, shapes[1].count)
    let shape = (0..<rank).map { axis -> Dim in
      let sizes = shapes.compactMap { axis < rank - $0.count ? nil : $0[axis - rank + $0.count] }
      return sizes.first { $0 != 1 } ?? 1
    }
    append(.text(TextOp(.concat, results: [TensorType(.string, shape)])), [a, b])
  }

  private mutating func split(_ x: ValueID) {
    let shape = type(x).shape
    let width = Dim.symbol(freshSymbol())
    let op = TextOp(
      .split, words: [random.pick(["", ",", " ", "a", "ab"])], limit: random.chance(60) ? -1 : random.below(3),
      results: [TensorType(.string, shape + [width]), TensorType(.i64, shape)])
    append(.text(op), [x])
  }

  private mutating func normalize(_ x: ValueID) {
    let shape = type(x).shape
    guard shape.count == 1 || (shape.count == 2 && shape[0] == 1) else { return }
    let width = Dim.symbol(freshSymbol())
    let stops = random.pick([[], ["a"], ["the", ""], ["A", "1"]])
    let op = TextOp(
      .normalize, words: [random.pick(["LOWER", "UPPER", "NONE"]), "en_US"] + stops, limit: random.below(2),
      results: [TensorType(.string, shape.count == 2 ? [1, width] : [width])])
    append(.text(op), [x])
  }

  private mutating func format() {
    guard let x = anyValue(), type(x).elementType.isNumeric else { return }
    append(.text(TextOp(.format, results: [TensorType(.string, type(x).shape)])), [x])
  }

  private mutating func parse(_ x: ValueID) {
    let to = random.pick([ElementType.f32, .f64, .i64, .i32])
    append(.text(TextOp(.parse, results: [TensorType(to, type(x).shape)])), [x])
  }

  private mutating func find(_ x: ValueID) {
    let count = random.within(1...5)
    guard let keys = constant(random.strings([count])),
      let place = append(.text(TextOp(.find, results: [TensorType(.i64, type(x).shape)])), [x, keys])?.first
    else { return }
    // What becomes of the place: the element of a table, with a default after the last.
    guard random.chance(60), let table = operand(TensorType(mainType, [Dim(count + 1)])) else { return }
    append(.gather(Gather(axis: 0)), [table, place])
  }

  private mutating func grams(_ given: ValueID) {
    let rows = random.chance(50) ? [size()] : [size(), size()]
    let isText = random.chance(50)
    let x = isText ? ((1...2).contains(type(given).rank) ? given : nil) : operand(TensorType(.i64, rows), .range(0...2))
    guard let x else { return }
    let (ones, pairs, triples) = (random.below(3), random.below(3), random.below(2))
    // Distinct grams of one, two and three elements: of equal ones another may count elsewhere.
    var members: [Int] = Array([0, 1].prefix(ones))
    members += [0, 1, 1, 0].prefix(pairs * 2)
    members += [0, 0, 1].prefix(triples * 3)
    let pool =
      isText
      ? Tensor(strings: members.map { $0 == 0 ? "a" : "b" }, [members.count])
      : Tensor(.i64, [members.count], integers: members.map { Int64($0) })
    let count = ones + pairs + triples
    guard count > 0, let grams = constant(pool),
      let places = constant(Tensor(.i64, [count], integers: random.permutation(count).map(Int64.init)))
    else { return }
    let shortest = random.within(1...3)
    let op = NgramCount(
      starts: [0, ones, ones + pairs * 2], lengths: shortest...random.within(shortest...3),
      largestSkip: random.below(3), width: count + random.below(2))
    append(.ngramCount(op), [x, grams, places])
  }
}
