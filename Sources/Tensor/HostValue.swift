/// A value that a model takes or gives: a tensor, or what holds tensors. Values do not change.
public indirect enum HostValue: Sendable {
  case tensor(Tensor)
  case sequence([HostValue])
  case optional(HostValue?)
  /// Entry i maps `keys[i]`, i64 or a string, to `values[i]`: both of rank 1 and of one size.
  case map(keys: Tensor, values: Tensor)

  /// What messages call it.
  public var kind: String {
    switch self {
    case .tensor: "a tensor"
    case .sequence: "a sequence"
    case .optional: "an optional"
    case .map: "a map"
    }
  }

  public var tensor: Tensor? { if case .tensor(let tensor) = self { tensor } else { nil } }

  /// The value with tensors in memory of their own.
  public func copied() -> HostValue {
    switch self {
    case .tensor(let tensor): .tensor(tensor.copied())
    case .sequence(let values): .sequence(values.map { $0.copied() })
    case .optional(let value): .optional(value?.copied())
    case .map(let keys, let values): .map(keys: keys.copied(), values: values.copied())
    }
  }
}

extension Tensor {
  /// The same elements in memory of their own.
  public func copied() -> Tensor {
    var copy = Tensor(zeros: elementType, shape)
    withBytes { source in copy.withMutableBytes { $0.copyMemory(from: source) } }
    return copy
  }
}

/// The values that are no tensors, of one run: graphs and plans hold their numbers, as scalars of type `object`.
///
/// Numbers are not used twice, so that one from an earlier run is known to be stale. One caller at a time.
public final class ObjectStore: @unchecked Sendable {
  private var values: [HostValue] = []
  /// The number of the first value kept. 0 is no value: memory is zero before anything is written.
  private var first: UInt64 = 1

  public init() {}

  public var count: Int { values.count }

  /// Keeps a value and gives its number.
  public func add(_ value: HostValue) -> Tensor {
    values.append(value)
    return Tensor(.object, [], integers: [Int64(bitPattern: first + UInt64(values.count - 1))])
  }

  /// The value of a number; nil where there is none, since memory may hold anything.
  public func value(_ number: Tensor) -> HostValue? {
    guard number.elementType == .object, number.count == 1 else { return nil }
    let (index, overflow) = UInt64(bitPattern: number.integers[0]).subtractingReportingOverflow(first)
    return !overflow && index < UInt64(values.count) ? values[Int(index)] : nil
  }

  /// Forgets all values but the first `count`.
  public func truncate(to count: Int) {
    guard values.count > count else { return }
    if count == 0 { first += UInt64(values.count) }
    values.removeLast(values.count - count)
  }
}
