/// One element between memory and `Double` or `Int64`, for every element type. Slow and exact: the reference
/// evaluator, constant folding and file IO use it; kernels do not.
public enum ScalarCoding {
  @inline(__always)
  public static func load(_ type: ElementType, _ bytes: UnsafeRawBufferPointer, _ index: Int) -> Double {
    switch type {
    case .f32: Double(bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self))
    case .f64: bytes.loadUnaligned(fromByteOffset: index * 8, as: Double.self)
    case .f16: SmallFloat.f16.decode(UInt32(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)))
    case .bf16:
      Double(Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)) << 16))
    case .f8e4m3fn: SmallFloat.f8e4m3fn.decode(UInt32(bytes[index]))
    case .f8e4m3fnuz: SmallFloat.f8e4m3fnuz.decode(UInt32(bytes[index]))
    case .f8e5m2: SmallFloat.f8e5m2.decode(UInt32(bytes[index]))
    case .f8e5m2fnuz: SmallFloat.f8e5m2fnuz.decode(UInt32(bytes[index]))
    case .f8e8m0: SmallFloat.decodeE8M0(bytes[index])
    case .f4e2m1: SmallFloat.f4e2m1.decode(UInt32(packed(bytes, index, bits: 4)))
    case .u64: Double(bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
    case .bool: bytes[index] != 0 ? 1 : 0
    default: Double(loadInteger(type, bytes, index))
    }
  }

  @inline(__always)
  public static func loadInteger(_ type: ElementType, _ bytes: UnsafeRawBufferPointer, _ index: Int) -> Int64 {
    switch type {
    case .i64: bytes.loadUnaligned(fromByteOffset: index * 8, as: Int64.self)
    case .i32: Int64(bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
    case .i16: Int64(bytes.loadUnaligned(fromByteOffset: index * 2, as: Int16.self))
    case .i8: Int64(Int8(bitPattern: bytes[index]))
    case .u64, .string, .object: Int64(bitPattern: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
    case .u32: Int64(bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
    case .u16: Int64(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
    case .u8: Int64(bytes[index])
    case .bool: bytes[index] != 0 ? 1 : 0
    case .u4: Int64(packed(bytes, index, bits: 4))
    case .i4: Int64(Int8(bitPattern: packed(bytes, index, bits: 4) << 4) >> 4)
    case .u2: Int64(packed(bytes, index, bits: 2))
    case .i2: Int64(Int8(bitPattern: packed(bytes, index, bits: 2) << 6) >> 6)
    case .f32, .f64, .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0, .f4e2m1:
      saturated(load(type, bytes, index))
    }
  }

  /// Truncation towards zero; saturates, and NaN gives zero.
  @inline(__always)
  public static func saturated(_ value: Double) -> Int64 {
    if value.isNaN { return 0 }
    if value >= 0x1p63 { return .max }
    if value <= -0x1p63 { return .min }
    return Int64(value)
  }

  /// Rounds to the nearest value of the type (ties to even); integers saturate at the type's ends.
  @inline(__always)
  public static func store(_ value: Double, _ type: ElementType, _ bytes: UnsafeMutableRawBufferPointer, _ index: Int) {
    switch type {
    case .f32: bytes.storeBytes(of: Float(value), toByteOffset: index * 4, as: Float.self)
    case .f64: bytes.storeBytes(of: value, toByteOffset: index * 8, as: Double.self)
    case .f16: bytes.storeBytes(of: UInt16(SmallFloat.f16.encode(value)), toByteOffset: index * 2, as: UInt16.self)
    case .bf16: bytes.storeBytes(of: UInt16(SmallFloat.bf16.encode(value)), toByteOffset: index * 2, as: UInt16.self)
    case .f8e4m3fn: bytes[index] = UInt8(SmallFloat.f8e4m3fn.encode(value))
    case .f8e4m3fnuz: bytes[index] = UInt8(SmallFloat.f8e4m3fnuz.encode(value))
    case .f8e5m2: bytes[index] = UInt8(SmallFloat.f8e5m2.encode(value))
    case .f8e5m2fnuz: bytes[index] = UInt8(SmallFloat.f8e5m2fnuz.encode(value))
    case .f8e8m0: bytes[index] = SmallFloat.encodeE8M0(value)
    case .f4e2m1: pack(UInt8(SmallFloat.f4e2m1.encode(value)), bytes, index, bits: 4)
    case .bool: bytes[index] = value != 0 ? 1 : 0
    case .u64:
      let clamped: UInt64 = value >= 0x1p64 ? .max : (value > 0 ? UInt64(value) : 0)
      bytes.storeBytes(of: clamped, toByteOffset: index * 8, as: UInt64.self)
    case .i64, .i32, .i16, .i8, .u32, .u16, .u8, .u4, .i4, .u2, .i2:
      let low: Int64 = type == .i64 ? .min : type.isSignedInteger ? -(1 << (type.bitWidth - 1)) : 0
      let high: Int64 =
        type == .i64 ? .max : type.isSignedInteger ? (1 << (type.bitWidth - 1)) - 1 : (1 << type.bitWidth) - 1
      store(integer: min(max(saturated(value), low), high), type, bytes, index)
    // These are no numbers.
    case .string, .object: break
    }
  }

  /// Keeps the low bits of `value`; float types round it.
  @inline(__always)
  public static func store(
    integer value: Int64, _ type: ElementType, _ bytes: UnsafeMutableRawBufferPointer, _ index: Int
  ) {
    switch type {
    case .i64, .u64, .string, .object: bytes.storeBytes(of: value, toByteOffset: index * 8, as: Int64.self)
    case .i32, .u32:
      bytes.storeBytes(of: Int32(truncatingIfNeeded: value), toByteOffset: index * 4, as: Int32.self)
    case .i16, .u16:
      bytes.storeBytes(of: Int16(truncatingIfNeeded: value), toByteOffset: index * 2, as: Int16.self)
    case .i8, .u8: bytes[index] = UInt8(truncatingIfNeeded: value)
    case .bool: bytes[index] = value != 0 ? 1 : 0
    case .u4, .i4: pack(UInt8(truncatingIfNeeded: value) & 15, bytes, index, bits: 4)
    case .u2, .i2: pack(UInt8(truncatingIfNeeded: value) & 3, bytes, index, bits: 2)
    default: store(Double(value), type, bytes, index)
    }
  }

  @inline(__always)
  private static func packed(_ bytes: UnsafeRawBufferPointer, _ index: Int, bits: Int) -> UInt8 {
    let perByte = 8 / bits
    return (bytes[index / perByte] >> UInt8(index % perByte * bits)) & UInt8((1 << bits) - 1)
  }

  @inline(__always)
  private static func pack(_ value: UInt8, _ bytes: UnsafeMutableRawBufferPointer, _ index: Int, bits: Int) {
    let perByte = 8 / bits
    let shift = UInt8(index % perByte * bits)
    let mask = UInt8((1 << bits) - 1) << shift
    bytes[index / perByte] = (bytes[index / perByte] & ~mask) | (value << shift)
  }
}
