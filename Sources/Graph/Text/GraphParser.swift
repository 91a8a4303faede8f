import SwageTensor

/// Reads the text form of a graph. Lines start with `//` where they are comments.
///
/// The declared result types must be those that the type rules give; a graph that parses is well typed.
public struct GraphParser {
  private var lexer: GraphLexer
  private let resources: [Tensor]
  private var depth = 0

  private init(_ text: String, resources: [Tensor]) {
    lexer = GraphLexer(text)
    self.resources = resources
  }

  /// - Throws: `GraphError.text` with the line, or `GraphError.typeRule`.
  public static func parse(_ text: String, resources: [Tensor] = []) throws -> Graph {
    var parser = GraphParser(text, resources: resources)
    do {
      let graph = try parser.graph()
      try parser.lexer.expectEnd()
      return graph
    } catch let fault as TypeFault {
      throw GraphError.text(line: parser.lexer.line, message: fault.message)
    }
  }

  private mutating func graph() throws -> Graph {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw TypeFault("graphs nest deeper than 64 levels") }
    try lexer.expect("graph")
    var graph = Graph(name: try lexer.string())
    var values: [Int: ValueID] = [:]
    try lexer.expect("(")
    while !lexer.take(")") {
      let number = try lexer.valueNumber()
      let name = try lexer.string()
      try lexer.expect(":")
      values[number] = graph.addInput(name: name, type: try type())
      if !lexer.take(",") {
        try lexer.expect(")")
        break
      }
    }
    try lexer.expect("{")
    while !lexer.take("return") { try node(&graph, &values) }
    while !lexer.take("}") {
      let number = try lexer.valueNumber()
      guard let value = values[number] else { throw TypeFault("%\(number) is not defined") }
      graph.addOutput(value, name: try lexer.string())
      if !lexer.take(",") {
        try lexer.expect("}")
        break
      }
    }
    return graph
  }

  private mutating func node(_ graph: inout Graph, _ values: inout [Int: ValueID]) throws {
    let line = lexer.line
    var numbers: [Int] = []
    var names: [String] = []
    if lexer.peek("%") {
      repeat {
        numbers.append(try lexer.valueNumber())
        names.append(lexer.peek("\"") ? try lexer.string() : "")
      } while lexer.take(",")
      try lexer.expect("=")
    }
    let mnemonic = try lexer.word()
    let created: [ValueID]
    if mnemonic == Constant.mnemonic {
      let tensor = try constant(line)
      let (target, sources) = try tail()
      created = try graph.append(.constant(Constant(tensor)), [], names: names, sources: sources)
      if let target, let id = created.first.flatMap({ graph.producer(of: $0)?.id }) { graph.setTarget(target, of: id) }
    } else {
      let operands = try operands(values)
      let items = try attributes()
      var reader = try at(line) { try AttributeReader(op: mnemonic, items) }
      var regions: [Graph] = []
      while lexer.peek("graph") { regions.append(try self.graph()) }
      let types = numbers.isEmpty ? [] : try types()
      let op = try at(line) {
        let payload = try self.op(mnemonic, &reader, types)
        try reader.finish()
        return payload
      }
      let (target, sources) = try tail()
      do {
        created = try graph.append(op, operands, regions: regions, names: names, sources: sources)
      } catch GraphError.typeRule(let op, let message, _) {
        throw GraphError.text(line: line, message: "\(op): \(message)")
      }
      if let target, let id = graph.order.last { graph.setTarget(target, of: id) }
      for (value, declared) in zip(created, types) where graph.type(of: value) != declared {
        let given = graph.type(of: value)
        let mayAgree =
          given.elementType == declared.elementType && given.rank == declared.rank
          && zip(given.shape, declared.shape).allSatisfy { $0 == $1 || $0.constant == nil || $1.constant == nil }
        guard mayAgree else {
          throw GraphError.text(line: line, message: "\(mnemonic) gives \(given), not \(declared)")
        }
      }
    }
    guard created.count == numbers.count else {
      throw GraphError.text(line: line, message: "\(mnemonic) gives \(created.count) results, not \(numbers.count)")
    }
    for (number, value) in zip(numbers, created) {
      guard values.updateValue(value, forKey: number) == nil else {
        throw GraphError.text(line: line, message: "%\(number) is defined twice")
      }
    }
  }

  /// Faults of what has been read, by the line it began on; the lexer may be further on.
  private func at<T>(_ line: Int, _ body: () throws -> T) throws -> T {
    do { return try body() } catch let fault as TypeFault {
      throw GraphError.text(line: line, message: fault.message)
    }
  }

  private func op(_ mnemonic: String, _ reader: inout AttributeReader, _ types: [TensorType]) throws -> Op {
    switch mnemonic {
    case If.mnemonic: return .if(If(results: types))
    case Loop.mnemonic:
      var op = try Loop(&reader)
      op.results = types
      return .loop(op)
    case Fail.mnemonic:
      var op = try Fail(&reader)
      op.results = types
      return .fail(op)
    case TextOp.mnemonic:
      var op = try TextOp(&reader)
      op.results = types
      return .text(op)
    case ObjectOp.mnemonic:
      var op = try ObjectOp(&reader)
      op.results = types
      return .object(op)
    default:
      guard let op = try Op.parse(mnemonic, &reader) else { throw TypeFault("there is no operation \(mnemonic)") }
      return op
    }
  }

  private mutating func operands(_ values: [Int: ValueID]) throws -> [ValueID?] {
    var operands: [ValueID?] = []
    try lexer.expect("(")
    while !lexer.take(")") {
      if lexer.take("none") {
        operands.append(nil)
      } else {
        let number = try lexer.valueNumber()
        guard let value = values[number] else { throw TypeFault("%\(number) is not defined") }
        operands.append(value)
      }
      if !lexer.take(",") {
        try lexer.expect(")")
        break
      }
    }
    return operands
  }

  private mutating func attributes() throws -> [(name: String, value: AttributeValue)] {
    var items: [(name: String, value: AttributeValue)] = []
    guard lexer.take("{") else { return items }
    while !lexer.take("}") {
      let name = try lexer.word()
      try lexer.expect("=")
      items.append((name, try attribute()))
      if !lexer.take(",") {
        try lexer.expect("}")
        break
      }
    }
    return items
  }

  private mutating func attribute(depth: Int = 0) throws -> AttributeValue {
    guard depth < 8 else { throw TypeFault("lists nest deeper than 8 levels") }
    if lexer.peek("\"") { return .string(try lexer.string()) }
    if lexer.take("[") {
      var values: [AttributeValue] = []
      while !lexer.take("]") {
        values.append(try attribute(depth: depth + 1))
        if !lexer.take(",") {
          try lexer.expect("]")
          break
        }
      }
      return .list(values)
    }
    let text = lexer.expression()
    switch text {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "nan": return .float(.nan)
    case "inf": return .float(.infinity)
    case "-inf": return .float(-.infinity)
    default: break
    }
    if let integer = Int(text) { return .integer(integer) }
    if let first = text.first, first.isNumber || first == "-", let number = Double(text) { return .float(number) }
    if let dimension = Dim(parsing: text) { return .dimension(dimension) }
    guard !text.isEmpty else { throw TypeFault("an attribute has no value") }
    return .word(text)
  }

  private mutating func types() throws -> [TensorType] {
    try lexer.expect(":")
    var types = [try type()]
    while lexer.take(",") { types.append(try type()) }
    return types
  }

  private mutating func type() throws -> TensorType {
    let name = try lexer.word()
    guard let elementType = ElementType(name: name) else { throw TypeFault("there is no element type \(name)") }
    var shape: [Dim] = []
    try lexer.expect("[")
    while !lexer.take("]") {
      let text = lexer.expression()
      guard let size = Dim(parsing: text) else { throw TypeFault("\(text) is no size") }
      shape.append(size)
      if !lexer.take(",") {
        try lexer.expect("]")
        break
      }
    }
    return TensorType(elementType, shape)
  }

  private mutating func constant(_ line: Int) throws -> Tensor {
    let type = try type()
    guard let shape = type.staticShape, type.elementType != .object,
      Checked.product(shape).flatMap({ type.elementType.byteCount(elements: $0) }).map({ $0 <= 1 << 40 }) == true
    else { throw TypeFault("a constant cannot be \(type)") }
    if lexer.take("resource") {
      guard let index = Int(lexer.expression()), resources.indices.contains(index) else {
        throw TypeFault("there is no such resource")
      }
      let tensor = resources[index]
      guard tensor.type == type else { throw TypeFault("resource \(index) is \(tensor.type), not \(type)") }
      return tensor
    }
    if type.elementType == .string {
      let strings = try strings()
      guard Checked.product(shape) == strings.count else { throw TypeFault("\(strings.count) values for \(type)") }
      return Tensor(stringBytes: strings, shape)
    }
    var values: [String] = []
    try lexer.expect("[")
    while !lexer.take("]") {
      values.append(lexer.expression())
      if !lexer.take(",") {
        try lexer.expect("]")
        break
      }
    }
    return try at(line) { try Self.constant(type, shape, values) }
  }

  private mutating func strings() throws -> [[UInt8]] {
    var strings: [[UInt8]] = []
    try lexer.expect("[")
    while !lexer.take("]") {
      strings.append(try lexer.bytes())
      if !lexer.take(",") {
        try lexer.expect("]")
        break
      }
    }
    return strings
  }

  private static func constant(_ type: TensorType, _ shape: [Int], _ values: [String]) throws -> Tensor {
    guard Checked.product(shape) == values.count else { throw TypeFault("\(values.count) values for \(type)") }
    if type.elementType.isFloat {
      let numbers = values.map { Double($0) }
      guard !numbers.contains(nil) else { throw TypeFault("a value of \(type) is no number") }
      return Tensor(type.elementType, shape, doubles: numbers.map { $0 ?? 0 })
    }
    let numbers = values.map { Int64($0) ?? UInt64($0).map { Int64(bitPattern: $0) } }
    guard !numbers.contains(nil) else { throw TypeFault("a value of \(type) is no integer") }
    let tensor = Tensor(type.elementType, shape, integers: numbers.map { $0 ?? 0 })
    guard zip(tensor.integers, numbers).allSatisfy({ $0 == $1 }) else {
      throw TypeFault("a value does not fit \(type.elementType.name)")
    }
    return tensor
  }

  private mutating func tail() throws -> (target: String?, sources: [Source]) {
    let target = lexer.take("on") ? try lexer.word() : nil
    var sources: [Source] = []
    if lexer.take("from") {
      repeat {
        let name = try lexer.string()
        try lexer.expect("(")
        let op = lexer.peek("\"") ? try lexer.string() : lexer.expression()
        try lexer.expect(")")
        sources.append(Source(name: name, operatorName: op))
      } while lexer.take(",")
    }
    return (target, sources)
  }
}
