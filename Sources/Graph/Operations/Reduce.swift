import Foundation
import SwageTensor

/// Combines all elements along axes.
public struct Reduce: OpDefinition {
  public enum Function: String, Hashable, Sendable, CaseIterable {
    case sum, mean, prod, min, max
    case sumSquare = "sum_square"
    case l1, l2
    case logSum = "log_sum"
    case logSumExp = "log_sum_exp"
  }

  public static let mnemonic = "reduce"
  public var function: Function
  /// Sorted, not negative.
  public var axes: [Int]
  public var keepsAxes: Bool

  public init(_ function: Function, axes: [Int], keepsAxes: Bool) {
    self.function = function
    self.axes = axes
    self.keepsAxes = keepsAxes
  }

  public var attributes: AttributeList {
    AttributeList().with("function", function).with("axes", axes).with("keep", .bool(keepsAxes), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    function = try attributes.word("function")
    axes = try attributes.integers("axes")
    keepsAxes = try attributes.bool("keep", default: false)
  }
  public var numericClass: NumericClass {
    switch function {
    case .min, .max: .exact
    default: .accumulating
    }
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(
      axes == Set(axes).sorted() && axes.allSatisfy { $0 >= 0 && $0 < type.rank }, "axes \(axes) of \(type)")
    let isBoolExtremum = type.elementType == .bool && (function == .min || function == .max)
    try context.require(
      type.elementType.isFloat || type.elementType.isInteger || isBoolExtremum, "reduce takes numbers, got \(type)")
    return [TensorType(type.elementType, reduced(type.shape, one: 1))]
  }

  func reduced<T>(_ shape: [T], one: T) -> [T] {
    keepsAxes
      ? shape.indices.map { axes.contains($0) ? one : shape[$0] }
      : shape.indices.filter { !axes.contains($0) }.map { shape[$0] }
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    if Checked.product(reduced(x.shape, one: 1)) == 0 {
      return [Tensor(zeros: x.elementType, reduced(x.shape, one: 1))]
    }
    let strides = Indexing.strides(x.shape)
    let kept = x.shape.indices.filter { !axes.contains($0) }
    let bases = Indexing.offsets(kept.map { x.shape[$0] }, strides: kept.map { strides[$0] })
    let steps = Indexing.offsets(axes.map { x.shape[$0] }, strides: axes.map { strides[$0] })
    let shape = reduced(x.shape, one: 1)
    if x.elementType.isInteger || x.elementType == .bool {
      let values = x.integers
      return [
        Tensor(
          x.elementType, shape, integers: bases.map { base in integer(steps.map { values[base + $0] }, x.elementType) })
      ]
    }
    let values = x.doubles
    return [Tensor(x.elementType, shape, doubles: bases.map { base in float(steps.map { values[base + $0] }) })]
  }

  private func float(_ v: [Double]) -> Double {
    switch function {
    case .sum: return v.reduce(0, +)
    case .mean: return v.reduce(0, +) / Double(v.count)
    case .prod: return v.reduce(1, *)
    case .min: return v.reduce(.infinity) { $0.isNaN || $1.isNaN ? .nan : $0 < $1 ? $0 : $1 }
    case .max: return v.reduce(-.infinity) { $0.isNaN || $1.isNaN ? .nan : $0 > $1 ? $0 : $1 }
    case .sumSquare: return v.reduce(0) { $0 + $1 * $1 }
    case .l1: return v.reduce(0) { $0 + abs($1) }
    case .l2: return v.reduce(0) { $0 + $1 * $1 }.squareRoot()
    case .logSum: return log(v.reduce(0, +))
    case .logSumExp:
      if v.contains(where: \.isNaN) { return .nan }
      let peak = v.max() ?? -.infinity
      guard peak.isFinite else { return v.isEmpty ? -.infinity : peak }
      return peak + log(v.reduce(0) { $0 + exp($1 - peak) })
    }
  }

  private func integer(_ v: [Int64], _ type: ElementType) -> Int64 {
    let isU64 = type == .u64
    // The ends of the type, where there is nothing to choose from.
    let bits = Int64(type.isSignedInteger ? type.bitWidth - 1 : type == .bool ? 1 : type.bitWidth)
    let highest: Int64 = bits == 64 ? -1 : bits == 63 ? .max : Int64(1) << bits - 1
    let lowest = type.isSignedInteger ? ~highest : 0
    func less(_ a: Int64, _ b: Int64) -> Bool { isU64 ? UInt64(bitPattern: a) < UInt64(bitPattern: b) : a < b }
    switch function {
    case .sum: return v.reduce(0, &+)
    case .mean:
      if v.isEmpty { return 0 }
      let sum = v.reduce(0, &+)
      return isU64 ? Int64(bitPattern: UInt64(bitPattern: sum) / UInt64(v.count)) : sum / Int64(v.count)
    case .prod: return v.reduce(1, &*)
    case .min: return v.min(by: less) ?? highest
    case .max: return v.max(by: less) ?? lowest
    case .sumSquare: return v.reduce(0) { $0 &+ $1 &* $1 }
    case .l1: return v.reduce(0) { $0 &+ (isU64 ? $1 : Int64(truncatingIfNeeded: $1.magnitude)) }
    case .l2, .logSum, .logSumExp: return ScalarCoding.saturated(float(v.map { Double($0) }))
    }
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    operands[0]?.elementCount ?? 0
  }
}

/// Index of the smallest or largest element along an axis, as i64.
public struct ArgReduce: OpDefinition {
  public static let mnemonic = "arg_reduce"
  public var isMax: Bool
  public var axis: Int
  public var keepsAxis: Bool
  /// Of equal elements the last one, instead of the first.
  public var selectsLast: Bool

  public init(isMax: Bool, axis: Int, keepsAxis: Bool, selectsLast: Bool) {
    self.isMax = isMax
    self.axis = axis
    self.keepsAxis = keepsAxis
    self.selectsLast = selectsLast
  }

  public var attributes: AttributeList {
    AttributeList().with("max", .bool(isMax)).with("axis", axis).with("keep", .bool(keepsAxis), unless: .bool(false))
      .with("last", .bool(selectsLast), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    isMax = try attributes.bool("max")
    axis = try attributes.integer("axis")
    keepsAxis = try attributes.bool("keep", default: false)
    selectsLast = try attributes.bool("last", default: false)
  }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    var shape = type.shape
    if keepsAxis { shape[axis] = 1 } else { shape.remove(at: axis) }
    return [TensorType(.i64, shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    var shape = x.shape
    if keepsAxis { shape[axis] = 1 } else { shape.remove(at: axis) }
    if Checked.product(shape) == 0 { return [Tensor(zeros: .i64, shape)] }
    let (outer, size, inner) = Indexing.split(x.shape, at: axis)
    guard size > 0 else { throw TypeFault("axis \(axis) of \(x.shape) is empty") }
    let keys = x.orderKeys
    var result: [Int64] = []
    for o in 0..<outer {
      for i in 0..<inner {
        var best = 0
        for k in 1..<max(size, 1) {
          // The first NaN is the extremum.
          guard let old = keys[(o * size + best) * inner + i] else { break }
          guard let new = keys[(o * size + k) * inner + i] else {
            best = k
            break
          }
          if (isMax ? new > old : new < old) || (selectsLast && new == old) { best = k }
        }
        result.append(Int64(best))
      }
    }
    return [Tensor(.i64, shape, integers: result)]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    operands[0]?.elementCount ?? 0
  }
}

/// The `count` largest or smallest elements along an axis, with their indices (i64). Of equal elements the lower index
/// comes first.
public struct TopK: OpDefinition {
  public static let mnemonic = "top_k"
  public var count: Dim
  public var axis: Int
  public var isLargest: Bool

  public init(count: Dim, axis: Int, isLargest: Bool) {
    self.count = count
    self.axis = axis
    self.isLargest = isLargest
  }

  public var attributes: AttributeList {
    AttributeList().with("count", .dimension(count)).with("axis", axis).with("largest", .bool(isLargest))
  }
  public init(_ attributes: inout AttributeReader) throws {
    count = try attributes.dimension("count")
    axis = try attributes.integer("axis")
    isLargest = try attributes.bool("largest")
  }
  public var numericClass: NumericClass { .exact }
  public var symbols: [String] { count.symbols }
  public func substituting(_ values: [String: Dim]) -> TopK {
    TopK(count: count.substituting(values), axis: axis, isLargest: isLargest)
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let type = try context.type(0)
    try context.require(axis >= 0 && axis < type.rank, "axis \(axis) of \(type)")
    try context.requireAtMost(count, type.shape[axis], "top_k of axis \(axis)")
    var shape = type.shape
    shape[axis] = count
    return [TensorType(type.elementType, shape), TensorType(.i64, shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let x = operands[0]!
    let k = try context.size(count)
    let (outer, size, inner) = Indexing.split(x.shape, at: axis)
    guard k >= 0, k <= size else { throw TypeFault("top_k takes \(k) of \(size) elements") }
    var shape = x.shape
    shape[axis] = k
    if Checked.product(shape) == 0 { return [Tensor(zeros: x.elementType, shape), Tensor(zeros: .i64, shape)] }
    let keys = x.orderKeys
    var indices = [Int64](repeating: 0, count: outer * k * inner)
    var sources = [Int](repeating: 0, count: outer * k * inner)
    for o in 0..<outer {
      for i in 0..<inner {
        func key(_ index: Int) -> Int64? { keys[(o * size + index) * inner + i] }
        let sorted = (0..<size).sorted { a, b in
          let (first, second) = (key(a), key(b))
          if first == second { return a < b }
          // NaN is above all numbers.
          guard let first, let second else { return (first == nil) == isLargest }
          return isLargest ? first > second : first < second
        }
        for (rank, index) in sorted.prefix(k).enumerated() {
          indices[(o * k + rank) * inner + i] = Int64(index)
          sources[(o * k + rank) * inner + i] = (o * size + index) * inner + i
        }
      }
    }
    return [x.gathering(sources, shape: shape), Tensor(.i64, shape, integers: indices)]
  }
}
