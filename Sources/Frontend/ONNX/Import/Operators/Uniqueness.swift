import SwageGraph
import SwageTensor

/// Distinct elements, or slices, of a tensor.
enum UniqueOperators {
  static let table: [String: Handler] = ["Unique": unique]

  /// Slices in their order form runs of equal ones; each run's first is a result. Results: the distinct slices, where each
  /// stands first, which of them each slice is, and how often each stands.
  ///
  /// Unsorted results come in the order of their first places, as all runs are numbered anew by those.
  private static func unique(_ call: Call) throws -> [ImportedValue?] {
    var x = try call.input(0)
    var axis = 0
    if let given = try call.int("axis") {
      axis = try call.axis(given, rank: x.type.rank)
    } else {
      x = try call.reshape(x, [x.type.elementCount])
    }
    let isSorted = try call.flag("sorted", default: true)
    let count = x.type.shape[axis]
    let order = try order(call, x, axis: axis)
    let starts = try runStarts(call, x, order, axis: axis)
    let symbol = call.importer.symbols.freshSize()
    let runs = Dim.symbol(symbol)
    let hits = try call.emit(.nonZero(NonZero(symbol: symbol)), [starts])
    let positions = try call.reshape(hits, [runs])

    var first = try call.emit(.gather(Gather(axis: 0)), [order, positions])
    // The distance from each run's start to the next one's, or to the end.
    let end = try call.reshape(ImportedValue(.scalar(count), .i64, sources: [call.source]), [1])
    let bounds = try call.emit(.concat(Concat(axis: 0)), [positions, end])
    let next = try call.emit(.slice(Slice(starts: [1], sizes: [runs])), [bounds])
    var lengths = try call.binary(.sub, next, positions)
    let running = try call.emit(
      .cumulative(Cumulative(.sum, axis: 0, isExclusive: false, isReverse: false)), [try call.cast(starts, to: .i64)])
    let zeros = try call.broadcast(call.constant(Tensor(zeros: .i64, [1])), [count])
    let scatter = Op.scatterElements(ScatterElements(axis: 0, reduction: .none))
    var inverse = try call.emit(scatter, [zeros, order, try call.binary(.sub, running, 1)])
    if !isSorted {
      let sorted = try call.emitAll(.topK(TopK(count: runs, axis: 0, isLargest: false)), [first])
      try call.require(sorted.count == 2, "the order of \(first.type)")
      first = sorted[0]
      lengths = try call.emit(.gather(Gather(axis: 0)), [lengths, sorted[1]])
      let none = try call.broadcast(call.constant(Tensor(zeros: .i64, [1])), [runs])
      let renumbered = try call.emit(scatter, [none, sorted[1], try call.counting(runs)])
      inverse = try call.emit(.gather(Gather(axis: 0)), [renumbered, inverse])
    }
    return [try call.emit(.gather(Gather(axis: axis)), [x, first]), first, inverse, lengths]
  }

  /// The order that sorts the slices along an axis.
  private static func order(_ call: Call, _ x: ImportedValue, axis: Int) throws -> ImportedValue {
    if x.type.rank == 1, x.type.elementType != .bool, x.type.elementType != .string {
      let op = TopK(count: x.type.shape[0], axis: 0, isLargest: false)
      let results = try call.emitAll(.topK(op), [x])
      if results.count == 2 { return results[1] }
    }
    return try call.emit(.sliceOrder(SliceOrder(axis: axis)), [x])
  }

  /// Whether the slice at each place of the order differs from the one before.
  private static func runStarts(_ call: Call, _ x: ImportedValue, _ order: ImportedValue, axis: Int) throws
    -> ImportedValue
  {
    let type = x.type.elementType
    let place = try call.counting(x.type.shape[axis])
    let sorted = try call.emit(.gather(Gather(axis: axis)), [x, order])
    let before = try call.binary(.max, try call.binary(.sub, place, 1), 0)
    let shifted = try call.emit(.gather(Gather(axis: axis)), [sorted, before])
    var isEqual = try call.binary(.equal, sorted, shifted)
    if type.isFloat {
      let areNaN = try call.binary(.and, try call.unary(.isNaN, sorted), try call.unary(.isNaN, shifted))
      isEqual = try call.binary(.or, isEqual, areNaN)
    }
    var differs = try call.unary(.not, isEqual)
    let others = (0..<x.type.rank).filter { $0 != axis }
    if !others.isEmpty {
      let number = try call.reduce(.sum, try call.cast(differs, to: .i64), axes: others, keeps: false)
      differs = try call.binary(.greater, number, 0)
    }
    return try call.binary(.or, differs, try call.binary(.equal, place, 0))
  }
}
