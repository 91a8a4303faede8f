import SwageGraph
import SwageTensor

/// What rules ask of a graph.
extension Graph {
  /// The node that computes `value`, where it is there and does.
  public func producer(of value: ValueID?) -> Node? {
    guard let value else { return nil }
    let node: Node? = producer(of: value)
    return node
  }

  /// The node that computes `value`, where one operand of one node reads it and nothing else: a pattern may take its
  /// work over without doing it twice.
  public func soleProducer(of value: ValueID?) -> Node? {
    guard let value, hasSingleUse(value) else { return nil }
    return producer(of: value)
  }

  /// The node that reads `value`, where exactly one operand of one node does and it is no output.
  public func soleUser(of value: ValueID) -> Node? {
    guard hasSingleUse(value), let id = users(of: value).first else { return nil }
    return self[id]
  }

  /// The number that every element of a constant has; nil where they differ, or `value` is none.
  ///
  /// Repetitions of a constant count too: `broadcast` and `reshape` of one.
  public func scalar(_ value: ValueID?) -> Double? {
    guard let value, let node = producer(of: value) else { return nil }
    switch node.op {
    case .constant(let constant): return constant.value.splat
    case .broadcast, .reshape: return scalar(node.operands[0])
    default: return nil
    }
  }

  /// The scalar operand of a two-operand function and the other one: of `x · 2` and `2 · x` the pair (x, 2).
  public func splitScalar(_ node: Node) -> (value: ValueID, scalar: Double, isFirst: Bool)? {
    guard node.operands.count == 2, let a = node.operands[0], let b = node.operands[1] else { return nil }
    if let number = scalar(b) { return (a, number, false) }
    if let number = scalar(a) { return (b, number, true) }
    return nil
  }
}

extension Tensor {
  /// The value of all elements, where there is at least one and they are the same; nil for weights that would have to be
  /// computed first.
  public var splat: Double? {
    guard !isDeferred else { return nil }
    guard count > 0, elementType.bitWidth >= 8 else { return count == 1 ? doubles.first : nil }
    let width = elementType.bitWidth / 8
    let isUniform = withBytes { bytes -> Bool in
      let first = UnsafeRawBufferPointer(rebasing: bytes[..<width])
      for index in 1..<max(count, 1) {
        for byte in 0..<width where bytes[index * width + byte] != first[byte] { return false }
      }
      return true
    }
    guard isUniform, let first = Tensor(elementType, [1], storage: storage, byteOffset: byteOffset) else { return nil }
    return first.doubles.first
  }
}
