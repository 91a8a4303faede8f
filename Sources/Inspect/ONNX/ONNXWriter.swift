import CONNX
import SwageGraph
import SwageTensor

/// A graph as an ONNX file, for Netron and for checks against other runtimes.
///
/// A node that one operator of ONNX equals (opset 21, or 26 where one needs that) goes out as that operator; every other
/// node goes out in the domain `swage`, opset 1, under the name of its core operation with its attributes, nested graphs
/// as graph attributes.
/// Conditionals and loops are ONNX's own. Constants become initialisers. Sizes that depend on symbols become
/// `dim_param` with their expression. The documentation string of a node tells its sources, its metadata
/// (`swage.target`) the target.
public struct ONNXWriter {
  static let opset: Int64 = 21

  private let arena = ProtoArena()
  private var taken: Set<String> = []
  private var takenNodes: Set<String> = []
  private var usesSwage = false
  private var opset = Self.opset
  private var usesNewTypes = false

  /// The encoded `ModelProto`.
  ///
  /// - Throws: `InspectError.tooLarge` where the file would pass 2 GiB.
  public static func bytes(_ graph: Graph) throws -> [UInt8] {
    var writer = ONNXWriter()
    return try writer.bytes(graph)
  }

  /// Whether the node goes out as an operator of ONNX itself, and so does all that is in its nested graphs.
  public static func isStandard(_ node: Node, in graph: Graph) -> Bool {
    switch node.op {
    case .constant: true
    case .if, .loop: node.regions.allSatisfy { region in region.nodes.allSatisfy { isStandard($0, in: region) } }
    default: StandardForm(node, in: graph) != nil
    }
  }

  private mutating func bytes(_ graph: Graph) throws -> [UInt8] {
    let proto = emit(graph, outer: [:], isModel: true)
    var imports = [opsetImport("", opset)]
    if usesSwage { imports.append(opsetImport("swage", 1)) }
    let model: UnsafeMutablePointer<Onnx__ModelProto> = arena.message(onnx__model_proto__init) {
      $0.has_ir_version = 1
      // Version 10 belongs to opset 21; two-bit and block-scaled types came later.
      $0.ir_version = usesNewTypes || opset > Self.opset ? 13 : 10
      $0.has_producer_name = 1
      $0.producer_name = arena.data("swage")
      $0.graph = proto
      $0.n_opset_import = imports.count
      $0.opset_import = arena.pointers(imports)
    }
    let size = onnx__model_proto__get_packed_size(model)
    guard size <= Int(Int32.max) else { throw InspectError.tooLarge(bytes: size) }
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = onnx__model_proto__pack(model, buffer.baseAddress)
    }
    guard bytes.count == size else {
      throw InspectError.encoding(message: "\(bytes.count) bytes were packed instead of \(size)")
    }
    return bytes
  }

  private func opsetImport(_ domain: String, _ version: Int64) -> UnsafeMutablePointer<Onnx__OperatorSetIdProto> {
    arena.message(onnx__operator_set_id_proto__init) {
      $0.has_domain = 1
      $0.domain = arena.data(domain)
      $0.has_version = 1
      $0.version = version
    }
  }

  // MARK: - Names

  /// `name`, or with a number where it stands for another value already. Names are unique in the whole model, nested
  /// graphs included, as ONNX wants them.
  private mutating func unique(_ name: String, fallback: @autoclosure () -> String) -> String {
    Self.unique(name.isEmpty ? fallback() : name, &taken)
  }

  private static func unique(_ name: String, _ taken: inout Set<String>) -> String {
    var candidate = name
    var number = 2
    while !taken.insert(candidate).inserted {
      candidate = "\(name)_\(number)"
      number += 1
    }
    return candidate
  }

  // MARK: - Graphs

  /// Parts of a graph while it is written.
  private struct Parts {
    var nodes: [UnsafeMutablePointer<Onnx__NodeProto>] = []
    var initializers: [UnsafeMutablePointer<Onnx__TensorProto>] = []
    var names: [ValueID: String] = [:]
  }

  /// Writes a graph. Inputs that `outer` names are values of the enclosing graph and are not declared.
  private mutating func emit(_ graph: Graph, outer: [ValueID: String], isModel: Bool)
    -> UnsafeMutablePointer<Onnx__GraphProto>
  {
    var parts = Parts()
    parts.names = outer
    let declared = graph.inputs.filter { outer[$0] == nil }
    for input in declared { parts.names[input] = unique(graph[input].name, fallback: "input") }

    // Names of a model's outputs come first: values give way to them.
    var outputs: [String] = []
    for (value, name) in zip(graph.outputs, graph.outputNames) {
      if isModel, let known = parts.names[value], known == name {
        outputs.append(name)
        continue
      }
      let chosen = unique(name, fallback: "output")
      outputs.append(chosen)
      if parts.names[value] == nil, graph.producer(of: value).map(Self.isComputed) ?? false {
        parts.names[value] = chosen
      }
    }

    for node in graph.nodes {
      for (index, result) in node.results.enumerated() where parts.names[result] == nil {
        parts.names[result] = unique(
          graph[result].name,
          fallback: (node.sources.first?.name ?? node.op.mnemonic) + (index == 0 ? "" : ".\(index)"))
      }
      if case .constant(let constant) = node.op, let result = node.results.first {
        parts.initializers.append(tensor(constant.value, name: parts.names[result] ?? ""))
      } else {
        emit(node, in: graph, &parts)
      }
    }
    for (value, name) in zip(graph.outputs, outputs) where parts.names[value] != name {
      parts.nodes.append(proto("Identity", domain: "", inputs: [parts.names[value] ?? ""], outputs: [name], []))
    }

    let infos = graph.nodes.flatMap(\.results).filter { !graph.outputs.contains($0) && !isConstant($0, graph) }
    return arena.message(onnx__graph_proto__init) { proto in
      proto.has_name = 1
      proto.name = arena.data(graph.name.isEmpty ? "graph" : graph.name)
      proto.n_node = parts.nodes.count
      proto.node = arena.pointers(parts.nodes)
      proto.n_initializer = parts.initializers.count
      proto.initializer = arena.pointers(parts.initializers)
      let inputs = declared.map { info(parts.names[$0] ?? "", graph.type(of: $0)) }
      proto.n_input = inputs.count
      proto.input = arena.pointers(inputs)
      let results = zip(graph.outputs, outputs).map { info($1, graph.type(of: $0)) }
      proto.n_output = results.count
      proto.output = arena.pointers(results)
      let values = infos.map { info(parts.names[$0] ?? "", graph.type(of: $0)) }
      proto.n_value_info = values.count
      proto.value_info = arena.pointers(values)
    }
  }

  private static func isComputed(_ node: Node) -> Bool {
    if case .constant = node.op { return false }
    return true
  }

  private func isConstant(_ value: ValueID, _ graph: Graph) -> Bool { graph.constant(value) != nil }

  // MARK: - Nodes

  private mutating func emit(_ node: Node, in graph: Graph, _ parts: inout Parts) {
    let names = parts.names
    func name(_ value: ValueID?) -> String { value.flatMap { names[$0] } ?? "" }
    let outputs = node.results.map { name($0) }
    let operands = node.operands.map { name($0) }
    switch node.op {
    case .if:
      let branches = node.regions.map { region in
        let captured = zip(region.inputs, operands.dropFirst()).reduce(into: [ValueID: String]()) { $0[$1.0] = $1.1 }
        return emit(region, outer: captured, isModel: false)
      }
      guard branches.count == 2 else { return }
      parts.nodes.append(
        proto(
          "If", domain: "", inputs: [operands[0]], outputs: outputs,
          [attribute("then_branch", branches[0]), attribute("else_branch", branches[1])], of: node))
    case .loop(let loop):
      guard let region = node.regions.first else { return }
      let first = 2 + loop.carried
      let captured = zip(region.inputs, operands).dropFirst(first).reduce(into: [ValueID: String]()) { $0[$1.0] = $1.1 }
      let body = emit(region, outer: captured, isModel: false)
      parts.nodes.append(
        proto(
          "Loop", domain: "", inputs: Array(operands.prefix(first)), outputs: outputs, [attribute("body", body)],
          of: node))
    default:
      guard let form = StandardForm(node, in: graph) else {
        emitCore(node, operands, outputs, &parts)
        return
      }
      opset = max(opset, form.opset)
      var inputs: [String] = []
      for operand in form.operands {
        switch operand {
        case .operand(let index): inputs.append(operands[index])
        case .absent: inputs.append("")
        case .tensor(let value):
          let name = unique("", fallback: "\(outputs.first ?? form.op).\(inputs.count)")
          parts.initializers.append(tensor(value, name: name))
          inputs.append(name)
        }
      }
      while inputs.last == "" { inputs.removeLast() }
      let attributes = form.attributes.map { attribute($0.name, $0.value) }
      parts.nodes.append(proto(form.op, domain: "", inputs: inputs, outputs: outputs, attributes, of: node))
    }
  }

  /// A node in the domain `swage`.
  private mutating func emitCore(_ node: Node, _ operands: [String], _ outputs: [String], _ parts: inout Parts) {
    usesSwage = true
    var name = node.op.mnemonic
    var items = node.op.definition.attributes.items
    switch node.op {
    case .unary(let op): name = op.function.rawValue
    case .binary(let op): name = op.function.rawValue
    default: break
    }
    if name != node.op.mnemonic { items.removeAll { $0.name == "function" } }
    var attributes = items.map { attribute($0.name, Self.converted($0.value)) }
    for (index, region) in node.regions.enumerated() {
      let body = emit(region, outer: [:], isModel: false)
      attributes.append(attribute(node.regions.count == 1 ? "body" : "body_\(index)", body))
    }
    parts.nodes.append(proto(name, domain: "swage", inputs: operands, outputs: outputs, attributes, of: node))
  }

  private mutating func proto(
    _ op: String, domain: String, inputs: [String], outputs: [String],
    _ attributes: [UnsafeMutablePointer<Onnx__AttributeProto>], of node: Node? = nil
  ) -> UnsafeMutablePointer<Onnx__NodeProto> {
    let name = node?.sources.first.map { Self.unique($0.name, &takenNodes) }
    return arena.message(onnx__node_proto__init) { proto in
      proto.n_input = inputs.count
      proto.input = arena.array(inputs.map { arena.data($0) })
      proto.n_output = outputs.count
      proto.output = arena.array(outputs.map { arena.data($0) })
      proto.has_op_type = 1
      proto.op_type = arena.data(op)
      proto.has_domain = domain.isEmpty ? 0 : 1
      proto.domain = arena.data(domain)
      proto.n_attribute = attributes.count
      proto.attribute = arena.pointers(attributes)
      guard let node else { return }
      if let name {
        proto.has_name = 1
        proto.name = arena.data(name)
      }
      // Documentation (6) and metadata (9) are not in the project's schema, which the loader reads with.
      var extra: [ProtobufCMessageUnknownField] = []
      if !node.sources.isEmpty {
        extra.append(arena.unknownField(tag: 6, Array("from \(AttributeText.text(node.sources))".utf8)))
      }
      if let target = node.target {
        let entry: [UInt8] =
          [0x0a] + ProtoArena.lengthPrefixed(Array("swage.target".utf8)) + [0x12]
          + ProtoArena.lengthPrefixed(Array(target.utf8))
        extra.append(arena.unknownField(tag: 9, entry))
      }
      proto.base.n_unknown_fields = numericCast(extra.count)
      proto.base.unknown_fields = arena.array(extra)
    }
  }

  // MARK: - Attributes

  private static func converted(_ value: AttributeValue) -> ExportedAttribute {
    switch value {
    case .integer(let value): return .int(value)
    case .float(let value): return .float(value)
    case .bool(let value): return .int(value ? 1 : 0)
    case .string(let value), .word(let value): return .string(value)
    case .dimension(let value): return value.constant.map { .int($0) } ?? .string(value.description)
    case .list(let values):
      let items = values.map(converted)
      let ints = items.compactMap { if case .int(let value) = $0 { value } else { nil } }
      if ints.count == items.count { return .ints(ints) }
      let floats = items.compactMap { if case .float(let value) = $0 { value } else { nil } }
      if floats.count == items.count { return .floats(floats) }
      return .strings(values.map(AttributeText.text))
    }
  }

  private func attribute(_ name: String, _ value: ExportedAttribute) -> UnsafeMutablePointer<Onnx__AttributeProto> {
    arena.message(onnx__attribute_proto__init) { proto in
      proto.has_name = 1
      proto.name = arena.data(name)
      proto.has_type = 1
      switch value {
      case .int(let value):
        proto.type = 2
        proto.has_i = 1
        proto.i = Int64(value)
      case .float(let value):
        proto.type = 1
        proto.has_f = 1
        proto.f = Float(value)
      case .string(let value):
        proto.type = 3
        proto.has_s = 1
        proto.s = arena.data(value)
      case .ints(let values):
        proto.type = 7
        proto.n_ints = values.count
        proto.ints = arena.array(values.map { Int64($0) })
      case .floats(let values):
        proto.type = 6
        proto.n_floats = values.count
        proto.floats = arena.array(values.map { Float($0) })
      case .strings(let values):
        proto.type = 8
        proto.n_strings = values.count
        proto.strings = arena.array(values.map { arena.data($0) })
      }
    }
  }

  private func attribute(_ name: String, _ graph: UnsafeMutablePointer<Onnx__GraphProto>)
    -> UnsafeMutablePointer<Onnx__AttributeProto>
  {
    arena.message(onnx__attribute_proto__init) { proto in
      proto.has_name = 1
      proto.name = arena.data(name)
      proto.has_type = 1
      proto.type = 5
      proto.g = graph
    }
  }

  // MARK: - Tensors and types

  private mutating func tensor(_ value: Tensor, name: String) -> UnsafeMutablePointer<Onnx__TensorProto> {
    note(value.elementType)
    return arena.message(onnx__tensor_proto__init) { proto in
      proto.n_dims = value.shape.count
      proto.dims = arena.array(value.shape.map { Int64($0) })
      proto.has_data_type = 1
      proto.data_type = value.elementType.rawValue
      proto.has_name = 1
      proto.name = arena.data(name)
      if value.elementType == .string {
        let strings = value.stringBytes.map { arena.data($0) }
        proto.n_string_data = strings.count
        proto.string_data = arena.array(strings)
        return
      }
      proto.has_raw_data = 1
      proto.raw_data = arena.data(value)
    }
  }

  private mutating func note(_ type: ElementType) {
    switch type {
    case .u2, .i2, .f4e2m1, .f8e8m0: usesNewTypes = true
    case .f32, .u8, .i8, .u16, .i16, .i32, .i64, .string, .bool, .f16, .f64, .u32, .u64, .bf16, .f8e4m3fn, .f8e4m3fnuz,
      .f8e5m2, .f8e5m2fnuz, .u4, .i4, .object:
      break
    }
  }

  private func info(_ name: String, _ type: TensorType) -> UnsafeMutablePointer<Onnx__ValueInfoProto> {
    let sizes: [UnsafeMutablePointer<Onnx__TensorShapeProto__Dimension>] = type.shape.map { size in
      arena.message(onnx__tensor_shape_proto__dimension__init) {
        if let constant = size.constant {
          $0.has_dim_value = 1
          $0.dim_value = Int64(constant)
        } else {
          $0.has_dim_param = 1
          $0.dim_param = arena.data(size.description)
        }
      }
    }
    let shape: UnsafeMutablePointer<Onnx__TensorShapeProto> = arena.message(onnx__tensor_shape_proto__init) {
      $0.n_dim = sizes.count
      $0.dim = arena.pointers(sizes)
    }
    let tensor: UnsafeMutablePointer<Onnx__TypeProto__Tensor> = arena.message(onnx__type_proto__tensor__init) {
      $0.has_elem_type = 1
      $0.elem_type = type.elementType.rawValue
      $0.shape = shape
    }
    let wrapped: UnsafeMutablePointer<Onnx__TypeProto> = arena.message(onnx__type_proto__init) {
      $0.tensor_type = tensor
    }
    return arena.message(onnx__value_info_proto__init) {
      $0.has_name = 1
      $0.name = arena.data(name)
      $0.type = wrapped
    }
  }
}
