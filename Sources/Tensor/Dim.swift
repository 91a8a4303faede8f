/// A tensor dimension: an integer expression over named symbols, in a normal form, so that two ways of
/// computing the same size compare equal.
///
/// The form is a polynomial with integer coefficients over *atoms*: symbols, and the operations that do not
/// distribute (floor division, remainder, minimum, maximum). Arithmetic wraps on overflow of a coefficient;
/// sizes are checked where they are evaluated. Files decide how sizes are computed, and multiplying out grows without
/// bound: an expression beyond the limits of `Dim+Limits.swift` becomes `tooComplex`.
public struct Dim: Hashable, Sendable {
  /// A product of atoms, sorted by age; the empty product is one.
  struct Monomial: Hashable, Sendable {
    var atoms: [Atom]
  }

  struct Term: Hashable, Sendable {
    var monomial: Monomial
    var coefficient: Int
  }

  /// Sorted by the ages of the atoms, coefficients never zero. An empty list is zero.
  var terms: [Term]

  init(terms: [Term]) { self.terms = terms }

  public init(_ value: Int) {
    terms = value == 0 ? [] : [Term(monomial: Monomial(atoms: []), coefficient: value)]
  }

  public static func symbol(_ name: String) -> Dim { Dim(atom: .shared(.symbol(name))) }

  init(atom: Atom) { terms = [Term(monomial: Monomial(atoms: [atom]), coefficient: 1)] }

  /// How many terms the normal form has: what multiplying by it costs.
  public var termCount: Int { terms.count }

  /// The value, when no symbol is left.
  public var constant: Int? {
    if terms.isEmpty { return 0 }
    if terms.count == 1, terms[0].monomial.atoms.isEmpty { return terms[0].coefficient }
    return nil
  }

  /// The name, when the expression is one bare symbol.
  public var symbolName: String? {
    guard terms.count == 1, terms[0].coefficient == 1, terms[0].monomial.atoms.count == 1,
      case .symbol(let name) = terms[0].monomial.atoms[0].kind
    else { return nil }
    return name
  }
}

extension Dim: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int) { self.init(value) }
}

// MARK: - Arithmetic

extension Dim {
  public static func + (a: Dim, b: Dim) -> Dim {
    if a.isTooComplex || b.isTooComplex { return .tooComplex }
    return normalized(a.terms + b.terms).limited
  }

  public static func - (a: Dim, b: Dim) -> Dim { a + b * Dim(-1) }

  public static prefix func - (a: Dim) -> Dim { a * Dim(-1) }

  public static func * (a: Dim, b: Dim) -> Dim {
    if a.isTooComplex || b.isTooComplex || a.terms.count * b.terms.count > maximumTerms { return .tooComplex }
    var products: [Term] = []
    for x in a.terms {
      for y in b.terms {
        let atoms = (x.monomial.atoms + y.monomial.atoms).sorted { $0.serial < $1.serial }
        products.append(Term(monomial: Monomial(atoms: atoms), coefficient: x.coefficient &* y.coefficient))
      }
    }
    return normalized(products).limited
  }

  private static func normalized(_ terms: [Term]) -> Dim {
    var sums: [Monomial: Int] = [:]
    for term in terms { sums[term.monomial, default: 0] &+= term.coefficient }
    let kept = sums.filter { $0.value != 0 }.map { Term(monomial: $0.key, coefficient: $0.value) }
    return Dim(terms: kept.sorted { $0.monomial < $1.monomial })
  }

  /// Division rounding towards negative infinity.
  public func floorDivided(by divisor: Dim) -> Dim {
    if isTooComplex || divisor.isTooComplex { return .tooComplex }
    if let d = divisor.constant, d != 0 {
      if let n = constant { return Dim(Self.floorDivide(n, d)) }
      if d == 1 { return self }
      if d == -1 { return -self }
      // Terms that divide evenly leave the division: (4·h + r) / 4 = h + r/4.
      let even = terms.filter { $0.coefficient % d == 0 }
      let rest = Dim(terms: terms.filter { $0.coefficient % d != 0 })
      if !even.isEmpty {
        let whole = Dim(terms: even.map { Term(monomial: $0.monomial, coefficient: $0.coefficient / d) })
        return rest.terms.isEmpty ? whole : whole + rest.floorDivided(by: divisor)
      }
      // So do the multiples in a constant: (h - 1) / 2 = (h + 1) / 2 - 1.
      let offset = terms.first { $0.monomial.atoms.isEmpty }?.coefficient ?? 0
      let multiple = Self.floorDivide(offset, d)
      if d > 0, multiple != 0, let even = Checked.multiply(multiple, d) {
        return Dim(multiple) + (self - Dim(even)).floorDivided(by: divisor)
      }
      // floor((floor(x / a) + c) / b) = floor((x + a·c) / (a·b)) for positive a and b.
      let moving = terms.filter { !$0.monomial.atoms.isEmpty }
      if d > 0, moving.count == 1, moving[0].coefficient == 1, moving[0].monomial.atoms.count == 1,
        case .floorDivide(let inner, let by) = moving[0].monomial.atoms[0].kind, let a = by.constant, a > 0,
        let product = Checked.multiply(a, d), let shift = Checked.multiply(a, offset)
      {
        return (inner + Dim(shift)).floorDivided(by: Dim(product))
      }
    }
    if self == divisor, divisor != 0 { return 1 }
    if let quotient = dividedExactly(by: divisor) { return quotient }
    return Dim(Atom.Kind.floorDivide, self, divisor)
  }

  /// Division rounding towards positive infinity.
  public func ceilDivided(by divisor: Dim) -> Dim { -((-self).floorDivided(by: divisor)) }

  /// The remainder of floor division; it has the divisor's sign.
  public func remainder(by divisor: Dim) -> Dim {
    if isTooComplex || divisor.isTooComplex { return .tooComplex }
    if let d = divisor.constant, d != 0 {
      if d == 1 || d == -1 { return 0 }
      if let n = constant {
        let rest = n % d
        return Dim(rest != 0 && (rest < 0) != (d < 0) ? rest + d : rest)
      }
      if terms.allSatisfy({ $0.coefficient % d == 0 }) { return 0 }
    }
    if self == divisor, divisor != 0 { return 0 }
    return Dim(Atom.Kind.remainder, self, divisor)
  }

  public static func minimum(_ a: Dim, _ b: Dim) -> Dim {
    if a.isTooComplex || b.isTooComplex { return .tooComplex }
    if let x = a.constant, let y = b.constant { return x <= y ? a : b }
    if let difference = (a - b).constant { return difference <= 0 ? a : b }
    if let known = absorbed(a, b) ?? absorbed(b, a) { return known.isMinimum ? known.whole : known.part }
    let (x, y) = a.description <= b.description ? (a, b) : (b, a)
    return Dim(Atom.Kind.minimum, x, y)
  }

  public static func maximum(_ a: Dim, _ b: Dim) -> Dim {
    if a.isTooComplex || b.isTooComplex { return .tooComplex }
    if let x = a.constant, let y = b.constant { return x >= y ? a : b }
    if let difference = (a - b).constant { return difference >= 0 ? a : b }
    if let known = absorbed(a, b) ?? absorbed(b, a) { return known.isMinimum ? known.part : known.whole }
    let (x, y) = a.description <= b.description ? (a, b) : (b, a)
    return Dim(Atom.Kind.maximum, x, y)
  }

  /// Where `whole` is the minimum or the maximum of `part` and something: min(a, min(a, b)) = min(a, b), and
  /// max(a, min(a, b)) = a.
  private static func absorbed(_ part: Dim, _ whole: Dim) -> (part: Dim, whole: Dim, isMinimum: Bool)? {
    guard whole.terms.count == 1, whole.terms[0].coefficient == 1, whole.terms[0].monomial.atoms.count == 1 else {
      return nil
    }
    switch whole.terms[0].monomial.atoms[0].kind {
    case .minimum(let a, let b): return a == part || b == part ? (part, whole, true) : nil
    case .maximum(let a, let b): return a == part || b == part ? (part, whole, false) : nil
    default: return nil
    }
  }

  /// The quotient when `divisor` is a single monomial that divides every term, such as `c·h·w / (h·w)`.
  public func dividedExactly(by divisor: Dim) -> Dim? {
    guard divisor.terms.count == 1, let factor = divisor.terms.first, factor.coefficient != 0, !isTooComplex,
      !divisor.isTooComplex
    else { return nil }
    var result: [Term] = []
    for term in terms {
      // Int.min / -1 does not fit.
      guard factor.coefficient != -1 || term.coefficient != .min, term.coefficient % factor.coefficient == 0 else {
        return nil
      }
      var atoms = term.monomial.atoms
      for atom in factor.monomial.atoms {
        guard let index = atoms.firstIndex(of: atom) else { return nil }
        atoms.remove(at: index)
      }
      result.append(Term(monomial: Monomial(atoms: atoms), coefficient: term.coefficient / factor.coefficient))
    }
    return Self.normalized(result)
  }

  static func floorDivide(_ n: Int, _ d: Int) -> Int {
    if d == -1 { return 0 &- n }
    let q = n / d
    return (n % d != 0 && (n < 0) != (d < 0)) ? q - 1 : q
  }
}

// MARK: - Symbols and values

extension Dim {
  /// The symbols that occur, each once, sorted.
  public var symbols: [String] {
    var names: [String] = []
    for term in terms { for atom in term.monomial.atoms { names += atom.symbols } }
    return names.count > 1 ? Set(names).sorted() : names
  }

  /// The expression with symbols replaced; symbols that `values` does not name stay.
  public func substituting(_ values: [String: Dim]) -> Dim {
    var cache: [Int: Dim] = [:]
    return substituting(values, &cache)
  }

  /// `cache` holds the replaced atoms by serial: expressions share them.
  private func substituting(_ values: [String: Dim], _ cache: inout [Int: Dim]) -> Dim {
    guard terms.contains(where: { $0.monomial.atoms.contains { $0.symbols.contains { values[$0] != nil } } }) else {
      return self
    }
    var sum = Dim(0)
    for term in terms {
      var product = Dim(term.coefficient)
      for atom in term.monomial.atoms { product = product * Self.substituting(atom, values, &cache) }
      sum = sum + product
    }
    return sum
  }

  private static func substituting(_ atom: Atom, _ values: [String: Dim], _ cache: inout [Int: Dim]) -> Dim {
    if let known = cache[atom.serial] { return known }
    let result: Dim
    switch atom.kind {
    case .symbol(let name): result = values[name] ?? Dim(atom: atom)
    case .floorDivide(let a, let b):
      result = a.substituting(values, &cache).floorDivided(by: b.substituting(values, &cache))
    case .remainder(let a, let b):
      result = a.substituting(values, &cache).remainder(by: b.substituting(values, &cache))
    case .minimum(let a, let b): result = .minimum(a.substituting(values, &cache), b.substituting(values, &cache))
    case .maximum(let a, let b): result = .maximum(a.substituting(values, &cache), b.substituting(values, &cache))
    }
    cache[atom.serial] = result
    return result
  }

  /// The value under `values`; nil when a symbol is missing, a divisor is zero, or the result overflows.
  public func evaluate(_ values: [String: Int]) -> Int? {
    var cache: [Int: Int] = [:]
    return evaluate(values, &cache)
  }

  private func evaluate(_ values: [String: Int], _ cache: inout [Int: Int]) -> Int? {
    var sum = 0
    for term in terms {
      var product = term.coefficient
      for atom in term.monomial.atoms {
        guard let factor = Self.evaluate(atom, values, &cache), let next = Checked.multiply(product, factor) else {
          return nil
        }
        product = next
      }
      guard let next = Checked.add(sum, product) else { return nil }
      sum = next
    }
    return sum
  }

  private static func evaluate(_ atom: Atom, _ values: [String: Int], _ cache: inout [Int: Int]) -> Int? {
    if case .symbol(let name) = atom.kind { return values[name] }
    if let known = cache[atom.serial] { return known }
    let result: Int?
    switch atom.kind {
    case .symbol: result = nil
    case .floorDivide(let a, let b):
      guard let n = a.evaluate(values, &cache), let d = b.evaluate(values, &cache), d != 0 else { return nil }
      result = floorDivide(n, d)
    case .remainder(let a, let b):
      guard let n = a.evaluate(values, &cache), let d = b.evaluate(values, &cache), d != 0 else { return nil }
      result = Checked.multiply(d, floorDivide(n, d)).flatMap { Checked.subtract(n, $0) }
    case .minimum(let a, let b):
      guard let x = a.evaluate(values, &cache), let y = b.evaluate(values, &cache) else { return nil }
      result = min(x, y)
    case .maximum(let a, let b):
      guard let x = a.evaluate(values, &cache), let y = b.evaluate(values, &cache) else { return nil }
      result = max(x, y)
    }
    if let result { cache[atom.serial] = result }
    return result
  }
}

// MARK: - Text

extension Dim.Monomial: Comparable {
  var text: String { atoms.count == 1 ? atoms[0].text : atoms.map(\.text).sorted().joined(separator: "*") }

  static func < (a: Dim.Monomial, b: Dim.Monomial) -> Bool {
    for (x, y) in zip(a.atoms, b.atoms) where x.serial != y.serial { return x.serial < y.serial }
    return a.atoms.count < b.atoms.count
  }
}

extension Dim: CustomStringConvertible {
  /// `64`, `h`, `2*h + 1`, `floordiv(h + 1, 2)`: the text form, read back by `init(parsing:)`.
  public var description: String {
    if terms.isEmpty { return "0" }
    // Constant part last, as people write it.
    let symbolic = terms.filter { !$0.monomial.atoms.isEmpty }.map { (text: $0.monomial.text, term: $0) }
    let ordered =
      symbolic.sorted { $0.text < $1.text }.map(\.term) + terms.filter { $0.monomial.atoms.isEmpty }
    var result = ""
    for (index, term) in ordered.enumerated() {
      let magnitude = term.coefficient.magnitude
      let body: String
      if term.monomial.atoms.isEmpty {
        body = String(magnitude)
      } else {
        body = (magnitude == 1 ? "" : "\(magnitude)*") + term.monomial.text
      }
      if index == 0 {
        result = (term.coefficient < 0 ? "-" : "") + body
      } else {
        result += (term.coefficient < 0 ? " - " : " + ") + body
      }
    }
    return result
  }

  /// Whether `name` can stand for a symbol in the text form: a letter or `_`, then letters, digits, `_`, `.`.
  public static func isSymbolName(_ name: String) -> Bool {
    guard let first = name.unicodeScalars.first, first == "_" || first.properties.isAlphabetic && first.isASCII
    else { return false }
    // The last four mean something else among the attributes of a graph's text form.
    let reserved = ["floordiv", "mod", "min", "max", "too_complex", "inf", "nan", "true", "false"]
    return !reserved.contains(name)
      && name.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || $0 == "_" || $0 == "." || ("0"..."9").contains($0))
      }
  }

  /// Reads the text form. Returns nil where the text is not an expression, nests deeper than 64 levels, holds a
  /// number that does not fit, or is too complex.
  public init?(parsing text: String) {
    var parser = DimParser(text: Array(text.utf8))
    guard let value = parser.sum(depth: 0), parser.atEnd, !value.isTooComplex else { return nil }
    self = value
  }
}

private struct DimParser {
  let text: [UInt8]
  var position = 0

  init(text: [UInt8]) { self.text = text }

  var atEnd: Bool {
    mutating get {
      skipSpace()
      return position == text.count
    }
  }

  mutating func skipSpace() {
    while position < text.count, text[position] == UInt8(ascii: " ") { position += 1 }
  }

  mutating func take(_ character: Character) -> Bool {
    skipSpace()
    guard position < text.count, text[position] == character.asciiValue else { return false }
    position += 1
    return true
  }

  mutating func sum(depth: Int) -> Dim? {
    guard depth < 64 else { return nil }
    var negative = take("-")
    var result = Dim(0)
    while true {
      guard let term = product(depth: depth) else { return nil }
      result = negative ? result - term : result + term
      if result.isTooComplex { return nil }
      if take("+") {
        negative = false
      } else if take("-") {
        negative = true
      } else {
        return result
      }
    }
  }

  mutating func product(depth: Int) -> Dim? {
    guard var result = factor(depth: depth) else { return nil }
    while take("*") {
      guard let next = factor(depth: depth) else { return nil }
      result = result * next
      if result.isTooComplex { return nil }
    }
    return result
  }

  mutating func factor(depth: Int) -> Dim? {
    skipSpace()
    if take("(") {
      guard let inner = sum(depth: depth + 1), take(")") else { return nil }
      return inner
    }
    let start = position
    func isDigit(_ c: UInt8) -> Bool { c >= 48 && c <= 57 }
    func isName(_ c: UInt8) -> Bool { isDigit(c) || c == 95 || c == 46 || (c | 32 >= 97 && c | 32 <= 122) }
    while position < text.count, isName(text[position]) { position += 1 }
    guard position > start else { return nil }
    let word = String(decoding: text[start..<position], as: UTF8.self)
    if isDigit(text[start]) { return Int(word).map { Dim($0) } }
    guard take("(") else { return Dim.isSymbolName(word) ? .symbol(word) : nil }
    guard let a = sum(depth: depth + 1), take(","), let b = sum(depth: depth + 1), take(")") else { return nil }
    switch word {
    case "floordiv": return b == 0 ? nil : a.floorDivided(by: b)
    case "mod": return b == 0 ? nil : a.remainder(by: b)
    case "min": return .minimum(a, b)
    case "max": return .maximum(a, b)
    default: return nil
    }
  }
}
