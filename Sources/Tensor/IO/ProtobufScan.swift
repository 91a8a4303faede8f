/// A pass over the wire format of a protobuf message that makes it safe to hand to libprotobuf-c, which recurses
/// without limit, allocates before it checks, and copies every `bytes` field. It uses no recursion itself.
///
/// Wire format: protobuf.dev, "Encoding".
public enum ProtobufScan {
  public struct Limits: Hashable, Sendable {
    /// Sizes beyond 2 GiB - 1 overflow inside libprotobuf-c: more is never allowed.
    public var bytes = Int(Int32.max)
    /// Messages inside each other, the outermost included; 100 is what other readers of protobuf allow.
    public var depth = 100
    public var messages = 16_000_000
    /// Beyond 65,536 messages, there may be one for this many bytes: bombs of empty messages end early. 0: no such limit.
    public var bytesPerMessage = 0
    /// Bytes of the unpacked message; nil for 48 MiB and 40 times the bytes of its known fields, at most 4 GiB.
    public var memory: Int?

    public init() {}
  }

  struct Result {
    /// The message without unknown fields, and with 16 bytes, offset and length, for the content of each span.
    var compact: [UInt8]
    /// An upper bound for what unpacking allocates.
    var memory: Int
  }

  /// Throws when unpacking `bytes` as a message of `schema` would be unsafe. `file` is for the words only.
  public static func check(
    _ bytes: UnsafeRawBufferPointer, schema: ProtobufSchema, limits: Limits = Limits(), file: String
  ) throws(ProtobufError) {
    var scanner = Scanner(bytes: bytes, schema: schema, limits: limits, file: file)
    try scanner.run()
  }

  static func compact(
    _ bytes: UnsafeRawBufferPointer, schema: ProtobufSchema, limits: Limits, file: String
  ) throws(ProtobufError) -> Result {
    var scanner = Scanner(bytes: bytes, schema: schema, limits: limits, file: file)
    try scanner.run()
    return Result(compact: scanner.output, memory: scanner.memory + scanner.temporary)
  }
}

private struct Scanner {
  struct Frame {
    var message: Int
    var end: Int
    /// Single sub-messages that have occurred, by field number.
    var seen: Set<Int> = []
    /// Where the length of this message stands in the output; its bytes follow.
    var lengthPosition: Int
  }

  /// Of an allocation, beside what was asked for.
  static let allocationCost = 32
  /// libprotobuf-c keeps a record of each field while it unpacks a message.
  static let memberCost = 40

  let bytes: UnsafeRawBufferPointer
  let schema: ProtobufSchema
  let limits: ProtobufScan.Limits
  let file: String
  var position = 0
  var output: [UInt8] = []
  var memory = 0
  var temporary = 0
  private var messageCount = 1
  /// Bytes of the input that are unpacked.
  private var kept = 0
  private var frames: [Frame] = []

  init(bytes: UnsafeRawBufferPointer, schema: ProtobufSchema, limits: ProtobufScan.Limits, file: String) {
    self.bytes = bytes
    self.schema = schema
    self.limits = limits
    self.file = file
  }

  func error(_ offset: Int, _ fault: ProtobufError.Fault) -> ProtobufError {
    ProtobufError(file: file, offset: offset, fault: fault)
  }

  mutating func run() throws(ProtobufError) {
    let limit = min(limits.bytes, Int(Int32.max))
    guard bytes.count <= limit else { throw error(0, .tooLarge(bytes: bytes.count, limit: limit)) }
    memory = schema.messages[0].size + Self.allocationCost
    frames = [Frame(message: 0, end: bytes.count, lengthPosition: -1)]
    while let frame = frames.last {
      if position == frame.end {
        frames.removeLast()
        try close(frame)
      } else {
        try field()
      }
    }
    guard output.count <= limit else { throw error(0, .tooLarge(bytes: output.count, limit: limit)) }
  }

  /// Writes the length of a finished message, in five bytes, into the room left for it.
  private mutating func close(_ frame: Frame) throws(ProtobufError) {
    guard frame.lengthPosition >= 0 else { return }
    var length = output.count - frame.lengthPosition - 5
    for index in 0..<5 {
      output[frame.lengthPosition + index] = UInt8(length & 127) | (index < 4 ? 128 : 0)
      length >>= 7
    }
  }

  private mutating func field() throws(ProtobufError) {
    let frameIndex = frames.count - 1
    let end = frames[frameIndex].end
    let start = position
    let tag = try varint(end: end, maximumBytes: 5)
    guard tag <= UInt64(UInt32.max), tag >> 3 != 0 else { throw error(start, .badTag) }
    let wireType = Int(tag & 7)
    let number = Int(tag >> 3)
    let valueStart = position

    var contentStart = position
    switch wireType {
    case 0: _ = try varint(end: end, maximumBytes: 10)
    case 1: try skip(8, end: end)
    case 5: try skip(4, end: end)
    case 2:
      let length = try varint(end: end, maximumBytes: 5)
      contentStart = position
      try skip(Int(length), end: end)
    default: throw error(start, .badWireType(wireType))
    }

    let fields = schema.messages[frames[frameIndex].message].fields
    guard number < fields.count, let field = fields[number] else { return }
    temporary += Self.memberCost
    if field.isRepeated { memory += field.elementSize }
    let length = position - contentStart
    kept += field.isSpan || isMessage(field) ? contentStart - start : position - start
    switch (field.kind, wireType) {
    case (.message(let child), 2):
      if !field.isRepeated, !frames[frameIndex].seen.insert(number).inserted {
        throw error(start, .repeatedMessage(field: field.name))
      }
      try open(child, contentStart: contentStart, start: start, tagEnd: valueStart)
    case (.bytes, 2):
      memory += length + Self.allocationCost
      if field.isSpan {
        copy(start, valueStart)
        output.append(16)
        append(UInt64(contentStart))
        append(UInt64(length))
      } else {
        copy(start, position)
      }
    case (.varint, 0), (.fixed32, 5), (.fixed64, 1): copy(start, position)
    case (.varint, 2) where field.isRepeated:
      memory += try packedVarints(contentStart, field) * field.elementSize
      copy(start, position)
    case (.fixed32, 2) where field.isRepeated, (.fixed64, 2) where field.isRepeated:
      guard length % field.elementSize == 0 else {
        throw error(start, .unevenPacked(field: field.name, bytes: length))
      }
      memory += length
      copy(start, position)
    default: throw error(start, .wrongWireType(field: field.name, wireType: wireType))
    }
    if field.isSpan { memory -= length }
    try checkMemory(start)
  }

  private var messageLimit: Int {
    guard limits.bytesPerMessage > 0 else { return limits.messages }
    return min(limits.messages, max(1 << 16, bytes.count / limits.bytesPerMessage))
  }

  private func isMessage(_ field: ProtobufSchema.Field) -> Bool {
    if case .message = field.kind { true } else { false }
  }

  private mutating func open(_ child: Int, contentStart: Int, start: Int, tagEnd: Int) throws(ProtobufError) {
    guard frames.count < limits.depth else { throw error(start, .tooDeep(limit: limits.depth)) }
    messageCount += 1
    guard messageCount <= messageLimit else { throw error(start, .tooManyMessages(limit: messageLimit)) }
    memory += schema.messages[child].size + Self.allocationCost
    copy(start, tagEnd)
    let lengthPosition = output.count
    output.append(contentsOf: [0, 0, 0, 0, 0])
    frames.append(Frame(message: child, end: position, lengthPosition: lengthPosition))
    position = contentStart
  }

  private func checkMemory(_ offset: Int) throws(ProtobufError) {
    let automatic = min(48 << 20 + 40 * kept, 4 << 30)
    let limit = limits.memory ?? automatic
    guard memory + temporary <= limit else { throw error(offset, .tooMuchMemory(limit: limit)) }
  }

  private mutating func varint(end: Int, maximumBytes: Int) throws(ProtobufError) -> UInt64 {
    let start = position
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end, position - start < maximumBytes {
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 127) << shift
      if byte < 128 { return value }
      shift += 7
    }
    throw error(start, .badVarint)
  }

  private mutating func skip(_ count: Int, end: Int) throws(ProtobufError) {
    let available = end - position
    guard count <= available else { throw error(position, .pastEnd(length: count, available: available)) }
    position += count
  }

  /// The number of elements of a packed list that reaches to `position`.
  private func packedVarints(_ start: Int, _ field: ProtobufSchema.Field) throws(ProtobufError) -> Int {
    var count = 0
    var run = 0
    for index in start..<position {
      run += 1
      guard run <= 10 else { throw error(index, .badVarint) }
      if bytes[index] < 128 {
        count += 1
        run = 0
      }
    }
    guard run == 0 else { throw error(start, .unevenPacked(field: field.name, bytes: position - start)) }
    return count
  }

  private mutating func copy(_ start: Int, _ end: Int) {
    output.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
  }

  private mutating func append(_ value: UInt64) {
    for shift in 0..<8 { output.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * shift))) }
  }
}
