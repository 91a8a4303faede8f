import SwageTensor

/// Writes a kernel statement by statement.
///
/// Buffers are declared first, operands before results. Statements go to the innermost open loop or branch.
public final class KernelBuilder {
  public let name: String
  public var range: Dim = 1
  public var grain: Dim = 1
  public var passes: Dim = 1
  private var parameters: [KernelFunction.Parameter] = []
  private var sizes: [Dim] = []
  private var blocks: [[Statement]] = [[]]
  private var usedNames: Set<String> = []

  public init(_ name: String) { self.name = name }

  // MARK: - Parameters

  public func input(_ type: ElementType) -> KernelBuffer { parameter(type, isWritten: false, mayAlias: []) }

  /// A result. It may share memory with operands of `mayAlias`, if each element is read before it is written.
  public func output(_ type: ElementType, mayAlias: [KernelBuffer] = []) -> KernelBuffer {
    parameter(type, isWritten: true, mayAlias: mayAlias.map(\.index))
  }

  private func parameter(_ type: ElementType, isWritten: Bool, mayAlias: [Int]) -> KernelBuffer {
    let buffer = KernelBuffer(index: parameters.count, elementType: type, isWritten: isWritten)
    parameters.append(.init(buffer: buffer, mayAlias: mayAlias))
    return buffer
  }

  /// A size: a literal where it is known, else a value passed to the call.
  public func size(_ dimension: Dim) -> Expression {
    if let constant = dimension.constant { return .i64(constant) }
    if let known = sizes.firstIndex(of: dimension) { return .size(known) }
    sizes.append(dimension)
    return .size(sizes.count - 1)
  }

  public var unit: Expression { .unit }

  // MARK: - Statements

  private func append(_ statement: Statement) { blocks[blocks.count - 1].append(statement) }

  private func fresh(_ hint: String) -> String {
    // Names that end in a digit belong to buffers and sizes.
    let base = hint.last?.isNumber == true ? hint + "_" : hint
    var candidate = base
    var count = 0
    while !usedNames.insert(candidate).inserted {
      count += 1
      candidate = "\(base)_\(count)"
    }
    return candidate
  }

  public func comment(_ text: String) { append(.comment(text)) }

  /// Names a value. Literals and variables are returned as they are.
  public func `let`(_ hint: String, _ value: Expression) -> Expression {
    switch value {
    case .float, .integer, .boolean, .variable, .size: return value
    default:
      let variable = Variable(name: fresh(hint), type: value.type)
      append(.constant(variable, value))
      return .variable(variable)
    }
  }

  public func variable(_ hint: String, _ value: Expression) -> Variable {
    let variable = Variable(name: fresh(hint), type: value.type)
    append(.variable(variable, value))
    return variable
  }

  public func assign(_ variable: Variable, _ value: Expression) { append(.assign(variable, value)) }

  public func array(_ hint: String, _ type: ScalarType, count: Int) -> LocalArray {
    array(hint, of: type.elementType, count: count)
  }

  public func array(_ hint: String, of type: ElementType, count: Int) -> LocalArray {
    precondition(!type.isPacked, "elements of \(type) share bytes")
    let array = LocalArray(name: fresh(hint), elementType: type, count: count)
    append(.array(array))
    return array
  }

  public func load(_ buffer: KernelBuffer, _ index: Expression) -> Expression { .load(buffer, index) }
  public func load(_ array: LocalArray, _ index: Expression) -> Expression { .element(array, index) }

  public func store(_ buffer: KernelBuffer, _ index: Expression, _ value: Expression) {
    precondition(buffer.isWritten, "operand \(buffer.index) of \(name) is not written")
    // What a store rounds or wraps anyway needs no rounding before.
    if case .narrow(buffer.elementType, let inner) = value {
      append(.store(buffer, index, inner))
    } else {
      append(.store(buffer, index, value))
    }
  }

  public func store(_ array: LocalArray, _ index: Expression, _ value: Expression) {
    if case .narrow(array.elementType, let inner) = value {
      append(.setElement(array, index, inner))
    } else {
      append(.setElement(array, index, value))
    }
  }

  public func copy(
    to target: KernelBuffer, at: Expression, from source: KernelBuffer, at start: Expression, count: Expression
  ) {
    precondition(target.elementType == source.elementType && !target.elementType.isPacked)
    append(.copy(to: target, toIndex: at, from: source, fromIndex: start, count: count))
  }

  /// Copies a square of `Statement.transposeTile` rows and columns, exchanging the two.
  public func transpose(
    to target: Statement.Place, stride: Expression, from source: Statement.Place, stride sourceStride: Expression
  ) {
    precondition(target.elementType == source.elementType && !target.elementType.isPacked)
    append(.transpose(to: target, toStride: stride, from: source, fromStride: sourceStride))
  }

  public func product(_ product: Statement.Product) {
    let (left, panel, sums) = (product.left.elementType, product.panel.elementType, product.to.elementType)
    precondition(
      Statement.Product.panels(of: left) == panel && Statement.Product.sums(of: left) == sums,
      "a product of \(left) and \(panel) in \(sums)")
    precondition(Statement.Product.columnCounts.contains(product.columns), "a product of \(product.columns) columns")
    append(.product(product))
  }

  public func fill(_ target: KernelBuffer, at: Expression, with value: Expression, count: Expression) {
    loop("i", to: count, .vector) { i in store(target, at + i, value) }
  }

  /// `for index in from ..< to`, as long as `condition` holds.
  public func loop(
    _ hint: String, from: Expression = 0, to: Expression, while condition: Expression? = nil, step: Int = 1,
    _ loopHint: Statement.Loop.Hint = .plain, _ body: (Expression) -> Void
  ) {
    let index = Variable(name: fresh(hint), type: .i64)
    blocks.append([])
    body(.variable(index))
    let statements = blocks.removeLast()
    append(
      .loop(
        .init(index: index, from: from, to: to, condition: condition, step: step, hint: loopHint, body: statements)))
  }

  public func `if`(_ condition: Expression, _ then: () -> Void, else otherwise: () -> Void = {}) {
    blocks.append([])
    then()
    let taken = blocks.removeLast()
    blocks.append([])
    otherwise()
    append(.branch(condition, then: taken, else: blocks.removeLast()))
  }

  public func finish() -> KernelFunction {
    precondition(blocks.count == 1, "an open block in \(name)")
    return KernelFunction(
      name: name, parameters: parameters, sizes: sizes, range: range, grain: grain, passes: passes,
      body: blocks[0])
  }
}
