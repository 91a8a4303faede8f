import SwageTensor

/// Prints a kernel in one dialect.
public struct KernelPrinter {
  public let dialect: Dialect
  private var lines: [String] = []
  private var depth = 0

  public init(dialect: Dialect) { self.dialect = dialect }

  /// The function as text, ending in a line break.
  public func print(_ function: KernelFunction, symbol: String) -> String {
    var printer = self
    switch dialect.language {
    case .text: printer.printText(function)
    case .c: printer.printC(function, symbol: symbol)
    }
    return printer.lines.joined(separator: "\n") + "\n"
  }

  private mutating func line(_ text: String) { lines.append(String(repeating: "  ", count: depth) + text) }

  private mutating func block(_ head: String, _ body: (inout KernelPrinter) -> Void) {
    line(head + " {")
    depth += 1
    body(&self)
    depth -= 1
    line("}")
  }

  // MARK: - Functions

  private func bufferName(_ buffer: KernelBuffer) -> String { (buffer.isWritten ? "y" : "x") + "\(buffer.index)" }

  private mutating func printText(_ function: KernelFunction) {
    let parameters = function.parameters.map { parameter in
      let alias = parameter.mayAlias.map { " over x\($0)" }.joined()
      return "\(bufferName(parameter.buffer)): \(parameter.buffer.elementType.name)\(alias)"
    }
    let sizes = function.sizes.enumerated().map { "n\($0.offset) = \($0.element)" }
    block("kernel \(function.name)(\((parameters + sizes).joined(separator: ", ")))") {
      let passes = function.passes == 1 ? "" : ", in \(function.passes) passes"
      $0.line("units \(function.range), at least \(function.grain) for a thread\(passes)")
      $0.print(function.body)
    }
  }

  /// The work is a function of its own whose parameters can be `restrict`; the exported one unpacks the call.
  private mutating func printC(_ function: KernelFunction, symbol: String) {
    let aliased = Set(
      function.parameters.flatMap { $0.mayAlias.isEmpty ? [] : $0.mayAlias + [$0.buffer.index] })
    var declarations: [String] = []
    var arguments: [String] = []
    for parameter in function.parameters {
      let buffer = parameter.buffer
      let restrict = aliased.contains(buffer.index) ? "" : "restrict "
      declarations.append(
        "\(buffer.isWritten ? "" : "const ")\(dialect.storageName(buffer.elementType)) *\(restrict)\(bufferName(buffer))"
      )
      arguments.append("buffers[\(buffer.index)]")
    }
    for index in function.sizes.indices {
      declarations.append("int64_t n\(index)")
      arguments.append("sizes[\(index)]")
    }
    declarations += ["int64_t begin", "int64_t end"]
    arguments += ["begin", "end"]
    block("static SWAGE_WORK void \(symbol)_work(\(declarations.joined(separator: ", ")))") {
      if let pragma = $0.dialect.loopPragma(Self.compiledHint(of: .plain, around: function.body)) { $0.line(pragma) }
      $0.block("for (int64_t unit = begin; unit < end; ++unit)") { $0.print(function.body) }
    }
    block("SWAGE_KERNEL void \(symbol)(void *const *buffers, const int64_t *sizes, int64_t begin, int64_t end)") {
      let usesTiles = function.body.flatMap(\.products).contains { [.bf16, .u8].contains($0.left.elementType) }
      if usesTiles { $0.line("swage_tiles_begin();") }
      $0.line("\(symbol)_work(\(arguments.joined(separator: ", ")));")
      if usesTiles { $0.line("swage_tiles_end();") }
    }
  }

  // MARK: - Statements

  private mutating func print(_ statements: [Statement]) { for statement in statements { print(statement) } }

  private mutating func print(_ statement: Statement) {
    let end = dialect.language == .text ? "" : ";"
    switch statement {
    case .comment(let text):
      line((dialect.language == .text ? "# " : "// ") + text.replacing("\n", with: " ").replacing("\\", with: "/"))
    case .constant(let variable, let value):
      line("const \(dialect.name(variable.type)) \(variable.name) = \(text(value))\(end)")
    case .variable(let variable, let value):
      line("\(dialect.name(variable.type)) \(variable.name) = \(text(value))\(end)")
    case .assign(let variable, let value):
      line("\(variable.name) = \(text(value))\(end)")
    case .array(let array):
      let aligned = dialect.language == .c ? " SWAGE_ALIGNED" : ""
      line("\(dialect.storageName(array.elementType)) \(array.name)[\(array.count)]\(aligned)\(end)")
    case .setElement(let array, let index, let value):
      line(store(array.elementType, in: array.name, index, value) + end)
    case .store(let buffer, let index, let value):
      line(store(buffer.elementType, in: bufferName(buffer), index, value) + end)
    case .loop(let loop): print(loop)
    case .branch(let condition, let then, let otherwise):
      block("if (\(text(condition)))") { $0.print(then) }
      if !otherwise.isEmpty {
        lines.removeLast()
        block("} else") { $0.print(otherwise) }
      }
    case .transpose(let target, let stride, let source, let sourceStride):
      let bits = target.elementType.patternType
      // Of floats the bits are moved.
      func pointer(_ place: Statement.Place) -> String {
        let isPattern = dialect.language == .text || place.elementType == bits
        return (isPattern ? "" : "(\(dialect.storageName(bits)) *)") + text(place)
      }
      let name = dialect.language == .text ? "transpose" : "swage_transpose_\(bits.name)"
      line("\(name)(\(pointer(target)), \(text(stride)), \(pointer(source)), \(text(sourceStride)))\(end)")
    case .product(let product): line(text(product) + end)
    case .copy(let target, let at, let source, let start, let count):
      let (to, from) = (text(Statement.Place.buffer(target, at)), text(Statement.Place.buffer(source, start)))
      switch dialect.language {
      case .text: line("copy \(to) <- \(from), \(text(count))")
      case .c:
        let bytes = Expression.make(.multiply, count, .i64(target.elementType.bitWidth / 8))
        line("swage_copy(\(to), \(from), \(text(bytes)));")
      }
    }
  }

  private func text(_ place: Statement.Place) -> String {
    switch place {
    case .buffer(let buffer, let index): "&\(bufferName(buffer))[\(text(index))]"
    case .array(let array, let index): "&\(array.name)[\(text(index))]"
    }
  }

  private func text(_ product: Statement.Product) -> String {
    let operands =
      [text(product.to), text(product.toStride), text(product.left), text(product.leftStride)]
      + [text(product.leftDistance), text(product.panel), text(product.panelSize), text(product.panels)]
      + [
        text(product.rows), text(product.groups), text(product.groupDistance), text(product.runs), text(product.depth),
      ]
    if dialect.language == .text {
      let name = (product.accumulates ? "add_product" : "product") + (product.isFollowed ? "_and_fetch" : "")
      return "\(name)(\(operands.joined(separator: ", ")), \(product.columns))"
    }
    let name = "swage_product_\(product.left.elementType.name)_\(product.columns)"
    return
      "\(name)(\((operands + [product.accumulates, product.isFollowed].map(\.description)).joined(separator: ", ")))"
  }

  private mutating func print(_ loop: Statement.Loop) {
    let name = loop.index.name
    if dialect.language == .text {
      let step = loop.step == 1 ? "" : " by \(loop.step)"
      let hint = loop.hint == .plain ? "" : " [\(loop.hint.rawValue)]"
      let condition = loop.condition.map { " while \(text($0))" } ?? ""
      block("for \(name) in \(text(loop.from)) ..< \(text(loop.to))\(step)\(condition)\(hint)") { $0.print(loop.body) }
      return
    }
    let hint = loop.body.contains(where: \.sharesBytes) ? .plain : Self.compiledHint(of: loop.hint, around: loop.body)
    let rounded = loop.body.contains(where: Self.roundsSums) ? RoundedVector(loop) : nil
    if let pragma = dialect.loopPragma(hint, rounded: rounded) { line(pragma) }
    let step = loop.step == 1 ? "++\(name)" : "\(name) += \(loop.step)"
    let condition = loop.condition.map { " && \(text($0, 6))" } ?? ""
    block("for (int64_t \(name) = \(text(loop.from)); \(name) < \(text(loop.to, 10))\(condition); \(step))") {
      if let pragma = $0.dialect.bodyPragma(hint) { $0.line(pragma) }
      $0.print(loop.body)
    }
  }

  /// The hint that the compiler gets. It may unroll a short inner loop and vectorise the one around it instead, with
  /// elements gathered and scattered: what is around a loop to be vectorised stays sequential.
  private static func compiledHint(of hint: Statement.Loop.Hint, around body: [Statement]) -> Statement.Loop.Hint {
    hint == .plain && body.contains(where: \.holdsVectorLoop) ? .sequential : hint
  }

  /// Whether the machine's instruction rounds the value, where there is one.
  private static func isRoundedSum(_ value: Expression, as type: ElementType) -> Bool {
    type == .bf16 && value.isRoundedSum
  }

  private static func roundsSums(_ statement: Statement) -> Bool {
    switch statement {
    case .store(let buffer, _, let value): isRoundedSum(value, as: buffer.elementType)
    case .setElement(let array, _, let value): isRoundedSum(value, as: array.elementType)
    case .branch(_, let then, let otherwise): (then + otherwise).contains(where: roundsSums)
    default: false
    }
  }

  // MARK: - Memory

  private func load(_ type: ElementType, from name: String, _ index: Expression) -> String {
    let place = "\(name)[\(text(index))]"
    guard dialect.language == .c else { return place }
    switch type {
    case .f32, .f64, .i32, .i64, .u32, .u64, .string, .object: return place
    case .i8, .i16, .u8, .u16: return "(int32_t)\(place)"
    case .bool: return "(\(place) != 0)"
    case .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0: return "swage_from_\(type.name)(\(place))"
    case .u2, .i2, .u4, .i4, .f4e2m1: return "swage_get_\(type.name)(\(name), \(text(index)))"
    }
  }

  private func store(_ type: ElementType, in name: String, _ index: Expression, _ value: Expression) -> String {
    let place = "\(name)[\(text(index))]"
    precondition(value.type == type.computeType, "stores \(value.type) in elements of \(type)")
    guard dialect.language == .c else { return "\(place) = \(text(value))" }
    // Elements that move from one place to another keep their bits.
    if type.isFloat, type.bitWidth < 32, !type.isPacked, case .load(let buffer, let from) = value,
      buffer.elementType == type
    {
      return "\(place) = \(bufferName(buffer))[\(text(from))]"
    }
    switch type {
    case .f32, .f64, .i32, .i64, .u32, .u64, .string, .object: return "\(place) = \(text(value))"
    case .i8, .i16, .u8, .u16, .bool: return "\(place) = (\(dialect.storageName(type)))\(text(value, 14))"
    case .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0:
      let conversion = Self.isRoundedSum(value, as: type) ? "swage_sum_to_bf16" : "swage_to_\(type.name)"
      return "\(place) = \(conversion)(\(text(value)))"
    case .u2, .i2, .u4, .i4, .f4e2m1: return "swage_put_\(type.name)(\(name), \(text(index)), \(text(value)))"
    }
  }

  // MARK: - Expressions

  /// C's precedence: a subexpression that binds less tightly than `tightness` gets parentheses.
  private func text(_ expression: Expression, _ tightness: Int = 0) -> String {
    let (body, own) = spell(expression)
    return own < tightness ? "(\(body))" : body
  }

  private func spell(_ expression: Expression) -> (String, Int) {
    switch expression {
    case .float(let value, let type): return (float(value, type), value.sign == .minus ? 14 : 16)
    case .integer(let value, let type): return (integer(value, type), value < 0 ? 14 : 16)
    case .boolean(let value): return (value ? "true" : "false", 16)
    case .variable(let variable): return (variable.name, 16)
    case .size(let index): return ("n\(index)", 16)
    case .unit: return ("unit", 16)
    case .load(let buffer, let index): return (load(buffer.elementType, from: bufferName(buffer), index), 14)
    case .element(let array, let index): return (load(array.elementType, from: array.name, index), 14)
    case .folded(let fold, let array):
      if dialect.language == .text { return ("\(fold.rawValue)(\(array.name))", 16) }
      return ("swage_fold_\(fold.rawValue)_\(array.type.name)_\(array.count)(\(array.name))", 16)
    case .negate(let x):
      // Through the unsigned type, since the most negative integer has no opposite.
      if dialect.language == .c, x.type == .i32 || x.type == .i64 {
        return spell(.wrapping(.subtract, .integer(0, x.type), x))
      }
      return ("-\(text(x, 15))", 14)
    case .not(let x): return ("!\(text(x, 15))", 14)
    case .binary(let op, let a, let b):
      if dialect.language == .c, a.type == .i32, [.add, .subtract, .multiply].contains(op) {
        return spell(.wrapping(op, a, b))
      }
      return infix(op.rawValue, a, b, tightness(op))
    case .wrapping(let op, let a, let b):
      if dialect.language == .text { return infix("&" + op.rawValue, a, b, tightness(op)) }
      let unsigned: ScalarType = a.type == .i32 || a.type == .u32 ? .u32 : .u64
      let (body, _) = infix(op.rawValue, recast(a, unsigned), recast(b, unsigned), tightness(op))
      return ("(\(dialect.name(a.type)))(\(body))", 14)
    case .select(let condition, let a, let b):
      return ("\(text(condition, 4)) ? \(text(a, 4)) : \(text(b, 3))", 3)
    case .cast(let type, let x): return cast(type, x)
    case .narrow(let type, let x):
      if dialect.language == .text { return ("\(type.name)(\(text(x)))", 16) }
      return narrow(type, x)
    case .call(let function, let operands):
      let list = operands.map { text($0) }.joined(separator: ", ")
      if dialect.language == .text { return ("\(function.rawValue)(\(list))", 16) }
      return ("swage_\(function.rawValue)_\((operands.first?.type ?? .f32).name)(\(list))", 16)
    }
  }

  private func recast(_ x: Expression, _ type: ScalarType) -> Expression {
    if case .integer(let value, _) = x { return .integer(value, type) }
    return x.type == type ? x : .cast(type, x)
  }

  private func infix(_ op: String, _ a: Expression, _ b: Expression, _ tightness: Int) -> (String, Int) {
    if tightness == 6 { return ("\(text(a, 12)) \(op) \(text(b, 12))", tightness) }
    return ("\(text(a, tightness)) \(op) \(text(b, tightness + 1))", tightness)
  }

  private func tightness(_ op: Expression.Operator) -> Int {
    switch op {
    case .multiply, .divide, .remainder: 13
    case .add, .subtract: 12
    case .less, .lessOrEqual, .greater, .greaterOrEqual: 10
    case .equal, .notEqual: 9
    // C binds bit operators less tightly than people read them.
    case .bitAnd, .bitXor, .bitOr: 6
    case .and: 5
    case .or: 4
    }
  }

  private func cast(_ type: ScalarType, _ x: Expression) -> (String, Int) {
    if dialect.language == .text { return ("\(type.name)(\(text(x)))", 16) }
    if type == .bool { return ("\(text(x, 10)) != 0", 9) }
    if type.isInteger, x.type.isFloat { return ("swage_\(type.name)_from_\(x.type.name)(\(text(x)))", 16) }
    return ("(\(dialect.name(type)))\(text(x, 14))", 14)
  }

  private func narrow(_ type: ElementType, _ x: Expression) -> (String, Int) {
    switch type {
    case .f32, .f64, .i32, .i64, .u32, .u64, .bool, .string, .object: return spell(x)
    case .i8, .i16, .u8, .u16: return ("(int32_t)(\(dialect.storageName(type)))\(text(x, 14))", 14)
    case .i2, .i4: return ("swage_sign_\(type.name)(\(text(x)))", 16)
    case .u2: return ("\(text(x, 7)) & 3", 6)
    case .u4: return ("\(text(x, 7)) & 15", 6)
    case .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0, .f4e2m1:
      return ("swage_from_\(type.name)(swage_to_\(type.name)(\(text(x))))", 16)
    }
  }

  // MARK: - Literals

  /// The shortest decimal that reads back as the same value.
  private func float(_ value: Double, _ type: ScalarType) -> String {
    let isSingle = type == .f32
    if value.isNaN { return dialect.language == .text ? "nan" : isSingle ? "SWAGE_NAN" : "(double)SWAGE_NAN" }
    let single = Float(value)
    if value.isInfinite || (isSingle && single.isInfinite) {
      let name = dialect.language == .text ? "inf" : isSingle ? "SWAGE_INFINITY" : "(double)SWAGE_INFINITY"
      return value < 0 ? "-\(name)" : name
    }
    let digits = isSingle ? "\(single)" : "\(value)"
    return isSingle && dialect.language != .text ? digits + "f" : digits
  }

  private func integer(_ value: Int64, _ type: ScalarType) -> String {
    if dialect.language == .text { return "\(value)" }
    switch type {
    case .u32: return "\(UInt32(truncatingIfNeeded: value))u"
    case .u64: return "\(UInt64(bitPattern: value))u"
    case .i32:
      let narrow = Int32(truncatingIfNeeded: value)
      return narrow == .min ? "(-2147483647 - 1)" : "\(narrow)"
    default: return value == .min ? "(-9223372036854775807 - 1)" : "\(value)"
    }
  }
}
