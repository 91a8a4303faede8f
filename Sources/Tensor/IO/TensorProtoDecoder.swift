import CONNX
import Foundation

/// What a `TensorProto` holds.
public struct DecodedTensor: Sendable {
  public enum Content: Sendable {
    /// Elements; large ones view the file they come from and may be unaligned.
    case tensor(Tensor)
    /// Type and sizes only: the elements are in a checkpoint, under the tensor's name.
    case weightless
  }

  public var elementType: ElementType
  public var shape: [Int]
  public var content: Content
}

/// Reads `TensorProto` messages that were unpacked with `schema`-s spans.
public struct TensorProtoDecoder {
  /// The fields that a schema must leave in the file (see `ProtobufSchema.init`).
  public static let spans: Set<String> = ["onnx.TensorProto.raw_data"]

  static let maximumRank = 64
  static let maximumElements = 1 << 40
  /// Smaller tensors are copied, so that they are aligned.
  static let viewThreshold = 1 << 16

  private let file: String
  /// The bytes the message was unpacked from.
  private let source: Storage
  private let external: ExternalData

  public init(file: String, source: Storage, external: ExternalData) {
    self.file = file
    self.source = source
    self.external = external
  }

  /// Throws `TensorDataError` or `ExternalDataError`. `name` is for the words only.
  public func decode(_ proto: Onnx__TensorProto, name: String) throws -> DecodedTensor {
    func fault(_ fault: TensorDataError.Fault) -> TensorDataError {
      TensorDataError(file: file, tensor: name, fault: fault)
    }
    let number = proto.has_data_type != 0 ? proto.data_type : 0
    guard let type = ElementType(onnx: number) else { throw fault(.elementType(Int(number))) }
    if proto.segment != nil { throw fault(.segment) }

    guard proto.n_dims <= Self.maximumRank else { throw fault(.rank(proto.n_dims, limit: Self.maximumRank)) }
    let shape = UnsafeBufferPointer(start: proto.dims, count: proto.n_dims).map { Int($0) }
    if let negative = shape.first(where: { $0 < 0 }) { throw fault(.negativeSize(negative)) }
    guard let count = Checked.product(shape), count <= Self.maximumElements,
      let byteCount = type.byteCount(elements: count)
    else { throw fault(.tooManyElements(shape)) }

    let fields = Fields(proto)
    let location = proto.has_data_location != 0 ? proto.data_location : 0
    guard location == 0 || location == 1 else { throw fault(.location(Int(location))) }
    if location == 1 {
      guard fields.filled.isEmpty else {
        throw ExternalDataError(file: file, tensor: name, fault: .alsoInline)
      }
      guard type != .string else { throw ExternalDataError(file: file, tensor: name, fault: .stringTensor) }
      let reference = try references(proto, name)
      let tensor = try external.tensor(name, type, shape, byteCount: byteCount, reference)
      guard let tensor else { return DecodedTensor(elementType: type, shape: shape, content: .weightless) }
      try checkBooleans(tensor, name)
      return DecodedTensor(elementType: type, shape: shape, content: .tensor(Self.aligned(tensor)))
    }

    guard fields.filled.count <= 1 else { throw fault(.severalFields(fields.filled.map(\.rawValue))) }
    guard let field = fields.filled.first else {
      guard count == 0 else { throw fault(.noData(expectedBytes: byteCount)) }
      return DecodedTensor(elementType: type, shape: shape, content: .tensor(Tensor(zeros: type, shape)))
    }
    let expected = Self.fields(of: type)
    guard expected.contains(field) else {
      throw fault(.wrongField(field.rawValue, expected: expected.map(\.rawValue)))
    }
    if type == .string {
      guard proto.n_string_data == count else {
        throw fault(.size(field: field.rawValue, expected: count, found: proto.n_string_data))
      }
      let strings = UnsafeBufferPointer(start: proto.string_data, count: count).map {
        [UInt8](UnsafeBufferPointer(start: $0.data, count: $0.len))
      }
      return DecodedTensor(elementType: type, shape: shape, content: .tensor(Tensor(stringBytes: strings, shape)))
    }
    if field == .raw {
      guard fields.rawLength == byteCount else {
        throw fault(.size(field: "raw_data (bytes)", expected: byteCount, found: fields.rawLength))
      }
      guard let tensor = Tensor(type, shape, storage: source, byteOffset: fields.rawOffset) else {
        throw fault(.size(field: "raw_data (bytes)", expected: byteCount, found: fields.rawLength))
      }
      try checkBooleans(tensor, name)
      return DecodedTensor(elementType: type, shape: shape, content: .tensor(Self.aligned(tensor)))
    }
    let tensor = try typed(proto, field, type, shape, count: count, byteCount: byteCount, name: name)
    return DecodedTensor(elementType: type, shape: shape, content: .tensor(tensor))
  }

  // MARK: - Fields

  private enum Field: String {
    case raw = "raw_data"
    case float = "float_data"
    case int32 = "int32_data"
    case int64 = "int64_data"
    case double = "double_data"
    case uint64 = "uint64_data"
    case string = "string_data"
  }

  private struct Fields {
    var filled: [Field] = []
    var rawOffset = 0
    var rawLength = 0

    init(_ proto: Onnx__TensorProto) {
      // The scan put offset and length in place of the content.
      if proto.has_raw_data != 0, proto.raw_data.len == 16, let span = proto.raw_data.data {
        let raw = UnsafeRawPointer(span)
        rawOffset = Int(clamping: raw.loadUnaligned(as: UInt64.self))
        rawLength = Int(clamping: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      }
      if rawLength > 0 { filled.append(.raw) }
      if proto.n_float_data > 0 { filled.append(.float) }
      if proto.n_int32_data > 0 { filled.append(.int32) }
      if proto.n_int64_data > 0 { filled.append(.int64) }
      if proto.n_double_data > 0 { filled.append(.double) }
      if proto.n_uint64_data > 0 { filled.append(.uint64) }
      if proto.n_string_data > 0 { filled.append(.string) }
    }
  }

  private static func fields(of type: ElementType) -> [Field] {
    switch type {
    case .f32: [.raw, .float]
    case .f64: [.raw, .double]
    case .i64: [.raw, .int64]
    case .u32, .u64: [.raw, .uint64]
    case .string, .object: [.string]
    case .u8, .i8, .u16, .i16, .i32, .bool, .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0, .u4,
      .i4, .f4e2m1, .u2, .i2:
      [.raw, .int32]
    }
  }

  private func references(_ proto: Onnx__TensorProto, _ name: String) throws(ExternalDataError)
    -> ExternalData.Reference
  {
    var entries: [(key: String, value: String)] = []
    for index in 0..<proto.n_external_data {
      guard let entry = proto.external_data[index]?.pointee else { continue }
      let key = Self.text(entry.key)
      guard let key, let value = Self.text(entry.value) else {
        throw ExternalDataError(file: file, tensor: name, fault: .unknownKey(key ?? "not UTF-8"))
      }
      entries.append((key, value))
    }
    return ExternalData.Reference(entries: entries)
  }

  private static func text(_ bytes: ProtobufCBinaryData) -> String? {
    String(validating: UnsafeBufferPointer(start: bytes.data, count: bytes.len), as: UTF8.self)
  }

  // MARK: - Elements

  /// Bytes other than 0 and 1 are not bools: code that trusts them is undefined.
  private func checkBooleans(_ tensor: Tensor, _ name: String) throws(TensorDataError) {
    guard tensor.elementType == .bool else { return }
    let bad = tensor.withBytes { bytes in bytes.firstIndex { $0 > 1 }.map { ($0, Int(bytes[$0])) } }
    if let (index, value) = bad {
      throw TensorDataError(
        file: file, tensor: name, fault: .range(field: "raw_data", index: index, value: value))
    }
  }

  private static func aligned(_ tensor: Tensor) -> Tensor {
    guard tensor.byteCount < viewThreshold else { return tensor }
    var copy = Tensor(zeros: tensor.elementType, tensor.shape)
    tensor.withBytes { source in copy.withMutableBytes { $0.copyMemory(from: source) } }
    return copy
  }

  private func typed(
    _ proto: Onnx__TensorProto, _ field: Field, _ type: ElementType, _ shape: [Int], count: Int, byteCount: Int,
    name: String
  ) throws(TensorDataError) -> Tensor {
    func checkSize(_ expected: Int, _ found: Int) throws(TensorDataError) {
      guard expected == found else {
        let fault = TensorDataError.Fault.size(field: field.rawValue, expected: expected, found: found)
        throw TensorDataError(file: file, tensor: name, fault: fault)
      }
    }
    func copied<T>(_ start: UnsafeMutablePointer<T>?, _ found: Int) throws(TensorDataError) -> Tensor {
      try checkSize(count, found)
      var tensor = Tensor(zeros: type, shape)
      tensor.withMutableBytes {
        $0.copyMemory(from: UnsafeRawBufferPointer(UnsafeBufferPointer(start: start, count: found)))
      }
      return tensor
    }
    func narrowed<S: FixedWidthInteger, T: FixedWidthInteger>(
      _ start: UnsafeMutablePointer<S>?, _ found: Int, _ units: Int, to: T.Type, limits: ClosedRange<S>
    ) throws(TensorDataError) -> Tensor {
      try checkSize(units, found)
      let values = UnsafeBufferPointer(start: start, count: found)
      if let bad = values.firstIndex(where: { !limits.contains($0) }) {
        let fault = TensorDataError.Fault.range(
          field: field.rawValue, index: bad, value: Int(clamping: values[bad]))
        throw TensorDataError(file: file, tensor: name, fault: fault)
      }
      var tensor = Tensor(zeros: type, shape)
      tensor.withMutableBytes { bytes in
        for index in 0..<found {
          bytes.storeBytes(
            of: T(truncatingIfNeeded: values[index]), toByteOffset: index * (T.bitWidth / 8), as: T.self)
        }
      }
      return tensor
    }
    let words = proto.int32_data
    let found = proto.n_int32_data
    switch type {
    case .f32: return try copied(proto.float_data, proto.n_float_data)
    case .f64: return try copied(proto.double_data, proto.n_double_data)
    case .i64: return try copied(proto.int64_data, proto.n_int64_data)
    case .u64: return try copied(proto.uint64_data, proto.n_uint64_data)
    case .i32: return try copied(words, found)
    case .u32:
      return try narrowed(
        proto.uint64_data, proto.n_uint64_data, count, to: UInt32.self, limits: 0...UInt64(UInt32.max))
    case .i16: return try narrowed(words, found, count, to: Int16.self, limits: -32768...32767)
    case .u16, .f16, .bf16: return try narrowed(words, found, count, to: UInt16.self, limits: 0...65535)
    case .i8: return try narrowed(words, found, count, to: Int8.self, limits: -128...127)
    case .bool: return try narrowed(words, found, count, to: UInt8.self, limits: 0...1)
    case .u8, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0:
      return try narrowed(words, found, count, to: UInt8.self, limits: 0...255)
    // Several elements in one byte, one byte in each number.
    case .u4, .i4, .f4e2m1, .u2, .i2:
      return try narrowed(words, found, byteCount, to: UInt8.self, limits: 0...255)
    case .string, .object:
      throw TensorDataError(
        file: file, tensor: name, fault: .wrongField(field.rawValue, expected: [Field.string.rawValue]))
    }
  }
}
