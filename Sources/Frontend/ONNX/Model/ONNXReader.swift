import CONNX
import Foundation
import SwageTensor

/// Turns the unpacked messages of one file into model values. Faults are collected, and what is faulty is replaced by
/// something harmless, so that one pass finds all that can be found.
struct ONNXReader {
  let limits: ONNXLimits
  let decoder: TensorProtoDecoder
  var faults: ONNXFaults
  private var nodeCount = 0
  /// Where the reader is, for messages.
  private var scope: String?
  private var node: String?
  /// Parameters of the function being read; nil outside functions.
  private var parameters: Set<String>?

  init(limits: ONNXLimits, decoder: TensorProtoDecoder) {
    self.limits = limits
    self.decoder = decoder
    faults = ONNXFaults(limit: limits.faults)
  }

  private mutating func fault(_ kind: ONNXFault.Kind, value: String? = nil) {
    let value = value.flatMap { $0.isEmpty ? nil : $0 }
    faults.add(ONNXFault(kind, scope: scope, node: node, value: value))
  }

  // MARK: - Model

  mutating func model(_ proto: Onnx__ModelProto) -> ONNXModel {
    let irVersion = proto.has_ir_version != 0 ? Int(proto.ir_version) : nil
    if !(irVersion.map(ONNXModel.irVersions.contains) ?? false) { fault(.irVersion(irVersion)) }
    let imports = opsets(proto.opset_import, proto.n_opset_import)
    if imports.isEmpty { fault(.noOpset) }
    let functions = map(proto.functions, proto.n_functions) { reader, proto in reader.function(proto) }
    let graph: ONNXGraph
    if let main = proto.graph {
      graph = self.graph(main.pointee)
    } else {
      fault(.noGraph)
      graph = ONNXGraph(nodes: [])
    }
    return ONNXModel(
      irVersion: irVersion ?? 0, producerName: text(proto.producer_name),
      producerVersion: text(proto.producer_version),
      modelVersion: proto.has_model_version != 0 ? Int(proto.model_version) : 0, opsetImports: imports, graph: graph,
      functions: functions,
      metadata: list(proto.metadata_props, proto.n_metadata_props).map {
        ONNXMetadata(key: text($0.key), value: text($0.value))
      })
  }

  private mutating func opsets(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__OperatorSetIdProto>?>?, _ count: Int
  ) -> [ONNXOpset] {
    var result: [ONNXOpset] = []
    for proto in list(start, count) where !faults.isFull {
      let domain = self.domain(proto.domain)
      let version = proto.has_version != 0 ? Int(proto.version) : 0
      if let known = result.first(where: { $0.domain == domain }) {
        // Models that were merged name a version twice.
        if known.version == version { continue }
        fault(.duplicateOpset(domain: domain))
        continue
      }
      if domain.isEmpty ? !ONNXModel.opsets.contains(version) : version < 1 {
        fault(.opsetVersion(domain: domain, version: version))
      }
      result.append(ONNXOpset(domain: domain, version: version))
    }
    return result
  }

  private mutating func function(_ proto: Onnx__FunctionProto) -> ONNXFunction {
    let name = self.name(proto.name, "function")
    scope = "function \(name)"
    let required = names(proto.attribute, proto.n_attribute, "function attribute")
    parameters = []
    let defaults = attributes(proto.attribute_proto, proto.n_attribute_proto)
    var seen: Set<String> = []
    for parameter in required + defaults.map(\.name) where !seen.insert(parameter).inserted {
      fault(.duplicateAttribute(name: parameter))
    }
    parameters = seen
    defer {
      scope = nil
      parameters = nil
    }
    return ONNXFunction(
      domain: domain(proto.domain), name: name, overload: possibleName(proto.overload, "overload"),
      inputs: names(proto.input, proto.n_input, "function input"),
      outputs: names(proto.output, proto.n_output, "function output"), attributes: required,
      defaultAttributes: defaults, opsetImports: opsets(proto.opset_import, proto.n_opset_import),
      nodes: nodes(proto.node, proto.n_node), valueInfo: hints(proto.value_info, proto.n_value_info))
  }

  // MARK: - Graphs

  private mutating func graph(_ proto: Onnx__GraphProto) -> ONNXGraph {
    var initializers: [ONNXTensor] = []
    for tensor in list(proto.initializer, proto.n_initializer) where !faults.isFull {
      let name = self.name(tensor.name, "initializer")
      if let value = self.tensor(tensor, name: name) { initializers.append(value) }
    }
    for sparse in list(proto.sparse_initializer, proto.n_sparse_initializer) where !faults.isFull {
      let name = sparse.values.map { self.name($0.pointee.name, "sparse initializer") } ?? ""
      if let value = self.sparse(sparse, name: name) { initializers.append(value) }
    }
    return ONNXGraph(
      name: text(proto.name), nodes: nodes(proto.node, proto.n_node), initializers: initializers,
      inputs: values(proto.input, proto.n_input, "input"), outputs: values(proto.output, proto.n_output, "output"),
      valueInfo: hints(proto.value_info, proto.n_value_info))
  }

  private mutating func nodes(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__NodeProto>?>?, _ count: Int
  ) -> [ONNXNode] {
    nodeCount += count
    guard nodeCount <= limits.nodes else {
      if nodeCount - count <= limits.nodes { fault(.tooManyNodes(limit: limits.nodes)) }
      return []
    }
    var result: [ONNXNode] = []
    result.reserveCapacity(count)
    for (index, proto) in list(start, count).enumerated() where !faults.isFull {
      result.append(self.node(proto, index: index))
    }
    return result
  }

  private mutating func node(_ proto: Onnx__NodeProto, index: Int) -> ONNXNode {
    let outer = node
    let name = possibleName(proto.name, "node")
    let opType = self.name(proto.op_type, "operator")
    node = name.isEmpty ? "\(opType)#\(index)" : name
    defer { node = outer }
    return ONNXNode(
      name: name, opType: opType, domain: domain(proto.domain), overload: possibleName(proto.overload, "overload"),
      inputs: names(proto.input, proto.n_input, "node input", mayBeEmpty: true),
      outputs: names(proto.output, proto.n_output, "node output", mayBeEmpty: true),
      attributes: attributes(proto.attribute, proto.n_attribute), index: index)
  }

  // MARK: - Attributes

  private mutating func attributes(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__AttributeProto>?>?, _ count: Int
  ) -> [ONNXAttribute] {
    var result: [ONNXAttribute] = []
    var seen: Set<String> = []
    for proto in list(start, count) where !faults.isFull {
      let name = self.name(proto.name, "attribute")
      if !name.isEmpty, !seen.insert(name).inserted {
        fault(.duplicateAttribute(name: name))
        continue
      }
      if let value = attribute(proto, name: name) { result.append(ONNXAttribute(name: name, value: value)) }
    }
    return result
  }

  /// Kinds by their numbers in the file.
  private static let kinds: [Int32: String] = [
    1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 9: "tensors", 10: "graphs",
    11: "sparse_tensor", 12: "sparse_tensors", 13: "tp", 14: "type_protos",
  ]

  private static func filled(_ proto: Onnx__AttributeProto) -> [String] {
    var fields: [String] = []
    // Some writers store the zeros of fields that are not in use.
    if proto.has_f != 0, proto.f != 0 { fields.append("f") }
    if proto.has_i != 0, proto.i != 0 { fields.append("i") }
    if proto.has_s != 0, proto.s.len > 0 { fields.append("s") }
    if proto.t != nil { fields.append("t") }
    if proto.g != nil { fields.append("g") }
    if proto.n_floats > 0 { fields.append("floats") }
    if proto.n_ints > 0 { fields.append("ints") }
    if proto.n_strings > 0 { fields.append("strings") }
    if proto.n_tensors > 0 { fields.append("tensors") }
    if proto.n_graphs > 0 { fields.append("graphs") }
    if proto.sparse_tensor != nil { fields.append("sparse_tensor") }
    if proto.n_sparse_tensors > 0 { fields.append("sparse_tensors") }
    if proto.tp != nil { fields.append("tp") }
    if proto.n_type_protos > 0 { fields.append("type_protos") }
    return fields
  }

  private mutating func attribute(_ proto: Onnx__AttributeProto, name: String) -> ONNXAttributeValue? {
    func problem(_ reason: String) -> ONNXFault.Kind { .attribute(name: name, reason: reason) }
    let filled = Self.filled(proto)
    if proto.has_ref_attr_name != 0, proto.ref_attr_name.len > 0 {
      let parameter = self.name(proto.ref_attr_name, "attribute reference")
      guard filled.isEmpty else {
        fault(problem("it has a value and refers to attribute \(parameter)"))
        return nil
      }
      guard let parameters else {
        fault(problem("it refers to attribute \(parameter) outside of a function"))
        return nil
      }
      guard parameters.contains(parameter) else {
        fault(problem("the function has no attribute \(parameter)"))
        return nil
      }
      return .reference(parameter)
    }
    var kind: String
    if proto.has_type != 0, proto.type != 0 {
      guard let known = Self.kinds[proto.type] else {
        fault(problem("its type is the unknown number \(proto.type)"))
        return nil
      }
      kind = known
      if let other = filled.first(where: { $0 != known }) {
        fault(problem("its type says \(known), but it has \(other)"))
        return nil
      }
    } else if filled.count == 1 {
      kind = filled[0]
    } else if filled.isEmpty, proto.has_f != 0 || proto.has_i != 0 || proto.has_s != 0 {
      kind = proto.has_i != 0 ? "i" : proto.has_f != 0 ? "f" : "s"
    } else {
      fault(problem(filled.isEmpty ? "it has no value" : "it has \(filled.joined(separator: " and "))"))
      return nil
    }
    switch kind {
    case "f": return .float(proto.has_f != 0 ? proto.f : 0)
    case "i": return .int(proto.has_i != 0 ? Int(proto.i) : 0)
    case "s": return string(proto.s, name).map { .string($0) }
    case "floats": return .floats(Array(UnsafeBufferPointer(start: proto.floats, count: proto.n_floats)))
    case "ints": return .ints(UnsafeBufferPointer(start: proto.ints, count: proto.n_ints).map { Int($0) })
    case "strings":
      var strings: [String] = []
      for bytes in UnsafeBufferPointer(start: proto.strings, count: proto.n_strings) {
        guard let string = string(bytes, name) else { return nil }
        strings.append(string)
      }
      return .strings(strings)
    case "t":
      if let value = proto.t { return tensor(value.pointee, name: text(value.pointee.name)).map { .tensor($0) } }
    case "g": if let value = proto.g { return .graph(subgraph(value.pointee, attribute: name)) }
    case "tensors":
      return .tensors(
        map(proto.tensors, proto.n_tensors) { reader, tensor in
          reader.tensor(tensor, name: reader.text(tensor.name))
        }.compactMap(\.self))
    case "graphs":
      return .graphs(
        map(proto.graphs, proto.n_graphs) { reader, graph in reader.subgraph(graph, attribute: name) })
    case "sparse_tensor":
      if let value = proto.sparse_tensor { return sparse(value.pointee, name: name).map { .tensor($0) } }
    case "sparse_tensors":
      return .tensors(
        map(proto.sparse_tensors, proto.n_sparse_tensors) { reader, tensor in
          reader.sparse(tensor, name: name)
        }.compactMap(\.self))
    case "tp": if let value = proto.tp { return type(value.pointee, value: name).map { .type($0) } }
    default:
      return .types(
        map(proto.type_protos, proto.n_type_protos) { reader, type in
          reader.type(type, value: name)
        }.compactMap(\.self))
    }
    fault(problem("its type says \(kind), but it has none"))
    return nil
  }

  private mutating func subgraph(_ proto: Onnx__GraphProto, attribute: String) -> ONNXGraph {
    let outer = (scope, node)
    scope = ONNXGraph.scope(attribute: attribute, node: node ?? "", in: scope)
    node = nil
    defer { (scope, node) = outer }
    return graph(proto)
  }

  private mutating func string(_ bytes: ProtobufCBinaryData, _ attribute: String) -> String? {
    if let text = String(validating: UnsafeBufferPointer(start: bytes.data, count: bytes.len), as: UTF8.self) {
      return text
    }
    fault(.attribute(name: attribute, reason: "its text is not UTF-8"))
    return nil
  }

  // MARK: - Types

  private mutating func values(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__ValueInfoProto>?>?, _ count: Int, _ role: String
  ) -> [ONNXValueInfo] {
    map(start, count) { reader, proto in
      let name = reader.name(proto.name, role)
      return ONNXValueInfo(name: name, type: proto.type.flatMap { reader.type($0.pointee, value: name) })
    }
  }

  /// Intermediate values: the first hint for a name counts.
  private mutating func hints(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__ValueInfoProto>?>?, _ count: Int
  ) -> [ONNXValueInfo] {
    var seen: Set<String> = []
    return values(start, count, "value").filter { seen.insert($0.name).inserted }
  }

  private mutating func type(_ proto: Onnx__TypeProto, value: String) -> ONNXType? {
    var types: [ONNXType?] = []
    if let tensor = proto.tensor_type?.pointee {
      types.append(
        .tensor(
          element(tensor.has_elem_type != 0 ? tensor.elem_type : 0, value),
          shape: tensor.shape.map { shape($0.pointee, value) }))
    }
    if let tensor = proto.sparse_tensor_type?.pointee {
      types.append(
        .sparseTensor(
          element(tensor.has_elem_type != 0 ? tensor.elem_type : 0, value),
          shape: tensor.shape.map { shape($0.pointee, value) }))
    }
    if let sequence = proto.sequence_type?.pointee {
      types.append(sequence.elem_type.flatMap { type($0.pointee, value: value) }.map { .sequence($0) })
    }
    if let optional = proto.optional_type?.pointee {
      types.append(optional.elem_type.flatMap { type($0.pointee, value: value) }.map { .optional($0) })
    }
    if let map = proto.map_type?.pointee {
      let key = element(map.has_key_type != 0 ? map.key_type : 0, value)
      let content = map.value_type.flatMap { type($0.pointee, value: value) }
      if let key, let content { types.append(.map(key: key, value: content)) } else { types.append(nil) }
    }
    if let opaque = proto.opaque_type?.pointee {
      types.append(.opaque(domain: text(opaque.domain), name: text(opaque.name)))
    }
    if types.count > 1 { fault(.type(reason: "it is of several kinds at once"), value: value) }
    // A type message without content is a type that is not known.
    guard let type = types.first else { return nil }
    if type == nil { fault(.type(reason: "the type inside it is missing"), value: value) }
    return type
  }

  /// nil where it is undefined.
  private mutating func element(_ number: Int32, _ value: String) -> ElementType? {
    if number == 0 { return nil }
    if let type = ElementType(onnx: number) { return type }
    fault(.elementType(Int(number)), value: value)
    return nil
  }

  private mutating func shape(_ proto: Onnx__TensorShapeProto, _ value: String) -> [ONNXDimension] {
    guard proto.n_dim <= 64 else {
      fault(.type(reason: "it has \(proto.n_dim) dimensions, the limit is 64"), value: value)
      return []
    }
    let shape = dimensions(proto, value)
    let sizes = shape.compactMap { if case .value(let size) = $0 { size } else { nil } }
    if !(Checked.product(sizes).map { $0 <= 1 << 40 } ?? false) {
      fault(.type(reason: "its dimensions give more than 2^40 elements"), value: value)
    }
    return shape
  }

  private mutating func dimensions(_ proto: Onnx__TensorShapeProto, _ value: String) -> [ONNXDimension] {
    list(proto.dim, proto.n_dim).map { dimension in
      let symbol = dimension.has_dim_param != 0 ? possibleName(dimension.dim_param, "dimension") : ""
      guard dimension.has_dim_value != 0 else { return symbol.isEmpty ? .unknown : .symbol(symbol) }
      if !symbol.isEmpty { fault(.type(reason: "a dimension has a value and a name"), value: value) }
      let size = Int(dimension.dim_value)
      if size < -1 { fault(.dimension(size), value: value) }
      return size < 0 ? .unknown : .value(size)
    }
  }

  // MARK: - Tensors

  private mutating func tensor(_ proto: Onnx__TensorProto, name: String) -> ONNXTensor? {
    do {
      let decoded = try decoder.decode(proto, name: name)
      return ONNXTensor(
        name: name, elementType: decoded.elementType, shape: decoded.shape, content: decoded.content)
    } catch let error as TensorDataError {
      fault(.tensor(error), value: name)
    } catch let error as ExternalDataError {
      fault(.external(error), value: name)
    } catch {
      fault(.type(reason: "\(error)"), value: name)
    }
    return nil
  }

  private mutating func sparse(_ proto: Onnx__SparseTensorProto, name: String) -> ONNXTensor? {
    guard let values = proto.values, let indices = proto.indices else {
      fault(.sparse(reason: "its values or indices are missing"), value: name)
      return nil
    }
    guard let values = tensor(values.pointee, name: name), let indices = tensor(indices.pointee, name: name) else {
      return nil
    }
    let shape = UnsafeBufferPointer(start: proto.dims, count: proto.n_dims).map { Int($0) }
    switch ONNXSparse.dense(values: values, indices: indices, shape: shape, byteLimit: limits.denseBytes) {
    case .success(let tensor): return ONNXTensor(name: name, tensor: tensor)
    case .failure(let problem):
      fault(.sparse(reason: problem.reason), value: name)
      return nil
    }
  }

  // MARK: - Text

  /// Stops when there are faults enough.
  private mutating func map<T, R>(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<T>?>?, _ count: Int, _ body: (inout ONNXReader, T) -> R
  ) -> [R] {
    var result: [R] = []
    result.reserveCapacity(count)
    for index in 0..<count {
      guard !faults.isFull else { break }
      if let message = start?[index]?.pointee { result.append(body(&self, message)) }
    }
    return result
  }

  private func list<T>(_ start: UnsafeMutablePointer<UnsafeMutablePointer<T>?>?, _ count: Int) -> [T] {
    UnsafeBufferPointer(start: start, count: count).compactMap { $0?.pointee }
  }

  private mutating func names(
    _ start: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int, _ role: String, mayBeEmpty: Bool = false
  ) -> [String] {
    UnsafeBufferPointer(start: start, count: count).map {
      mayBeEmpty ? possibleName($0, role) : name($0, role)
    }
  }

  private mutating func domain(_ bytes: ProtobufCBinaryData) -> String {
    let domain = possibleName(bytes, "domain")
    return domain == "ai.onnx" ? "" : domain
  }

  /// A name that must not be empty.
  private mutating func name(_ bytes: ProtobufCBinaryData, _ role: String) -> String {
    if bytes.len == 0 { fault(.name(role: role, reason: "it is empty")) }
    return possibleName(bytes, role)
  }

  /// A name that may be empty. A bad one is reported and cut to what can be shown.
  private mutating func possibleName(_ bytes: ProtobufCBinaryData, _ role: String) -> String {
    let buffer = UnsafeBufferPointer(start: bytes.data, count: bytes.len)
    guard buffer.count <= limits.nameBytes else {
      fault(.name(role: role, reason: "it has \(buffer.count) bytes, the limit is \(limits.nameBytes)"))
      return String(decoding: buffer.prefix(64), as: UTF8.self)
    }
    switch CheckedName.check(buffer) {
    case .success(let name): return name
    case .failure(let problem):
      let shown = String(decoding: buffer.prefix(64), as: UTF8.self)
      fault(.name(role: role, reason: "\"\(shown)\" \(problem.reason)"))
      return shown
    }
  }

  /// Text that nothing is looked up by.
  private func text(_ bytes: ProtobufCBinaryData) -> String {
    String(decoding: UnsafeBufferPointer(start: bytes.data, count: min(bytes.len, 1 << 16)), as: UTF8.self)
  }
}

extension ONNXGraph {
  /// What messages call a graph inside a node.
  static func scope(attribute: String, node: String, in outer: String?) -> String {
    "\(attribute) of node \(node)" + (outer.map { ", \($0)" } ?? "")
  }
}
