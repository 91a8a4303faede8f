import SwageTensor

extension Tensor {
  /// Elements picked by linear index, byte for byte: data movement for every type.
  func gathering(_ indices: [Int], shape: [Int]) -> Tensor {
    var result = Tensor(zeros: elementType, shape)
    let width = elementType.bitWidth
    if width >= 8 {
      let size = width / 8
      withBytes { source in
        result.withMutableBytes { target in
          for (position, index) in indices.enumerated() {
            (target.baseAddress! + position * size).copyMemory(
              from: source.baseAddress! + index * size, byteCount: size)
          }
        }
      }
    } else {
      let values = integerBits
      result.setIntegerBits(indices.map { values[$0] })
    }
    return result
  }

  /// The raw pattern of each element, as an integer; independent of the type's meaning.
  var integerBits: [Int64] {
    let type: ElementType =
      switch elementType.bitWidth {
      case 2: .u2
      case 4: .u4
      case 8: .u8
      case 16: .u16
      case 32: .u32
      default: .u64
      }
    return reinterpreted(as: type).integers
  }

  mutating func setIntegerBits(_ values: [Int64]) {
    let type: ElementType =
      switch elementType.bitWidth {
      case 2: .u2
      case 4: .u4
      case 8: .u8
      case 16: .u16
      case 32: .u32
      default: .u64
      }
    withMutableBytes { bytes in
      for (index, value) in values.enumerated() { ScalarCoding.store(integer: value, type, bytes, index) }
    }
  }

  init(bits values: [Int64], _ type: ElementType, _ shape: [Int]) {
    self.init(zeros: type, shape)
    setIntegerBits(values)
  }

  /// This tensor repeated along broadcast axes.
  func broadcast(to shape: [Int]) -> Tensor {
    if shape == self.shape { return self }
    return gathering(
      Indexing.offsets(shape, strides: Indexing.broadcastStrides(self.shape, to: shape)), shape: shape)
  }
}
