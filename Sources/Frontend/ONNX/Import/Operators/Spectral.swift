import Foundation
import SwageGraph
import SwageTensor

/// Fourier transforms, as products with matrices of cosines and sines.
enum SpectralOperators {
  static let table: [String: Handler] = ["DFT": transform, "STFT": shortTime]

  /// Elements that a matrix may have as a constant.
  private static let limit = 1 << 22

  /// A real signal's spectrum, of which half is given: the rows but the first, and the one in the middle, count twice.
  private struct Weights {
    var isHalf = false
    var dividesByLength = false
  }

  /// cos and sin of 2πnk / length for the given rows and columns, in weighted rows.
  private static func matrices(
    _ call: Call, rows: Dim, columns: Dim, length: Dim, type: ElementType, weights: Weights = Weights()
  ) throws -> (cosine: ImportedValue, sine: ImportedValue) {
    guard let rows = rows.constant, let columns = columns.constant, let length = length.constant else {
      return try computedMatrices(call, rows: rows, columns: columns, length: length, type: type, weights: weights)
    }
    guard let count = Checked.multiply(rows, columns), count <= limit else {
      throw call.unsupported("a transform of length \(length) is too long")
    }
    func matrix(_ function: (Double) -> Double) -> ImportedValue {
      var values: [Double] = []
      values.reserveCapacity(count)
      for row in 0..<rows {
        var factor = weights.dividesByLength ? 1 / Double(length) : 1
        if weights.isHalf, row != 0, 2 * row != length { factor *= 2 }
        for column in 0..<columns {
          let step = (row &* column) % length
          values.append(factor * function(2 * .pi * Double(step) / Double(length)))
        }
      }
      return call.constant(Tensor(type, [rows, columns], doubles: values))
    }
    return (matrix(cos), matrix(sin))
  }

  /// The same as operations, for sizes that are not known.
  private static func computedMatrices(
    _ call: Call, rows: Dim, columns: Dim, length: Dim, type: ElementType, weights: Weights
  ) throws -> (cosine: ImportedValue, sine: ImportedValue) {
    func number(_ value: Double, _ type: ElementType = .f64) -> ImportedValue { call.scalar(value, type) }
    let size = ImportedValue(.scalar(length), .i64, sources: [call.source])
    let wide = try call.cast(size, to: .f64)
    let row = try call.reshape(try call.counting(rows), [rows, 1])
    let steps = try call.binary(.mod, try call.binary(.mul, row, try call.counting(columns)), size)
    let angles = try call.binary(
      .mul, try call.cast(steps, to: .f64), try call.binary(.div, number(2 * .pi), wide))
    var factor: ImportedValue?
    if weights.isHalf {
      let isFirst = try call.binary(.equal, row, 0)
      let isMiddle = try call.binary(.equal, try call.binary(.mul, row, 2), size)
      factor = try call.emit(
        .select(Select()), [try call.binary(.or, isFirst, isMiddle), number(1), number(2)])
    }
    if weights.dividesByLength { factor = try call.binary(.div, factor ?? number(1), wide) }
    func matrix(_ function: Unary.Function) throws -> ImportedValue {
      let wave = try call.unary(function, angles)
      return try call.cast(try factor.map { try call.binary(.mul, wave, $0) } ?? wave, to: type)
    }
    return (try matrix(.cos), try matrix(.sin))
  }

  private static func length(_ call: Call, _ value: ImportedValue?, _ what: String) throws -> Dim? {
    guard let value else { return nil }
    let sizes = try call.sizes(of: value, what, areSizes: true)
    guard sizes.count == 1, sizes[0].constant.map({ (1...limit).contains($0) }) ?? true else {
      throw NodeFault.invalid("\(what) is \(sizes)")
    }
    return sizes[0]
  }

  /// Real and imaginary part from the last axis; nil for an imaginary part of zeros.
  private static func parts(_ call: Call, _ x: ImportedValue) throws -> (ImportedValue, ImportedValue?) {
    guard let count = x.type.shape.last?.constant, count == 1 || count == 2 else {
      throw call.unsupported("the last axis of \(x.type) holds neither real nor complex numbers")
    }
    let shape = Array(x.type.shape.dropLast())
    func part(_ index: Int) throws -> ImportedValue {
      var starts = [Dim](repeating: 0, count: x.type.rank)
      starts[x.type.rank - 1] = Dim(index)
      return try call.reshape(try MovementOperators.take(call, x, starts: starts, sizes: shape + [1]), shape)
    }
    return (try part(0), count == 2 ? try part(1) : nil)
  }

  private static func joined(_ call: Call, _ parts: [ImportedValue]) throws -> ImportedValue {
    let columns = try parts.map { try call.reshape($0, $0.type.shape + [1]) }
    return columns.count == 1
      ? columns[0] : try call.emit(.concat(Concat(axis: columns[0].type.rank - 1)), columns)
  }

  private static func product(_ call: Call, _ a: ImportedValue, _ b: ImportedValue) throws -> ImportedValue {
    try LinearOperators.matmul(call, a, b)
  }

  private static func transform(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    try call.require(x.type.rank >= 2, "a transform of \(x.type)")
    if call.opset >= 20, let results = try call.forEachSetOfAxes(at: 2, rank: x.type.rank, transform) {
      return results
    }
    let isInverse = try call.flag("inverse")
    let isOneSided = try call.flag("onesided")
    var given = call.opset < 20 ? try call.int("axis", default: 1) : -2
    if call.opset >= 20, let input = call.optional(2) {
      let numbers = try call.constants(of: input, "the axis")
      try call.require(numbers.count == 1, "\(numbers.count) axes")
      given = numbers[0]
    }
    let axis = try call.axis(given, rank: x.type.rank)
    try call.require(axis < x.type.rank - 1, "axis \(axis) holds the parts of the numbers")
    let size = x.type.shape[axis]
    try call.require(size != 0, "the signal \(x.type) is empty")
    let isReal = isInverse && isOneSided
    let wanted = try length(call, call.optional(1), "dft_length")
    let length = wanted ?? (isReal ? call.sizes.larger((size - 1) * 2, 1) : size)
    // The transformed axis comes last, cut or filled up with zeros.
    let rank = x.type.rank - 1
    let last = Array(0..<rank).filter { $0 != axis } + [axis]
    let half = length.floorDivided(by: 2) + 1
    let rows = isReal ? half : length
    func prepared(_ part: ImportedValue) throws -> ImportedValue {
      var moved = try call.transpose(part, last)
      let none = [Dim](repeating: 0, count: rank)
      let kept = call.sizes.smaller(size, rows)
      moved = try MovementOperators.take(call, moved, starts: none, sizes: Array(moved.type.shape.dropLast()) + [kept])
      if kept == rows { return moved }
      let ends = Array(none.dropLast()) + [rows - kept]
      return try call.emit(.pad(Pad(mode: .constant, begins: none, ends: ends)), [moved])
    }
    let (realPart, imaginaryPart) = try parts(call, x)
    let real = try prepared(realPart)
    let imaginary = try imaginaryPart.map { try prepared($0) }
    let columns = isReal ? length : isOneSided ? half : length
    let matrices = try matrices(
      call, rows: rows, columns: columns, length: length, type: x.type.elementType,
      weights: Weights(isHalf: isReal, dividesByLength: isInverse))
    // Forward: (re + i·im) · (cos - i·sin); inverse: the same with +.
    func combined(_ a: ImportedValue?, _ b: ImportedValue?, _ function: Binary.Function) throws -> ImportedValue {
      switch (a, b) {
      case (let a?, let b?): return try call.binary(function, a, b)
      case (let a?, nil): return a
      case (nil, let b?): return function == .sub ? try call.unary(.neg, b) : b
      case (nil, nil): throw NodeFault.invalid("no parts")
      }
    }
    let realResult = try combined(
      try product(call, real, matrices.cosine), try imaginary.map { try product(call, $0, matrices.sine) },
      isInverse ? .sub : .add)
    var results = [realResult]
    if !isReal {
      results.append(
        try combined(
          try imaginary.map { try product(call, $0, matrices.cosine) }, try product(call, real, matrices.sine),
          isInverse ? .add : .sub))
    }
    var back = Array(0..<rank - 1)
    back.insert(rank - 1, at: axis)
    return [try joined(call, try results.map { try call.transpose($0, back) })]
  }

  private static func shortTime(_ call: Call) throws -> [ImportedValue?] {
    var signal = try call.input(0)
    if signal.type.rank == 2 { signal = try call.reshape(signal, signal.type.shape + [1]) }
    try call.require(signal.type.rank == 3, "the signal is \(signal.type)")
    guard let step = try length(call, call.optional(1), "frame_step") else { throw NodeFault.invalid("no frame_step") }
    let window = call.optional(2)
    let size =
      try length(call, call.optional(3), "frame_length") ?? window?.type.shape.first ?? signal.type.shape[1]
    try call.require(size.constant.map { $0 >= 1 } ?? true, "frame_length is \(size)")
    let frames = (signal.type.shape[1] - size).floorDivided(by: step) + 1
    let stride = ImportedValue(.scalar(step), .i64, sources: [call.source])
    let start = try call.binary(.mul, try call.counting(frames), stride)
    let index = try call.binary(.add, try call.reshape(start, [frames, 1]), try call.counting(size))
    let bins = try call.flag("onesided", default: true) ? size.floorDivided(by: 2) + 1 : size
    let matrices = try matrices(call, rows: size, columns: bins, length: size, type: signal.type.elementType)
    func framed(_ part: ImportedValue) throws -> ImportedValue {
      let picked = try call.emit(.gather(Gather(axis: 1)), [part, index])
      return try window.map { try call.binary(.mul, picked, $0) } ?? picked
    }
    let (realPart, imaginaryPart) = try parts(call, signal)
    let real = try framed(realPart)
    var realResult = try product(call, real, matrices.cosine)
    var imaginaryResult = try call.unary(.neg, try product(call, real, matrices.sine))
    if let imaginaryPart {
      let imaginary = try framed(imaginaryPart)
      realResult = try call.binary(.add, realResult, try product(call, imaginary, matrices.sine))
      imaginaryResult = try call.binary(.add, imaginaryResult, try product(call, imaginary, matrices.cosine))
    }
    return [try joined(call, [realResult, imaginaryResult])]
  }
}
