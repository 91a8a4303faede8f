import Foundation

/// NumPy's array files, versions 1 to 3 (numpy.lib.format).
public enum Npy {
  /// Reads bools, integers, floats and strings of fixed width, of either byte order and element order. `V2` is read as bf16, which is what
  /// NumPy writes for arrays of ml_dtypes' bfloat16. Large arrays in this machine's order view the mapped file.
  /// Throws `FileError` or `NpyError`.
  public static func read(path: String) throws -> Tensor {
    let file = try MappedFile(path: path)
    return try read(file.storage, name: path)
  }

  /// Reads an array from memory; `name` is for the words only.
  public static func read(_ storage: Storage, name: String) throws(NpyError) -> Tensor {
    func fault(_ fault: NpyError.Fault) -> NpyError { NpyError(file: name, fault: fault) }
    let bytes = UnsafeRawBufferPointer(start: storage.base, count: storage.byteCount)
    guard bytes.count >= 10, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else { throw fault(.notNpy) }
    let major = Int(bytes[6])
    guard (1...3).contains(major), bytes[7] == 0 else { throw fault(.version(major, Int(bytes[7]))) }
    let lengthSize = major == 1 ? 2 : 4
    guard bytes.count >= 8 + lengthSize else { throw fault(.truncatedHeader) }
    let headerLength =
      lengthSize == 2
      ? Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
      : Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    let start = 8 + lengthSize
    guard headerLength <= bytes.count - start, headerLength <= 1 << 16 else { throw fault(.truncatedHeader) }
    var parser = NpyHeaderParser(Array(bytes[start..<start + headerLength]))
    let header: NpyHeader
    switch parser.header() {
    case .success(let parsed): header = parsed
    case .failure(let problem): throw fault(.header(reason: problem.reason))
    }
    if let cell = NpyStrings.Cell(header.descr) {
      return try strings(bytes[(start + headerLength)...], cell, header, fault)
    }
    guard let (type, isSwapped) = elementType(header.descr) else { throw fault(.elementType(header.descr)) }
    guard header.shape.count <= TensorProtoDecoder.maximumRank else {
      throw fault(.shape(reason: "\(header.shape.count) dimensions, the limit is 64"))
    }
    guard let count = Checked.product(header.shape), let byteCount = type.byteCount(elements: count) else {
      throw fault(.shape(reason: "the number of elements does not fit 63 bits"))
    }
    let data = start + headerLength
    guard byteCount == bytes.count - data,
      let view = Tensor(type, header.shape, storage: storage, byteOffset: data)
    else { throw fault(.size(expected: byteCount, found: bytes.count - data)) }
    let mustReorder = header.isFortranOrder && header.shape.count > 1
    if !isSwapped, !mustReorder, byteCount >= TensorProtoDecoder.viewThreshold { return view }
    return rearranged(view, isSwapped: isSwapped, isFortranOrder: mustReorder)
  }

  /// Writes `tensor` in C order. Types that NumPy lacks are widened without loss: bf16 and smaller floats to f32,
  /// integers below eight bits to eight. Throws `FileError`.
  public static func write(_ tensor: Tensor, path: String) throws(FileError) {
    let file = try AtomicFile(path: path)
    if tensor.elementType == .string {
      let (descr, bytes) = NpyStrings.cells(tensor.stringBytes)
      try file.write(header(descr, tensor.shape))
      try file.write(bytes)
      return try file.commit()
    }
    let tensor = widened(tensor)
    try file.write(header(descr(tensor.elementType), tensor.shape))
    let result = tensor.withBytes { bytes in
      Result { () throws(FileError) in try file.write(bytes) }
    }
    try result.get()
    try file.commit()
  }

  // MARK: - Types

  private static func elementType(_ descr: String) -> (ElementType, isSwapped: Bool)? {
    guard let order = descr.first, let kind = kinds[String(descr.dropFirst())] else { return nil }
    switch order {
    case "<", "=", "|": return (kind, false)
    case ">": return (kind, kind.bitWidth > 8)
    default: return nil
    }
  }

  private static let kinds: [String: ElementType] = [
    "b1": .bool, "i1": .i8, "i2": .i16, "i4": .i32, "i8": .i64, "u1": .u8, "u2": .u16, "u4": .u32, "u8": .u64,
    "f2": .f16, "f4": .f32, "f8": .f64, "V2": .bf16,
  ]

  private static func descr(_ type: ElementType) -> String {
    switch type {
    case .bool: "|b1"
    case .i8: "|i1"
    case .u8: "|u1"
    case .i16: "<i2"
    case .i32: "<i4"
    case .i64: "<i8"
    case .u16: "<u2"
    case .u32: "<u4"
    case .u64: "<u8"
    case .f16: "<f2"
    case .f64: "<f8"
    default: "<f4"
    }
  }

  private static func widened(_ tensor: Tensor) -> Tensor {
    switch tensor.elementType {
    case .f32, .f64, .f16, .bool, .i8, .u8, .i16, .i32, .i64, .u16, .u32, .u64, .string, .object: return tensor
    case .u4, .u2: return Tensor(.u8, tensor.shape, integers: tensor.integers)
    case .i4, .i2: return Tensor(.i8, tensor.shape, integers: tensor.integers)
    case .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f4e2m1, .f8e8m0:
      return Tensor(.f32, tensor.shape, doubles: tensor.doubles)
    }
  }

  /// Padded so that the elements start at a multiple of 64 bytes.
  private static func header(_ descr: String, _ shape: [Int]) -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    let text = "{'descr': '\(descr)', 'fortran_order': False, 'shape': (\(sizes)), }"
    let length = (10 + text.utf8.count + 1 + 63) / 64 * 64 - 10
    let padded = Array(text.utf8) + [UInt8](repeating: 32, count: length - text.utf8.count - 1) + [10]
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + padded
  }

  private static func strings(
    _ bytes: Slice<UnsafeRawBufferPointer>, _ cell: NpyStrings.Cell, _ header: NpyHeader,
    _ fault: (NpyError.Fault) -> NpyError
  ) throws(NpyError) -> Tensor {
    guard header.shape.count <= TensorProtoDecoder.maximumRank else {
      throw fault(.shape(reason: "\(header.shape.count) dimensions, the limit is 64"))
    }
    guard let count = Checked.product(header.shape), let size = Checked.multiply(count, cell.byteCount) else {
      throw fault(.shape(reason: "the number of elements does not fit 63 bits"))
    }
    // Cells without width would let a few bytes stand for any number of strings.
    guard size == bytes.count, cell.width > 0 || count <= 1 << 20 else {
      throw fault(.size(expected: size, found: bytes.count))
    }
    guard let strings = NpyStrings.read(UnsafeRawBufferPointer(rebasing: bytes), cell, count: count) else {
      throw fault(.elementType("\(header.descr) with units that are no characters"))
    }
    let tensor = Tensor(stringBytes: strings, header.shape)
    let mustReorder = header.isFortranOrder && header.shape.count > 1
    return mustReorder ? rearranged(tensor, isSwapped: false, isFortranOrder: true) : tensor
  }

  /// A copy in C order and this machine's byte order.
  private static func rearranged(_ view: Tensor, isSwapped: Bool, isFortranOrder: Bool) -> Tensor {
    let width = view.elementType.bitWidth / 8
    let shape = view.shape
    var copy = Tensor(zeros: view.elementType, shape)
    if view.count == 0 { return copy }
    // In Fortran order the first index runs fastest.
    var strides = [Int](repeating: 1, count: shape.count)
    if isFortranOrder {
      for axis in shape.indices.dropFirst() { strides[axis] = strides[axis - 1] * max(shape[axis - 1], 1) }
    } else {
      for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1) }
    }
    var index = [Int](repeating: 0, count: shape.count)
    var source = 0
    view.withBytes { from in
      copy.withMutableBytes { to in
        for target in 0..<view.count {
          for byte in 0..<width {
            to[target * width + byte] = from[source * width + (isSwapped ? width - 1 - byte : byte)]
          }
          var axis = shape.count - 1
          while axis >= 0 {
            index[axis] += 1
            source += strides[axis]
            if index[axis] < shape[axis] { break }
            source -= strides[axis] * shape[axis]
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
    return copy
  }
}

struct NpyHeader {
  var descr: String
  var isFortranOrder: Bool
  var shape: [Int]
}

/// The header's Python dictionary: exactly the three keys, each once, with literals as values.
struct NpyHeaderParser {
  struct Problem: Error {
    var reason: String
  }

  private let text: [UInt8]
  private var position = 0

  init(_ text: [UInt8]) { self.text = text }

  mutating func header() -> Result<NpyHeader, Problem> {
    func problem(_ reason: String) -> Result<NpyHeader, Problem> { .failure(Problem(reason: reason)) }
    var descr: String?
    var order: Bool?
    var shape: [Int]?
    guard take("{") else { return problem("it is not a dictionary") }
    while !take("}") {
      guard let key = string(), take(":") else { return problem("a key is malformed") }
      switch key {
      case "descr":
        guard descr == nil, let value = string() else { return problem("descr is not one string") }
        descr = value
      case "fortran_order":
        guard order == nil, let value = boolean() else { return problem("fortran_order is not one bool") }
        order = value
      case "shape":
        guard shape == nil, let value = tuple() else { return problem("shape is not one tuple of sizes") }
        shape = value
      default: return problem("unknown key \(key)")
      }
      if !take(",") {
        guard take("}") else { return problem("a comma or brace is missing") }
        break
      }
    }
    skipSpace()
    guard position == text.count else { return problem("something follows the dictionary") }
    guard let descr, let order, let shape else { return problem("descr, fortran_order or shape is missing") }
    return .success(NpyHeader(descr: descr, isFortranOrder: order, shape: shape))
  }

  private mutating func skipSpace() {
    while position < text.count, text[position] == 32 || text[position] == 10 { position += 1 }
  }

  private mutating func take(_ word: String) -> Bool {
    skipSpace()
    guard text[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func string() -> String? {
    let quote: UInt8
    if take("'") { quote = 39 } else if take("\"") { quote = 34 } else { return nil }
    guard let end = text[position...].firstIndex(of: quote) else { return nil }
    let value = String(validating: text[position..<end], as: UTF8.self)
    position = end + 1
    return value
  }

  private mutating func boolean() -> Bool? { take("True") ? true : take("False") ? false : nil }

  private mutating func tuple() -> [Int]? {
    guard take("(") else { return nil }
    var sizes: [Int] = []
    while !take(")") {
      skipSpace()
      let end = text[position...].firstIndex { $0 < 48 || $0 > 57 } ?? text.count
      guard end > position, let size = Int(String(decoding: text[position..<end], as: UTF8.self)) else { return nil }
      position = end
      sizes.append(size)
      if !take(",") {
        guard take(")") else { return nil }
        break
      }
    }
    return sizes
  }
}
