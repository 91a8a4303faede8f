import Synchronization

extension Dim {
  /// What a polynomial is over: a symbol, or an operation that does not distribute.
  ///
  /// Atoms are shared: equal ones are the same object, so that comparing and hashing expressions does not walk into
  /// them, however deep they nest.
  final class Atom: Sendable {
    enum Kind: Hashable, Sendable {
      case symbol(String)
      case floorDivide(Dim, Dim)
      case remainder(Dim, Dim)
      case minimum(Dim, Dim)
      case maximum(Dim, Dim)
    }

    let kind: Kind
    /// Where it stands among all atoms, by age: the internal order of factors and terms.
    let serial: Int
    let text: String
    /// Names of the symbols inside, sorted.
    let symbols: [String]

    private init(kind: Kind, serial: Int) {
      self.kind = kind
      self.serial = serial
      switch kind {
      case .symbol(let name): (text, symbols) = (name, [name])
      case .floorDivide(let a, let b): (text, symbols) = ("floordiv(\(a), \(b))", Self.merge(a, b))
      case .remainder(let a, let b): (text, symbols) = ("mod(\(a), \(b))", Self.merge(a, b))
      case .minimum(let a, let b): (text, symbols) = ("min(\(a), \(b))", Self.merge(a, b))
      case .maximum(let a, let b): (text, symbols) = ("max(\(a), \(b))", Self.merge(a, b))
      }
    }

    private static func merge(_ a: Dim, _ b: Dim) -> [String] { Set(a.symbols + b.symbols).sorted() }

    private static let known = Mutex<[Kind: Atom]>([:])

    /// The atom of this kind.
    static func shared(_ kind: Kind) -> Atom {
      known.withLock { table in
        if let atom = table[kind] { return atom }
        let atom = Atom(kind: kind, serial: table.count)
        table[kind] = atom
        return atom
      }
    }
  }
}

extension Dim.Atom: Hashable {
  static func == (a: Dim.Atom, b: Dim.Atom) -> Bool { a === b }
  func hash(into hasher: inout Hasher) { hasher.combine(serial) }
}
