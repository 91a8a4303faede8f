import Foundation
import SwageGraph
import SwageTensor

/// Windows, crops, hashes and transforms of `com.microsoft`.
enum ContributedMovement {
  static let table: [String: Handler] = [
    "UnfoldTensor": unfold, "CropAndResize": crop, "NGramRepeatBlock": blockRepeats, "NhwcMaxPool": lastMaxPool,
    "MurmurHash3": hash, "Rfft": transform, "Irfft": inverseTransform,
  ]

  /// All windows along an axis; the window is the last axis.
  private static func unfold(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axis = try call.axis(try call.int("dim", default: -1), rank: x.type.rank)
    guard let size = try call.int("size"), (1...(1 << 31)).contains(size) else {
      throw NodeFault.invalid("size is missing, or no size")
    }
    let step = try call.int("step", default: 1)
    try call.require((1...(1 << 31)).contains(step), "step is \(step)")
    let count = call.sizes.larger((x.type.shape[axis] - Dim(size)).floorDivided(by: Dim(step)) + 1, 0)
    let start = try call.reshape(try call.counting(count), [count, 1])
    let scaled = try call.binary(.mul, start, call.constant(Tensor(.i64, [], integers: [Int64(step)])))
    let index = try call.binary(.add, scaled, try call.counting(Dim(size)))
    let windows = try call.emit(.gather(Gather(axis: axis)), [x, index])
    let others = Array(0...axis) + Array(axis + 2..<x.type.rank + 1)
    return [try call.transpose(windows, others + [axis + 1])]
  }

  /// Boxes of images at one size: corners of the crop lie on corners of the box.
  private static func crop(_ call: Call) throws -> [ImportedValue?] {
    let (x, boxes) = (try call.input(0), try call.input(1))
    try call.require(x.type.rank == 4 && boxes.type.rank == 2 && x.type.elementType == .f32, "crops of \(x.type)")
    let crop = try call.sizes(of: try call.input(3), "crop_size", areSizes: true)
    try call.require(crop.count == 2, "\(crop.count) sizes of crops")
    let (count, channels) = (boxes.type.shape[0], x.type.shape[1])
    let name = try call.string("mode", default: "bilinear")
    guard name == "bilinear" || name == "nearest" else { throw NodeFault.invalid("there is no mode \(name)") }
    /// Places in the image for each place of the crop, `[boxes, places]`, and whether they are inside.
    func places(_ axis: Int) throws -> (at: ImportedValue, isInside: ImportedValue) {
      func corner(_ column: Int) throws -> ImportedValue {
        try MovementOperators.take(call, boxes, starts: [0, Dim(column)], sizes: [count, 1])
      }
      let last = try call.cast(ContributedCache.number(call, x.type.shape[axis + 2] - 1), to: .f32)
      let (low, high) = (
        try call.binary(.mul, try corner(axis), last), try call.binary(.mul, try corner(axis + 2), last)
      )
      let steps = crop[axis]
      let place = try call.cast(try call.counting(steps), to: .f32)
      let intervals = try call.cast(
        ContributedCache.number(call, call.sizes.larger(steps - 1, 1)), to: .f32)
      let step = try call.binary(.div, try call.binary(.sub, high, low), intervals)
      let isLast = try call.binary(.equal, place, intervals)
      var at = try call.binary(.add, low, try call.binary(.mul, place, step))
      at = try call.emit(.select(Select()), [isLast, high, at])
      let isOne = try call.binary(.equal, ContributedCache.number(call, steps), 1)
      let middle = try call.unary(.linear, try call.binary(.add, low, high), alpha: 0.5)
      at = try call.emit(.select(Select()), [isOne, middle, at])
      let isInside = try call.binary(
        .and, try call.binary(.greaterOrEqual, at, 0), try call.binary(.lessOrEqual, at, last))
      // Places outside read something, which is replaced.
      return (try call.emit(.select(Select()), [isInside, at, call.scalar(0, .f32)]), isInside)
    }
    let (rows, columns) = (try places(0), try places(1))
    let (height, width) = (x.type.shape[2], x.type.shape[3])
    let image = try call.cast(try call.input(2), to: .i64)
    let channel = try call.reshape(try call.counting(channels), [1, channels, 1, 1])
    let base = try call.binary(
      .add, try call.binary(.mul, try call.reshape(image, [count, 1, 1, 1]), ContributedCache.number(call, channels)),
      channel)
    let flat = try call.reshape(x, [x.type.elementCount])
    func pixel(_ y: ImportedValue, _ z: ImportedValue) throws -> ImportedValue {
      let row = try call.reshape(try call.cast(y, to: .i64), [count, 1, crop[0], 1])
      let column = try call.reshape(try call.cast(z, to: .i64), [count, 1, 1, crop[1]])
      var index = try call.binary(.add, try call.binary(.mul, base, ContributedCache.number(call, height)), row)
      index = try call.binary(.add, try call.binary(.mul, index, ContributedCache.number(call, width)), column)
      return try call.emit(.gather(Gather(axis: 0)), [flat, index])
    }
    var y: ImportedValue
    if name == "nearest" {
      // Halves go up, as C's roundf.
      func nearest(_ at: ImportedValue) throws -> ImportedValue {
        try call.unary(.floor, try call.unary(.linear, at, beta: 0.5))
      }
      y = try pixel(try nearest(rows.at), try nearest(columns.at))
    } else {
      let (top, left) = (try call.unary(.floor, rows.at), try call.unary(.floor, columns.at))
      let (bottom, right) = (try call.unary(.ceil, rows.at), try call.unary(.ceil, columns.at))
      let down = try call.reshape(try call.binary(.sub, rows.at, top), [count, 1, crop[0], 1])
      let along = try call.reshape(try call.binary(.sub, columns.at, left), [count, 1, 1, crop[1]])
      func between(_ a: ImportedValue, _ b: ImportedValue, _ t: ImportedValue) throws -> ImportedValue {
        try call.binary(.add, a, try call.binary(.mul, try call.binary(.sub, b, a), t))
      }
      let upper = try between(try pixel(top, left), try pixel(top, right), along)
      let lower = try between(try pixel(bottom, left), try pixel(bottom, right), along)
      y = try between(upper, lower, down)
    }
    let isInside = try call.binary(
      .and, try call.reshape(rows.isInside, [count, 1, crop[0], 1]),
      try call.reshape(columns.isInside, [count, 1, 1, crop[1]]))
    let fill = call.scalar(try call.float("extrapolation_value", default: 0), .f32)
    return [try call.emit(.select(Select()), [isInside, y, fill])]
  }

  /// Scores of tokens that would repeat a run of n tokens become minus infinity.
  private static func blockRepeats(_ call: Call) throws -> [ImportedValue?] {
    let (ids, scores) = (try call.input(0), try call.input(1))
    guard let n = try call.int("ngram_size"), (1...4096).contains(n), ids.type.rank == 2, scores.type.rank == 2 else {
      throw NodeFault.invalid("ngram_size is missing, or \(ids.type) are no sequences")
    }
    let (batch, length) = (ids.type.shape[0], ids.type.shape[1])
    let starts = call.sizes.larger(length - Dim(n) + 1, 0)
    func part(_ from: Dim, _ count: Dim) throws -> ImportedValue {
      try MovementOperators.take(call, ids, starts: [0, from], sizes: [batch, count])
    }
    if let known = length.constant, known < n { return [scores] }
    let type = scores.type.elementType
    var updates = try call.broadcast(call.scalar(-.infinity, type), [batch, starts])
    for index in 0..<n - 1 {
      let isSame = try call.binary(
        .equal, try part(Dim(index), starts), try part(call.sizes.larger(length - Dim(n - 1 - index), 0), 1))
      updates = try call.emit(.select(Select()), [isSame, updates, call.scalar(.infinity, type)])
    }
    let op = ScatterElements(axis: 1, reduction: .min)
    return [try call.emit(.scatterElements(op), [scores, try part(Dim(n - 1), starts), updates])]
  }

  private static func lastMaxPool(_ call: Call) throws -> [ImportedValue?] {
    let x = try ContributedLinear.channelsFirst(call, try call.input(0))
    guard let y = try call.standard("MaxPool", opset: 12, inputs: [x]).first ?? nil else { return [] }
    return [try ContributedLinear.channelsLast(call, y)]
  }

  // MARK: - Hashes

  /// MurmurHash3 for 32-bit x86: each element by itself, four bytes after four.
  private static func hash(_ call: Call) throws -> [ImportedValue?] {
    var x = try call.input(0)
    if x.type.elementType == .f32 || x.type.elementType == .f64 {
      let to: ElementType = x.type.elementType == .f32 ? .u32 : .u64
      let cast = try call.standard("BitCast", opset: 26, attributes: ["to": .int(Int(to.rawValue))])
      guard let bits = cast.first ?? nil else { return [] }
      x = bits
    }
    guard x.type.elementType.isInteger, let width = Optional(x.type.elementType.bitWidth), width >= 32 else {
      throw call.unsupported("hashes of \(x.type.elementType.name)")
    }
    func number(_ value: UInt32) -> ImportedValue { call.constant(Tensor(.u32, [], integers: [Int64(value)])) }
    func rotated(_ x: ImportedValue, _ bits: UInt32) throws -> ImportedValue {
      try call.binary(
        .bitOr, try call.binary(.shiftLeft, x, number(bits)), try call.binary(.shiftRight, x, number(32 - bits)))
    }
    let seed = UInt32(truncatingIfNeeded: try call.int("seed", default: 0))
    var state = number(seed)
    for part in 0..<width / 32 {
      var word = x
      if part > 0 {
        let wide = try call.cast(x, to: .u64)
        word = try call.binary(.shiftRight, wide, call.constant(Tensor(.u64, [], integers: [32])))
      }
      var k = try call.binary(.mul, try call.cast(word, to: .u32), number(0xcc9e_2d51))
      k = try call.binary(.mul, try rotated(k, 15), number(0x1b87_3593))
      state = try rotated(try call.binary(.bitXor, k, state), 13)
      state = try call.binary(.add, try call.binary(.mul, state, number(5)), number(0xe654_6b64))
    }
    state = try call.binary(.bitXor, state, number(UInt32(width / 8)))
    for (shift, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35), (16, 0)] as [(UInt32, UInt32)] {
      state = try call.binary(.bitXor, state, try call.binary(.shiftRight, state, number(shift)))
      if factor != 0 { state = try call.binary(.mul, state, number(factor)) }
    }
    return [try call.flag("positive", default: true) ? state : call.cast(state, to: .i32)]
  }

  // MARK: - Fourier transforms

  private static func length(_ call: Call, _ size: Dim?) throws -> Int {
    guard try call.int("signal_ndim", default: 1) == 1 else { throw call.unsupported("signal_ndim is not 1") }
    guard try !call.flag("normalized"), try call.flag("onesided", default: true) else {
      throw call.unsupported("normalized or two-sided transforms")
    }
    guard let count = size?.constant, (1...(1 << 14)).contains(count) else {
      throw call.unsupported("a transform of \(size.map { "\($0)" } ?? "no") elements")
    }
    return count
  }

  /// cos and -sin of 2πkn / count for `rows` values of n (or k) by `columns` of the other.
  private static func waves(_ call: Call, _ rows: Int, _ columns: Int, _ count: Int, _ weight: (Int) -> Double) -> (
    ImportedValue, ImportedValue
  ) {
    func matrix(_ f: (Double) -> Double) -> ImportedValue {
      let values = (0..<rows).flatMap { row in
        (0..<columns).map { weight(row) * f(2 * .pi * Double(row * $0 % count) / Double(count)) }
      }
      return call.constant(Tensor(.f32, [rows, columns], doubles: values))
    }
    return (matrix(cos), matrix { -sin($0) })
  }

  private static func transform(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let count = try length(call, x.type.shape.last)
    let (cosines, sines) = waves(call, count, count / 2 + 1, count) { _ in 1 }
    let wide = try call.cast(x, to: .f32)
    let parts = try [cosines, sines].map { matrix in
      let y = try LinearOperators.matmul(call, wide, matrix)
      return try call.reshape(y, y.type.shape + [1])
    }
    return [try call.cast(try call.emit(.concat(Concat(axis: parts[0].type.rank - 1)), parts), to: x.type.elementType)]
  }

  private static func inverseTransform(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let rank = x.type.rank
    try call.require(rank >= 2 && x.type.shape[rank - 1] == 2, "\(x.type) holds no complex numbers")
    let half = try length(call, x.type.shape[rank - 2])
    try call.require(half >= 2, "a transform of \(half) elements")
    let count = (half - 1) * 2
    // Each frequency but the first and the last stands for its mirror too.
    let (cosines, sines) = waves(call, half, count, count) {
      ($0 == 0 || $0 == half - 1 ? 1 : 2) / Double(count)
    }
    let wide = try call.cast(x, to: .f32)
    let parts = try [cosines, sines].enumerated().map { index, matrix in
      var (starts, sizes) = ([Dim](repeating: 0, count: rank), x.type.shape)
      (starts[rank - 1], sizes[rank - 1]) = (Dim(index), 1)
      let part = try MovementOperators.take(call, wide, starts: starts, sizes: sizes)
      return try LinearOperators.matmul(call, try call.reshape(part, Array(x.type.shape.dropLast())), matrix)
    }
    return [try call.cast(try call.binary(.add, parts[0], parts[1]), to: x.type.elementType)]
  }
}
