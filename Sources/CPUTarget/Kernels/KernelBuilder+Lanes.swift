import SwageKernel
import SwageTensor

/// How values of a reduction are combined.
struct Combination {
  var identity: Expression
  /// How an array of floats is combined, where one expression does it.
  var fold: Expression.Fold?
  var combine: (_ sum: Expression, _ next: Expression) -> Expression

  static func sum(_ type: ScalarType) -> Combination {
    Combination(identity: .literal(0, type), fold: .sum) { $0.wrappingAdd($1) }
  }
  static func product(_ type: ScalarType) -> Combination {
    Combination(identity: .literal(1, type)) { $0.wrappingMultiply($1) }
  }
  /// The largest one; NaN where any is.
  static func max(_ type: ElementType) -> Combination {
    Combination(identity: .lowest(type)) { $0.maximum($1) }
  }
  /// The smallest one; NaN where any is.
  static func min(_ type: ElementType) -> Combination {
    Combination(identity: .highest(type)) { $0.minimum($1) }
  }
  /// The largest one that is not NaN: a step of functions in which NaN shows up later on its own.
  static func peak(_ type: ScalarType) -> Combination {
    Combination(identity: .float(-.infinity, type), fold: .peak) { .choose($1.greaterThan($0), $1, $0) }
  }
}

extension Expression {
  /// What no element of the type is below.
  static func lowest(_ type: ElementType) -> Expression {
    let compute = type.computeType
    if compute.isFloat { return .float(-.infinity, compute) }
    if type == .bool { return .boolean(false) }
    return .integer(type.isSignedInteger ? Int64.min >> Int64(64 - type.bitWidth) : 0, compute)
  }

  /// What no element of the type is above.
  static func highest(_ type: ElementType) -> Expression {
    let compute = type.computeType
    if compute.isFloat { return .float(.infinity, compute) }
    switch type {
    case .bool: return .boolean(true)
    case .u64: return .integer(-1, compute)
    case .i64: return .integer(.max, compute)
    default:
      let bits = Int64(type.isSignedInteger ? type.bitWidth - 1 : type.bitWidth)
      return .integer(Int64(1) << bits - 1, compute)
    }
  }
}

extension KernelBuilder {
  /// Elements that reductions of `type` combine side by side: four vectors of the widest machines.
  static func laneCount(_ type: ScalarType, count: Expression) -> Int {
    let widest = type == .f32 || type == .i32 || type == .u32 || type == .bool ? 64 : 32
    guard let count = count.literal else { return widest }
    var lanes = widest
    while lanes > 1 && Int64(lanes) > count { lanes /= 2 }
    // Few elements: a plain loop does.
    return lanes < 8 ? 1 : lanes
  }

  /// Calls `body` for each index below `count` with its lane: indices of one lane lie `width` apart.
  func lanes(_ count: Expression, width: Int, _ body: (_ index: Expression, _ lane: Expression) -> Void) {
    let full = self.let("full", count.divided(by: .i64(width)) * .i64(width))
    if full.literal != 0 {
      loop("base", to: full, step: width) { base in
        loop("lane", to: .i64(width), .vector) { lane in body(base + lane, lane) }
      }
    }
    if let whole = full.literal, whole == count.literal { return }
    let rest = self.let("rest", count - full)
    loop("lane", to: rest, .tail) { lane in body(full + lane, lane) }
  }

  func fill(_ array: LocalArray, with value: Expression, count: Expression? = nil) {
    loop("lane", to: count ?? .i64(array.count), .vector) { store(array, $0, value) }
  }

  /// Combines the lanes of an array, halves first.
  func combineLanes(_ array: LocalArray, _ combination: Combination) -> Expression {
    if let fold = combination.fold, array.type.isFloat, (8...64).contains(array.count) { return .folded(fold, array) }
    var width = array.count / 2
    while width >= 1 {
      loop("lane", to: .i64(width), .vector) { lane in
        store(array, lane, combination.combine(load(array, lane), load(array, lane + .i64(width))))
      }
      width /= 2
    }
    return load(array, 0)
  }

  /// Combines `value(index)` over all indices below `count`. Long sums are made of blocks, so that rounding errors grow
  /// with the number of blocks and not with the number of elements.
  func reduce(
    _ hint: String, _ count: Expression, _ combination: Combination, _ value: (Expression) -> Expression
  ) -> Expression {
    let block = 8192
    let type = combination.identity.type
    if let literal = count.literal, literal <= Int64(block) {
      return reduceBlock(hint, count, combination, value)
    }
    let total = variable(hint, combination.identity)
    loop("start", to: count, step: block) { start in
      let length = self.let("length", (count - start).minimum(.i64(block)))
      let part = reduceBlock("part", length, combination) { value(start + $0) }
      assign(total, combination.combine(total.value, part))
    }
    precondition(total.type == type)
    return total.value
  }

  private func reduceBlock(
    _ hint: String, _ count: Expression, _ combination: Combination, _ value: (Expression) -> Expression
  ) -> Expression {
    let width = Self.laneCount(combination.identity.type, count: count)
    if width == 1 {
      let total = variable(hint, combination.identity)
      loop("i", to: count) { i in assign(total, combination.combine(total.value, value(i))) }
      return total.value
    }
    let array = self.array(hint + "_lanes", combination.identity.type, count: width)
    fill(array, with: combination.identity)
    lanes(count, width: width) { index, lane in
      store(array, lane, combination.combine(load(array, lane), value(index)))
    }
    return self.let(hint, combineLanes(array, combination))
  }

  /// Mean and variance of `value(index)` over `count` indices, in one pass over memory: blocks that stay in the cache are
  /// gone through twice, and joined as Chan, Golub and LeVeque do ("Updating formulae and a pairwise algorithm for
  /// computing sample variances", 1979). Without `centered` the mean counts as zero.
  func moments(
    _ count: Expression, centered: Bool, type: ScalarType, _ value: (Expression) -> Expression
  ) -> (mean: Expression, variance: Expression) {
    let total = self.let("total", count.cast(type))
    if !centered {
      let squares = reduce("squares", count, .sum(type)) { value($0) * value($0) }
      return (.literal(0, type), self.let("variance", squares / total))
    }
    let block = 4096
    if let literal = count.literal, literal <= Int64(block) {
      let sum = reduce("sum", count, .sum(type), value)
      let mean = self.let("mean", sum / total)
      let squares = reduce("squares", count, .sum(type)) { index in
        let d = value(index) - mean
        return d * d
      }
      return (mean, self.let("variance", squares / total))
    }
    let mean = variable("mean", .literal(0, type))
    let squares = variable("squares", .literal(0, type))
    loop("start", to: count, step: block) { start in
      let length = self.let("length", (count - start).minimum(.i64(block)))
      let n = self.let("n", length.cast(type))
      let own = self.let("own", reduceBlock("sum", length, .sum(type)) { value(start + $0) } / n)
      let part = reduceBlock("part", length, .sum(type)) { index in
        let d = value(start + index) - own
        return d * d
      }
      let seen = self.let("seen", start.cast(type))
      let delta = self.let("delta", own - mean.value)
      let share = self.let("share", n / (seen + n))
      assign(squares, squares.value + part + delta * delta * seen * share)
      assign(mean, mean.value + delta * share)
    }
    return (mean.value, self.let("variance", squares.value / total))
  }

  /// Sets the number of units, and how many of them a thread should get at least when each takes `work` operations.
  func split(_ units: Dim, work: Dim) {
    range = units
    let least = 1 << 14
    if let work = work.constant {
      grain = Dim(Swift.max(1, least / Swift.max(work, 1)))
    } else {
      grain = .maximum(1, Dim(least).floorDivided(by: .maximum(work, 1)))
    }
  }
}
