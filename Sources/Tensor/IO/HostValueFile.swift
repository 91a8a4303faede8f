import CONNX

/// Files that hold one value as ONNX's test cases do: a `TensorProto`, `SequenceProto`, `OptionalProto` or `MapProto`. The
/// file does not say which: the type that the model declares does.
public enum HostValueFile {
  /// Throws `FileError`, `ProtobufError` or `TensorDataError`. External data and sparse tensors are refused.
  public static func read(path: String, as type: ValueType) throws -> HostValue {
    let file = try MappedFile(path: path)
    let reader = HostValueReader(path: path, storage: file.storage)
    return try file.withBytes { bytes in
      switch type {
      case .tensor: try reader.read(bytes, tensorSchema) { .tensor(try reader.tensor($0)) }
      case .sequence: try reader.read(bytes, sequenceSchema) { .sequence(try reader.sequence($0)) }
      case .optional: try reader.read(bytes, optionalSchema) { .optional(try reader.optional($0)) }
      case .map: try reader.read(bytes, mapSchema) { try reader.map($0) }
      }
    }
  }

  /// Writes the message of the value's kind. Throws `FileError`.
  public static func write(_ value: HostValue, path: String) throws(FileError) {
    var out = WireWriter()
    HostValueWriter.write(value, to: &out)
    try AtomicFile.write(out.bytes, to: path)
  }

  private static let tensorSchema: ProtobufSchema = {
    var message = Onnx__TensorProto()
    onnx__tensor_proto__init(&message)
    return ProtobufSchema(message.base.descriptor, spans: TensorProtoDecoder.spans)
  }()

  private static let sequenceSchema: ProtobufSchema = {
    var message = Onnx__SequenceProto()
    onnx__sequence_proto__init(&message)
    return ProtobufSchema(message.base.descriptor, spans: TensorProtoDecoder.spans)
  }()

  private static let optionalSchema: ProtobufSchema = {
    var message = Onnx__OptionalProto()
    onnx__optional_proto__init(&message)
    return ProtobufSchema(message.base.descriptor, spans: TensorProtoDecoder.spans)
  }()

  private static let mapSchema: ProtobufSchema = {
    var message = Onnx__MapProto()
    onnx__map_proto__init(&message)
    return ProtobufSchema(message.base.descriptor, spans: TensorProtoDecoder.spans)
  }()
}

/// Raw values of `elem_type` in `SequenceProto` and `OptionalProto`.
private enum ElementKind {
  static let tensor: Int32 = 1
  static let sequence: Int32 = 3
  static let map: Int32 = 4
  static let optional: Int32 = 5
}

private struct HostValueReader {
  let path: String
  let decoder: TensorProtoDecoder

  init(path: String, storage: Storage) {
    self.path = path
    decoder = TensorProtoDecoder(file: path, source: storage, external: ExternalData(withoutFolderFor: path))
  }

  /// The scan bounds how deep values are inside each other, and with that the recursion below.
  func read<Message>(
    _ bytes: UnsafeRawBufferPointer, _ schema: ProtobufSchema, _ convert: (Message) throws -> HostValue
  ) throws -> HostValue {
    var limits = ProtobufScan.Limits()
    limits.depth = 32
    let message = try ProtobufMessage<Message>(bytes, schema: schema, limits: limits, file: path)
    return try message.withMessage(convert)
  }

  private func fault(_ reason: String) -> TensorDataError {
    TensorDataError(file: path, tensor: "", fault: .value(reason))
  }

  func tensor(_ proto: Onnx__TensorProto) throws -> Tensor {
    guard case .tensor(let tensor) = try decoder.decode(proto, name: "").content else {
      throw TensorDataError(file: path, tensor: "", fault: .noData(expectedBytes: 0))
    }
    return tensor
  }

  private func list<C, T>(
    _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<C>?>?, _ convert: (C) throws -> T
  ) throws -> [T] {
    guard let items else { return [] }
    return try (0..<count).compactMap { index in try items[index].map { try convert($0.pointee) } }
  }

  func sequence(_ proto: Onnx__SequenceProto) throws -> [HostValue] {
    guard proto.n_sparse_tensor_values == 0 else { throw fault("it holds sparse tensors") }
    var values = try list(proto.n_tensor_values, proto.tensor_values) { HostValue.tensor(try tensor($0)) }
    values += try list(proto.n_sequence_values, proto.sequence_values) { .sequence(try sequence($0)) }
    values += try list(proto.n_map_values, proto.map_values) { try map($0) }
    values += try list(proto.n_optional_values, proto.optional_values) { .optional(try optional($0)) }
    let kinds = [proto.n_tensor_values, proto.n_sequence_values, proto.n_map_values, proto.n_optional_values]
    guard kinds.count(where: { $0 > 0 }) <= 1 else { throw fault("a sequence holds values of several kinds") }
    return values
  }

  func optional(_ proto: Onnx__OptionalProto) throws -> HostValue? {
    guard proto.sparse_tensor_value == nil else { throw fault("it holds sparse tensors") }
    var values: [HostValue] = []
    // Tools write empty messages of the kinds that are not there.
    let kind = proto.has_elem_type != 0 ? proto.elem_type : 0
    if kind == ElementKind.tensor, let value = proto.tensor_value?.pointee { values.append(.tensor(try tensor(value))) }
    if kind == ElementKind.sequence, let value = proto.sequence_value?.pointee {
      values.append(.sequence(try sequence(value)))
    }
    if kind == ElementKind.map, let value = proto.map_value?.pointee { values.append(try map(value)) }
    if kind == ElementKind.optional, let value = proto.optional_value?.pointee {
      values.append(.optional(try optional(value)))
    }
    return values.first
  }

  func map(_ proto: Onnx__MapProto) throws -> HostValue {
    let values = try proto.values.map { try sequence($0.pointee) } ?? []
    let tensors = values.compactMap(\.tensor)
    guard tensors.count == values.count, tensors.allSatisfy({ $0.count == 1 }),
      tensors.allSatisfy({ $0.elementType == tensors[0].elementType })
    else { throw fault("a map's values are not scalars of one type") }
    let keys: Tensor
    switch ElementType(onnx: proto.has_key_type != 0 ? proto.key_type : 0) {
    case .string:
      let strings = UnsafeBufferPointer(start: proto.string_keys, count: proto.n_string_keys).map {
        [UInt8](UnsafeBufferPointer(start: $0.data, count: $0.len))
      }
      keys = Tensor(stringBytes: strings, [strings.count])
    case .i64:
      keys = Tensor(.i64, [proto.n_keys], integers: Array(UnsafeBufferPointer(start: proto.keys, count: proto.n_keys)))
    default: throw fault("a map's keys are neither i64 nor strings")
    }
    guard keys.count == values.count else {
      throw fault("a map has \(keys.count) keys and \(values.count) values")
    }
    let type = tensors.first?.elementType ?? .f32
    var joined = Tensor(zeros: type, [tensors.count])
    joined.withMutableBytes { bytes in
      for (index, tensor) in tensors.enumerated() {
        if type.isFloat {
          ScalarCoding.store(tensor.doubles[0], type, bytes, index)
        } else {
          ScalarCoding.store(integer: tensor.integers[0], type, bytes, index)
        }
      }
    }
    return .map(keys: keys, values: joined)
  }
}

private enum HostValueWriter {
  static func write(_ value: HostValue, to out: inout WireWriter) {
    switch value {
    case .tensor(let tensor): write(tensor, to: &out)
    case .sequence(let values): sequence(values, to: &out)
    case .optional(let value):
      out.number(2, value.map { Int(kind($0)) } ?? 0)
      if let value { out.message(field(value)) { write(value, to: &$0) } }
    case .map(let keys, let values):
      out.number(2, Int(keys.elementType.rawValue))
      if keys.elementType == .string {
        for key in keys.stringBytes { out.element(4, key) }
      } else {
        for key in keys.integers { out.numberAlways(3, UInt64(bitPattern: key)) }
      }
      out.message(5) { inner in
        inner.number(2, Int(ElementKind.tensor))
        for index in 0..<values.count {
          if let value = Tensor(
            values.elementType, [], storage: values.storage,
            byteOffset: values.byteOffset + index * values.elementType.bitWidth / 8)
          {
            inner.message(3) { write(value, to: &$0) }
          }
        }
      }
    }
  }

  private static func sequence(_ values: [HostValue], to out: inout WireWriter) {
    out.number(2, values.first.map { Int(kind($0)) } ?? Int(ElementKind.tensor))
    for value in values { out.message(field(value)) { write(value, to: &$0) } }
  }

  /// The field that holds a value, alike in `SequenceProto` and `OptionalProto`.
  private static func field(_ value: HostValue) -> Int {
    switch value {
    case .tensor: 3
    case .sequence: 5
    case .map: 6
    case .optional: 7
    }
  }

  private static func kind(_ value: HostValue) -> Int32 {
    switch value {
    case .tensor: ElementKind.tensor
    case .sequence: ElementKind.sequence
    case .map: ElementKind.map
    case .optional: ElementKind.optional
    }
  }

  static func write(_ tensor: Tensor, to out: inout WireWriter) {
    out.packed(1, tensor.shape)
    out.number(2, Int(tensor.elementType.rawValue))
    if tensor.elementType == .string {
      for string in tensor.stringBytes { out.element(6, string) }
    } else {
      tensor.withBytes { bytes in out.element(9, bytes) }
    }
  }
}
