extension Dim {
  /// Values that an expression can take: nil where an end is not known.
  public struct Bounds: Hashable, Sendable {
    public var lower: Int?
    public var upper: Int?

    public init(lower: Int?, upper: Int?) {
      self.lower = lower
      self.upper = upper
    }

    /// Sizes: nothing is known but that they are not negative.
    public static let size = Bounds(lower: 0, upper: nil)
    public static let unknown = Bounds(lower: nil, upper: nil)
  }

  /// Bounds that follow from the bounds of the symbols by interval arithmetic; sound, not always tight.
  public func bounds(_ symbol: (String) -> Bounds) -> Bounds {
    let sum = termBounds(symbol)
    guard let (rest, remainders) = withoutRounding() else { return sum }
    // h - 2·floor(h / 2) is a remainder, which term by term does not show.
    let exact = rest.termBounds(symbol)
    return Bounds(
      lower: [sum.lower, Bounds.join(exact.lower, remainders.lower, Checked.add)].compactMap { $0 }.max(),
      upper: [sum.upper, Bounds.join(exact.upper, remainders.upper, Checked.add)].compactMap { $0 }.min())
  }

  /// The expression with k·c·floor(x / c) replaced by k·x, and the bounds of what that leaves out: -k·(x mod c).
  private func withoutRounding() -> (rest: Dim, remainders: Bounds)? {
    var (rest, remainders) = (self, Bounds(lower: 0, upper: 0))
    var isChanged = false
    for term in terms {
      guard term.monomial.atoms.count == 1, case .floorDivide(let x, let by) = term.monomial.atoms[0].kind,
        let c = by.constant, c > 0, term.coefficient % c == 0
      else { continue }
      let k = term.coefficient / c
      rest = rest - Dim(terms: [term]) + x * Dim(k)
      let left = Bounds(lower: 0, upper: c - 1).scaled(by: 0 &- k)
      remainders = Bounds(
        lower: Bounds.join(remainders.lower, left.lower, Checked.add),
        upper: Bounds.join(remainders.upper, left.upper, Checked.add))
      isChanged = true
    }
    return isChanged && !rest.isTooComplex ? (rest, remainders) : nil
  }

  private func termBounds(_ symbol: (String) -> Bounds) -> Bounds {
    var sum = Bounds(lower: 0, upper: 0)
    for term in terms {
      let product = term.monomial.bounds(symbol).scaled(by: term.coefficient)
      sum = Bounds(
        lower: Bounds.join(sum.lower, product.lower, Checked.add),
        upper: Bounds.join(sum.upper, product.upper, Checked.add))
    }
    return sum
  }
}

extension Dim.Bounds {
  fileprivate static func join(_ a: Int?, _ b: Int?, _ function: (Int, Int) -> Int?) -> Int? {
    guard let a, let b else { return nil }
    return function(a, b)
  }

  fileprivate func scaled(by factor: Int) -> Dim.Bounds {
    let low = lower.flatMap { Checked.multiply($0, factor) }
    let high = upper.flatMap { Checked.multiply($0, factor) }
    return factor >= 0 ? Dim.Bounds(lower: low, upper: high) : Dim.Bounds(lower: high, upper: low)
  }

  fileprivate func floorDivided(by divisor: Int) -> Dim.Bounds {
    Dim.Bounds(
      lower: lower.map { Dim.floorDivide($0, divisor) }, upper: upper.map { Dim.floorDivide($0, divisor) })
  }
}

extension Dim.Monomial {
  fileprivate func bounds(_ symbol: (String) -> Dim.Bounds) -> Dim.Bounds {
    guard let first = atoms.first else { return Dim.Bounds(lower: 1, upper: 1) }
    var product = first.bounds(symbol)
    for atom in atoms.dropFirst() {
      let factor = atom.bounds(symbol)
      // Products are bounded factor by factor only where no factor is negative.
      guard let a = product.lower, let b = factor.lower, a >= 0, b >= 0 else { return .unknown }
      product = Dim.Bounds(
        lower: Checked.multiply(a, b), upper: Dim.Bounds.join(product.upper, factor.upper, Checked.multiply))
    }
    return product
  }
}

extension Dim.Atom {
  fileprivate func bounds(_ symbol: (String) -> Dim.Bounds) -> Dim.Bounds {
    switch kind {
    case .symbol(let name): return symbol(name)
    case .floorDivide(let a, let b):
      let numerator = a.bounds(symbol)
      if let divisor = b.constant, divisor > 0 { return numerator.floorDivided(by: divisor) }
      guard let least = b.bounds(symbol).lower, least >= 1, let low = numerator.lower, low >= 0 else { return .unknown }
      return Dim.Bounds(lower: 0, upper: numerator.upper)
    case .remainder(_, let b):
      let divisor = b.bounds(symbol)
      guard let least = divisor.lower, least >= 1 else { return .unknown }
      return Dim.Bounds(lower: 0, upper: divisor.upper.map { $0 - 1 })
    case .minimum(let a, let b):
      let (x, y) = (a.bounds(symbol), b.bounds(symbol))
      return Dim.Bounds(
        lower: Dim.Bounds.join(x.lower, y.lower) { min($0, $1) },
        upper: [x.upper, y.upper].compactMap { $0 }.min())
    case .maximum(let a, let b):
      let (x, y) = (a.bounds(symbol), b.bounds(symbol))
      return Dim.Bounds(
        lower: [x.lower, y.lower].compactMap { $0 }.max(),
        upper: Dim.Bounds.join(x.upper, y.upper) { max($0, $1) })
    }
  }
}
