import SwageGraph
import SwageTensor

/// Reductions, searches along an axis, and softmax.
enum ReductionOperators {
  static let table: [String: Handler] = {
    var table: [String: Handler] = [
      "ArgMax": { try argReduce($0, isMax: true) }, "ArgMin": { try argReduce($0, isMax: false) },
      "CumSum": { try cumulative($0, .sum) }, "CumProd": { try cumulative($0, .prod) }, "TopK": topK,
      "Softmax": { try softmax($0, isLog: false) },
      "LogSoftmax": { try softmax($0, isLog: true) }, "Hardmax": hardmax,
    ]
    // The opset from which on the axes are an input.
    let functions: [(String, Reduce.Function, Int)] = [
      ("ReduceSum", .sum, 13), ("ReduceMean", .mean, 18), ("ReduceProd", .prod, 18), ("ReduceMin", .min, 18),
      ("ReduceMax", .max, 18), ("ReduceSumSquare", .sumSquare, 18), ("ReduceL1", .l1, 18), ("ReduceL2", .l2, 18),
      ("ReduceLogSum", .logSum, 18), ("ReduceLogSumExp", .logSumExp, 18),
    ]
    for (name, function, opset) in functions { table[name] = { try reduce($0, function, inputFrom: opset) } }
    return table
  }()

  private static func reduce(_ call: Call, _ function: Reduce.Function, inputFrom opset: Int) throws
    -> [ImportedValue?]
  {
    let x = try call.input(0)
    let keeps = try call.flag("keepdims", default: true)
    if call.opset >= opset,
      let results = try call.forEachSetOfAxes(
        at: 1, rank: x.type.rank, ranksDiffer: !keeps, { try reduce($0, function, inputFrom: opset) })
    {
      return results
    }
    let given = try ShapeOperators.givenAxes(call, inputFrom: opset)
    var axes = try call.axes(given ?? [], rank: x.type.rank)
    if axes.isEmpty {
      if try call.flag("noop_with_empty_axes") {
        switch function {
        case .sum, .mean, .prod, .min, .max: return [x]
        case .sumSquare, .l1, .l2, .logSum, .logSumExp: break
        }
      } else {
        axes = Array(0..<x.type.rank)
      }
    }
    return [try call.reduce(function, x, axes: axes, keeps: keeps)]
  }

  private static func argReduce(_ call: Call, isMax: Bool) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let op = ArgReduce(
      isMax: isMax, axis: try call.axis(try call.int("axis", default: 0), rank: x.type.rank),
      keepsAxis: try call.flag("keepdims", default: true), selectsLast: try call.flag("select_last_index"))
    return [try call.emit(.argReduce(op), [x])]
  }

  private static func cumulative(_ call: Call, _ function: Cumulative.Function) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let given = try call.input(1)
    try call.require(given.type.elementCount.constant.map { $0 == 1 } ?? true, "the axis is \(given.type)")
    func along(_ axis: Int, of value: ImportedValue) throws -> ImportedValue {
      let op = Cumulative(
        function, axis: axis, isExclusive: try call.flag("exclusive"), isReverse: try call.flag("reverse"))
      return try call.emit(.cumulative(op), [value])
    }
    if let axis = try call.knownConstants(of: given)?.first {
      return [try along(try call.axis(axis, rank: x.type.rank), of: x)]
    }
    let split = try RuntimeAxes(call, given, rank: x.type.rank).split(call, x.type.shape)
    return [try call.reshape(try along(1, of: try call.reshape(x, split)), x.type.shape)]
  }

  private static func topK(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: -1), rank: x.type.rank)
    let count: Dim
    if call.opset < 10 {
      guard let k = try call.int("k") else { throw NodeFault.invalid("attribute k is missing") }
      count = Dim(k)
    } else {
      let sizes = try call.sizes(of: try call.input(1), "k", areSizes: true)
      try call.require(sizes.count == 1, "\(sizes.count) values for k")
      count = sizes[0]
    }
    if let k = count.constant { try call.require(k >= 0, "k is \(k)") }
    let op = TopK(count: count, axis: axis, isLargest: try call.flag("largest", default: true))
    return try call.emitAll(.topK(op), [x])
  }

  private static func softmax(_ call: Call, isLog: Bool) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    let axis = try call.axis(try call.int("axis", default: call.opset < 13 ? 1 : -1), rank: rank)
    if call.opset >= 13 || axis == rank - 1 {
      return [try call.emit(.softmax(Softmax(axis: axis, isLog: isLog)), [x])]
    }
    // Before opset 13 all axes from the given one on are one.
    let flat = try ShapeOperators.flatten(call, x, axis: axis)
    return [try call.reshape(try call.emit(.softmax(Softmax(axis: 1, isLog: isLog)), [flat]), x.type.shape)]
  }

  private static func hardmax(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: call.opset < 13 ? 1 : -1), rank: x.type.rank)
    let isFlat = call.opset < 13 && axis != x.type.rank - 1
    let y = isFlat ? try ShapeOperators.flatten(call, x, axis: axis) : x
    let along = isFlat ? 1 : axis
    let best = try call.emit(
      .argReduce(ArgReduce(isMax: true, axis: along, keepsAxis: true, selectsLast: false)), [y])
    let count = y.type.shape[along]
    let position = try call.perChannel(try call.counting(count), trailing: y.type.rank - along - 1)
    let hot = try call.cast(try call.binary(.equal, best, position), to: x.type.elementType)
    return [try call.reshape(hot, x.type.shape)]
  }
}
