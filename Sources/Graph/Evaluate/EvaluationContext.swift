import SwageTensor

/// Values of symbols while the reference evaluator runs.
public struct EvaluationContext {
  public var symbols: [String: Int]
  /// Nested graphs of the node that is being evaluated.
  public internal(set) var regions: [Graph] = []
  /// Result types of the node that is being evaluated.
  public internal(set) var resultTypes: [TensorType] = []

  /// The values of operands and results that are no tensors.
  public let objects: ObjectStore

  /// Watches the evaluation; nil for none.
  public let observer: (any EvaluationObserver)?

  public init(
    symbols: [String: Int] = [:], objects: ObjectStore = ObjectStore(), observer: (any EvaluationObserver)? = nil
  ) {
    self.symbols = symbols
    self.objects = objects
    self.observer = observer
  }

  public func size(_ dimension: Dim) throws -> Int {
    guard let value = dimension.evaluate(symbols) else {
      let missing = dimension.symbols.filter { symbols[$0] == nil }
      throw TypeFault(
        missing.isEmpty
          ? "size \(dimension) divides by zero or overflows"
          : "size \(dimension) needs \(missing.joined(separator: ", "))"
      )
    }
    return value
  }

  public func sizes(_ shape: [Dim]) throws -> [Int] {
    try shape.map {
      let value = try size($0)
      guard value >= 0 else { throw TypeFault("size \($0) is negative: \(value)") }
      return value
    }
  }

  /// The sizes of result `index`.
  public func resultSizes(_ index: Int = 0) throws -> [Int] { try sizes(resultTypes[index].shape) }

  /// Fails rather than allocate more than 16 GiB for one value: sizes may come from a hostile file.
  public func checkAllocation(_ type: ElementType, _ shape: [Int]) throws {
    guard let count = Checked.product(shape), let bytes = type.byteCount(elements: count), bytes <= 16 << 30 else {
      throw TypeFault("a value of \(shape.map(String.init).joined(separator: "x")) \(type.name) is too large")
    }
  }
}
