import CONNX

/// What a scan must know of a message type and the types inside it, read from the descriptors that protoc-c generates.
public struct ProtobufSchema: @unchecked Sendable {
  enum Kind: Sendable {
    case varint
    case fixed32
    case fixed64
    case bytes
    case message(Int)
  }

  struct Field: Sendable {
    var name: String
    var kind: Kind
    var isRepeated: Bool
    /// Bytes of one element in the unpacked list; 0 for single fields.
    var elementSize: Int
    /// The scan replaces the field's bytes by where they are.
    var isSpan = false
  }

  struct Message: Sendable {
    /// Of the unpacked C structure.
    var size: Int
    /// By field number; a number beyond the end is unknown.
    var fields: [Field?]
  }

  /// The root is at index 0.
  private(set) var messages: [Message] = []
  let descriptor: UnsafePointer<ProtobufCMessageDescriptor>

  /// The schema of a generated type. `descriptor` is that of an initialised message (`message.base.descriptor`).
  /// `spans` names `bytes` fields, as `onnx.TensorProto.raw_data`, that `ProtobufMessage` leaves in the file.
  public init(_ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, spans: Set<String> = []) {
    self.descriptor = descriptor
    var indices = [descriptor: 0]
    var queue = [descriptor]
    var next = 0
    while next < queue.count {
      let type = queue[next].pointee
      next += 1
      let typeName = String(cString: type.name)
      var fields: [Field?] = []
      for index in 0..<Int(type.n_fields) {
        let source = type.fields[index]
        let name = String(cString: source.name)
        let isRepeated = source.label == PROTOBUF_C_LABEL_REPEATED
        var (kind, size): (Kind, Int) =
          switch source.type {
          case PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT: (.fixed32, 4)
          case PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE: (.fixed64, 8)
          case PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_UINT64: (.varint, 8)
          case PROTOBUF_C_TYPE_STRING: (.bytes, 8)
          case PROTOBUF_C_TYPE_BYTES: (.bytes, 16)
          default: (.varint, 4)
          }
        if source.type == PROTOBUF_C_TYPE_MESSAGE, let raw = source.descriptor {
          let child = raw.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
          let known = indices[child] ?? queue.count
          if known == queue.count {
            indices[child] = known
            queue.append(child)
          }
          (kind, size) = (.message(known), 8)
        }
        let number = Int(source.id)
        while fields.count <= number { fields.append(nil) }
        fields[number] = Field(
          name: "\(typeName).\(name)", kind: kind, isRepeated: isRepeated, elementSize: isRepeated ? size : 0,
          isSpan: spans.contains("\(typeName).\(name)"))
      }
      messages.append(Message(size: type.sizeof_message, fields: fields))
    }
  }
}
