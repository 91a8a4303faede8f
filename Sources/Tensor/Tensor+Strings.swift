extension Tensor {
  /// A `string` tensor of UTF-8 text, row-major. The sizes must be valid and fit the number of strings.
  public init(strings values: [String], _ shape: [Int]) { self.init(stringBytes: values.map { Array($0.utf8) }, shape) }

  /// A `string` tensor of any bytes, row-major. The sizes must be valid and fit the number of strings.
  public init(stringBytes values: [[UInt8]], _ shape: [Int]) {
    self.init(zeros: .string, shape)
    precondition(values.count == count, "\(values.count) values for \(count) elements")
    let ids = StringTable.ids(of: values)
    withMutableBytes { bytes in ids.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }

  /// The elements of a `string` tensor as bytes.
  public var stringBytes: [[UInt8]] {
    precondition(elementType == .string, "\(type) holds no strings")
    return StringTable.bytes(of: integers.map { UInt64(bitPattern: $0) })
  }

  /// The elements of a `string` tensor; bytes that are not UTF-8 become replacement characters.
  public var strings: [String] { stringBytes.map { String(decoding: $0, as: UTF8.self) } }
}
