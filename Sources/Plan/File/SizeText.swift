import SwageTensor

/// Reads the text form of a `Dim` from a plan.
///
/// `Dim(parsing:)` multiplies sums out, so that a short text can grow without bound, and its coefficients wrap.
/// Here every step is bounded first, and only the normalised text is accepted: one that prints as it was read.
enum SizeText {
  static let maximumBytes = 1 << 16
  private static let maximumTerms = 256
  private static let maximumMagnitude = 0x1p60
  private static let maximumDepth = 48

  /// nil where the text is not the normalised form of an expression within the bounds.
  static func parse(_ text: String) -> Dim? {
    if let number = Int(text) {
      return Double(number).magnitude <= maximumMagnitude && String(number) == text ? Dim(number) : nil
    }
    let bytes = Array(text.utf8)
    guard bytes.count <= maximumBytes else { return nil }
    var parser = Parser(bytes: bytes)
    guard let result = parser.sum(depth: 0), parser.position == bytes.count,
      result.dimension.description == text
    else { return nil }
    return result.dimension
  }

  /// An expression with bounds for what multiplying it out gives.
  private struct Bounded {
    var dimension: Dim
    var terms: Int
    var magnitude: Double

    var isWithinBounds: Bool { terms <= maximumTerms && magnitude <= maximumMagnitude }
  }

  private struct Parser {
    let bytes: [UInt8]
    var position = 0

    private mutating func take(_ text: StaticString) -> Bool {
      let end = position + text.utf8CodeUnitCount
      guard end <= bytes.count else { return false }
      for index in position..<end where bytes[index] != text.utf8Start[index - position] { return false }
      position = end
      return true
    }

    mutating func sum(depth: Int) -> Bounded? {
      guard depth < maximumDepth else { return nil }
      var negative = take("-")
      var result: Bounded?
      while true {
        guard let term = product(depth: depth) else { return nil }
        let signed = negative ? -term.dimension : term.dimension
        var next = Bounded(dimension: signed, terms: term.terms, magnitude: term.magnitude)
        if let sum = result {
          next.terms += sum.terms
          next.magnitude += sum.magnitude
          guard next.isWithinBounds else { return nil }
          next.dimension = sum.dimension + signed
        }
        result = next
        if take(" + ") {
          negative = false
        } else if take(" - ") {
          negative = true
        } else {
          return result
        }
      }
    }

    private mutating func product(depth: Int) -> Bounded? {
      guard var result = factor(depth: depth) else { return nil }
      while take("*") {
        guard let next = factor(depth: depth) else { return nil }
        result.terms = result.terms * next.terms
        result.magnitude *= next.magnitude
        guard result.isWithinBounds else { return nil }
        result.dimension = result.dimension * next.dimension
      }
      return result
    }

    private mutating func factor(depth: Int) -> Bounded? {
      let start = position
      while position < bytes.count, Self.isWord(bytes[position]) { position += 1 }
      guard position > start else { return nil }
      let word = String(decoding: bytes[start..<position], as: UTF8.self)
      if (48...57).contains(bytes[start]) {
        guard let number = Int(word) else { return nil }
        let result = Bounded(dimension: Dim(number), terms: 1, magnitude: max(1, Double(number)))
        return result.isWithinBounds ? result : nil
      }
      guard take("(") else {
        guard Dim.isSymbolName(word) else { return nil }
        return Bounded(dimension: .symbol(word), terms: 1, magnitude: 1)
      }
      guard let a = sum(depth: depth + 1), take(", "), let b = sum(depth: depth + 1), take(")") else { return nil }
      let dimension: Dim
      switch word {
      case "floordiv":
        guard b.dimension != 0 else { return nil }
        dimension = a.dimension.floorDivided(by: b.dimension)
      case "mod":
        guard b.dimension != 0 else { return nil }
        dimension = a.dimension.remainder(by: b.dimension)
      case "min": dimension = .minimum(a.dimension, b.dimension)
      case "max": dimension = .maximum(a.dimension, b.dimension)
      default: return nil
      }
      let result = Bounded(
        dimension: dimension, terms: max(dimension.termCount, 1), magnitude: max(a.magnitude, b.magnitude) + 1)
      return result.isWithinBounds ? result : nil
    }

    private static func isWord(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || byte == 95 || byte == 46 || (97...122).contains(byte | 32)
    }
  }
}
