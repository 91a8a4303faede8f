import CONNX
import SwageTensor

extension ONNXModel {
  /// IR versions that can be read: 3 is the first that imports operator sets, 14 is that of onnx 1.23.
  public static let irVersions = 3...14
  /// Versions of the default domain that can be read.
  public static let opsets = 1...28

  private static let schema: ProtobufSchema = {
    var message = Onnx__ModelProto()
    onnx__model_proto__init(&message)
    return ProtobufSchema(message.base.descriptor, spans: TensorProtoDecoder.spans)
  }()

  /// Reads and checks a model file and maps the files of its external data. Large tensors are views of the mapped
  /// files, not aligned.
  ///
  /// Throws `FileError`, `ProtobufError`, or `ONNXError` with all faults that can be found at once.
  public static func load(path: String, limits: ONNXLimits = ONNXLimits()) throws -> ONNXModel {
    let file = try MappedFile(path: path)
    let external = try ExternalData(model: path)
    var model = try load(file.storage, name: path, external: external, limits: limits)
    try file.checkUnchanged()
    model.files = [path] + external.paths
    return model
  }

  /// Reads and checks a model in memory, which cannot have external data. `name` is for the words only.
  public static func load(bytes: [UInt8], name: String, limits: ONNXLimits = ONNXLimits()) throws -> ONNXModel {
    let storage = Storage(zeroed: bytes.count)
    bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: storage.base, count: $0.count).copyMemory(from: $0) }
    return try load(storage, name: name, external: ExternalData(withoutFolderFor: name), limits: limits)
  }

  private static func load(
    _ storage: Storage, name: String, external: ExternalData, limits: ONNXLimits
  ) throws -> ONNXModel {
    let bytes = UnsafeRawBufferPointer(start: storage.base, count: storage.byteCount)
    if let kind = ONNXSniffer.kind(of: bytes) {
      throw ONNXError(file: name, faults: [ONNXFault(.notONNX(looksLike: kind))])
    }
    let message = try ProtobufMessage<Onnx__ModelProto>(bytes, schema: schema, limits: limits.protobuf, file: name)
    let decoder = TensorProtoDecoder(file: name, source: storage, external: external)
    var reader = ONNXReader(limits: limits, decoder: decoder)
    var model = message.withMessage { reader.model($0) }
    // Names that could not be read would only give rise to more faults.
    try reader.faults.check(file: name)
    var names = ONNXNameCheck(limit: limits.faults)
    names.check(&model)
    var functions = ONNXFunctionCheck(limits: limits)
    functions.check(model)
    try ONNXFaults.check([names.faults, functions.faults], file: name)
    return model
  }
}
