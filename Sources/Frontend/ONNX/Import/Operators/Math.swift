import SwageGraph
import SwageTensor

/// Elementwise arithmetic.
enum MathOperators {
  static let table: [String: Handler] = {
    var table: [String: Handler] = [
      "Clip": clip, "Pow": pow, "Mod": mod, "Sum": { try variadic($0, .add) }, "Min": { try variadic($0, .min) },
      "Max": { try variadic($0, .max) }, "Mean": mean, "PRelu": prelu, "Gelu": gelu, "Swish": swish,
      "BitShift": bitShift, "SwiGLU": swiglu,
      "Identity": { [try $0.input(0)] },
      "IsInf": { call in
        let (negative, positive) = (
          try call.flag("detect_negative", default: true), try call.flag("detect_positive", default: true)
        )
        return [try call.unary(.isInf, try call.input(0), alpha: positive ? 1 : 0, beta: negative ? 1 : 0)]
      },
    ]
    let plain: [(String, Unary.Function)] = [
      ("Abs", .abs), ("Neg", .neg), ("Exp", .exp), ("Log", .log), ("Sqrt", .sqrt), ("Reciprocal", .reciprocal),
      ("Sin", .sin), ("Cos", .cos), ("Tan", .tan), ("Asin", .asin), ("Acos", .acos), ("Atan", .atan),
      ("Sinh", .sinh), ("Cosh", .cosh), ("Tanh", .tanh), ("Asinh", .asinh), ("Acosh", .acosh), ("Atanh", .atanh),
      ("Erf", .erf), ("Sigmoid", .sigmoid), ("Relu", .relu), ("Softplus", .softplus), ("Softsign", .softsign),
      ("Mish", .mish), ("Ceil", .ceil), ("Floor", .floor), ("Round", .round), ("Sign", .sign), ("IsNaN", .isNaN),
      ("HardSwish", .hardSwish), ("BitwiseNot", .bitNot),
    ]
    for (name, function) in plain { table[name] = { [try $0.unary(function, try $0.input(0))] } }
    let withAlpha: [(String, Unary.Function, Double)] = [
      ("LeakyRelu", .leakyRelu, 0.01), ("Elu", .elu, 1), ("Celu", .celu, 1), ("ThresholdedRelu", .thresholdedRelu, 1),
    ]
    for (name, function, alpha) in withAlpha {
      table[name] = { [try $0.unary(function, try $0.input(0), alpha: try $0.float("alpha", default: alpha))] }
    }
    table["Selu"] = { call in
      let alpha = try call.float("alpha", default: 1.67326319217681884765625)
      let gamma = try call.float("gamma", default: 1.05070102214813232421875)
      return [try call.unary(.selu, try call.input(0), alpha: alpha, beta: gamma)]
    }
    table["HardSigmoid"] = { call in
      let alpha = try call.float("alpha", default: 0.2)
      return [try call.unary(.hardSigmoid, try call.input(0), alpha: alpha, beta: try call.float("beta", default: 0.5))]
    }
    table["Shrink"] = shrink
    let pairs: [(String, Binary.Function)] = [
      ("Add", .add), ("Sub", .sub), ("Mul", .mul), ("Div", .div), ("BitwiseAnd", .bitAnd), ("BitwiseOr", .bitOr),
      ("BitwiseXor", .bitXor),
    ]
    for (name, function) in pairs {
      table[name] = { [try $0.binary(function, try $0.input(0), try $0.input(1))] }
    }
    return table
  }()

  private static func clip(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    if call.opset < 11 {
      // From opset 6 on the defaults are the largest numbers of single precision.
      let bound = call.opset < 6 ? Double.infinity : Double(Float.greatestFiniteMagnitude)
      let low = try call.float("min", default: -bound)
      let high = try call.float("max", default: bound)
      return [try call.unary(.clip, x, alpha: low, beta: high)]
    }
    let (low, high) = (call.optional(1), call.optional(2))
    if low == nil, high == nil { return [x] }
    func number(_ value: ImportedValue?, _ fallback: Double) -> Double? {
      guard let value else { return fallback }
      guard let tensor = call.folded(value), tensor.count == 1 else { return nil }
      return tensor.doubles[0]
    }
    if x.type.elementType.isFloat, let a = number(low, -.infinity), let b = number(high, .infinity),
      low.map({ $0.type.elementType == x.type.elementType }) ?? true,
      high.map({ $0.type.elementType == x.type.elementType }) ?? true
    {
      return [try call.unary(.clip, x, alpha: a, beta: b)]
    }
    var result = x
    if let low { result = try call.binary(.max, result, try call.reshape(low, [])) }
    if let high { result = try call.binary(.min, result, try call.reshape(high, [])) }
    return [result]
  }

  private static func pow(_ call: Call) throws -> [ImportedValue?] {
    let (x, y) = (try call.input(0), try call.input(1))
    let (base, exponent) = (x.type.elementType, y.type.elementType)
    if base == exponent { return [try call.binary(.pow, x, y)] }
    // Wide enough for integers of 32 bits, and for every exponent.
    if !base.isFloat {
      let wide: ElementType = exponent.isFloat ? .f64 : exponent.bitWidth > base.bitWidth ? .i64 : base
      let result = try call.binary(.pow, try call.cast(x, to: wide), try call.cast(y, to: wide))
      return [try call.cast(result, to: base)]
    }
    return [try call.binary(.pow, x, try call.cast(y, to: base))]
  }

  private static func mod(_ call: Call) throws -> [ImportedValue?] {
    [try call.binary(try call.flag("fmod") ? .fmod : .mod, try call.input(0), try call.input(1))]
  }

  private static func variadic(_ call: Call, _ function: Binary.Function) throws -> [ImportedValue?] {
    let inputs = try call.allInputs()
    var result = inputs[0]
    for next in inputs.dropFirst() { result = try call.binary(function, result, next) }
    return [result]
  }

  private static func mean(_ call: Call) throws -> [ImportedValue?] {
    guard let sum = try variadic(call, .add)[0], call.inputs.count > 1 else { return [try call.input(0)] }
    return [try call.binary(.div, sum, Double(call.inputs.count))]
  }

  private static func prelu(_ call: Call) throws -> [ImportedValue?] {
    let (x, slope) = (try call.input(0), try call.input(1))
    if let tensor = slope.tensor, tensor.count == 1, x.type.elementType.isFloat,
      tensor.elementType == x.type.elementType, slope.type.rank <= x.type.rank
    {
      return [try call.unary(.leakyRelu, x, alpha: tensor.doubles[0])]
    }
    let isNegative = try call.binary(.less, x, 0)
    return [try call.emit(.select(Select()), [isNegative, try call.binary(.mul, x, slope), x])]
  }

  private static func gelu(_ call: Call) throws -> [ImportedValue?] {
    switch try call.string("approximate", default: "none") {
    case "none": return [try call.unary(.gelu, try call.input(0))]
    case "tanh": return [try call.unary(.geluTanh, try call.input(0))]
    case let other: throw NodeFault.invalid("there is no approximation \(other)")
    }
  }

  private static func swish(_ call: Call) throws -> [ImportedValue?] {
    [try call.unary(.silu, try call.input(0), alpha: try call.float("alpha", default: 1))]
  }

  private static func swiglu(_ call: Call) throws -> [ImportedValue?] {
    let (gate, value) = (try call.input(0), try call.input(1))
    try call.require(gate.type.rank == value.type.rank, "\(gate.type) and \(value.type) differ")
    let open = try call.unary(.silu, gate, alpha: try call.float("alpha", default: 1))
    return [try call.binary(.mul, open, value)]
  }

  private static func shrink(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let (lambda, bias) = (try call.float("lambd", default: 0.5), try call.float("bias", default: 0))
    if x.type.elementType.isFloat { return [try call.unary(.shrink, x, alpha: lambda, beta: bias)] }
    let result = try call.unary(.shrink, try call.cast(x, to: .f64), alpha: lambda, beta: bias)
    return [try call.cast(result, to: x.type.elementType)]
  }

  private static func bitShift(_ call: Call) throws -> [ImportedValue?] {
    switch try call.string("direction", default: "") {
    case "LEFT": return [try call.binary(.shiftLeft, try call.input(0), try call.input(1))]
    case "RIGHT": return [try shiftRight(call, try call.input(0), try call.input(1))]
    case let other: throw NodeFault.invalid("there is no direction \"\(other)\"")
    }
  }

  /// Amounts that are negative or too large leave the sign alone.
  private static func shiftRight(_ call: Call, _ x: ImportedValue, _ amount: ImportedValue) throws -> ImportedValue {
    let type = x.type.elementType
    guard type.isSignedInteger else { return try call.binary(.shiftRight, x, amount) }
    let last = call.scalar(Double(type.bitWidth - 1), type)
    let isNegative = try call.binary(.less, amount, 0)
    let bounded = try call.emit(.select(Select()), [isNegative, last, try call.binary(.min, amount, last)])
    return try call.binary(.shiftRight, x, bounded)
  }
}
