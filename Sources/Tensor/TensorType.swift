/// The type of a value: element type and shape.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  public var elementType: ElementType
  /// Row-major; rank 0 is a scalar.
  public var shape: [Dim]

  public init(_ elementType: ElementType, _ shape: [Dim] = []) {
    self.elementType = elementType
    self.shape = shape
  }

  public init(_ elementType: ElementType, sizes: [Int]) {
    self.init(elementType, sizes.map { Dim($0) })
  }

  public var rank: Int { shape.count }

  /// The sizes, when no symbol is left.
  public var staticShape: [Int]? {
    let sizes = shape.compactMap(\.constant)
    return sizes.count == shape.count ? sizes : nil
  }

  /// Number of elements, as an expression.
  public var elementCount: Dim { shape.reduce(1, *) }

  /// Bytes of the packed tensor, as an expression.
  public var byteCount: Dim {
    let bits = elementType.bitWidth
    return bits % 8 == 0
      ? elementCount * Dim(bits / 8) : (elementCount * Dim(bits)).ceilDivided(by: 8)
  }

  /// `f32[1, 3, h, w]`; a scalar is `f32[]`.
  public var description: String {
    "\(elementType.name)[\(shape.map(\.description).joined(separator: ", "))]"
  }
}
