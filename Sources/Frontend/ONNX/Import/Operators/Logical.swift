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

  private static func cast(_ call: Call, _ x: ImportedValue, to type: ElementType) throws -> ImportedValue {
    let saturates = try call.flag("saturate", default: true)
    _ = call.attribute("round_mode")
    let largest: Double
    switch type {
    case .f8e4m3fn: largest = 448
    case .f8e4m3fnuz: largest = 240
    case .f8e5m2, .f8e5m2fnuz: largest = 57344
    case .f8e8m0:
      if x.type.elementType.isFloat { throw call.unsupported("rounding to powers of two") }
      return try call.cast(x, to: type)
    default: return try call.cast(x, to: type)
    }
    guard x.type.elementType.isFloat, x.type.elementType != type else { return try call.cast(x, to: type) }
    let bounded = try call.unary(.clip, x, alpha: -largest, beta: largest)
    if saturates { return try call.cast(bounded, to: type) }
    // What rounds beyond the largest number is infinite where the type has infinities, else no number.
    let wide = try call.cast(x, to: .f32)
    let step = largest / (type == .f8e4m3fn ? 14 : type == .f8e4m3fnuz ? 15 : 7)
    let isInside = try call.binary(.less, try call.unary(.abs, wide), largest + step / 2)
    let outside =
      type == .f8e5m2 ? try call.binary(.mul, try call.unary(.sign, wide), .infinity) : call.scalar(.nan, .f32)
    let result = try call.emit(.select(Select()), [isInside, try call.cast(bounded, to: .f32), outside])
    return try call.cast(result, to: type)
  }

  private static func bitCast(_ call: Call) throws -> [ImportedValue?] {
    guard let type = try call.elementType("to"), type == (try call.input(0)).type.elementType else {
      throw call.unsupported("bits are not reinterpreted")
    }
    return [try call.input(0)]
  }
}
