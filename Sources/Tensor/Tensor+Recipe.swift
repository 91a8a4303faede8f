extension Tensor {
  /// Tensors smaller than this are computed at once: keeping them costs less than making them again.
  public static let smallestDeferred = 1 << 16

  /// A tensor whose elements `recipe` writes whenever they are read. Returns nil where the sizes do not fit.
  public init?(_ elementType: ElementType, _ shape: [Int], recipe: StorageRecipe) {
    guard let count = Checked.product(shape), let bytes = elementType.byteCount(elements: count) else { return nil }
    self.init(elementType, shape, storage: Storage(byteCount: bytes, recipe: recipe))
  }

  /// A tensor that `write` makes of another one: at once where it is small, whenever it is read where it is large.
  /// `operation` names everything that decides the bytes beside `source`; `write` finds zeros. Returns nil where the sizes
  /// do not fit.
  public static func deferred(
    _ elementType: ElementType, _ shape: [Int], _ operation: String, _ source: Tensor,
    _ write: @escaping (_ source: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer) -> Void
  ) -> Tensor? {
    let recipe = StorageRecipe(operation, sources: [source]) { target in
      source.withBytes { write($0, target) }
    }
    guard let tensor = Tensor(elementType, shape, recipe: recipe) else { return nil }
    if tensor.byteCount >= Tensor.smallestDeferred { return tensor }
    let storage = Storage(zeroed: tensor.byteCount)
    source.withBytes { write($0, UnsafeMutableRawBufferPointer(start: storage.base, count: tensor.byteCount)) }
    return Tensor(elementType, shape, storage: storage)
  }

  /// Whether reading the elements means computing them.
  public var isDeferred: Bool { storage.recipe != nil }

  /// Whether the two are known to hold the same elements without looking at them: the same memory, or equal recipes.
  public func isKnownEqual(to other: Tensor) -> Bool {
    guard elementType == other.elementType, shape == other.shape, byteOffset == other.byteOffset else { return false }
    if storage === other.storage { return true }
    guard let recipe = storage.recipe, let otherRecipe = other.storage.recipe else { return false }
    return recipe == otherRecipe
  }

  /// Gives memory back that holds parts of mapped files: those that the elements are, or are made of. They are read again
  /// when they are needed.
  public func releaseMemory() {
    guard let recipe = storage.recipe else { return storage.releaseMemory(of: byteOffset..<byteOffset + byteCount) }
    for source in recipe.sources { source.releaseMemory() }
  }

  func hashType(into hasher: inout Hasher) {
    hasher.combine(elementType)
    hasher.combine(shape)
  }
}
