import SwageTensor

extension Tensor {
  /// An f32 tensor as bf16 or f16, rounded to nearest even: what `Cast` defines, fast enough for the weights of a
  /// large model. nil for other types.
  func narrowed(to type: ElementType) -> Tensor? {
    guard elementType == .f32 else { return nil }
    switch type {
    case .bf16: return converted(to: type, Self.bf16)
    case .f16:
      return converted(to: type) { $0.isNaN ? 0x7E00 | UInt16($0.sign == .minus ? 0x8000 : 0) : Float16($0).bitPattern }
    default: return nil
    }
  }

  @inline(__always)
  private func converted(to type: ElementType, _ round: (Float) -> UInt16) -> Tensor {
    var result = Tensor(zeros: type, shape)
    withBytes { source in
      result.withMutableBytes { target in
        for index in 0..<count {
          let value = source.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
          target.storeBytes(of: round(value), toByteOffset: index * 2, as: UInt16.self)
        }
      }
    }
    return result
  }

  @inline(__always)
  private static func bf16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) & 0x8000 | 0x7FC0 }
    // Adds half of the last place kept, or a little less where that place is even.
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }
}
