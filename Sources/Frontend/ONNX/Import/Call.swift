import SwageGraph
import SwageTensor

/// The attributes that a translation has looked at: others mean something that it would ignore.
final class AttributeLog {
  var names: Set<String> = []

  /// Attributes without an effect on results, or that other attributes make meaningless.
  static let harmless: Set<String> = [
    "activation_alpha", "activation_beta", "antialias", "axis", "broadcast", "coordinate_transformation_mode",
    "cubic_coeff_a", "consumed_inputs", "exclude_outside", "extrapolation_value", "is_test", "keep_aspect_ratio_policy",
    "kv_num_heads", "momentum", "nearest_mode", "noop_with_empty_axes", "num_heads", "output_sequence", "precision",
    "q_num_heads", "ratio", "saturate", "seed", "softmax_precision", "sorted", "spatial", "stash_type",
    "storage_order", "value",
  ]
}

/// One node under translation: its inputs, its attributes, and where to put what it becomes.
struct Call {
  let importer: ONNXImporter
  let builder: RegionBuilder
  let node: ONNXNode
  /// The version of the node's domain.
  let opset: Int
  let inputs: [ImportedValue?]
  /// With references to a function's parameters resolved.
  let attributes: [String: ONNXAttributeValue]
  /// Per output: something reads it.
  let isRead: [Bool]
  let log = AttributeLog()

  var source: Source { Source(name: importer.label(node), operatorName: node.opType) }
  var sizes: SizeArithmetic { importer.sizes }

  // MARK: - Inputs

  func optional(_ index: Int) -> ImportedValue? { index < inputs.count ? inputs[index] : nil }

  func input(_ index: Int) throws -> ImportedValue {
    guard let value = optional(index) else { throw NodeFault.invalid("input \(index) is missing") }
    return value
  }

  /// All inputs of a variadic operator.
  func allInputs() throws -> [ImportedValue] {
    guard !inputs.isEmpty else { throw NodeFault.invalid("it has no inputs") }
    return try inputs.indices.map { try input($0) }
  }

  func wants(output index: Int) -> Bool { index < isRead.count && isRead[index] }

  // MARK: - Attributes

  private func mismatch(_ name: String, _ expected: String, _ value: ONNXAttributeValue) -> NodeFault {
    .invalid("attribute \(name) is of kind \(value.kind), not \(expected)")
  }

  /// The attribute, noted as looked at.
  func attribute(_ name: String) -> ONNXAttributeValue? {
    log.names.insert(name)
    return attributes[name]
  }

  /// The attributes that nothing has looked at, sorted.
  var ignoredAttributes: [String] {
    attributes.keys.filter { !log.names.contains($0) && !AttributeLog.harmless.contains($0) }.sorted()
  }

  /// The same node with other attributes.
  func replacing(_ changes: [String: ONNXAttributeValue]) -> Call {
    var changed = attributes
    for (name, value) in changes {
      changed[name] = value
      log.names.insert(name)
    }
    log.names.formUnion(attributes.keys)
    return Call(
      importer: importer, builder: builder, node: node, opset: opset, inputs: inputs, attributes: changed,
      isRead: isRead)
  }

  /// The same node with other attributes or inputs, as if the file had it so.
  func changing(
    _ changes: [String: ONNXAttributeValue] = [:], inputs: [ImportedValue?]? = nil, without removed: [String] = []
  ) -> Call {
    let kept = attributes.filter { !removed.contains($0.key) }
    return Call(
      importer: importer, builder: builder, node: node, opset: opset, inputs: inputs ?? self.inputs,
      attributes: kept.merging(changes) { $1 }, isRead: isRead)
  }

  /// The same node, to be translated into another graph.
  func with(_ builder: RegionBuilder) -> Call {
    Call(
      importer: importer, builder: builder, node: node, opset: opset, inputs: inputs, attributes: attributes,
      isRead: isRead)
  }

  func int(_ name: String) throws -> Int? {
    switch attribute(name) {
    case nil: return nil
    case .int(let value): return value
    case .some(let other): throw mismatch(name, "int", other)
    }
  }

  func int(_ name: String, default fallback: Int) throws -> Int { try int(name) ?? fallback }
  func flag(_ name: String, default fallback: Bool = false) throws -> Bool { try int(name).map { $0 != 0 } ?? fallback }

  func float(_ name: String) throws -> Double? {
    switch attribute(name) {
    case nil: return nil
    case .float(let value): return Double(value)
    case .some(let other): throw mismatch(name, "float", other)
    }
  }

  /// Defaults are f32 too, as in the operators' definitions.
  func float(_ name: String, default fallback: Double) throws -> Double { try float(name) ?? Double(Float(fallback)) }

  func string(_ name: String, default fallback: String) throws -> String {
    switch attribute(name) {
    case nil: return fallback
    case .string(let value): return value
    case .some(let other): throw mismatch(name, "string", other)
    }
  }

  func ints(_ name: String) throws -> [Int]? {
    switch attribute(name) {
    case nil: return nil
    case .ints(let value): return value
    case .some(let other): throw mismatch(name, "ints", other)
    }
  }

  func floats(_ name: String) throws -> [Double]? {
    switch attribute(name) {
    case nil: return nil
    case .floats(let value): return value.map { Double($0) }
    case .some(let other): throw mismatch(name, "floats", other)
    }
  }

  func strings(_ name: String) throws -> [String]? {
    switch attribute(name) {
    case nil: return nil
    case .strings(let value): return value
    case .some(let other): throw mismatch(name, "strings", other)
    }
  }

  func graph(_ name: String) throws -> ONNXGraph {
    switch attribute(name) {
    case nil: throw NodeFault.invalid("attribute \(name) is missing")
    case .graph(let value): return value
    case .some(let other): throw mismatch(name, "graph", other)
    }
  }

  /// An element type given by its ONNX number.
  func elementType(_ name: String) throws -> ElementType? {
    guard let number = try int(name) else { return nil }
    guard let code = Int32(exactly: number), let type = ElementType(onnx: code) else {
      throw NodeFault.invalid("attribute \(name) names no element type: \(number)")
    }
    return type
  }

  // MARK: - Faults

  func unsupported(_ reason: String, remedy: String = "export the model without it") -> NodeFault {
    .unsupported(reason, remedy: remedy)
  }

  func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw NodeFault.invalid(message()) }
  }

  /// An axis counted from the front; ONNX counts negative ones from the end.
  func axis(_ axis: Int, rank: Int) throws -> Int {
    guard axis >= -rank, axis < rank else {
      throw NodeFault.invalid("axis \(axis) is outside a tensor of rank \(rank)")
    }
    return axis < 0 ? axis + rank : axis
  }

  /// Distinct axes counted from the front, in the order given.
  func axes(_ axes: [Int], rank: Int) throws -> [Int] {
    let resolved = try axes.map { try axis($0, rank: rank) }
    try require(Set(resolved).count == resolved.count, "axes \(axes) repeat")
    return resolved
  }

  // MARK: - Emitting

  /// Adds an operation with one result.
  func emit(
    _ op: Op, _ operands: [ImportedValue?], regions: [Graph] = [], objectType: ValueType? = nil
  ) throws -> ImportedValue {
    guard let first = try emitAll(op, operands, regions: regions, objectTypes: [objectType]).first else {
      throw NodeFault.invalid("\(op.mnemonic) has no result")
    }
    return first
  }

  /// Adds an operation; where its result follows from sizes, none. `objectTypes` says what results hold that are no tensors.
  func emitAll(
    _ op: Op, _ operands: [ImportedValue?], regions: [Graph] = [], objectTypes: [ValueType?] = []
  ) throws -> [ImportedValue] {
    if regions.isEmpty, let known = sizes.apply(op, operands) {
      return [ImportedValue(known.sizes, known.type, sources: [source])]
    }
    var trimmed = operands
    // The operands of a node with regions are counted against its regions' inputs.
    while regions.isEmpty, let last = trimmed.last, last == nil { trimmed.removeLast() }
    let ids = try trimmed.map { try $0.map { try builder.id(of: $0) } }
    let results: [ValueID]
    do {
      results = try builder.graph.append(op, ids, regions: regions, sources: [source])
    } catch GraphError.typeRule(let mnemonic, let message, _) {
      throw NodeFault.invalid("\(mnemonic): \(message)")
    }
    if let id = builder.graph.order.last { builder.define(builder.graph.definedSymbols(of: builder.graph[id])) }
    for result in results {
      let type = builder.graph.type(of: result)
      try require(type.rank <= 64, "rank \(type.rank) is too large")
      try require(type.shape.allSatisfy { $0.constant.map { $0 >= 0 } ?? true }, "its result is \(type)")
      importer.noteSizes(type)
    }
    return results.enumerated().map { index, result in
      ImportedValue(
        .node(result, builder), type: builder.graph.type(of: result), sources: [source],
        objectType: index < objectTypes.count ? objectTypes[index] : nil)
    }
  }

  func constant(_ tensor: Tensor) -> ImportedValue { ImportedValue(constant: tensor, sources: [source]) }

  func scalar(_ value: Double, _ type: ElementType) -> ImportedValue { constant(Tensor(scalar: value, type)) }

  func unary(_ function: Unary.Function, _ x: ImportedValue, alpha: Double? = nil, beta: Double? = nil) throws
    -> ImportedValue
  {
    try emit(.unary(Unary(function, alpha: alpha, beta: beta)), [x])
  }

  func binary(_ function: Binary.Function, _ a: ImportedValue, _ b: ImportedValue) throws -> ImportedValue {
    try emit(.binary(Binary(function)), [a, b])
  }

  func binary(_ function: Binary.Function, _ a: ImportedValue, _ b: Double) throws -> ImportedValue {
    try binary(function, a, scalar(b, a.type.elementType))
  }

  /// The value itself where it has the type already.
  func cast(_ x: ImportedValue, to type: ElementType) throws -> ImportedValue {
    if x.type.elementType == type { return x }
    if type == .string { return try emit(.text(TextOp(.format, results: [TensorType(type, x.type.shape)])), [x]) }
    if x.type.elementType == .string {
      return try emit(.text(TextOp(.parse, results: [TensorType(type, x.type.shape)])), [x])
    }
    return try emit(.cast(Cast(to: type)), [x])
  }

  func reshape(_ x: ImportedValue, _ shape: [Dim]) throws -> ImportedValue {
    x.type.shape == shape ? x : try emit(.reshape(Reshape(shape)), [x])
  }

  func broadcast(_ x: ImportedValue, _ shape: [Dim]) throws -> ImportedValue {
    x.type.shape == shape ? x : try emit(.broadcast(Broadcast(shape)), [x])
  }

  func transpose(_ x: ImportedValue, _ permutation: [Int]) throws -> ImportedValue {
    permutation == Array(permutation.indices) ? x : try emit(.transpose(Transpose(permutation)), [x])
  }

  func reduce(_ function: Reduce.Function, _ x: ImportedValue, axes: [Int], keeps: Bool) throws -> ImportedValue {
    try emit(.reduce(Reduce(function, axes: axes.sorted(), keepsAxes: keeps)), [x])
  }

  /// `[n]` as `[n, 1, …]`, to broadcast along axis `rank - trailing - 1` of an operand.
  func perChannel(_ x: ImportedValue, trailing: Int) throws -> ImportedValue {
    try require(trailing >= 0, "\(x.type) has no place beside its other inputs")
    return try reshape(x, x.type.shape + [Dim](repeating: 1, count: trailing))
  }

  /// 0, 1, 2, … as i64.
  func counting(_ count: Dim) throws -> ImportedValue {
    try require(count.constant.map { $0 >= 0 } ?? true, "a count of \(count)")
    let (zero, one) = (constant(Tensor(.i64, [], integers: [0])), constant(Tensor(.i64, [], integers: [1])))
    return try emit(.iota(Iota(count: count)), [zero, one])
  }

  // MARK: - Sizes

  /// The elements of a vector or scalar of integers as sizes. Data that only the run knows is bound to fresh symbols,
  /// which may be negative unless `areSizes`.
  func sizes(of value: ImportedValue, _ what: String, areSizes: Bool = false) throws -> [Dim] {
    try require(value.type.rank <= 1, "\(what) are \(value.type), not a vector")
    if let known = value.known { return known.elements }
    if let tensor = folded(value), tensor.elementType.isInteger { return tensor.integers.map { Dim(Int($0)) } }
    guard let count = value.type.rank == 0 ? 1 : value.type.shape[0].constant, count <= KnownSizes.limit else {
      throw unsupported("the number of \(what) is decided by data")
    }
    let names = (0..<count).map { _ in areSizes ? importer.symbols.freshSize() : importer.symbols.freshData() }
    var data = try cast(value, to: .i64)
    // Numbers beyond these are as good as infinite; within, there is room for arithmetic.
    if !areSizes { data = try binary(.min, try binary(.max, data, -0x1p62), 0x1p62) }
    _ = try emitAll(.bindSymbols(BindSymbols(names)), [data])
    builder.define(names)
    return names.map { .symbol($0) }
  }

  /// The elements as numbers; nil where only the run knows them.
  func knownConstants(of value: ImportedValue) throws -> [Int]? {
    if let known = value.known?.constants { return known }
    if value.type.elementCount == 0 { return [] }
    guard let tensor = folded(value), tensor.elementType.isInteger, tensor.count <= KnownSizes.limit else { return nil }
    return tensor.integers.map { Int($0) }
  }

  /// The elements as numbers; what only the run decides is not supported.
  func constants(of value: ImportedValue, _ what: String) throws -> [Int] {
    if let known = try knownConstants(of: value) { return known }
    throw unsupported("\(what) must be constants", remedy: "fold constants in the exporter, or give sizes with --shape")
  }

  /// Whether a size can be negative: it depends on data that only the run knows.
  func mayBeNegative(_ size: Dim) -> Bool {
    !importer.symbols.fromData.isDisjoint(with: size.symbols) && !sizes.isAtLeast(size, 0)
  }
}
