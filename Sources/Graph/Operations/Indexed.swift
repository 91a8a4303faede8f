import SwageTensor

/// Picks slices along an axis by index; negative indices count from the end. Operands: data, indices (i32 or i64).
/// Result shape: data[..axis] + indices + data[axis+1..].
public struct Gather: OpDefinition {
  public static let mnemonic = "gather"
  public var axis: Int
  public init(axis: Int) { self.axis = axis }
  public var attributes: AttributeList { AttributeList().with("axis", axis) }
  public init(_ attributes: inout AttributeReader) throws { axis = try attributes.integer("axis") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(2...2)
    let data = try context.type(0)
    let indices = try context.indexType(1)
    try context.require(axis >= 0 && axis < data.rank, "axis \(axis) is outside \(data)")
    return [TensorType(data.elementType, data.shape[..<axis] + indices.shape + data.shape[(axis + 1)...])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (data, indices) = (operands[0]!, operands[1]!)
    let (outer, size, inner) = Indexing.split(data.shape, at: axis)
    let picks = try indices.integers.map { try Self.resolve($0, size) }
    let shape = Array(data.shape[..<axis]) + indices.shape + Array(data.shape[(axis + 1)...])
    if Checked.product(shape) == 0 { return [Tensor(zeros: data.elementType, shape)] }
    var source: [Int] = []
    source.reserveCapacity(outer * picks.count * inner)
    for o in 0..<outer { for p in picks { for i in 0..<inner { source.append((o * size + p) * inner + i) } } }
    return [data.gathering(source, shape: shape)]
  }

  static func resolve(_ index: Int64, _ size: Int) throws -> Int {
    let resolved = index < 0 ? index &+ Int64(size) : index
    guard resolved >= 0, resolved < Int64(size) else { throw TypeFault("index \(index) is outside an axis of \(size)") }
    return Int(resolved)
  }
}

/// result[i, j, k] = data[i, indices[i, j, k], k] for axis 1, and so on. Operands: data, indices.
public struct GatherElements: OpDefinition {
  public static let mnemonic = "gather_elements"
  public var axis: Int
  public init(axis: Int) { self.axis = axis }
  public var attributes: AttributeList { AttributeList().with("axis", axis) }
  public init(_ attributes: inout AttributeReader) throws { axis = try attributes.integer("axis") }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(2...2)
    let data = try context.type(0)
    let indices = try context.indexType(1)
    try context.require(axis >= 0 && axis < data.rank && indices.rank == data.rank, "\(indices) does not index \(data)")
    for other in 0..<data.rank where other != axis {
      try context.requireAtMost(indices.shape[other], data.shape[other], "axis \(other) of the indices")
    }
    return [TensorType(data.elementType, indices.shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (data, indices) = (operands[0]!, operands[1]!)
    return [data.gathering(try Self.offsets(data.shape, indices, axis), shape: indices.shape)]
  }

  static func offsets(_ shape: [Int], _ indices: Tensor, _ axis: Int) throws -> [Int] {
    var strides = Indexing.strides(shape)
    let axisStride = strides[axis]
    strides[axis] = 0
    let base = Indexing.offsets(indices.shape, strides: strides)
    return try zip(base, indices.integers).map { $0 + (try Gather.resolve($1, shape[axis])) * axisStride }
  }
}

/// Picks slices by index tuples in the last axis of the indices, as ONNX GatherND. Operands: data, indices.
public struct GatherND: OpDefinition {
  public static let mnemonic = "gather_nd"
  public var batchRank: Int
  public init(batchRank: Int) { self.batchRank = batchRank }
  public var attributes: AttributeList { AttributeList().with("batch_rank", .integer(batchRank), unless: .integer(0)) }
  public init(_ attributes: inout AttributeReader) throws {
    batchRank = try attributes.integer("batch_rank", default: 0)
  }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(2...2)
    let data = try context.type(0)
    let indices = try context.indexType(1)
    try context.require(indices.rank >= 1, "the indices are a scalar")
    guard let depth = indices.shape.last?.constant else { throw TypeFault("the last axis of \(indices) must be known") }
    try context.require(
      batchRank >= 0 && batchRank < indices.rank && depth >= 1 && batchRank + depth <= data.rank,
      "\(indices) does not index \(data)")
    for axis in 0..<batchRank { try context.requireEqual(data.shape[axis], indices.shape[axis], "batch axis \(axis)") }
    return [TensorType(data.elementType, indices.shape.dropLast() + data.shape[(batchRank + depth)...])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (data, indices) = (operands[0]!, operands[1]!)
    let depth = indices.shape.last!
    let strides = Indexing.strides(data.shape)
    let shape = Array(indices.shape.dropLast() + data.shape[(batchRank + depth)...])
    if Checked.product(shape) == 0 { return [Tensor(zeros: data.elementType, shape)] }
    let width = data.shape[(batchRank + depth)...].reduce(1, *)
    let values = indices.integers
    let batch = indices.shape[..<batchRank].reduce(1, *)
    let perBatch = batch == 0 ? 0 : values.count / max(depth, 1) / batch
    var source: [Int] = []
    for tuple in 0..<values.count / depth {
      var base = batchRank == 0 ? 0 : tuple / perBatch * data.shape[batchRank...].reduce(1, &*)
      for k in 0..<depth {
        base += try Gather.resolve(values[tuple * depth + k], data.shape[batchRank + k]) * strides[batchRank + k]
      }
      for i in 0..<width { source.append(base + i) }
    }
    return [data.gathering(source, shape: shape)]
  }
}

/// How a scatter combines an update with what is there.
public enum ScatterReduction: String, Hashable, Sendable {
  case none, add, mul, min, max

  var function: Binary.Function? {
    switch self {
    case .none: nil
    case .add: .add
    case .mul: .mul
    case .min: .min
    case .max: .max
    }
  }

  /// Applies updates in order: (element of the result, element of the updates).
  func apply(_ pairs: [(Int, Int)], data: Tensor, updates: Tensor) -> Tensor {
    guard let function else {
      var bits = data.integerBits
      let new = updates.integerBits
      for (target, source) in pairs { bits[target] = new[source] }
      return Tensor(bits: bits, data.elementType, data.shape)
    }
    let binary = Binary(function)
    if data.elementType.isFloat {
      var values = data.doubles
      let new = updates.doubles
      for (target, source) in pairs { values[target] = binary.apply(values[target], new[source]) }
      return Tensor(data.elementType, data.shape, doubles: values)
    }
    var values = data.integers
    let new = updates.integers
    for (target, source) in pairs {
      values[target] = binary.applyInteger(values[target], new[source], data.elementType)
    }
    return Tensor(data.elementType, data.shape, integers: values)
  }
}

/// Writes updates at indices along an axis into a copy of the data. Operands: data, indices, updates.
public struct ScatterElements: OpDefinition {
  public static let mnemonic = "scatter_elements"
  public var axis: Int
  public var reduction: ScatterReduction

  public init(axis: Int, reduction: ScatterReduction) {
    self.axis = axis
    self.reduction = reduction
  }

  public var attributes: AttributeList { AttributeList().with("axis", axis).with("reduction", reduction) }
  public init(_ attributes: inout AttributeReader) throws {
    axis = try attributes.integer("axis")
    reduction = try attributes.word("reduction")
  }
  public var numericClass: NumericClass { reduction == .none ? .exact : .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(3...3)
    let data = try context.type(0)
    let indices = try context.indexType(1)
    let updates = try context.type(2)
    try context.require(
      axis >= 0 && axis < data.rank && indices.rank == data.rank && updates.rank == data.rank
        && updates.elementType == data.elementType, "\(updates) at \(indices) does not fit \(data)")
    for other in 0..<data.rank {
      try context.requireEqual(indices.shape[other], updates.shape[other], "axis \(other) of the updates")
      if other != axis {
        try context.requireAtMost(indices.shape[other], data.shape[other], "axis \(other) of the indices")
      }
    }
    return [data]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (data, indices, updates) = (operands[0]!, operands[1]!, operands[2]!)
    let targets = try GatherElements.offsets(data.shape, indices, axis)
    return [reduction.apply(targets.enumerated().map { ($1, $0) }, data: data, updates: updates)]
  }
}

/// Writes slices at index tuples into a copy of the data, as ONNX ScatterND. Operands: data, indices, updates.
public struct ScatterND: OpDefinition {
  public static let mnemonic = "scatter_nd"
  public var reduction: ScatterReduction
  public init(reduction: ScatterReduction) { self.reduction = reduction }
  public var attributes: AttributeList { AttributeList().with("reduction", reduction) }
  public init(_ attributes: inout AttributeReader) throws { reduction = try attributes.word("reduction") }
  public var numericClass: NumericClass { reduction == .none ? .exact : .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(3...3)
    let data = try context.type(0)
    let indices = try context.indexType(1)
    let updates = try context.type(2)
    guard let depth = indices.shape.last?.constant, depth <= data.rank else {
      throw TypeFault("\(indices) does not index \(data)")
    }
    let expected = indices.shape.dropLast() + data.shape[depth...]
    try context.require(
      updates.elementType == data.elementType && updates.rank == expected.count, "\(updates) does not fit \(data)")
    for (a, b) in zip(updates.shape, expected) { try context.requireEqual(a, b, "updates \(updates)") }
    return [data]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (data, indices, updates) = (operands[0]!, operands[1]!, operands[2]!)
    if updates.count == 0 { return [data] }
    let depth = indices.shape.last!
    let strides = Indexing.strides(data.shape)
    let width = data.shape[depth...].reduce(1, *)
    let values = indices.integers
    let tuples = indices.shape.dropLast().reduce(1, *)
    var pairs: [(Int, Int)] = []
    for tuple in 0..<tuples {
      var base = 0
      for k in 0..<depth { base += try Gather.resolve(values[tuple * depth + k], data.shape[k]) * strides[k] }
      for i in 0..<width { pairs.append((base + i, tuple * width + i)) }
    }
    return [reduction.apply(pairs, data: data, updates: updates)]
  }
}

/// Index tuples of the elements that are not zero, as columns: i64[rank, symbol]. The node gives `symbol` its value.
public struct NonZero: OpDefinition {
  public static let mnemonic = "nonzero"
  public var symbol: String
  public init(symbol: String) { self.symbol = symbol }
  public var attributes: AttributeList { AttributeList().with("symbol", .string(symbol)) }
  public init(_ attributes: inout AttributeReader) throws { symbol = try attributes.string("symbol") }
  public var numericClass: NumericClass { .exact }
  public var definedSymbols: [String] { [symbol] }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    return [TensorType(.i64, [Dim(max(try context.type(0).rank, 1)), .symbol(symbol)])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let hits = x.doubles.enumerated().filter { $0.element != 0 }.map(\.offset)
    context.symbols[symbol] = hits.count
    let shape = x.shape.isEmpty ? [1] : x.shape
    let strides = Indexing.strides(shape)
    var result: [Int64] = []
    for axis in shape.indices { result += hits.map { Int64($0 / strides[axis] % shape[axis]) } }
    return [Tensor(.i64, [shape.count, hits.count], integers: result)]
  }
}

extension TypeContext {
  /// The type of an operand that holds indices.
  func indexType(_ index: Int) throws -> TensorType {
    let type = try type(index)
    guard type.elementType == .i64 || type.elementType == .i32 else {
      throw TypeFault("indices are i32 or i64, got \(type)")
    }
    return type
  }
}
