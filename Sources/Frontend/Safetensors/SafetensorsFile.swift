import Foundation
import SwageTensor

/// One `.safetensors` file: eight bytes of header length, a JSON header, and the tensors' bytes without gaps.
/// Format: huggingface/safetensors, "Format".
struct SafetensorsFile {
  static let maximumHeader = 100_000_000

  let path: String
  /// Sorted by name; views of the mapped file.
  private(set) var tensors: [(name: String, tensor: Tensor)] = []

  /// Throws `FileError` or `SafetensorsError`.
  init(path: String) throws {
    let file = try MappedFile(path: path)
    self.path = path
    tensors = try Self.tensors(file.storage, path: path)
    try file.checkUnchanged()
  }

  private struct Entry {
    var name: String
    var type: ElementType
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  static func tensors(_ storage: Storage, path: String) throws(SafetensorsError) -> [(name: String, tensor: Tensor)] {
    func fault(_ fault: SafetensorsError.Fault) -> SafetensorsError { SafetensorsError(file: path, fault: fault) }
    let bytes = UnsafeRawBufferPointer(start: storage.base, count: storage.byteCount)
    guard bytes.count >= 10 else { throw fault(.tooShort(bytes: bytes.count)) }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length >= 2, length <= UInt64(bytes.count - 8) else {
      throw fault(.headerLength(length, fileSize: bytes.count))
    }
    guard length <= UInt64(maximumHeader) else { throw fault(.headerTooLong(length, limit: maximumHeader)) }
    let dataStart = 8 + Int(length)
    let header = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart])
    guard header[0] == UInt8(ascii: "{") else { throw fault(.headerStart(header[0])) }
    let json: StrictJSON
    do throws(StrictJSON.Fault) {
      json = try StrictJSON.parse(header, maximumDepth: 4)
    } catch {
      throw fault(.json(offset: 8 + error.offset, reason: error.reason))
    }
    var entries: [Entry] = []
    for (name, value) in json.object ?? [] {
      if name == "__metadata__" {
        try checkMetadata(value, path: path)
        continue
      }
      entries.append(try entry(name, value, path: path))
    }
    try checkLayout(entries, dataStart: dataStart, dataSize: bytes.count - dataStart, path: path)
    var result: [(name: String, tensor: Tensor)] = []
    result.reserveCapacity(entries.count)
    for entry in entries {
      guard let begin = Checked.add(dataStart, entry.begin),
        let tensor = Tensor(entry.type, entry.shape, storage: storage, byteOffset: begin)
      else { throw fault(.offsets(tensor: entry.name, reason: "they lie outside of the file")) }
      result.append((entry.name, tensor))
    }
    return result.sorted { $0.name < $1.name }
  }

  private static func checkMetadata(_ value: StrictJSON, path: String) throws(SafetensorsError) {
    guard let members = value.object, members.allSatisfy({ $0.value.string != nil }) else {
      throw SafetensorsError(
        file: path, fault: .header(tensor: nil, reason: "__metadata__ is not a map from text to text"))
    }
  }

  private static func entry(_ name: String, _ value: StrictJSON, path: String) throws(SafetensorsError) -> Entry {
    func fault(_ fault: SafetensorsError.Fault) -> SafetensorsError { SafetensorsError(file: path, fault: fault) }
    if case .failure(let problem) = CheckedName.check(name) {
      throw fault(.name(tensor: name, reason: problem.reason))
    }
    guard let members = value.object, members.count == 3, let dtype = value["dtype"], let shape = value["shape"],
      let offsets = value["data_offsets"]
    else {
      throw fault(.header(tensor: name, reason: "its entry is not exactly dtype, shape and data_offsets"))
    }
    guard let dtypeName = dtype.string else { throw fault(.header(tensor: name, reason: "its dtype is not text")) }
    guard let type = elementTypes[dtypeName] else { throw fault(.elementType(tensor: name, name: dtypeName)) }
    guard let sizes = shape.array, sizes.count <= 64 else {
      throw fault(.shape(tensor: name, reason: "it is not a list of at most 64 sizes"))
    }
    var dimensions: [Int] = []
    for size in sizes {
      guard let size = size.integer, size >= 0 else {
        throw fault(.shape(tensor: name, reason: "a size is not a whole number from 0 to 2^63 - 1"))
      }
      dimensions.append(size)
    }
    guard let count = Checked.product(dimensions), let byteCount = type.byteCount(elements: count) else {
      throw fault(.shape(tensor: name, reason: "the number of bytes does not fit 63 bits"))
    }
    if type.bitWidth < 8, count % (8 / type.bitWidth) != 0 {
      throw fault(.shape(tensor: name, reason: "\(count) elements of \(type.name) do not fill whole bytes"))
    }
    guard let pair = offsets.array, pair.count == 2, let begin = pair[0].integer, let end = pair[1].integer,
      begin >= 0, end >= 0
    else { throw fault(.offsets(tensor: name, reason: "data_offsets are not two whole numbers")) }
    guard begin <= end else {
      throw fault(.offsets(tensor: name, reason: "they begin at \(begin) and end before it, at \(end)"))
    }
    guard end - begin == byteCount else { throw fault(.size(tensor: name, expected: byteCount, found: end - begin)) }
    return Entry(name: name, type: type, shape: dimensions, begin: begin, end: end)
  }

  /// The tensors cover the data exactly: no byte twice, none left over.
  private static func checkLayout(
    _ entries: [Entry], dataStart: Int, dataSize: Int, path: String
  ) throws(SafetensorsError) {
    func fault(_ fault: SafetensorsError.Fault) -> SafetensorsError { SafetensorsError(file: path, fault: fault) }
    var position = 0
    var previous = ""
    for entry in entries.sorted(by: { ($0.begin, $0.end, $0.name) < ($1.begin, $1.end, $1.name) }) {
      guard entry.end <= dataSize else {
        throw fault(
          .offsets(tensor: entry.name, reason: "they end at \(entry.end), the file holds \(dataSize) bytes of data"))
      }
      if entry.begin < position { throw fault(.overlap(tensor: entry.name, other: previous)) }
      if entry.begin > position { throw fault(.hole(offset: dataStart + position, bytes: entry.begin - position)) }
      position = entry.end
      previous = entry.name
    }
    if position < dataSize { throw fault(.hole(offset: dataStart + position, bytes: dataSize - position)) }
  }

  private static let elementTypes: [String: ElementType] = [
    "BOOL": .bool, "U8": .u8, "I8": .i8, "U16": .u16, "I16": .i16, "U32": .u32, "I32": .i32, "U64": .u64, "I64": .i64,
    "F16": .f16, "BF16": .bf16, "F32": .f32, "F64": .f64, "F8_E4M3": .f8e4m3fn, "F8_E5M2": .f8e5m2,
    "F8_E4M3FNUZ": .f8e4m3fnuz, "F8_E5M2FNUZ": .f8e5m2fnuz, "F8_E8M0": .f8e8m0, "F4": .f4e2m1,
  ]
}
