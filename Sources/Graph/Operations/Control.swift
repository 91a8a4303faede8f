import SwageTensor

/// Runs region 0 when the condition holds, else region 1. Operands: condition (bool scalar), then what both regions
/// take as inputs. Where the regions give one result different sizes, the result's size is a symbol that the node
/// defines; `symbols` lists them in order of appearance.
public struct If: OpDefinition {
  public static let mnemonic = "if"
  /// Types of the results, with fresh symbols where the branches differ.
  public var results: [TensorType]
  public init(results: [TensorType]) { self.results = results }

  /// The printer writes result types of nodes with regions; a payload read from text gets them from the parser.
  public var attributes: AttributeList { AttributeList() }
  public init(_ attributes: inout AttributeReader) throws { results = [] }
  public var numericClass: NumericClass { .accumulating }
  public func substituting(_ values: [String: Dim]) -> If {
    If(results: results.map { TensorType($0.elementType, $0.shape.map { $0.substituting(values) }) })
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    let condition = try context.type(0)
    try context.require(condition == TensorType(.bool), "the condition is a bool scalar, got \(condition)")
    try context.require(context.regions.count == 2, "if has two regions")
    for region in context.regions {
      try context.require(
        region.inputs.count == context.operands.count - 1 && region.outputs.count == results.count,
        "a region has \(region.inputs.count) inputs and \(region.outputs.count) outputs")
      for (index, input) in region.inputs.enumerated() {
        let type = try context.type(index + 1)
        try context.require(type == region.type(of: input), "operand \(index + 1) is \(type)")
      }
      for (type, output) in zip(results, region.outputs) {
        let own = region.type(of: output)
        try context.require(
          own.elementType == type.elementType && own.rank == type.rank && Self.mayAgree(own, type),
          "a branch gives \(own) for \(type)")
      }
    }
    return results
  }

  /// Sizes that are numbers are the same numbers.
  static func mayAgree(_ a: TensorType, _ b: TensorType) -> Bool {
    zip(a.shape, b.shape).allSatisfy { $0 == $1 || $0.constant == nil || $1.constant == nil }
  }

  /// Symbols that stand for sizes in which the branches differ: those that are bare, and that no branch names so.
  public func definedSymbols(regions: [Graph]) -> [String] {
    var names: [String] = []
    for (index, type) in results.enumerated() {
      for (axis, size) in type.shape.enumerated() {
        guard let name = size.symbolName, !names.contains(name) else { continue }
        let same = regions.allSatisfy { region in
          index < region.outputs.count && region.type(of: region.outputs[index]).shape[axis] == size
        }
        if !same { names.append(name) }
      }
    }
    return names
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let regions = context.regions
    let types = context.resultTypes
    let branch = operands[0]!.integers[0] != 0 ? regions[0] : regions[1]
    let values = try Evaluator.run(branch, operands.dropFirst().map { $0! }, &context)
    let defined = Set(definedSymbols(regions: regions))
    for (type, value) in zip(types, values) {
      for (size, actual) in zip(type.shape, value.shape) {
        if let name = size.symbolName, defined.contains(name) { context.symbols[name] = actual }
      }
    }
    return values
  }
}

/// Runs the region again and again. Operands: trip count (i64 scalar, optional), condition (bool scalar, optional),
/// `carried` values, then captures. Region inputs: iteration (i64 scalar), condition (bool scalar), carried, captures.
/// Region outputs: condition, carried, then values that are stacked along a new first axis. Results: carried, stacks.
public struct Loop: OpDefinition {
  public static let mnemonic = "loop"
  public var carried: Int
  /// Types of the results; sizes that the loop decides are fresh symbols that the node defines.
  public var results: [TensorType]

  public init(carried: Int, results: [TensorType]) {
    self.carried = carried
    self.results = results
  }

  public var attributes: AttributeList { AttributeList().with("carried", carried) }
  public init(_ attributes: inout AttributeReader) throws {
    carried = try attributes.integer("carried")
    results = []
  }
  public var numericClass: NumericClass { .accumulating }
  public func substituting(_ values: [String: Dim]) -> Loop {
    Loop(
      carried: carried,
      results: results.map { TensorType($0.elementType, $0.shape.map { $0.substituting(values) }) })
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.require(context.regions.count == 1, "loop has one region")
    let region = context.regions[0]
    try context.require(
      carried >= 0 && carried <= context.operands.count - 2 && region.inputs.count == context.operands.count
        && region.outputs.count == results.count + 1 && results.count >= carried,
      "the region takes \(region.inputs.count) inputs and gives \(region.outputs.count) outputs")
    if let trips = context.optional(0) { try context.require(trips == TensorType(.i64), "the trip count is \(trips)") }
    if let more = context.optional(1) { try context.require(more == TensorType(.bool), "the condition is \(more)") }
    func input(_ index: Int) -> TensorType { region.type(of: region.inputs[index]) }
    func output(_ index: Int) -> TensorType { region.type(of: region.outputs[index]) }
    try context.require(
      input(0) == TensorType(.i64) && input(1) == TensorType(.bool) && output(0) == TensorType(.bool),
      "the region takes an iteration and a condition, and gives a condition first")
    for index in 0..<carried {
      let types = [try context.type(2 + index), input(2 + index), output(1 + index), results[index]]
      try context.require(
        types.allSatisfy { $0.elementType == types[0].elementType && $0.rank == types[0].rank },
        "the carried value \(index) changes its type: " + types.map(\.description).joined(separator: ", "))
    }
    for index in (2 + carried)..<context.operands.count {
      let type = try context.type(index)
      try context.require(type == input(index), "operand \(index) is \(type), not \(input(index))")
    }
    for index in carried..<results.count {
      let (stack, part) = (results[index], output(1 + index))
      try context.require(
        stack.elementType == part.elementType && stack.rank == part.rank + 1, "\(stack) is no stack of \(part)")
    }
    return results
  }

  /// Symbols of the result types that nothing outside gives a value to.
  public func definedSymbols(operands: [TensorType?]) -> [String] {
    let known = Set(operands.compactMap { $0 }.flatMap { $0.shape.flatMap(\.symbols) })
    var names: [String] = []
    for type in results {
      for size in type.shape {
        if let name = size.symbolName, !known.contains(name), !names.contains(name) { names.append(name) }
      }
    }
    return names
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let region = context.regions[0]
    let types = context.resultTypes
    let trips = operands[0].map { $0.integers[0] } ?? .max
    var condition = operands[1].map { $0.integers[0] != 0 } ?? true
    var values = operands[2..<2 + carried].map { $0! }
    let captures = operands[(2 + carried)...].map { $0! }
    var stacks = [[Tensor]](repeating: [], count: types.count - carried)
    var iteration: Int64 = 0
    while condition && iteration < trips {
      var inner = EvaluationContext(symbols: context.symbols, objects: context.objects, observer: context.observer)
      for (input, value) in zip(region.inputs.dropFirst(2), values) {
        for (size, actual) in zip(region.type(of: input).shape, value.shape) {
          if let name = size.symbolName { inner.symbols[name] = actual }
        }
      }
      let head = [Tensor(.i64, [], integers: [iteration]), Tensor(.bool, [], integers: [condition ? 1 : 0])]
      let outputs = try Evaluator.run(region, head + values + captures, &inner)
      condition = outputs[0].integers[0] != 0
      values = Array(outputs[1..<1 + carried])
      for index in stacks.indices { stacks[index].append(outputs[1 + carried + index]) }
      iteration += 1
    }
    var results = values
    for (index, parts) in stacks.enumerated() {
      let type = types[carried + index]
      guard let first = parts.first else {
        let shape = [0] + type.shape.dropFirst().map { $0.evaluate(context.symbols) ?? 0 }
        results.append(Tensor(zeros: type.elementType, shape))
        continue
      }
      guard parts.allSatisfy({ $0.shape == first.shape }) else { throw TypeFault("iterations give different sizes") }
      results.append(
        Tensor(bits: parts.flatMap(\.integerBits), first.elementType, [parts.count] + first.shape))
    }
    for (type, value) in zip(types, results) {
      for (size, actual) in zip(type.shape, value.shape) {
        if let name = size.symbolName, context.symbols[name] == nil { context.symbols[name] = actual }
      }
    }
    return results
  }
}

/// The same value in the memory of another target. Placed by partitioning at borders.
public struct Copy: OpDefinition {
  public static let mnemonic = "copy"
  public var target: String
  public init(to target: String) { self.target = target }
  public var attributes: AttributeList { AttributeList().with("to", .string(target)) }
  public init(_ attributes: inout AttributeReader) throws { target = try attributes.string("to") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    return [try context.type(0)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    [operands[0]!]
  }
}

/// Ends the run with an error: a branch that has no meaning for the values that lead to it.
public struct Fail: OpDefinition {
  public static let mnemonic = "fail"
  public var message: String
  /// What the branch would have given.
  public var results: [TensorType]

  public init(message: String, results: [TensorType]) {
    self.message = message
    self.results = results
  }

  public var attributes: AttributeList { AttributeList().with("message", .string(message)) }
  public init(_ attributes: inout AttributeReader) throws {
    message = try attributes.string("message")
    results = []
  }
  public var numericClass: NumericClass { .exact }
  public func substituting(_ values: [String: Dim]) -> Fail {
    Fail(
      message: message,
      results: results.map { TensorType($0.elementType, $0.shape.map { $0.substituting(values) }) })
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] { results }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    throw TypeFault(message)
  }
}
