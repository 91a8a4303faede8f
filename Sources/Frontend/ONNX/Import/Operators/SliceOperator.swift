import SwageGraph
import SwageTensor

/// `Slice`: bounds and steps by axis. Bounds may be expressions of sizes; axes and steps that only the run knows make
/// everything about the slice data.
enum SliceOperator {
  static func slice(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    let given: (starts: [Dim], ends: [Dim], axes: [Int]?, steps: [Int]?)
    if call.opset < 10 {
      guard let starts = try call.ints("starts"), let ends = try call.ints("ends") else {
        throw NodeFault.invalid("starts or ends are missing")
      }
      given = (starts.map { Dim($0) }, ends.map { Dim($0) }, try call.ints("axes"), nil)
    } else {
      let axes = try call.optional(3).map { try call.knownConstants(of: $0) }
      let steps = try call.optional(4).map { try call.knownConstants(of: $0) }
      // Present, but not known.
      if axes == .some(nil) || steps == .some(nil) { return [try sliceByData(call, x)] }
      given = (
        try call.sizes(of: try call.input(1), "starts"), try call.sizes(of: try call.input(2), "ends"),
        axes ?? nil, steps ?? nil
      )
    }
    let axes = try call.axes(given.axes ?? Array(given.starts.indices), rank: rank)
    let steps = given.steps ?? axes.map { _ in 1 }
    try call.require(
      given.starts.count == axes.count && given.ends.count == axes.count && steps.count == axes.count,
      "\(given.starts.count) starts, \(given.ends.count) ends and \(steps.count) steps for \(axes.count) axes")
    var starts = [Dim](repeating: 0, count: rank)
    var sizes = x.type.shape
    var allSteps = [Dim](repeating: 1, count: rank)
    for (index, axis) in axes.enumerated() {
      let step = steps[index]
      try call.require(step != 0 && step != .min, "step \(step) on axis \(axis)")
      let range = range(call.sizes, given.starts[index], given.ends[index], step, size: x.type.shape[axis])
      (starts[axis], sizes[axis], allSteps[axis]) = (range.start, range.count, Dim(step))
    }
    let isPlain = allSteps.allSatisfy { $0 == 1 }
    return [try MovementOperators.take(call, x, starts: starts, sizes: sizes, steps: isPlain ? nil : allSteps)]
  }

  /// ONNX's bounds (negative ones count from the end, all are clamped) as a start and a number of elements.
  static func range(_ sizes: SizeArithmetic, _ start: Dim, _ end: Dim, _ step: Int, size: Dim) -> (
    start: Dim, count: Dim
  ) {
    // Numbers from here on mean the end, also where the size is not known: exporters write 2^31 - 1, 2^63 - 1 or 10^9.
    let infinity = 1_000_000_000
    /// The position clamped to `low`…size, or to `low`…size-1 for steps backwards.
    func position(_ bound: Dim, _ low: Dim) -> Dim {
      let high = step > 0 ? size : size - 1
      if let value = bound.constant {
        if value >= infinity { return high }
        if value <= -infinity { return sizes.smaller(low, high) }
        if value >= 0 { return sizes.smaller(Dim(value), high) }
        if value == -1, step < 0 { return high }
        // Clamped from below: size - min(size - low, -value).
        let counted = size - sizes.smaller(size - low, Dim(-value))
        return step > 0 ? counted : sizes.smaller(counted, high)
      }
      let absolute = bound == -size ? 0 : bound + sizes.isNegative(bound) * size
      return sizes.smaller(sizes.larger(absolute, low), high)
    }
    let (first, last) = (position(start, 0), position(end, step > 0 ? 0 : -1))
    if step > 0 {
      let count = sizes.larger(last - first, 0).ceilDivided(by: Dim(step))
      return (first, count)
    }
    let count = sizes.larger(first - last, 0).ceilDivided(by: Dim(-step))
    // Nothing is read where the count is zero, but the start must not be negative.
    return (sizes.larger(first, 0), count)
  }

  // MARK: - By data

  /// The same arithmetic on vectors of i64, an element for each axis, whose results are bound to symbols.
  private static func sliceByData(_ call: Call, _ x: ImportedValue) throws -> ImportedValue {
    let rank = x.type.rank
    let (starts, ends) = (try vector(call, 1), try vector(call, 2))
    let steps = try call.optional(4).map { _ in try vector(call, 4) }
    let count = starts.type.shape[0]
    for other in [ends, steps].compactMap({ $0 }) {
      try call.require(
        other.type.shape[0] == count || other.type.shape[0].constant == nil || count.constant == nil,
        "\(starts.type) starts for \(other.type) ends or steps")
    }
    func number(_ value: Int) -> ImportedValue { call.constant(Tensor(.i64, [], integers: [Int64(value)])) }
    func choose(_ condition: ImportedValue, _ a: ImportedValue, _ b: ImportedValue) throws -> ImportedValue {
      try call.emit(.select(Select()), [condition, a, b])
    }
    var isValid: ImportedValue?
    let positions: ImportedValue
    if let given = call.optional(3) {
      try call.require(
        given.type.rank == 1
          && (given.type.shape[0] == count || given.type.shape[0].constant == nil
            || count.constant == nil),
        "\(starts.type) starts for \(given.type) axes")
      let axes = try RuntimeAxes(call, given, rank: rank)
      (positions, isValid) = (axes.positions, axes.areValid)
    } else {
      try call.require(count.constant.map { $0 <= rank } ?? true, "\(starts.type) starts for \(x.type)")
      positions = try call.counting(count)
    }
    /// A value for every axis, `fallback` where none is given.
    func spread(_ values: ImportedValue, _ fallback: Int) throws -> ImportedValue {
      let all = Tensor(.i64, [rank], integers: [Int64](repeating: Int64(fallback), count: rank))
      return try call.emit(
        .scatterElements(ScatterElements(axis: 0, reduction: .none)), [call.constant(all), positions, values])
    }
    let size = call.vector(x.type.shape)
    // Steps beyond the axis reach one element, as a step of its size does.
    let step = try steps.map { given in
      let longest = try call.binary(.max, size, 1)
      let shortest = try call.unary(.neg, longest)
      return try call.binary(.min, try call.binary(.max, try spread(given, 1), shortest), longest)
    }
    let isForward = try step.map { try call.binary(.greater, $0, 0) }
    let isBackward = try isForward.map { try call.cast(try call.unary(.not, $0), to: .i64) }
    func position(_ bound: ImportedValue, isEnd: Bool) throws -> ImportedValue {
      let wrapped = try choose(try call.binary(.less, bound, 0), try call.binary(.add, bound, size), bound)
      var (low, high) = (number(0), size)
      if let isBackward {
        high = try call.binary(.sub, size, isBackward)
        if isEnd { low = try call.unary(.neg, isBackward) }
      }
      return try call.binary(.min, try call.binary(.max, wrapped, low), high)
    }
    let first = try position(try spread(starts, 0), isEnd: false)
    let last = try position(try spread(ends, .max), isEnd: true)
    var extent = try call.binary(.sub, last, first)
    if let isForward { extent = try choose(isForward, extent, try call.unary(.neg, extent)) }
    extent = try call.binary(.max, extent, 0)
    var counts = extent
    if let step {
      // A step of zero is an error: no plan runs with a negative size.
      let length = try call.binary(.max, try call.unary(.abs, step), 1)
      counts = try call.binary(.div, try call.binary(.sub, try call.binary(.add, extent, length), 1), length)
      counts = try choose(try call.binary(.equal, step, 0), number(-1), counts)
    }
    if let isValid { counts = try choose(isValid, counts, number(-1)) }
    return try MovementOperators.take(
      call, x, starts: try call.sizes(of: try call.binary(.max, first, 0), "starts", areSizes: true),
      sizes: try call.sizes(of: counts, "sizes", areSizes: true),
      steps: try step.map { try call.sizes(of: $0, "steps") })
  }

  private static func vector(_ call: Call, _ index: Int) throws -> ImportedValue {
    let value = try call.cast(try call.input(index), to: .i64)
    try call.require(value.type.rank == 1, "input \(index) is \(value.type), not a vector")
    return value
  }
}
