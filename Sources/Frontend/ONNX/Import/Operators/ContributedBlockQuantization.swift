import SwageGraph
import SwageTensor

/// Weights in blocks of a few bits, each block with its own scale.
enum ContributedBlockQuantization {
  static let table: [String: Handler] = [
    "MatMulNBits": matmul, "MatMulBnb4": normalFloatMatmul, "GatherBlockQuantized": gather,
  ]

  /// Bytes that hold 2, 4 or 8 bits per element along the last axis, the lowest first, as elements of their own.
  /// Constants keep their bytes.
  static func unpacked(_ call: Call, _ x: ImportedValue, bits: Int) throws -> ImportedValue {
    try call.require(x.type.elementType == .u8 && x.type.rank >= 1, "packed elements in \(x.type)")
    if bits == 8 { return x }
    let count = 8 / bits
    let shape = x.type.shape.dropLast() + [x.type.shape[x.type.rank - 1] * Dim(count)]
    let type: ElementType = bits == 4 ? .u4 : .u2
    if let tensor = call.folded(x), let sizes = TensorType(type, Array(shape)).staticShape,
      let view = Tensor(type, sizes, storage: tensor.storage, byteOffset: tensor.byteOffset)
    {
      return ImportedValue(constant: view, name: x.name, sources: [call.source])
    }
    let shifts = Tensor(.u8, [count], integers: (0..<count).map { Int64($0 * bits) })
    let column = try call.reshape(x, x.type.shape + [1])
    let moved = try call.binary(.shiftRight, column, call.constant(shifts))
    let mask = call.constant(Tensor(.u8, [], integers: [Int64((1 << bits) - 1)]))
    return try call.reshape(try call.binary(.bitAnd, moved, mask), Array(shape))
  }

  private static func size(_ call: Call, _ name: String) throws -> Int {
    guard let value = try call.int(name), (1...(1 << 31)).contains(value) else {
      throw NodeFault.invalid("\(name) is missing, or no size")
    }
    return value
  }

  // MARK: - Linear

  private static func matmul(_ call: Call) throws -> [ImportedValue?] {
    let (rows, columns, block) = (try size(call, "N"), try size(call, "K"), try size(call, "block_size"))
    let bits = try call.int("bits", default: 4)
    try call.require([2, 4, 8].contains(bits) && block % (8 / bits) == 0, "\(bits) bits in blocks of \(block)")
    guard try call.int("weight_prepacked", default: 0) == 0 else { throw call.unsupported("weight_prepacked is set") }
    _ = try call.int("accuracy_level")
    let blocks = (columns + block - 1) / block
    let wide = blocks * block
    let bytes = try call.reshape(try call.input(1), [Dim(rows), Dim(wide * bits / 8)])
    let values = try unpacked(call, bytes, bits: bits)
    let scale = try call.reshape(try call.input(2), [Dim(rows), Dim(blocks)])
    var zero: ImportedValue
    if let given = call.optional(3) {
      if given.type.elementType == .u8 {
        let perRow = (blocks * bits + 7) / 8
        let packed = try call.reshape(given, [Dim(rows), Dim(perRow)])
        let all = try unpacked(call, packed, bits: bits)
        zero = try MovementOperators.take(call, all, starts: [0, 0], sizes: [Dim(rows), Dim(blocks)])
      } else {
        zero = try call.reshape(given, [Dim(rows), Dim(blocks)])
      }
    } else {
      let middle = Tensor(.u8, [], integers: [Int64(1 << (bits - 1))])
      zero = try call.broadcast(call.constant(middle), [Dim(rows), Dim(blocks)])
    }
    let a = try call.input(0)
    var weights: ImportedValue
    if let groups = call.optional(4) {
      // Each column names its block.
      let index = try call.reshape(groups, [groups.type.elementCount])
      func spread(_ x: ImportedValue) throws -> ImportedValue {
        let all = try call.emit(.gather(Gather(axis: 1)), [try call.cast(x, to: scale.type.elementType), index])
        return try MovementOperators.take(call, all, starts: [0, 0], sizes: [Dim(rows), Dim(columns)])
      }
      let used = try MovementOperators.take(call, values, starts: [0, 0], sizes: [Dim(rows), Dim(columns)])
      let centered = try call.binary(.sub, try call.cast(used, to: scale.type.elementType), try spread(zero))
      weights = try call.binary(.mul, centered, try spread(scale))
    } else {
      let op = DequantizeLinear(axis: 1, blockSize: block)
      weights = try call.emit(.dequantizeLinear(op), [values, scale, zero])
      weights = try MovementOperators.take(call, weights, starts: [0, 0], sizes: [Dim(rows), Dim(columns)])
    }
    let y = try LinearOperators.matmul(
      call, a, try call.cast(weights, to: a.type.elementType), op: MatMul(transposeB: true))
    return [try call.optional(5).map { try call.binary(.add, y, $0) } ?? y]
  }

  // MARK: - Four-bit floats

  /// The codes of bitsandbytes: 4-bit floats, and quantiles of the normal distribution.
  private static let floatCodes: [Float] = {
    let half: [Float] = [
      0, 5.208333333e-03, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25,
    ]
    return half + half.map { -$0 }
  }()
  private static let normalCodes: [Float] = [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ]

  private static func normalFloatMatmul(_ call: Call) throws -> [ImportedValue?] {
    let (rows, columns, block) = (try size(call, "N"), try size(call, "K"), try size(call, "block_size"))
    let kind = try call.int("quant_type", default: 1)
    try call.require(kind == 0 || kind == 1, "quant_type is \(kind)")
    _ = try call.int("training_mode")
    guard let count = Checked.product([rows, columns]) else { throw NodeFault.invalid("\(rows) x \(columns) elements") }
    let (blocks, isTransposed) = ((count + block - 1) / block, try call.flag("transB", default: true))
    let bytes = try call.reshape(try call.input(1), [Dim((count + 1) / 2), 1])
    // The first element is in the high bits.
    let shifts = call.constant(Tensor(.u8, [2], integers: [4, 0]))
    let mask = call.constant(Tensor(.u8, [], integers: [15]))
    let codes = try call.binary(.bitAnd, try call.binary(.shiftRight, bytes, shifts), mask)
    let table = call.constant(Tensor(floats: kind == 0 ? floatCodes : normalCodes, [16]))
    let flat = try call.reshape(try call.cast(codes, to: .i32), [Dim((count + 1) / 2 * 2)])
    var values = try call.emit(.gather(Gather(axis: 0)), [table, flat])
    let given = (count + 1) / 2 * 2
    if blocks * block > given {
      values = try call.emit(
        .pad(Pad(mode: .constant, begins: [0], ends: [Dim(blocks * block - given)])), [values])
    } else if given > blocks * block {
      values = try MovementOperators.take(call, values, starts: [0], sizes: [Dim(blocks * block)])
    }
    let a = try call.input(0)
    let scale = try call.reshape(try call.cast(try call.input(2), to: .f32), [Dim(blocks), 1])
    let scaled = try call.binary(.mul, try call.reshape(values, [Dim(blocks), Dim(block)]), scale)
    let all = try call.reshape(scaled, [Dim(blocks * block)])
    let used = try MovementOperators.take(call, all, starts: [0], sizes: [Dim(count)])
    let matrix = try call.reshape(used, isTransposed ? [Dim(rows), Dim(columns)] : [Dim(columns), Dim(rows)])
    return [
      try LinearOperators.matmul(
        call, a, try call.cast(matrix, to: a.type.elementType), op: MatMul(transposeB: isTransposed))
    ]
  }

  // MARK: - Gather

  /// Rows are picked first, and dequantised after. An index outside gives zeros.
  private static func gather(_ call: Call) throws -> [ImportedValue?] {
    let given = try call.input(0)
    let rank = given.type.rank
    let axis = try call.axis(try call.int("gather_axis", default: 0), rank: rank)
    let blockAxis = try call.axis(try call.int("quantize_axis", default: 1), rank: rank)
    let block = try call.int("block_size", default: 128)
    try call.require(axis != blockAxis, "it gathers along the axis of its blocks")
    try call.require(block >= 0, "blocks of \(block)")
    let bits = try call.int("bits", default: 4)
    let isPacked = given.type.elementType == .u8
    try call.require(!isPacked || ([2, 4, 8].contains(bits) && axis < rank - 1 || bits == 8), "\(bits) bits in bytes")
    let size = ContributedCache.number(call, given.type.shape[axis])
    let indices = try call.cast(try call.input(1), to: .i64)
    let isNegative = try call.binary(.less, indices, 0)
    let wrapped = try call.emit(.select(Select()), [isNegative, try call.binary(.add, indices, size), indices])
    let isInside = try call.binary(
      .and, try call.binary(.greaterOrEqual, wrapped, 0), try call.binary(.less, wrapped, size))
    let zeroIndex = call.constant(Tensor(.i64, [], integers: [0]))
    let safe = try call.emit(.select(Select()), [isInside, wrapped, zeroIndex])
    func rows(_ x: ImportedValue) throws -> ImportedValue {
      try call.require(x.type.rank == rank, "a scale or zero point \(x.type) for \(given.type)")
      // One scale for all serves every row.
      if x.type.shape[axis] == 1, given.type.shape[axis] != 1 {
        let shape = x.type.shape[..<axis] + indices.type.shape + x.type.shape[(axis + 1)...]
        let ones = [Dim](repeating: 1, count: indices.type.rank)
        return try call.broadcast(
          try call.reshape(x, Array(x.type.shape[..<axis] + ones + x.type.shape[(axis + 1)...])), Array(shape))
      }
      return try call.emit(.gather(Gather(axis: axis)), [x, safe])
    }
    var data = try rows(given)
    let scale = try rows(try call.input(2))
    var zero = try call.optional(3).map { try rows($0) }
    if isPacked {
      data = try unpacked(call, data, bits: bits)
      if let packed = zero {
        let all = try unpacked(call, packed, bits: bits)
        zero = try MovementOperators.take(
          call, all, starts: [Dim](repeating: 0, count: all.type.rank), sizes: scale.type.shape)
      } else {
        let middle = Tensor(.u8, [], integers: [Int64(1 << (bits - 1))])
        zero = try call.broadcast(call.constant(middle), scale.type.shape)
      }
    }
    let moved = blockAxis < axis ? blockAxis : blockAxis + indices.type.rank - 1
    var y: ImportedValue
    if block == 0 {
      y = try call.binary(.mul, try call.cast(data, to: scale.type.elementType), scale)
    } else {
      y = try call.emit(.dequantizeLinear(DequantizeLinear(axis: moved, blockSize: block)), [data, scale, zero])
    }
    let trailing = [Dim](repeating: 1, count: rank - axis - 1)
    let mask = try call.reshape(isInside, indices.type.shape + trailing)
    y = try call.emit(.select(Select()), [mask, y, call.scalar(0, y.type.elementType)])
    return [y]
  }
}
