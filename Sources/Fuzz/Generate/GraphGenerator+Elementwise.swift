import SwageGraph
import SwageTensor

extension GraphGenerator {
  /// A parameter that f32 holds exactly, as ONNX has them.
  mutating func parameter(_ range: ClosedRange<Double> = -3...3) -> Double {
    if random.chance(40) { return Double(random.within(Int(range.lowerBound)...Int(range.upperBound))) }
    return Double(Float(range.lowerBound + random.unit() * (range.upperBound - range.lowerBound)))
  }

  mutating func epsilon() -> Double { Double(Float(random.pick([1e-5, 1e-3, 0.125]))) }

  static let smooth: [Unary.Function] = [
    .exp, .log, .sqrt, .rsqrt, .reciprocal, .sin, .cos, .tan, .asin, .acos, .atan, .sinh, .cosh, .tanh, .asinh, .acosh,
    .atanh, .erf, .sigmoid, .softplus, .softsign, .mish, .silu, .gelu, .geluTanh, .hardSwish, .hardSigmoid, .leakyRelu,
    .elu, .selu, .celu, .thresholdedRelu, .shrink, .ceil, .floor, .round, .isNaN, .isInf,
  ]
  static let simple: [Unary.Function] = [.abs, .neg, .sign, .relu, .clip, .linear, .square]

  mutating func unary() {
    guard let x = anyValue() else { return }
    let type = type(x).elementType
    let function: Unary.Function
    if type == .bool {
      function = .not
    } else if type.isFloat {
      function = random.chance(45) ? random.pick(Self.simple) : random.pick(Self.smooth)
    } else {
      function = random.chance(20) ? .bitNot : random.pick(Self.simple)
    }
    append(.unary(makeUnary(function, isFloat: type.isFloat, isSigned: !type.isUnsignedInteger)), [x])
  }

  mutating func makeUnary(_ function: Unary.Function, isFloat: Bool, isSigned: Bool = true) -> Unary {
    switch function {
    case .clip:
      let low = isFloat ? parameter(-3...1) : Double(random.within((isSigned ? -5 : 0)...2))
      let high = low + (isFloat ? parameter(0...4) : Double(random.within(0...6)))
      switch random.below(6) {
      case 0: return Unary(.clip, alpha: low)
      case 1: return Unary(.clip, beta: high)
      case 2: return Unary(.clip, alpha: 0, beta: 6)
      default: return Unary(.clip, alpha: Double(Float(low)), beta: Double(Float(high)))
      }
    case .linear:
      if !isFloat { return Unary(.linear, alpha: Double(random.within(-3...3)), beta: Double(random.within(-3...3))) }
      return Unary(
        .linear, alpha: random.chance(30) ? 1 : parameter(), beta: random.chance(30) ? 0 : parameter())
    case .isInf: return Unary(.isInf, alpha: Double(random.below(2)), beta: Double(random.below(2)))
    case .hardSigmoid: return Unary(.hardSigmoid, alpha: parameter(0...1), beta: parameter(-1...1))
    case .leakyRelu, .elu, .thresholdedRelu: return Unary(function, alpha: parameter())
    case .celu: return Unary(.celu, alpha: parameter(1...3))
    case .shrink: return Unary(.shrink, alpha: parameter(0...2), beta: parameter())
    case .silu: return Unary(.silu, alpha: random.chance(70) ? 1 : parameter(1...3))
    default: return Unary(function)
    }
  }

  /// A shape that broadcasts with `dims`: some axes one, leading ones gone.
  mutating func smaller(_ dims: [Dim]) -> [Dim] {
    var result = dims
    if random.chance(40) { result = Array(result.dropFirst(random.below(result.count + 1))) }
    for axis in result.indices where random.chance(30) { result[axis] = 1 }
    return result
  }

  /// An operand that broadcasts with a value of this type.
  mutating func partner(of type: TensorType, _ content: FuzzContent = .any) -> ValueID? {
    if case .any = content, random.chance(55),
      let found = value(where: { $0.elementType == type.elementType && Self.broadcasts($0.shape, type.shape) })
    {
      return found
    }
    if random.chance(12), type.rank < 5 {
      // Of higher rank, or larger where this one has a one.
      let larger = (random.chance(50) ? [size()] : []) + type.shape.map { $0 == 1 ? size() : $0 }
      return operand(TensorType(type.elementType, larger), content)
    }
    return operand(TensorType(type.elementType, smaller(type.shape)), content)
  }

  static func broadcasts(_ a: [Dim], _ b: [Dim]) -> Bool {
    zip(a.reversed(), b.reversed()).allSatisfy { $0 == $1 || $0 == 1 || $1 == 1 }
  }

  mutating func binary() {
    guard let a = anyValue() else { return }
    let type = type(a)
    let function: Binary.Function
    if type.elementType == .bool {
      function = random.pick([.and, .or, .xor, .equal])
    } else if type.elementType.isFloat {
      function = random.pick([
        .add, .add, .sub, .sub, .mul, .mul, .div, .min, .max, .pow, .mod, .fmod, .equal, .less, .lessOrEqual, .greater,
        .greaterOrEqual,
      ])
    } else {
      function = random.pick([
        .add, .sub, .mul, .div, .min, .max, .pow, .mod, .fmod, .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight,
        .equal,
        .less, .lessOrEqual, .greater, .greaterOrEqual,
      ])
    }
    let content: FuzzContent
    switch function {
    case .div, .mod, .fmod: content = .nonZero
    case .pow: content = .small
    case .shiftLeft, .shiftRight: content = .range(0...min(type.elementType.bitWidth - 1, 9))
    default: content = .any
    }
    if function == .pow, type.elementType.isFloat, random.chance(60) {
      // What a pass turns into other functions.
      guard let exponent = scalar(random.pick([2, 3, 0.5, -1, -0.5, 1, 0, 4, -2, 1.5]), type.elementType) else {
        return
      }
      append(.binary(Binary(.pow)), [a, exponent])
      return
    }
    guard let b = partner(of: type, content) else { return }
    let needsSides = function == .div || function == .mod || function == .fmod || function == .pow
    let isSwapped = !needsSides && function != .shiftLeft && function != .shiftRight && random.chance(50)
    let operands = isSwapped ? [b, a] : [a, b]
    guard isDefined(function, operands[0], operands[1]) else { return }
    append(.binary(Binary(function)), operands)
  }

  /// Whether integer arithmetic stays where it means something on every machine.
  private func isDefined(_ function: Binary.Function, _ a: ValueID, _ b: ValueID) -> Bool {
    let type = type(b).elementType
    guard type.isInteger else { return true }
    switch function {
    case .div, .mod, .fmod:
      let divisors = tensors(b).flatMap(\.integers)
      if divisors.contains(0) { return false }
      return !(divisors.contains(-1) && tensors(a).flatMap(\.integers).contains { $0 < -127 })
    case .pow: return tensors(b).flatMap(\.integers).allSatisfy { $0 >= 0 && $0 < 6 }
    case .shiftLeft, .shiftRight:
      return tensors(b).flatMap(\.integers).allSatisfy { $0 >= 0 && $0 < Int64(type.bitWidth) }
    default: return true
    }
  }

  mutating func select() {
    guard let a = anyValue(), let b = partner(of: type(a)) else { return }
    let larger = type(a).rank >= type(b).rank ? type(a) : type(b)
    let condition: ValueID?
    if random.chance(50),
      let found = value(where: { $0.elementType == .bool && Self.broadcasts($0.shape, larger.shape) })
    {
      condition = found
    } else {
      condition = operand(TensorType(.bool, smaller(larger.shape)))
    }
    append(.select(Select()), [condition, a, b])
  }

  mutating func cast() {
    let all = Self.floats + Self.integers + [.bool]
    if random.chance(12), let x = value(where: { Self.packed.contains($0.elementType) }) {
      append(.cast(Cast(to: random.pick(all + [mainType, mainType, .f32]))), [x], keepsNaN: true)
      return
    }
    guard let x = anyValue() else { return }
    if random.chance(8), type(x).elementType != .bool {
      let width = type(x).elementType.bitWidth
      append(
        .bitcast(Bitcast(to: random.pick((Self.floats + Self.integers).filter { $0.bitWidth == width }))), [x],
        keepsNaN: mood == .wild)
      return
    }
    let to = random.chance(15) ? random.pick(Self.packed) : random.pick(all + [mainType, mainType, .f32])
    // Beyond the range of the result every machine has its own opinion.
    if type(x).elementType.isFloat, !to.isFloat, to != .bool {
      let (low, high) = Self.range(of: to)
      guard tensors(x).allSatisfy({ $0.doubles.allSatisfy { $0 > low - 1 && $0 < high + 1 } }) else { return }
    }
    guard let y = append(.cast(Cast(to: to)), [x], keepsNaN: true)?.first else { return }
    if Self.packed.contains(to), random.chance(60) {
      append(.cast(Cast(to: random.chance(60) ? type(x).elementType : mainType)), [y], keepsNaN: true)
    }
  }

  static func range(of type: ElementType) -> (Double, Double) {
    let bits = Double(sign: .plus, exponent: type.isSignedInteger ? type.bitWidth - 1 : type.bitWidth, significand: 1)
    return type.isSignedInteger
      ? (-bits + 1, bits * (type.bitWidth > 32 ? 0.99 : 1) - 1) : (0, bits * (type.bitWidth > 32 ? 0.99 : 1) - 1)
  }
}
