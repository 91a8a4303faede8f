/// Bytes that are not the protobuf message they should be, or one that is not safe to unpack.
public struct ProtobufError: SwageError, Hashable {
  public enum Fault: Hashable, Sendable {
    case tooLarge(bytes: Int, limit: Int)
    /// A number whose bytes do not end where they must.
    case badVarint
    /// Field number zero, or a tag over 32 bits.
    case badTag
    /// Groups (3 and 4) and the unused numbers 6 and 7.
    case badWireType(Int)
    case pastEnd(length: Int, available: Int)
    case wrongWireType(field: String, wireType: Int)
    /// The bytes of a packed list are not a whole number of elements.
    case unevenPacked(field: String, bytes: Int)
    case tooDeep(limit: Int)
    case tooManyMessages(limit: Int)
    case tooMuchMemory(limit: Int)
    /// A message that may occur once occurs twice: readers differ in what they make of it.
    case repeatedMessage(field: String)
    /// libprotobuf-c refused what passed the scan, or memory is short.
    case notUnpacked
  }

  public var file: String
  public var offset: Int
  public var fault: Fault

  public init(file: String, offset: Int, fault: Fault) {
    self.file = file
    self.offset = offset
    self.fault = fault
  }

  public var diagnostics: [Diagnostic] {
    let damaged = "fetch or export the file again: it is damaged or not of this format"
    let (code, what, why, remedy): (String, String, String?, String) =
      switch fault {
      case .tooLarge(let bytes, let limit):
        (
          "protobuf-too-large", "the message is too large", "\(bytes) bytes, the limit is \(limit)",
          "export the model with its weights as external data"
        )
      case .badVarint: ("protobuf-varint", "a number is cut off or too long", nil, damaged)
      case .badTag: ("protobuf-tag", "no field has this tag", "field numbers are 1 to 536870911", damaged)
      case .badWireType(let type):
        ("protobuf-wire-type", "wire type \(type) is not in use", "groups were never part of the format", damaged)
      case .pastEnd(let length, let available):
        (
          "protobuf-truncated", "a field ends after its message",
          "it needs \(length) bytes, \(available) are left", damaged
        )
      case .wrongWireType(let field, let type):
        ("protobuf-field-type", "field \(field) has the wrong wire type", "wire type \(type)", damaged)
      case .unevenPacked(let field, let bytes):
        (
          "protobuf-packed", "the list \(field) ends inside an element", "\(bytes) bytes are not whole elements",
          damaged
        )
      case .tooDeep(let limit):
        (
          "protobuf-depth", "messages are nested too deeply", "the limit is \(limit) levels",
          "flatten the model's nested graphs or types"
        )
      case .tooManyMessages(let limit):
        (
          "protobuf-messages", "the file holds too many messages", "the limit is \(limit)",
          "split the model, or raise the limit if you trust the file"
        )
      case .tooMuchMemory(let limit):
        (
          "protobuf-memory", "the file would take far more memory than its size explains",
          "unpacked it exceeds \(limit) bytes", "raise the limit if you trust the file"
        )
      case .repeatedMessage(let field):
        ("protobuf-repeated", "\(field) occurs twice", "it may occur once", "export the file again")
      case .notUnpacked:
        ("protobuf-unpack", "the message cannot be unpacked", "libprotobuf-c refused it, or memory is short", damaged)
      }
    return [
      Diagnostic(
        code: code, what: what, place: .init(file: file, byteOffset: offset), why: why, remedy: remedy)
    ]
  }
}
