import SwageGraph
import SwageTensor

/// Sequences. Those whose elements are known when the model is imported are lists of values, as most exporters write them:
/// nothing of them is left in the graph. Others are objects of a run.
enum SequenceOperators {
  static let table: [String: Handler] = [
    "SequenceEmpty": empty, "SequenceConstruct": construct, "SequenceAt": at, "SequenceInsert": insert,
    "SequenceErase": erase, "SequenceLength": length, "SplitToSequence": split, "ConcatFromSequence": concat,
  ]

  /// Longer sequences are objects.
  static let limit = 1024

  // MARK: - Making

  private static func empty(_ call: Call) throws -> [ImportedValue?] {
    let type = try call.elementType("dtype") ?? .f32
    return [list(call, [], .tensor(type, .none))]
  }

  private static func construct(_ call: Call) throws -> [ImportedValue?] {
    let items = try call.allInputs()
    let types = items.map(\.valueType)
    guard let type = types.dropFirst().reduce(types.first, { $0?.joined($1) }) else {
      throw NodeFault.invalid("its inputs are of several types: \(types.map(\.description).joined(separator: ", "))")
    }
    return [list(call, items, type)]
  }

  static func list(_ call: Call, _ items: [ImportedValue], _ type: ValueType) -> ImportedValue {
    ImportedValue(.sequence(items), object: .sequence(type), sources: [call.source])
  }

  private static func split(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: 0), rank: x.type.rank)
    let size = x.type.shape[axis]
    let keeps = try call.flag("keepdims", default: true)
    let sizes = call.optional(1)
    let drops = sizes == nil && !keeps
    if let parts = try parts(call, size: size, sizes), parts.count <= limit {
      var start = Dim(0)
      let items = try parts.map { part -> ImportedValue in
        let item = try slice(call, x, axis, start, part)
        start = start + part
        guard drops else { return item }
        var shape = item.type.shape
        shape.remove(at: axis)
        return try call.reshape(item, shape)
      }
      let type = items.dropFirst().reduce(items.first?.valueType) { $0?.joined($1.valueType) }
      return [list(call, items, type ?? .tensor(x.type.elementType, .none))]
    }
    var shape: [Int?] = x.type.shape.map(\.constant)
    if drops { shape.remove(at: axis) } else { shape[axis] = sizes == nil ? 1 : nil }
    return [
      try call.emit(
        .object(ObjectOp(.split, axis: axis, keepsAxis: keeps)), [x, sizes],
        objectType: .sequence(.tensor(x.type.elementType, .sizes(shape))))
    ]
  }

  /// The sizes of the parts, where their number is known.
  private static func parts(_ call: Call, size: Dim, _ sizes: ImportedValue?) throws -> [Dim]? {
    guard let sizes else { return size.constant.flatMap { $0 <= limit ? [Dim](repeating: 1, count: $0) : nil } }
    try call.require(
      sizes.type.elementType.isInteger && sizes.type.rank <= 1, "its split is \(sizes.type), not sizes")
    guard let known = sizes.known?.elements ?? call.folded(sizes).map({ $0.integers.map { Dim(Int($0)) } }) else {
      return nil
    }
    try call.require(known.allSatisfy { $0.constant.map { $0 >= 0 } ?? true }, "its split has negative sizes")
    guard sizes.type.rank == 0 else {
      let total = known.reduce(Dim(0), +)
      try call.require(
        (total - size).constant.map { $0 == 0 } ?? true, "parts of \(total) do not fit an axis of \(size)")
      return (total - size).constant == nil ? nil : known
    }
    guard let part = known[0].constant, let whole = size.constant else { return nil }
    try call.require(part > 0, "its split is \(part)")
    guard (whole - 1) / part < limit else { return nil }
    return stride(from: 0, to: whole, by: part).map { Dim(min(part, whole - $0)) }
  }

  private static func slice(_ call: Call, _ x: ImportedValue, _ axis: Int, _ start: Dim, _ size: Dim) throws
    -> ImportedValue
  {
    var starts = [Dim](repeating: 0, count: x.type.rank)
    var sizes = x.type.shape
    (starts[axis], sizes[axis]) = (start, size)
    return try call.emit(.slice(Slice(starts: starts, sizes: sizes)), [x])
  }

  // MARK: - Reading

  /// The type of the elements of an input that is a sequence.
  static func elementType(_ call: Call, _ index: Int) throws -> ValueType {
    switch try call.input(index).objectType {
    case .sequence(let type), .optional(.sequence(let type)): return type
    case let other:
      throw NodeFault.invalid("input \(index) is \(other?.description ?? "a tensor"), not a sequence")
    }
  }

  /// A position as a scalar, and as a number counted from the front where it and the number of elements are known.
  private static func position(_ call: Call, _ index: Int, count: Int?, atEnd: Bool = false) throws
    -> (value: ImportedValue, place: Int?)
  {
    let given = try call.input(index)
    try call.require(given.type.elementType.isInteger, "the position is \(given.type)")
    let value = try call.reshape(given, [])
    guard let count, let number = value.known?.constants?.first ?? call.folded(value)?.integers.first.map({ Int($0) })
    else { return (value, nil) }
    let place = number < 0 ? number &+ count : number
    try call.require(
      place >= 0 && (place < count || atEnd && place == count), "position \(number) is outside a sequence of \(count)")
    return (value, place)
  }

  private static func items(_ value: ImportedValue) -> [ImportedValue]? {
    if case .sequence(let items) = value.content { return items }
    return nil
  }

  private static func at(_ call: Call) throws -> [ImportedValue?] {
    let sequence = try call.input(0)
    let type = try elementType(call, 0)
    let known = items(sequence)
    let (value, place) = try position(call, 1, count: known?.count)
    if let known, let place { return [known[place]] }
    return [try element(call, .at, [sequence, value], type)]
  }

  /// An element that the run takes out of an object: a tensor has sizes that the node defines where they are not known.
  static func element(_ call: Call, _ function: ObjectOp.Function, _ operands: [ImportedValue?], _ type: ValueType)
    throws
    -> ImportedValue
  {
    guard case .tensor(let elementType, let shape) = type else {
      return try call.emit(.object(ObjectOp(function)), operands, objectType: type)
    }
    let result = TensorType(elementType, try fresh(call, shape))
    return try call.emit(.object(ObjectOp(function, result: result)), operands)
  }

  private static func fresh(_ call: Call, _ shape: ValueType.ElementShape) throws -> [Dim] {
    switch shape {
    case .none: return []
    case .sizes(let sizes): return sizes.map { $0.map { Dim($0) } ?? .symbol(call.importer.symbols.freshSize()) }
    case .any:
      throw call.unsupported(
        "not even the rank of its elements is known", remedy: "declare the shape of the elements in the model")
    }
  }

  private static func length(_ call: Call) throws -> [ImportedValue?] {
    let sequence = try call.input(0)
    _ = try elementType(call, 0)
    if let known = items(sequence) { return [call.constant(Tensor(.i64, [], integers: [Int64(known.count)]))] }
    return [try call.emit(.object(ObjectOp(.length, result: TensorType(.i64))), [sequence])]
  }

  private static func concat(_ call: Call) throws -> [ImportedValue?] {
    let sequence = try call.input(0)
    guard case .tensor(let elementType, let shape) = try elementType(call, 0) else {
      throw NodeFault.invalid("the elements of its input are no tensors")
    }
    guard let given = try call.int("axis") else { throw NodeFault.invalid("attribute axis is missing") }
    let isNew = try call.flag("new_axis", default: false)
    if let known = items(sequence), let first = known.first {
      let axis = try call.axis(given, rank: first.type.rank + (isNew ? 1 : 0))
      let parts = try known.map { item -> ImportedValue in
        guard isNew else { return item }
        var sizes = item.type.shape
        try call.require(sizes.count >= axis, "\(item.type) has no place for axis \(axis)")
        sizes.insert(1, at: axis)
        return try call.reshape(item, sizes)
      }
      return [parts.count == 1 ? parts[0] : try call.emit(.concat(Concat(axis: axis)), parts)]
    }
    var sizes = try fresh(call, shape)
    let axis = try call.axis(given, rank: sizes.count + (isNew ? 1 : 0))
    let joined = Dim.symbol(call.importer.symbols.freshSize())
    if isNew { sizes.insert(joined, at: axis) } else { sizes[axis] = joined }
    let op = ObjectOp(.concat, axis: axis, keepsAxis: !isNew, result: TensorType(elementType, sizes))
    return [try call.emit(.object(op), [sequence])]
  }

  // MARK: - Changing

  private static func insert(_ call: Call) throws -> [ImportedValue?] {
    let (sequence, item) = (try call.input(0), try call.input(1))
    guard let type = try elementType(call, 0).joined(item.valueType) else {
      throw NodeFault.invalid("\(item.valueType) does not fit \(sequence.objectType?.description ?? "its input")")
    }
    let known = items(sequence)
    guard call.optional(2) != nil else {
      if let known, known.count < limit { return [list(call, known + [item], type)] }
      return [try call.emit(.object(ObjectOp(.insert)), [sequence, item], objectType: .sequence(type))]
    }
    let (value, place) = try position(call, 2, count: known?.count, atEnd: true)
    if var known, let place, known.count < limit {
      known.insert(item, at: place)
      return [list(call, known, type)]
    }
    return [try call.emit(.object(ObjectOp(.insert)), [sequence, item, value], objectType: .sequence(type))]
  }

  private static func erase(_ call: Call) throws -> [ImportedValue?] {
    let sequence = try call.input(0)
    let type = try elementType(call, 0)
    var known = items(sequence)
    guard call.optional(1) != nil else {
      guard known != nil else {
        return [try call.emit(.object(ObjectOp(.erase)), [sequence], objectType: .sequence(type))]
      }
      try call.require(known?.popLast() != nil, "there is nothing to erase")
      return [list(call, known ?? [], type)]
    }
    let (value, place) = try position(call, 1, count: known?.count)
    if var known, let place {
      known.remove(at: place)
      return [list(call, known, type)]
    }
    return [try call.emit(.object(ObjectOp(.erase)), [sequence, value], objectType: .sequence(type))]
  }
}
