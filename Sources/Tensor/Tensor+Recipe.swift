extension Tensor {
  /// Tensors smaller than this are computed at once: keeping them costs less than making them again.
  public static let smallestDeferred = 1 << 16

  /// A tensor whose elements `recipe` writes whenever they are read. Returns nil where the sizes do not fit.
  public init?(_ elementType: ElementType, _ shape: [Int], recipe: StorageRecipe) {
    guard let count = Checked.product(shape), let bytes = elementType.byteCount(elements: count) else { return nil }
    self.init(elementType, shape, storage: Storage(byteCount: bytes, recipe: recipe))
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

  func hashType(into hasher: inout Hasher) {
    hasher.combine(elementType)
    hasher.combine(shape)
  }
}
