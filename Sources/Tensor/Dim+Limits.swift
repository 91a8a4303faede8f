extension Dim {
  /// Terms of one sum.
  static let maximumTerms = 256
  /// Factors of one product.
  static let maximumFactors = 64
  /// Bytes of the text of one operation. Operations share operands, so that their text can double with every step.
  static let maximumText = 1 << 15

  /// Stands for an expression beyond the limits. It has no value, and no arithmetic leads away from it; its name is no
  /// symbol name, so nothing can give it a value.
  public static let tooComplex = symbol("too_complex")

  public var isTooComplex: Bool { self == .tooComplex }

  var limited: Dim {
    terms.count <= Self.maximumTerms && terms.allSatisfy { $0.monomial.atoms.count <= Self.maximumFactors }
      ? self : .tooComplex
  }

  /// An operation on two expressions.
  init(_ operation: (Dim, Dim) -> Atom.Kind, _ a: Dim, _ b: Dim) {
    if a.textSize + b.textSize > Self.maximumText {
      self = .tooComplex
    } else {
      self.init(atom: .shared(operation(a, b)))
    }
  }

  private var textSize: Int {
    terms.reduce(0) { $0 + $1.monomial.atoms.reduce(4) { $0 + $1.text.utf8.count + 1 } }
  }
}
