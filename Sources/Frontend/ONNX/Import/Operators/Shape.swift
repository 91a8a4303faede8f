import SwageGraph
import SwageTensor

/// Operators about shapes, and those that only change the shape.
enum ShapeOperators {
  static let table: [String: Handler] = [
    "Shape": shape, "Size": size, "Reshape": reshape, "Flatten": flatten, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
  ]

  private static func shape(_ call: Call) throws -> [ImportedValue?] {
    let shape = try call.input(0).type.shape
    func clamp(_ index: Int) -> Int { min(max(index < 0 ? index &+ shape.count : index, 0), shape.count) }
    let start = clamp(try call.int("start", default: 0))
    let end = clamp(try call.int("end", default: shape.count))
    return [ImportedValue(.vector(Array(shape[start..<max(start, end)])), .i64, sources: [call.source])]
  }

  private static func size(_ call: Call) throws -> [ImportedValue?] {
    [ImportedValue(.scalar(try call.input(0).type.elementCount), .i64, sources: [call.source])]
  }

  private static func reshape(_ call: Call) throws -> [ImportedValue?] {
    let (x, target) = (try call.input(0), try call.input(1))
    try call.require(target.type.rank == 1, "the sizes are \(target.type), not a vector")
    let copiesZero = !(try call.flag("allowzero"))
    if let known = target.known, !known.elements.contains(where: call.mayBeNegative) {
      return [try call.reshape(x, try resolve(call, known.elements, x.type, copiesZero: copiesZero))]
    }
    let resolved = try resolveData(call, target, x.type, copiesZero: copiesZero)
    return [try call.reshape(x, try call.sizes(of: resolved, "sizes", areSizes: true))]
  }

  /// Replaces ONNX's 0 (the input's size) and -1 (what is left).
  static func resolve(_ call: Call, _ target: [Dim], _ type: TensorType, copiesZero: Bool) throws -> [Dim] {
    var shape = target
    for axis in shape.indices where shape[axis] == 0 && copiesZero {
      try call.require(axis < type.rank, "size 0 on axis \(axis) copies from \(type)")
      shape[axis] = type.shape[axis]
    }
    let open = shape.indices.filter { shape[$0] == -1 }
    try call.require(open.count <= 1, "\(open.count) sizes are -1")
    try call.require(
      shape.allSatisfy { $0 == -1 || $0.constant.map { $0 >= 0 } ?? true }, "sizes are negative: \(target)")
    guard let axis = open.first else { return shape }
    let others = shape.indices.filter { $0 != axis }.map { shape[$0] }
    if let others = others.reduce(1, *).constant, let total = type.elementCount.constant {
      try call.require(others != 0 && total % others == 0, "\(total) elements do not fill \(target)")
    }
    // Sizes that stay cancel before the rest is multiplied out, so that quotients of sums need no expression.
    var (from, rest) = (type.shape, others)
    for size in others {
      guard let index = from.firstIndex(of: size), let other = rest.firstIndex(of: size), size != 0 else { continue }
      from.remove(at: index)
      rest.remove(at: other)
    }
    let divisor = rest.reduce(1, *)
    try call.require(divisor != 0, "\(target) leaves -1 undecided")
    shape[axis] = from.reduce(1, *).floorDivided(by: divisor)
    return shape
  }

  /// The same where only the run knows which size is 0 or -1.
  private static func resolveData(_ call: Call, _ given: ImportedValue, _ type: TensorType, copiesZero: Bool) throws
    -> ImportedValue
  {
    var target = try call.cast(given, to: .i64)
    let count = target.type.shape[0].constant ?? 0
    func sizes(_ values: [Dim]) -> ImportedValue {
      ImportedValue(.vector(values), .i64, sources: [call.source])
    }
    if copiesZero {
      let own = (0..<count).map { $0 < type.rank ? type.shape[$0] : 0 }
      let isCopy = try call.binary(.equal, target, 0)
      target = try call.emit(.select(Select()), [isCopy, sizes(own), target])
    }
    let isOpen = try call.binary(.equal, target, -1)
    let others = try call.emit(.select(Select()), [isOpen, sizes([1]), target])
    let product = try call.reduce(.prod, others, axes: [0], keeps: true)
    // Without elements nothing is left to decide; the divisor must still not be zero.
    let left = try call.binary(.div, sizes([type.elementCount]), try call.binary(.max, product, 1))
    return try call.emit(.select(Select()), [isOpen, left, target])
  }

  private static func flatten(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.int("axis", default: 1)
    try call.require(axis >= -x.type.rank && axis <= x.type.rank, "axis \(axis) is outside \(x.type)")
    return [try flatten(call, x, axis: axis < 0 ? axis + x.type.rank : axis)]
  }

  /// A matrix: the axes before `axis`, and those from it on.
  static func flatten(_ call: Call, _ x: ImportedValue, axis: Int) throws -> ImportedValue {
    let shape = x.type.shape
    return try call.reshape(x, [shape[..<axis].reduce(1, *), shape[axis...].reduce(1, *)])
  }

  /// Axes from the attribute, in newer opsets from input 1.
  static func givenAxes(_ call: Call, inputFrom opset: Int) throws -> [Int]? {
    if call.opset >= opset { return try call.optional(1).map { try call.constants(of: $0, "axes") } }
    return try call.ints("axes")
  }

  private static func squeeze(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let shape = x.type.shape
    if call.opset >= 13, let given = call.optional(1), try call.knownConstants(of: given) == nil {
      return [try reshape(call, x, leavingOut: given)]
    }
    let axes: [Int]
    let given = try givenAxes(call, inputFrom: 13)
    if let given {
      axes = try call.axes(given, rank: shape.count)
      for axis in axes {
        if let size = shape[axis].constant, size != 1 {
          throw NodeFault.invalid("axis \(axis) of \(x.type) has size \(size), not 1")
        }
      }
    } else {
      axes = shape.indices.filter { shape[$0] == 1 }
    }
    let result = try call.reshape(x, shape.indices.filter { !axes.contains($0) }.map { shape[$0] })
    return [try given != nil ? result : staysAsLong(call, result)]
  }

  /// The rank of a squeeze without axes follows from the sizes: those that only the run knows are taken not to be 1, and a
  /// run in which one is 1 ends with a message.
  private static func staysAsLong(_ call: Call, _ x: ImportedValue) throws -> ImportedValue {
    var isShorter: ImportedValue?
    for size in Set(x.type.shape.filter { $0.constant == nil }).sorted(by: { $0.description < $1.description }) {
      let size = ImportedValue(.scalar(size), .i64, sources: [call.source])
      let isOne = try call.binary(.equal, size, 1)
      isShorter = try isShorter.map { try call.binary(.or, $0, isOne) } ?? isOne
    }
    guard let isShorter else { return x }
    return try call.value(
      x, unless: isShorter, "a size of \(x.type) is 1, which a squeeze without axes removes: compile with --shape")
  }

  /// Axes of size one leave, which only the run knows. That they have no other size shows in the number of elements.
  private static func reshape(_ call: Call, _ x: ImportedValue, leavingOut given: ImportedValue) throws -> ImportedValue
  {
    let rank = x.type.rank
    guard let count = given.type.elementCount.constant else {
      throw call.unsupported("the number of axes is decided by data")
    }
    try call.require(count <= rank, "\(count) axes of \(x.type)")
    let axes = try RuntimeAxes(call, given, rank: rank)
    let kept = try axes.others(call, count: rank - count)
    let sizes = try call.emit(.gather(Gather(axis: 0)), [call.vector(x.type.shape), kept])
    return try call.reshape(x, try call.sizes(of: try axes.checked(call, sizes), "sizes", areSizes: true))
  }

  /// Axes of size one arrive at places that only the run knows.
  private static func reshape(_ call: Call, _ x: ImportedValue, inserting given: ImportedValue) throws -> ImportedValue
  {
    guard let count = given.type.elementCount.constant else {
      throw call.unsupported("the number of axes is decided by data")
    }
    let rank = x.type.rank + count
    try call.require(rank <= 64, "rank \(rank) is too large")
    let axes = try RuntimeAxes(call, given, rank: rank)
    let own = try axes.others(call, count: x.type.rank)
    let ones = call.constant(Tensor(.i64, [rank], integers: [Int64](repeating: 1, count: rank)))
    let sizes = try call.emit(
      .scatterElements(ScatterElements(axis: 0, reduction: .none)), [ones, own, call.vector(x.type.shape)])
    return try call.reshape(x, try call.sizes(of: try axes.checked(call, sizes), "sizes", areSizes: true))
  }

  private static func unsqueeze(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    if call.opset >= 13, let given = call.optional(1), try call.knownConstants(of: given) == nil {
      return [try reshape(call, x, inserting: given)]
    }
    guard let given = try givenAxes(call, inputFrom: 13) else { throw NodeFault.invalid("axes are missing") }
    let rank = x.type.rank + given.count
    try call.require(rank <= 64, "rank \(rank) is too large")
    let axes = try call.axes(given, rank: rank)
    var shape = x.type.shape
    for axis in axes.sorted() { shape.insert(1, at: axis) }
    return [try call.reshape(x, shape)]
  }
}
