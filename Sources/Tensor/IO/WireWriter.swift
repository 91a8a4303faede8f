/// Writes the protobuf wire format (protobuf.dev, "Encoding"), fields in the order of the calls. Numbers that are 0 and
/// texts that are empty are left out: the same value always gives the same bytes.
public struct WireWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func number(_ field: Int, _ value: Int) { number(field, UInt64(bitPattern: Int64(value))) }

  public mutating func number(_ field: Int, _ value: UInt64) {
    guard value != 0 else { return }
    numberAlways(field, value)
  }

  /// Also where the value is 0, for numbers whose presence means something.
  public mutating func numberAlways(_ field: Int, _ value: UInt64) {
    tag(field, wireType: 0)
    varint(value)
  }

  public mutating func flag(_ field: Int, _ value: Bool) { number(field, value ? 1 : 0) }

  public mutating func fixed64(_ field: Int, _ value: UInt64) {
    guard value != 0 else { return }
    tag(field, wireType: 1)
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Negative zero is kept.
  public mutating func float(_ field: Int, _ value: Float) {
    guard value.bitPattern != 0 else { return }
    tag(field, wireType: 5)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  public mutating func text(_ field: Int, _ value: String) {
    guard !value.isEmpty else { return }
    element(field, value)
  }

  /// An element of a list, which is kept where it is empty.
  public mutating func element(_ field: Int, _ value: String) { element(field, value.utf8) }

  public mutating func element(_ field: Int, _ value: some Collection<UInt8>) {
    tag(field, wireType: 2)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  public mutating func packed(_ field: Int, _ values: some Sequence<Int>) {
    var inner = WireWriter()
    for value in values { inner.varint(UInt64(bitPattern: Int64(value))) }
    guard !inner.bytes.isEmpty else { return }
    tag(field, wireType: 2)
    varint(UInt64(inner.bytes.count))
    bytes.append(contentsOf: inner.bytes)
  }

  public mutating func message(_ field: Int, _ write: (inout WireWriter) -> Void) {
    var inner = WireWriter()
    write(&inner)
    tag(field, wireType: 2)
    varint(UInt64(inner.bytes.count))
    bytes.append(contentsOf: inner.bytes)
  }

  private mutating func tag(_ field: Int, wireType: UInt64) { varint(UInt64(field) << 3 | wireType) }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest > 127 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
