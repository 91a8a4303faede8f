import SwageTensor

/// The type of an expression in a kernel. Narrower element types are computed in one of these.
public enum ScalarType: Hashable, Sendable, CaseIterable {
  case f32, f64, i32, i64, u32, u64, bool

  public var isFloat: Bool { self == .f32 || self == .f64 }
  public var isInteger: Bool { !isFloat && self != .bool }

  /// Elements that hold a value as it is.
  public var elementType: ElementType {
    switch self {
    case .f32: .f32
    case .f64: .f64
    case .i32: .i32
    case .i64: .i64
    case .u32: .u32
    case .u64: .u64
    case .bool: .bool
    }
  }

  /// The name in the text form.
  public var name: String { String(describing: self) }
}

extension ElementType {
  /// The type in which kernels compute on elements of this type.
  public var computeType: ScalarType {
    switch self {
    case .f64: .f64
    case .f32, .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f4e2m1, .f8e8m0: .f32
    case .i64: .i64
    case .u64, .string, .object: .u64
    case .u32: .u32
    case .i2, .i4, .i8, .i16, .i32, .u2, .u4, .u8, .u16: .i32
    case .bool: .bool
    }
  }

  /// Whether several elements share a byte.
  public var isPacked: Bool { bitWidth < 8 }

  /// The unsigned type of the same width: movement copies patterns, whatever they mean.
  public var patternType: ElementType {
    switch bitWidth {
    case 2: .u2
    case 4: .u4
    case 8: .u8
    case 16: .u16
    case 32: .u32
    default: .u64
    }
  }
}
