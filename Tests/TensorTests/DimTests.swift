import SwageTensor
import Testing

@Suite struct DimTests {
  /// Texts whose numbers do not fit, or that would multiply out without end: an expression or nil, never a trap.
  @Test(arguments: [
    "mod(-9223372036854775807, 3)", "mod(-9223372036854775807 - 1, -1)", "floordiv(-9223372036854775807 - 1, -1)",
    "floordiv(-9223372036854775807*h - h, -1)", "mod(-9223372036854775807*h - h, -1)",
    "floordiv(-9223372036854775807*h - h, -w)", "9223372036854775807*h*9223372036854775807",
    (0..<40).map { "(a\($0) + b\($0))" }.joined(separator: "*"),
    String(repeating: "(", count: 1000) + "h" + String(repeating: ")", count: 1000),
  ]) func hostileTextIsHarmless(_ text: String) {
    guard let dim = Dim(parsing: text) else { return }
    _ = dim.evaluate(["h": .min, "w": -1])
    #expect(Dim(parsing: dim.description) == dim || dim.description.contains("9223372036854775808"))
  }

  @Test(arguments: [
    ("min(a, min(a, b))", "min(a, b)"), ("max(max(b, a), a)", "max(b, a)"), ("max(a, min(b, a))", "a"),
    ("min(max(a, b), b)", "b"), ("min(a, max(b, c))", "min(a, max(b, c))"),
    ("min(a, 2*min(a, b))", "min(a, 2*min(a, b))"),
  ]) func minimaAndMaximaAbsorb(_ text: String, _ expected: String) throws {
    let (left, right) = (try #require(Dim(parsing: text)), try #require(Dim(parsing: expected)))
    #expect(left == right)
  }

  @Test(
    arguments: [
      ("h - 2*floordiv(h, 2)", 0, 1), ("2*floordiv(h, 2) - h + 2", 1, 2), ("6*floordiv(h + 1, 3) - 2*h", -2, 2),
      ("h - 2*floordiv(h, 3)", 0, nil), ("-h - 2*floordiv(-h, 2)", 0, 1),
    ] as [(String, Int, Int?)]) func remaindersAreBounded(_ text: String, _ lower: Int, _ upper: Int?) throws
  {
    let dim = try #require(Dim(parsing: text))
    let bounds = dim.bounds { _ in .size }
    #expect(bounds.upper == upper)
    if upper != nil { #expect(bounds.lower == lower) }
    for h in 0..<20 {
      let value = try #require(dim.evaluate(["h": h]))
      #expect(value >= bounds.lower ?? value && value <= bounds.upper ?? value)
    }
  }

  @Test func remainderHasTheDivisorsSign() {
    for n in -7...7 {
      for d in [-3, -2, -1, 1, 2, 3] {
        let rest = Dim(n).remainder(by: Dim(d)).constant ?? 99
        let quotient = Dim(n).floorDivided(by: Dim(d)).constant ?? 99
        #expect(quotient * d + rest == n)
        #expect(rest == 0 || (rest < 0) == (d < 0))
      }
    }
  }

  @Test func dividingByMinusOneNegates() {
    let h = Dim.symbol("h")
    #expect((h * 3 - 2).floorDivided(by: -1) == 2 - h * 3)
    #expect((h * 3 - 2).remainder(by: -1) == 0)
  }
}
