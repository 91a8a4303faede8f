extension Dim {
  /// A step of evaluating an expression on a stack.
  public enum PostfixStep: Hashable, Sendable {
    case constant(Int)
    case symbol(String)
    /// These replace the two topmost values by one; the first operand lies below the second.
    case add
    case multiply
    case floorDivide
    case remainder
    case minimum
    case maximum
  }

  /// The expression in postfix order: running the steps leaves its value on the stack.
  public var postfix: [PostfixStep] {
    var steps: [PostfixStep] = []
    appendPostfix(to: &steps)
    return steps
  }

  private func appendPostfix(to steps: inout [PostfixStep]) {
    if terms.isEmpty { steps.append(.constant(0)) }
    for (index, term) in terms.enumerated() {
      var isFirst = true
      if term.coefficient != 1 || term.monomial.atoms.isEmpty {
        steps.append(.constant(term.coefficient))
        isFirst = false
      }
      for atom in term.monomial.atoms {
        switch atom.kind {
        case .symbol(let name): steps.append(.symbol(name))
        case .floorDivide(let a, let b): Self.appendPostfix(a, b, .floorDivide, to: &steps)
        case .remainder(let a, let b): Self.appendPostfix(a, b, .remainder, to: &steps)
        case .minimum(let a, let b): Self.appendPostfix(a, b, .minimum, to: &steps)
        case .maximum(let a, let b): Self.appendPostfix(a, b, .maximum, to: &steps)
        }
        if !isFirst { steps.append(.multiply) }
        isFirst = false
      }
      if index > 0 { steps.append(.add) }
    }
  }

  private static func appendPostfix(_ a: Dim, _ b: Dim, _ step: PostfixStep, to steps: inout [PostfixStep]) {
    a.appendPostfix(to: &steps)
    b.appendPostfix(to: &steps)
    steps.append(step)
  }
}
