import CONNX

/// A file that holds one ONNX `TensorProto`, as the inputs and outputs of ONNX's test cases are stored (`input_0.pb`).
public enum TensorProtoFile {
  private static let schema: ProtobufSchema = {
    var message = Onnx__TensorProto()
    onnx__tensor_proto__init(&message)
    return ProtobufSchema(message.base.descriptor, spans: TensorProtoDecoder.spans)
  }()

  /// Throws `FileError`, `ProtobufError` or `TensorDataError`. External data is refused.
  public static func read(path: String) throws -> Tensor {
    let file = try MappedFile(path: path)
    let message = try file.withBytes { bytes in
      try ProtobufMessage<Onnx__TensorProto>(bytes, schema: schema, file: path)
    }
    let decoder = TensorProtoDecoder(
      file: path, source: file.storage, external: ExternalData(withoutFolderFor: path))
    return try message.withMessage { proto in
      let decoded = try decoder.decode(proto, name: "")
      switch decoded.content {
      case .tensor(let tensor): return tensor
      case .weightless:
        throw TensorDataError(file: path, tensor: "", fault: .noData(expectedBytes: 0))
      }
    }
  }
}
