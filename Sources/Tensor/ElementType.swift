/// The element type of a tensor. Raw values are ONNX `TensorProto.DataType` numbers, so that a type
/// survives import, plan and export without a table.
public enum ElementType: Int32, Hashable, Sendable, CaseIterable {
  case f32 = 1
  case u8 = 2
  case i8 = 3
  case u16 = 4
  case i16 = 5
  case i32 = 6
  case i64 = 7
  case string = 8
  case bool = 9
  case f16 = 10
  case f64 = 11
  case u32 = 12
  case u64 = 13
  case bf16 = 16
  case f8e4m3fn = 17
  case f8e4m3fnuz = 18
  case f8e5m2 = 19
  case f8e5m2fnuz = 20
  case u4 = 21
  case i4 = 22
  case f4e2m1 = 23
  case f8e8m0 = 24
  case u2 = 25
  case i2 = 26
  /// A value that is no tensor (a sequence, an optional, a map) as the number under which the run's object store keeps it.
  /// No number of ONNX: files of models do not hold it.
  case object = 65536

  /// The type of an ONNX `TensorProto.DataType`.
  public init?(onnx number: Int32) {
    guard let type = ElementType(rawValue: number), type != .object else { return nil }
    self = type
  }

  /// The name used in the text form and in messages: `f32`, `i64`, `bf16`.
  public var name: String { String(describing: self) }

  public init?(name: String) {
    guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = match
  }

  /// Bits of one element. Types below eight bits are packed low bits first, as ONNX packs them.
  public var bitWidth: Int {
    switch self {
    case .u2, .i2: 2
    case .u4, .i4, .f4e2m1: 4
    case .u8, .i8, .bool, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0: 8
    case .u16, .i16, .f16, .bf16: 16
    case .f32, .i32, .u32: 32
    case .i64, .u64, .f64: 64
    // Numbers in `StringTable` and in an object store.
    case .string, .object: 64
    }
  }

  public var isFloat: Bool {
    switch self {
    case .f32, .f16, .f64, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f4e2m1, .f8e8m0: true
    case .u8, .i8, .u16, .i16, .i32, .i64, .string, .bool, .u32, .u64, .u4, .i4, .u2, .i2, .object: false
    }
  }

  public var isSignedInteger: Bool {
    switch self {
    case .i2, .i4, .i8, .i16, .i32, .i64: true
    default: false
    }
  }

  public var isUnsignedInteger: Bool {
    switch self {
    case .u2, .u4, .u8, .u16, .u32, .u64: true
    default: false
    }
  }

  /// Whether elements are numbers or truth values, not numbers that stand for something else.
  public var isNumeric: Bool { self != .string && self != .object }

  public var isInteger: Bool { isSignedInteger || isUnsignedInteger }

  /// Bytes that `count` elements take, or nil when the number does not fit an `Int`.
  public func byteCount(elements count: Int) -> Int? {
    let (bits, overflow) = count.multipliedReportingOverflow(by: bitWidth)
    guard !overflow, count >= 0 else { return nil }
    return bits / 8 + (bits % 8 == 0 ? 0 : 1)
  }
}
