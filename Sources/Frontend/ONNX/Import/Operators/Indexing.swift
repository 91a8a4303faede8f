import SwageGraph
import SwageTensor

/// Operators that read or write at indices.
enum IndexOperators {
  static let table: [String: Handler] = [
    "Gather": gather, "GatherElements": gatherElements, "GatherND": gatherND, "Scatter": scatterElements,
    "ScatterElements": scatterElements, "ScatterND": scatterND, "NonZero": nonZero, "Compress": compress,
    "OneHot": oneHot, "TensorScatter": tensorScatter,
  ]

  /// Indices of other integer types are widened.
  private static func indices(_ call: Call, _ index: Int) throws -> ImportedValue {
    let value = try call.input(index)
    return value.type.elementType == .i32 ? value : try call.cast(value, to: .i64)
  }

  private static func gather(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: 0), rank: x.type.rank)
    return [try call.emit(.gather(Gather(axis: axis)), [x, try indices(call, 1)])]
  }

  private static func gatherElements(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: 0), rank: x.type.rank)
    return [try call.emit(.gatherElements(GatherElements(axis: axis)), [x, try indices(call, 1)])]
  }

  private static func gatherND(_ call: Call) throws -> [ImportedValue?] {
    let batch = try call.int("batch_dims", default: 0)
    return [try call.emit(.gatherND(GatherND(batchRank: batch)), [try call.input(0), try indices(call, 1)])]
  }

  private static func reduction(_ call: Call) throws -> ScatterReduction {
    let name = try call.string("reduction", default: "none")
    guard let reduction = ScatterReduction(rawValue: name) else {
      throw NodeFault.invalid("there is no reduction \(name)")
    }
    return reduction
  }

  private static func scatterElements(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("axis", default: 0), rank: x.type.rank)
    let op = ScatterElements(axis: axis, reduction: try reduction(call))
    return [try call.emit(.scatterElements(op), [x, try indices(call, 1), try call.input(2)])]
  }

  private static func scatterND(_ call: Call) throws -> [ImportedValue?] {
    let op = ScatterND(reduction: try reduction(call))
    return [try call.emit(.scatterND(op), [try call.input(0), try indices(call, 1), try call.input(2)])]
  }

  private static func nonZero(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    if let splat = x.splat, splat != 0, x.type.rank == 1 {
      return [try call.reshape(try call.counting(x.type.shape[0]), [1, x.type.shape[0]])]
    }
    let symbol = call.importer.symbols.freshSize()
    return [try call.emit(.nonZero(NonZero(symbol: symbol)), [x])]
  }

  private static func compress(_ call: Call) throws -> [ImportedValue?] {
    var x = try call.input(0)
    let condition = try call.input(1)
    try call.require(condition.type.rank == 1, "the condition is \(condition.type)")
    var axis = 0
    if let given = try call.int("axis") {
      axis = try call.axis(given, rank: x.type.rank)
    } else {
      x = try call.reshape(x, [x.type.elementCount])
    }
    let symbol = call.importer.symbols.freshSize()
    let hits = try call.emit(.nonZero(NonZero(symbol: symbol)), [condition])
    return [try call.emit(.gather(Gather(axis: axis)), [x, try call.reshape(hits, [.symbol(symbol)])])]
  }

  private static func oneHot(_ call: Call) throws -> [ImportedValue?] {
    let (given, values) = (try call.input(0), try call.input(2))
    let depthValue = try call.cast(try call.input(1), to: .i64)
    let depth = try call.sizes(of: depthValue, "the depth", areSizes: true)
    try call.require(depth.count == 1, "the depth is \(depthValue.type)")
    let rank = given.type.rank + 1
    let axis = try call.axis(try call.int("axis", default: -1), rank: rank)
    let indices = try call.cast(given, to: .i64)
    let count = ImportedValue(.scalar(depth[0]), .i64, sources: [call.source])
    let isNegative = try call.binary(.less, indices, 0)
    let wrapped = try call.emit(.select(Select()), [isNegative, try call.binary(.add, indices, count), indices])
    var shape = given.type.shape
    shape.insert(1, at: axis)
    let column = try call.perChannel(try call.counting(depth[0]), trailing: rank - axis - 1)
    let isHot = try call.binary(.equal, try call.reshape(wrapped, shape), column)
    func value(_ index: Int64) throws -> ImportedValue {
      let pick = call.constant(Tensor(.i64, [], integers: [index]))
      return try call.emit(.gather(Gather(axis: 0)), [values, pick])
    }
    return [try call.emit(.select(Select()), [isHot, try value(1), try value(0)])]
  }

  /// Writes the update into the cache at each batch's position, as opset 24 has it for key-value caches.
  private static func tensorScatter(_ call: Call) throws -> [ImportedValue?] {
    let (cache, update) = (try call.input(0), try call.input(1))
    let rank = cache.type.rank
    let axis = try call.axis(try call.int("axis", default: -2), rank: rank)
    try call.require(update.type.rank == rank && rank >= 2 && axis >= 1, "\(update.type) into \(cache.type)")
    var index = try call.perChannel(try call.counting(update.type.shape[axis]), trailing: rank - axis - 1)
    if let starts = call.optional(2) {
      let start = try call.perChannel(try call.cast(starts, to: .i64), trailing: rank - 1)
      index = try call.binary(.add, index, start)
    }
    if try call.string("mode", default: "linear") == "circular" {
      let size = ImportedValue(.scalar(cache.type.shape[axis]), .i64, sources: [call.source])
      index = try call.binary(.mod, index, size)
    }
    let wide = try call.broadcast(index, update.type.shape)
    return [try call.emit(.scatterElements(ScatterElements(axis: axis, reduction: .none)), [cache, wide, update])]
  }
}
