import SwageTensor

/// What is done with sequences, optionals and maps: values of type `object`, which stand for entries of the evaluation
/// context's store. They never change: an operation makes new ones.
public struct ObjectOp: OpDefinition {
  public enum Function: String, Hashable, Sendable, CaseIterable {
    /// Operands: the elements.
    case construct = "sequence_construct"
    /// Operands: sequence, position (integer scalar).
    case at = "sequence_at"
    /// Operands: sequence, element, position (optional; the end).
    case insert = "sequence_insert"
    /// Operands: sequence, position (optional; the last).
    case erase = "sequence_erase"
    /// Operand: sequence. Result: i64 scalar.
    case length = "sequence_length"
    /// Operands: tensor, sizes along `axis` (a vector), one size for all parts (a scalar), or none for parts of size one,
    /// which lose the axis unless `keepsAxis`.
    case split
    /// Operand: sequence. Joins along `axis`, or along a new one where not `keepsAxis`.
    case concat = "sequence_concat"
    /// Operand: the value, optional.
    case optional
    /// Operand: an optional. Result: bool scalar.
    case hasElement = "has_element"
    /// Operand: an optional that has one.
    case getElement = "get_element"
    /// Operands: keys [k], scores [n, k]. Result: a sequence of n maps.
    case zipMap = "zip_map"
    /// Operand: a map from i64. Result: the values in the order of the keys, [1, n]; where the result has a constant width,
    /// each at the place that its key names, zero elsewhere.
    case castMap = "cast_map"
    /// Operands: vocabulary [k], a map. Result: the values of the words, zero where there is none, [1, k].
    case lookUp = "map_look_up"
  }

  public static let mnemonic = "object"
  public var function: Function
  public var axis: Int
  public var keepsAxis: Bool
  /// Types of the results: for tensors with fresh symbols, that the node defines, where only the run knows sizes.
  public var results: [TensorType]

  public init(_ function: Function, axis: Int = 0, keepsAxis: Bool = true, result: TensorType = TensorType(.object)) {
    self.function = function
    self.axis = axis
    self.keepsAxis = keepsAxis
    results = [result]
  }

  public var attributes: AttributeList {
    AttributeList().with("function", function).with("axis", .integer(axis), unless: .integer(0))
      .with("keeps_axis", .bool(keepsAxis), unless: .bool(true))
  }
  public init(_ attributes: inout AttributeReader) throws {
    function = try attributes.word("function")
    axis = try attributes.integer("axis", default: 0)
    keepsAxis = try attributes.bool("keeps_axis", default: true)
    results = []
  }
  public var numericClass: NumericClass { .exact }
  public func substituting(_ values: [String: Dim]) -> ObjectOp {
    var copy = self
    copy.results = results.map { TensorType($0.elementType, $0.shape.map { $0.substituting(values) }) }
    return copy
  }

  /// Symbols of the result that no operand gives a value to.
  public func definedSymbols(operands: [TensorType?]) -> [String] {
    let known = Set(operands.compactMap { $0 }.flatMap { $0.shape.flatMap(\.symbols) })
    var names: [String] = []
    for size in results.flatMap(\.shape) {
      if let name = size.symbolName, !known.contains(name), !names.contains(name) { names.append(name) }
    }
    return names
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    guard results.count == 1 else { throw TypeFault("\(function.rawValue) has one result") }
    let result = results[0]
    func object(_ index: Int) throws {
      let type = try context.type(index)
      try context.require(type == TensorType(.object), "operand \(index) of \(function.rawValue) is \(type)")
    }
    func position(_ index: Int) throws {
      guard let type = context.optional(index) else { return }
      try context.require(type.elementType.isInteger && type.rank == 0, "a position is \(type)")
    }
    func tensor(_ index: Int, rank: Int) throws {
      let type = try context.type(index)
      try context.require(
        type.elementType != .object && type.rank == rank, "operand \(index) of \(function.rawValue) is \(type)")
    }
    switch function {
    case .construct:
      for index in context.operands.indices { _ = try context.type(index) }
    case .at:
      try context.expectCount(2...2)
      try object(0)
      try position(1)
    case .insert:
      try context.expectCount(2...3)
      try object(0)
      try position(2)
    case .erase:
      try context.expectCount(1...2)
      try object(0)
      try position(1)
    case .split:
      try context.expectCount(1...2)
      let type = try context.type(0)
      try context.require(axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
      if let sizes = context.optional(1) {
        try context.require(sizes.elementType.isInteger && sizes.rank <= 1, "sizes of parts are \(sizes)")
      }
    case .optional: try context.expectCount(0...1)
    case .length, .concat, .hasElement, .getElement, .castMap:
      try context.expectCount(1...1)
      try object(0)
    case .zipMap:
      try context.expectCount(2...2)
      try tensor(0, rank: 1)
      try tensor(1, rank: 2)
    case .lookUp:
      try context.expectCount(2...2)
      try tensor(0, rank: 1)
      try object(1)
    }
    let isResultFitting =
      switch function {
      case .construct, .insert, .erase, .split, .optional, .zipMap: result == TensorType(.object)
      case .length: result == TensorType(.i64)
      case .hasElement: result == TensorType(.bool)
      case .castMap, .lookUp: result.elementType.isNumeric || result.elementType == .string
      case .at, .concat, .getElement: true
      }
    try context.require(isResultFitting, "\(function.rawValue) does not give \(result)")
    return results
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let result = try ObjectEvaluation(op: self, operands: operands, objects: context.objects).run(context)
    try Self.bind(result, context.resultTypes[0], &context)
    return [result]
  }

  /// Gives the symbols of the type the values that the tensor has, and checks its other sizes.
  static func bind(_ tensor: Tensor, _ type: TensorType, _ context: inout EvaluationContext) throws {
    guard tensor.elementType == type.elementType, tensor.shape.count == type.rank else {
      throw TypeFault("the value is \(tensor.type), not \(type)")
    }
    for (size, actual) in zip(type.shape, tensor.shape) {
      if let name = size.symbolName, context.symbols[name] == nil { context.symbols[name] = actual }
      guard size.evaluate(context.symbols) == actual else {
        throw TypeFault("the value is \(tensor.type), not \(type)")
      }
    }
  }
}

/// One evaluation: the host values of the operands, and what becomes of them.
private struct ObjectEvaluation {
  let op: ObjectOp
  let operands: [Tensor?]
  let objects: ObjectStore

  func run(_ context: EvaluationContext) throws -> Tensor {
    switch op.function {
    case .construct: return objects.add(.sequence(try operands.indices.map { try value($0) }))
    case .at:
      let items = try sequence(0)
      return try result(items[position(1, count: items.count)])
    case .insert:
      var items = try sequence(0)
      let place =
        operands.count > 2 && operands[2] != nil ? try position(2, count: items.count, atEnd: true) : items.count
      items.insert(try value(1), at: place)
      return objects.add(.sequence(items))
    case .erase:
      var items = try sequence(0)
      let place = operands.count > 1 && operands[1] != nil ? try position(1, count: items.count) : items.count - 1
      guard items.indices.contains(place) else { throw TypeFault("there is nothing to erase") }
      items.remove(at: place)
      return objects.add(.sequence(items))
    case .length: return Tensor(.i64, [], integers: [Int64(try sequence(0).count)])
    case .split: return objects.add(.sequence(try split().map { .tensor($0) }))
    case .concat: return try concat(context)
    case .optional: return objects.add(.optional(operands.first.flatMap { $0 } == nil ? nil : try value(0)))
    case .hasElement:
      let isPresent: Bool
      if case .optional(let inner) = try value(0) { isPresent = inner != nil } else { isPresent = true }
      return Tensor(.bool, [], integers: [isPresent ? 1 : 0])
    case .getElement:
      guard case .optional(let inner) = try value(0) else { return try result(try value(0)) }
      guard let inner else { throw TypeFault("the optional has no element") }
      return try result(inner)
    case .zipMap: return try zipMap()
    case .castMap: return try castMap()
    case .lookUp: return try lookUp()
    }
  }

  /// An operand as a value that outlives the memory of the operand.
  private func value(_ index: Int) throws -> HostValue {
    guard index < operands.count, let operand = operands[index] else { throw TypeFault("operand \(index) is missing") }
    guard operand.elementType == .object else { return .tensor(operand.copied()) }
    guard let value = objects.value(operand) else { throw TypeFault("operand \(index) is no value of this run") }
    return value
  }

  private func sequence(_ index: Int) throws -> [HostValue] {
    switch try value(index) {
    case .sequence(let items), .optional(.sequence(let items)?): return items
    case let other: throw TypeFault("operand \(index) is \(other.kind), not a sequence")
    }
  }

  private func map(_ index: Int) throws -> (keys: Tensor, values: Tensor) {
    guard case .map(let keys, let values) = try value(index) else { throw TypeFault("operand \(index) is no map") }
    return (keys, values)
  }

  private func result(_ value: HostValue) throws -> Tensor {
    let wantsTensor = op.results[0].elementType != .object
    if case .tensor(let tensor) = value, wantsTensor { return tensor }
    if wantsTensor { throw TypeFault("the value is \(value.kind), not a tensor") }
    return objects.add(value)
  }

  private func position(_ index: Int, count: Int, atEnd: Bool = false) throws -> Int {
    guard let given = operands[index]?.integers.first else { throw TypeFault("the position is missing") }
    let place = given < 0 ? given &+ Int64(count) : given
    guard place >= 0, place < Int64(count) || atEnd && place == Int64(count) else {
      throw TypeFault("position \(given) is outside a sequence of \(count)")
    }
    return Int(place)
  }

  private func split() throws -> [Tensor] {
    guard let x = operands[0] else { throw TypeFault("the tensor is missing") }
    let (outer, size, inner) = Indexing.split(x.shape, at: op.axis)
    var sizes: [Int]
    if operands.count > 1, let given = operands[1] {
      sizes = given.integers.map { Int($0) }
      guard sizes.allSatisfy({ $0 >= 0 && $0 <= max(size, 1 << 32) }) else { throw TypeFault("parts of \(sizes)") }
      if given.shape.isEmpty {
        guard sizes[0] > 0 else { throw TypeFault("parts of \(sizes[0])") }
        let part = sizes[0]
        sizes = stride(from: 0, to: size, by: part).map { min(part, size - $0) }
      }
    } else {
      sizes = [Int](repeating: 1, count: size)
    }
    guard sizes.reduce(0, &+) == size else { throw TypeFault("parts of \(sizes) do not fit an axis of \(size)") }
    let drops = operands.count < 2 && !op.keepsAxis
    var start = 0
    return sizes.map { part in
      var shape = x.shape
      shape[op.axis] = part
      var picks: [Int] = []
      if !shape.contains(0) {
        for o in 0..<outer { for i in 0..<part * inner { picks.append((o * size + start) * inner + i) } }
      }
      start += part
      if drops { shape.remove(at: op.axis) }
      return x.gathering(picks, shape: shape)
    }
  }

  private func concat(_ context: EvaluationContext) throws -> Tensor {
    let items = try sequence(0)
    let tensors = items.compactMap(\.tensor)
    guard tensors.count == items.count, let first = tensors.first,
      tensors.allSatisfy({ $0.elementType == first.elementType && $0.shape.count == first.shape.count })
    else { throw TypeFault("a sequence of \(items.count) values that are no tensors of one type cannot be joined") }
    let rank = first.shape.count + (op.keepsAxis ? 0 : 1)
    guard op.axis >= 0, op.axis < rank else { throw TypeFault("axis \(op.axis) of a result of rank \(rank)") }
    var parts: [Tensor] = []
    for tensor in tensors {
      if op.keepsAxis {
        parts.append(tensor)
      } else {
        guard tensor.shape == first.shape else { throw TypeFault("sizes \(tensor.shape) and \(first.shape) differ") }
        var shape = tensor.shape
        shape.insert(1, at: op.axis)
        parts.append(tensor.reshaped(shape))
      }
    }
    var shape = parts[0].shape
    shape[op.axis] = parts.reduce(0) { $0 + $1.shape[op.axis] }
    try context.checkAllocation(first.elementType, shape)
    var inner = EvaluationContext()
    return try Concat(axis: op.axis).evaluate(parts, &inner)[0]
  }

  private func zipMap() throws -> Tensor {
    guard let keys = operands[0], let scores = operands[1], keys.count == scores.shape[1] else {
      throw TypeFault("the scores do not have one column for each key")
    }
    let owned = keys.copied()
    let rows = scores.shape[0]
    let columns = scores.shape[1]
    return objects.add(
      .sequence(
        (0..<rows).map { row in
          .map(keys: owned, values: scores.gathering((0..<columns).map { row * columns + $0 }, shape: [columns]))
        }))
  }

  private func castMap() throws -> Tensor {
    let (keys, values) = try map(0)
    guard keys.elementType == .i64 else { throw TypeFault("keys are \(keys.elementType.name), not i64") }
    let numbers = keys.integers
    let order = numbers.indices.sorted { numbers[$0] < numbers[$1] }
    let converted = try convert(values)
    guard let width = op.results[0].shape.last?.constant else {
      return converted.gathering(order, shape: [1, order.count])
    }
    return try placed(width: width, converted) { index in
      numbers[index] >= 0 && numbers[index] < Int64(width) ? Int(numbers[index]) : nil
    }
  }

  private func lookUp() throws -> Tensor {
    guard let vocabulary = operands[0] else { throw TypeFault("the vocabulary is missing") }
    let (keys, values) = try map(1)
    guard keys.elementType == vocabulary.elementType else {
      throw TypeFault("keys are \(keys.elementType.name), the vocabulary is \(vocabulary.elementType.name)")
    }
    let places = Dictionary(zip(vocabulary.integers, 0...), uniquingKeysWith: { first, _ in first })
    let numbers = keys.integers
    return try placed(width: vocabulary.count, try convert(values)) { places[numbers[$0]] }
  }

  /// The values each at its place in a row of `width`, zero elsewhere.
  private func placed(width: Int, _ values: Tensor, _ place: (Int) -> Int?) throws -> Tensor {
    guard width >= 0, width <= 1 << 30 else { throw TypeFault("a row of \(width)") }
    var bits = [Int64](repeating: 0, count: width)
    for (index, value) in values.integerBits.enumerated() { if let place = place(index) { bits[place] = value } }
    return Tensor(bits: bits, values.elementType, [1, width])
  }

  private func convert(_ values: Tensor) throws -> Tensor {
    let type = op.results[0].elementType
    if values.elementType == type { return values }
    if type == .string { return Tensor(strings: TextOp.format(values), values.shape) }
    if values.elementType == .string { return try TextOp.parse(values, to: type) }
    guard values.elementType.isNumeric, type.isNumeric else {
      throw TypeFault("the values are \(values.elementType.name), not \(type.name)")
    }
    var inner = EvaluationContext()
    return try Cast(to: type).evaluate([values], &inner)[0]
  }
}
