/// A dense row-major tensor: element type, sizes, and bytes that may be shared with other tensors or a mapped file.
///
/// Value semantics hold for readers only: `withMutableBytes` copies first when the storage is shared.
public struct Tensor: @unchecked Sendable {
  public let elementType: ElementType
  public let shape: [Int]
  /// Number of elements.
  public let count: Int
  public private(set) var storage: Storage
  public private(set) var byteOffset: Int

  /// Bytes of the packed elements.
  public let byteCount: Int

  /// A view of `storage` from `byteOffset` on. Returns nil where a size is negative, the element count overflows, or
  /// the storage is too short.
  public init?(_ elementType: ElementType, _ shape: [Int], storage: Storage, byteOffset: Int = 0) {
    guard byteOffset >= 0, let count = Checked.product(shape),
      let bytes = elementType.byteCount(elements: count), let end = Checked.add(byteOffset, bytes),
      end <= storage.byteCount
    else { return nil }
    self.elementType = elementType
    self.shape = shape
    self.count = count
    self.byteCount = bytes
    self.storage = storage
    self.byteOffset = byteOffset
  }

  /// A tensor of zeros. The sizes must be valid: callers check what comes from files first.
  public init(zeros elementType: ElementType, _ shape: [Int]) {
    let bytes = Checked.product(shape).flatMap { elementType.byteCount(elements: $0) } ?? -1
    precondition(bytes >= 0, "tensor sizes \(shape) overflow")
    self.init(elementType, shape, storage: Storage(zeroed: bytes))!
  }

  /// The same elements under other sizes with the same product.
  public func reshaped(_ shape: [Int]) -> Tensor {
    precondition(Checked.product(shape) == count, "cannot view \(self.shape) as \(shape)")
    return Tensor(elementType, shape, storage: storage, byteOffset: byteOffset)!
  }

  /// The same bytes as another type of the same width.
  public func reinterpreted(as type: ElementType) -> Tensor {
    precondition(type.bitWidth == elementType.bitWidth)
    return Tensor(type, shape, storage: storage, byteOffset: byteOffset)!
  }

  public var type: TensorType { TensorType(elementType, sizes: shape) }

  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try storage.withBase { try body(UnsafeRawBufferPointer(start: $0 + byteOffset, count: byteCount)) }
  }

  /// The packed bytes for writing; copies first when someone else can see them.
  public mutating func withMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
    if !isKnownUniquelyReferenced(&storage) || byteOffset != 0 || storage.recipe != nil {
      let copy = Storage(zeroed: byteCount)
      storage.withBase { copy.base.copyMemory(from: $0 + byteOffset, byteCount: byteCount) }
      storage = copy
      byteOffset = 0
    } else {
      storage.willWrite()
    }
    let base = storage.base
    return try withExtendedLifetime(storage) {
      try body(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
    }
  }
}

// MARK: - Elements as numbers

extension Tensor {
  /// Builds a float or integer tensor, rounding each value to `elementType` (saturating for integers).
  public init(_ elementType: ElementType, _ shape: [Int], doubles values: [Double]) {
    self.init(zeros: elementType, shape)
    precondition(values.count == count, "\(values.count) values for \(count) elements")
    withMutableBytes { bytes in
      for index in 0..<values.count { ScalarCoding.store(values[index], elementType, bytes, index) }
    }
  }

  /// Builds an integer or bool tensor; values keep their low bits, as a C cast does.
  public init(_ elementType: ElementType, _ shape: [Int], integers values: [Int64]) {
    self.init(zeros: elementType, shape)
    precondition(values.count == count, "\(values.count) values for \(count) elements")
    withMutableBytes { bytes in
      for index in 0..<values.count { ScalarCoding.store(integer: values[index], elementType, bytes, index) }
    }
  }

  public init(floats values: [Float], _ shape: [Int]) {
    self.init(zeros: .f32, shape)
    precondition(values.count == count)
    withMutableBytes { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }

  public init(scalar value: Double, _ elementType: ElementType = .f32) {
    self.init(elementType, [], doubles: [value])
  }

  /// All elements as doubles. 64-bit integers beyond 2^53 lose precision: use `integers` for those.
  public var doubles: [Double] {
    withBytes { bytes in (0..<count).map { ScalarCoding.load(elementType, bytes, $0) } }
  }

  /// All elements as 64-bit integers: floats truncate towards zero and saturate, NaN gives zero, u64 keeps its bits.
  public var integers: [Int64] {
    withBytes { bytes in (0..<count).map { ScalarCoding.loadInteger(elementType, bytes, $0) } }
  }

  public var floats: [Float] {
    if elementType == .f32 {
      return withBytes { bytes in
        [Float](unsafeUninitializedCapacity: count) { buffer, filled in
          UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
          filled = count
        }
      }
    }
    return doubles.map { Float($0) }
  }
}
