import SwageGraph
import SwageTensor

/// Axes that only the run knows, as small tensors of i64.
struct RuntimeAxes {
  /// Counted from the front; where they are outside the rank, some axis inside.
  let positions: ImportedValue
  /// Per axis of the tensor 1 where it is named, else 0.
  let flags: ImportedValue
  /// A bool scalar: all axes are inside the rank, and none is named twice.
  let areValid: ImportedValue
  let rank: Int

  init(_ call: Call, _ given: ImportedValue, rank: Int) throws {
    try call.require(given.type.rank <= 1, "axes are \(given.type), not a vector")
    try call.require(rank >= 1, "a scalar has no axes")
    self.rank = rank
    let bounded = try call.binary(
      .min, try call.binary(.max, try call.cast(given, to: .i64), Double(-rank - 1)), Double(rank))
    let axes = try call.reshape(bounded, [given.type.elementCount])
    let wrapped = try call.emit(
      .select(Select()), [try call.binary(.less, axes, 0), try call.binary(.add, axes, Double(rank)), axes])
    positions = try call.binary(.min, try call.binary(.max, wrapped, 0), Double(rank - 1))
    let none = call.constant(Tensor(zeros: .i64, [rank]))
    let ones = try call.broadcast(call.constant(Tensor(.i64, [], integers: [1])), axes.type.shape)
    flags = try call.emit(.scatterElements(ScatterElements(axis: 0, reduction: .none)), [none, positions, ones])
    let isInside = try call.binary(.equal, wrapped, positions)
    let outside = try call.sum(try call.cast(try call.unary(.not, isInside), to: .i64))
    let count = ImportedValue(.scalar(axes.type.elementCount), .i64, sources: [call.source])
    areValid = try call.binary(
      .and, try call.binary(.equal, outside, 0), try call.binary(.equal, try call.sum(flags), count))
  }

  /// The axes that are not named, ascending; `count` is their number.
  func others(_ call: Call, count: Int) throws -> ImportedValue {
    let order = try call.binary(
      .add, try call.counting(Dim(rank)), try call.binary(.mul, flags, Double(rank)))
    return try call.emitAll(.topK(TopK(count: Dim(count), axis: 0, isLargest: false)), [order])[0]
  }

  /// The shape of `sizes` as a stack of matrices whose columns run along the one axis that is named.
  func split(_ call: Call, _ sizes: [Dim]) throws -> [Dim] {
    let all = call.vector(sizes)
    let index = try call.counting(Dim(rank))
    let one = call.constant(Tensor(.i64, [], integers: [1]))
    func product(where isPart: ImportedValue) throws -> ImportedValue {
      try call.reduce(.prod, try call.emit(.select(Select()), [isPart, all, one]), axes: [0], keeps: true)
    }
    let parts = [
      try product(where: try call.binary(.less, index, positions)),
      try product(where: try call.binary(.equal, index, positions)),
      try product(where: try call.binary(.greater, index, positions)),
    ]
    let shape = try checked(call, try call.emit(.concat(Concat(axis: 0)), parts))
    return try call.sizes(of: shape, "sizes", areSizes: true)
  }

  /// Sizes to bind: negative, which no plan runs with, where the axes are not valid.
  func checked(_ call: Call, _ sizes: ImportedValue, else invalid: Int64 = -1) throws -> ImportedValue {
    try call.emit(.select(Select()), [areValid, sizes, call.constant(Tensor(.i64, [], integers: [invalid]))])
  }
}

extension Call {
  /// The sum of a vector of i64, a scalar.
  func sum(_ x: ImportedValue) throws -> ImportedValue { try reduce(.sum, x, axes: [0], keeps: false) }

  /// Sizes as a vector of i64.
  func vector(_ sizes: [Dim]) -> ImportedValue { ImportedValue(.vector(sizes), .i64, sources: [source]) }

  /// Sets of axes that are imported one by one.
  private static let caseLimit = 64

  /// The operator once for each set of axes that its input `index` may name; nil where the input is a constant.
  ///
  /// `handler` gets the call with the axes in ascending order as a constant. Sets have as many axes as the input has
  /// elements; where that number is not known either, all sets of any size are meant, unless the ranks of the results
  /// differ with it.
  func forEachSetOfAxes(at index: Int, rank: Int, ranksDiffer: Bool = true, _ handler: Handler) throws
    -> [ImportedValue?]?
  {
    guard let given = optional(index), try knownConstants(of: given) == nil else { return nil }
    let count = given.type.elementCount.constant
    try require(count.map { $0 <= rank } ?? true, "\(given.type) axes of a tensor of rank \(rank)")
    if count == nil, ranksDiffer { throw unsupported("the number of its axes is decided by data") }
    let isFew = rank <= 12
    let sets = isFew ? (0..<1 << rank).filter { count == nil || $0.nonzeroBitCount == count } : []
    guard isFew, sets.count <= Self.caseLimit else {
      throw unsupported(
        "its axes are decided by data, which leaves more than \(Self.caseLimit) cases for rank \(rank)",
        remedy: "make the axes constants")
    }
    let axes = try RuntimeAxes(self, given, rank: rank)
    // The number of the set, by way of its bits.
    let powers = constant(Tensor(.i64, [rank], integers: (0..<rank).map { Int64(1) << Int64($0) }))
    let bits = try sum(try binary(.mul, axes.flags, powers))
    var numbers = [Int64](repeating: -1, count: 1 << rank)
    for (number, set) in sets.enumerated() { numbers[set] = Int64(number) }
    let table = constant(Tensor(.i64, [numbers.count], integers: numbers))
    let number = try emit(.gather(Gather(axis: 0)), [table, bits])
    func choose(_ range: Range<Int>, _ call: Call) throws -> [ImportedValue?] {
      guard range.count > 1 else {
        let set = (0..<rank).filter { sets[range.lowerBound] >> $0 & 1 == 1 }
        let shape = given.type.rank == 0 ? [] : [set.count]
        var inputs = call.inputs
        inputs[index] = call.constant(Tensor(given.type.elementType, shape, integers: set.map { Int64($0) }))
        let inside = call.changing(inputs: inputs)
        defer { call.log.names.formUnion(inside.log.names) }
        return try handler(inside)
      }
      let middle = range.lowerBound + range.count / 2
      return try call.conditional(
        try call.binary(.less, number, Double(middle)), then: { try choose(range.lowerBound..<middle, $0) },
        else: { try choose(middle..<range.upperBound, $0) })
    }
    return try conditional(
      axes.areValid, then: { try choose(0..<sets.count, $0) },
      else: alwaysFailing("its axes repeat or are outside a tensor of rank \(rank)"))
  }
}
