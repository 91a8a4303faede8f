import SwageGraph
import SwageTensor

/// Comparisons, truth values, choices and conversions.
enum LogicalOperators {
  static let table: [String: Handler] = {
    var table: [String: Handler] = [
      "Not": { [try $0.unary(.not, try $0.input(0))] },
      "Where": { [try $0.emit(.select(Select()), [try $0.input(0), try $0.input(1), try $0.input(2)])] },
      "Cast": cast,
      "CastLike": { [try cast($0, try $0.input(0), to: try $0.input(1).type.elementType)] },
      "BitCast": bitCast,
    ]
    let pairs: [(String, Binary.Function)] = [
      ("And", .and), ("Or", .or), ("Xor", .xor), ("Equal", .equal), ("Less", .less), ("LessOrEqual", .lessOrEqual),
      ("Greater", .greater), ("GreaterOrEqual", .greaterOrEqual),
    ]
    for (name, function) in pairs {
      table[name] = { [try $0.binary(function, try $0.input(0), try $0.input(1))] }
    }
    return table
  }()

  private static func cast(_ call: Call) throws -> [ImportedValue?] {
    guard let type = try call.elementType("to") else { throw NodeFault.invalid("attribute to is missing") }
    return [try cast(call, try call.input(0), to: type)]
  }

  /// `x` as `type`, with the attributes `saturate` and `round_mode` of the node.
  static func cast(_ call: Call, _ x: ImportedValue, to type: ElementType) throws -> ImportedValue {
    let saturates = try call.flag("saturate", default: true)
    let rounding = try call.string("round_mode", default: "up")
    let largest: Double
    switch type {
    case .f8e4m3fn: largest = 448
    case .f8e4m3fnuz: largest = 240
    case .f8e5m2, .f8e5m2fnuz: largest = 57344
    case .f8e8m0 where x.type.elementType != type: return try powerOfTwo(call, x, rounding, saturates: saturates)
    default: return try call.cast(x, to: type)
    }
    guard x.type.elementType.isFloat, x.type.elementType != type else { return try call.cast(x, to: type) }
    let bounded = try call.unary(.clip, x, alpha: -largest, beta: largest)
    if saturates { return try call.cast(bounded, to: type) }
    // What rounds beyond the largest number is infinite where the type has infinities, else no number.
    let wide = try call.cast(x, to: .f32)
    let step = largest / (type == .f8e4m3fn ? 14 : type == .f8e4m3fnuz ? 15 : 7)
    // Halfway, the largest number of e4m3fn is the even one.
    let isInside = try call.binary(
      type == .f8e4m3fn ? .lessOrEqual : .less, try call.unary(.abs, wide), largest + step / 2)
    let outside =
      type == .f8e5m2 ? try call.binary(.mul, try call.unary(.sign, wide), .infinity) : call.scalar(.nan, .f32)
    let result = try call.emit(.select(Select()), [isInside, try call.cast(bounded, to: .f32), outside])
    return try call.cast(result, to: type)
  }

  /// Powers of two, which are the exponents of f32: zero becomes the smallest one, infinities and NaN become NaN.
  private static func powerOfTwo(_ call: Call, _ x: ImportedValue, _ rounding: String, saturates: Bool) throws
    -> ImportedValue
  {
    let bits = try call.emit(.bitcast(Bitcast(to: .u32)), [try call.cast(x, to: .f32)])
    let exponent = try call.binary(.bitAnd, try call.binary(.shiftRight, bits, 23), 0xff)
    func has(_ mask: Double) throws -> ImportedValue {
      try call.binary(.greater, try call.binary(.bitAnd, bits, mask), 0)
    }
    let roundsUp: ImportedValue
    switch rounding {
    case "up": roundsUp = try has(0x7fffff)
    case "nearest":
      let isNormal = try call.binary(.greater, exponent, 0)
      roundsUp = try call.binary(.and, try has(0x400000), try call.binary(.or, try has(0x3fffff), isNormal))
    case "down": roundsUp = call.constant(Tensor(.bool, [], integers: [0]))
    case let other: throw NodeFault.invalid("there is no round_mode \(other)")
    }
    let hasRoom = try call.binary(.less, exponent, saturates ? 0xfe : 0xff)
    let step = try call.cast(try call.binary(.and, roundsUp, hasRoom), to: .u32)
    let result = try call.cast(try call.binary(.add, exponent, step), to: .u8)
    return try call.emit(.bitcast(Bitcast(to: .f8e8m0)), [result])
  }

  /// Truth values are bytes: those that are not zero are true, and true is one.
  private static func bitCast(_ call: Call) throws -> [ImportedValue?] {
    guard let type = try call.elementType("to") else { throw NodeFault.invalid("attribute to is missing") }
    var x = try call.input(0)
    try call.require(
      x.type.elementType.bitWidth == type.bitWidth, "\(x.type) has not the width of \(type.name)")
    if x.type.elementType == type { return [x] }
    if x.type.elementType == .bool { x = try call.cast(x, to: .u8) }
    let target: ElementType = type == .bool ? .u8 : type
    if x.type.elementType != target { x = try call.emit(.bitcast(Bitcast(to: target)), [x]) }
    return [try call.cast(x, to: type)]
  }
}
