import SwageGraph
import SwageTensor

/// Reading images at computed positions.
enum GridOperators {
  static let table: [String: Handler] = ["GridSample": sample]

  /// GridSample of images: positions in -1…1 become rows and columns, and each corner is gathered with its weight.
  private static func sample(_ call: Call) throws -> [ImportedValue?] {
    let (x, grid) = (try call.input(0), try call.input(1))
    let mode = try call.string("mode", default: "linear")
    let padding = try call.string("padding_mode", default: "zeros")
    let isAligned = try call.flag("align_corners")
    guard x.type.rank == 4, grid.type.rank == 4, grid.type.shape[3] == 2 else {
      throw call.unsupported("it samples \(x.type) at \(grid.type); images are supported")
    }
    guard ["linear", "bilinear", "nearest"].contains(mode) else { throw call.unsupported("mode is \(mode)") }
    guard ["zeros", "border", "reflection"].contains(padding) else {
      throw NodeFault.invalid("padding_mode cannot be \(padding)")
    }
    let type = grid.type.elementType
    let (rows, columns) = (x.type.shape[2], x.type.shape[3])
    let positions = Array(grid.type.shape.dropLast())
    func size(_ dimension: Dim) throws -> ImportedValue {
      try call.cast(ImportedValue(.scalar(dimension), .i64, sources: [call.source]), to: type)
    }
    /// The position along one axis, in elements.
    func coordinate(_ index: Int, _ dimension: Dim) throws -> ImportedValue {
      let part = try MovementOperators.take(call, grid, starts: [0, 0, 0, Dim(index)], sizes: positions + [1])
      let value = try call.binary(.add, try call.reshape(part, positions), 1)
      let count = try size(dimension)
      let scaled =
        isAligned
        ? try call.binary(.mul, value, try call.unary(.linear, count, alpha: 0.5, beta: -0.5))
        : try call.binary(.sub, try call.binary(.mul, value, try call.unary(.linear, count, alpha: 0.5)), 0.5)
      guard padding == "reflection" else { return scaled }
      // A triangle wave between the centres, or the edges, of the outer elements.
      let low = isAligned ? 0.0 : -0.5
      let span = isAligned ? try call.binary(.max, try call.binary(.sub, count, 1), 1) : count
      let period = try call.unary(.linear, span, alpha: 2)
      let turned = try call.binary(.mod, try call.binary(.sub, scaled, low), period)
      let mirrored = try call.binary(.min, turned, try call.binary(.sub, period, turned))
      return try call.binary(.add, mirrored, low)
    }
    let (column, row) = (try coordinate(0, columns), try coordinate(1, rows))
    let batch = try call.reshape(try call.counting(positions[0]), [positions[0], 1, 1])
    // Channels last, so that one index names all channels of an element.
    let image = try call.transpose(x, [0, 2, 3, 1])

    func picked(_ row: ImportedValue, _ column: ImportedValue) throws -> ImportedValue {
      func clamped(_ value: ImportedValue, _ dimension: Dim) throws -> ImportedValue {
        let last = try call.binary(.sub, try size(dimension), 1)
        let inside = try call.binary(.min, try call.binary(.max, value, 0), last)
        return try call.reshape(try call.cast(inside, to: .i64), positions + [1])
      }
      let owner = try call.reshape(try call.broadcast(batch, positions), positions + [1])
      let index = try call.emit(
        .concat(Concat(axis: 3)), [owner, try clamped(row, rows), try clamped(column, columns)])
      let values = try call.emit(.gatherND(GatherND(batchRank: 0)), [image, index])
      guard padding == "zeros" else { return values }
      func isInside(_ value: ImportedValue, _ dimension: Dim) throws -> ImportedValue {
        try call.binary(
          .and, try call.binary(.greaterOrEqual, value, 0), try call.binary(.less, value, try size(dimension)))
      }
      let inside = try call.binary(.and, try isInside(row, rows), try isInside(column, columns))
      let zero = call.constant(Tensor(zeros: x.type.elementType, []))
      return try call.emit(.select(Select()), [try call.reshape(inside, positions + [1]), values, zero])
    }
    var result: ImportedValue
    if mode == "nearest" {
      result = try picked(try call.unary(.round, row), try call.unary(.round, column))
    } else {
      func bounded(_ value: ImportedValue, _ dimension: Dim) throws -> ImportedValue {
        guard padding != "zeros" else { return value }
        return try call.binary(.min, try call.binary(.max, value, 0), try call.binary(.sub, try size(dimension), 1))
      }
      let (y, x0) = (try bounded(row, rows), try bounded(column, columns))
      let (top, left) = (try call.unary(.floor, y), try call.unary(.floor, x0))
      let (bottom, right) = (try call.binary(.add, top, 1), try call.binary(.add, left, 1))
      func weighted(_ r: ImportedValue, _ c: ImportedValue, _ a: ImportedValue, _ b: ImportedValue) throws
        -> ImportedValue
      {
        let weight = try call.reshape(try call.binary(.mul, a, b), positions + [1])
        return try call.binary(.mul, try picked(r, c), try call.cast(weight, to: x.type.elementType))
      }
      let (down, up) = (try call.binary(.sub, y, top), try call.binary(.sub, bottom, y))
      let (rightwards, leftwards) = (try call.binary(.sub, x0, left), try call.binary(.sub, right, x0))
      result = try weighted(top, left, up, leftwards)
      result = try call.binary(.add, result, try weighted(top, right, up, rightwards))
      result = try call.binary(.add, result, try weighted(bottom, left, down, leftwards))
      result = try call.binary(.add, result, try weighted(bottom, right, down, rightwards))
    }
    return [try call.transpose(result, [0, 3, 1, 2])]
  }
}
