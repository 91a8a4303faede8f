import Foundation

/// A floating-point format narrower than 32 bits, coded through `Double` with round-to-nearest-even.
///
/// Formats: IEEE 754 binary16; bfloat16; the OCP 8-bit formats (Micikevicius et al., "FP8 Formats for Deep Learning",
/// 2022) with the `fnuz` variants of Noune et al. (2022) that ONNX defines; OCP MX FP4 (e2m1) and E8M0.
public struct SmallFloat: Sendable {
  enum Special: Sendable {
    /// The top exponent holds infinity and NaN.
    case ieee
    /// No infinity; all exponent and mantissa bits set is NaN.
    case finiteNaNAllOnes
    /// No infinity, no negative zero; the pattern of negative zero is NaN.
    case finiteNaNNegativeZero
    /// Finite numbers only.
    case finite
  }

  let exponentBits: Int
  let mantissaBits: Int
  let bias: Int
  let special: Special

  static let f16 = SmallFloat(exponentBits: 5, mantissaBits: 10, bias: 15, special: .ieee)
  static let bf16 = SmallFloat(exponentBits: 8, mantissaBits: 7, bias: 127, special: .ieee)
  static let f8e4m3fn = SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 7, special: .finiteNaNAllOnes)
  static let f8e4m3fnuz = SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 8, special: .finiteNaNNegativeZero)
  static let f8e5m2 = SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 15, special: .ieee)
  static let f8e5m2fnuz = SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 16, special: .finiteNaNNegativeZero)
  static let f4e2m1 = SmallFloat(exponentBits: 2, mantissaBits: 1, bias: 1, special: .finite)

  private var signShift: UInt32 { UInt32(exponentBits + mantissaBits) }
  private var magnitudeMask: UInt32 { (1 << signShift) - 1 }

  /// The pattern of the largest finite magnitude.
  private var largest: UInt32 {
    switch special {
    case .ieee: (((1 << UInt32(exponentBits)) - 1) << UInt32(mantissaBits)) - 1
    case .finiteNaNAllOnes: magnitudeMask - 1
    case .finiteNaNNegativeZero, .finite: magnitudeMask
    }
  }

  func decode(_ bits: UInt32) -> Double {
    let negative = bits >> signShift & 1 == 1
    let magnitude = bits & magnitudeMask
    if special == .finiteNaNNegativeZero, negative, magnitude == 0 { return .nan }
    if magnitude > largest {
      if special == .ieee, magnitude == largest + 1 { return negative ? -.infinity : .infinity }
      return .nan
    }
    let exponent = Int(magnitude >> UInt32(mantissaBits))
    let mantissa = Double(magnitude & ((1 << UInt32(mantissaBits)) - 1))
    let value =
      exponent == 0
      ? scalbn(mantissa, 1 - bias - mantissaBits)
      : scalbn(mantissa + Double(1 << mantissaBits), exponent - bias - mantissaBits)
    return negative ? -value : value
  }

  /// Values beyond the largest finite one saturate where the format has no infinity, as ONNX's saturating cast does.
  func encode(_ value: Double) -> UInt32 {
    let sign: UInt32 = value.sign == .minus ? 1 << signShift : 0
    if value.isNaN {
      switch special {
      case .ieee: return sign | (largest + 1) | (1 << UInt32(mantissaBits - 1))
      case .finiteNaNAllOnes: return sign | magnitudeMask
      case .finiteNaNNegativeZero: return 1 << signShift
      case .finite: return sign
      }
    }
    let overflow = special == .ieee ? largest + 1 : largest
    let absolute = abs(value)
    if absolute.isInfinite { return sign | (special == .ieee ? largest + 1 : largest) }
    if absolute == 0 { return special == .finiteNaNNegativeZero ? 0 : sign }
    let exponent = max(Int(absolute.exponent), 1 - bias)
    let scaled = scalbn(absolute, mantissaBits - exponent).rounded(.toNearestOrEven)
    // A mantissa that rounds up to the next power of two carries into the exponent by itself.
    let field = Int64(scaled) + Int64(exponent + bias - 1) << Int64(mantissaBits)
    let pattern = UInt32(min(field, Int64(overflow)))
    if pattern == 0, special == .finiteNaNNegativeZero { return 0 }
    return sign | pattern
  }

  static func decodeE8M0(_ bits: UInt8) -> Double { bits == 255 ? .nan : scalbn(1, Int(bits) - 127) }

  static func encodeE8M0(_ value: Double) -> UInt8 {
    guard !value.isNaN else { return 255 }
    guard value > 0 else { return 0 }
    if value.isInfinite { return 254 }
    let lower = Int(value.exponent) + 127
    // Halfway to the next power of two lies at one and a half; ties go up, as in ONNX.
    return UInt8(min(max(lower + (value.significand >= 1.5 ? 1 : 0), 0), 254))
  }
}
