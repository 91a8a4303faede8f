import SwagePartition
import SwageTensor

/// Epilogue steps as post-ops of the library.
///
/// Of a NaN the library's `relu` and `clip` make a bound; so do those functions here. Its `exp`, maximum and minimum,
/// which lose it too, are left to kernels of our own.
enum PostOps {
  /// The library takes no more.
  static let limit = 12

  /// A function as post-ops; nil where there is none that computes it.
  static func functions(_ unary: Unary) -> [PostOp]? {
    let (alpha, beta) = (Float(unary.alpha), Float(unary.beta))
    func one(_ function: PostOp.Function, _ alpha: Float = 0, _ beta: Float = 0) -> [PostOp] {
      [.function(function, alpha: alpha, beta: beta)]
    }
    switch unary.function {
    case .relu: return one(.relu)
    case .sigmoid: return one(.sigmoid)
    case .tanh: return one(.tanh)
    case .silu: return one(.swish, alpha)
    case .gelu: return one(.geluErf)
    case .geluTanh: return one(.geluTanh)
    case .abs: return one(.abs)
    case .sqrt: return one(.sqrt)
    case .square: return one(.square)
    case .hardSwish: return one(.hardSwish)
    // A negative zero added leaves zeros of both signs as they are.
    case .linear: return one(.linear, alpha, beta == 0 ? -0.0 : beta)
    case .neg: return one(.linear, -1, -0.0)
    case .clip: return one(.clip, alpha, beta)
    case .leakyRelu: return one(.leakyRelu, alpha)
    case .elu: return one(.elu, alpha)
    case .hardSigmoid: return one(.linear, alpha, beta) + one(.clip, 0, 1)
    case .exp,
      .log,
      .rsqrt,
      .reciprocal,
      .sin,
      .cos,
      .tan,
      .asin,
      .acos,
      .atan,
      .sinh,
      .cosh,
      .asinh,
      .acosh,
      .atanh,
      .erf,
      .softplus,
      .softsign,
      .mish,
      .ceil,
      .floor,
      .round,
      .sign,
      .not,
      .bitNot,
      .isNaN,
      .isInf,
      .selu,
      .celu,
      .thresholdedRelu,
      .shrink:
      return nil
    }
  }

  /// Whether `postOps` has the function already. Fused kernels of oneDNN 2.6 give wrong results when one occurs twice.
  static func repeats(_ function: PostOp.Function, in postOps: [PostOp]) -> Bool {
    // Both are one function of the library.
    func kind(_ function: PostOp.Function) -> PostOp.Function { function == .leakyRelu ? .relu : function }
    return postOps.contains {
      if case .function(let other, _, _) = $0 { kind(other) == kind(function) } else { false }
    }
  }

  static func combination(_ function: Binary.Function) -> PostOp.Combination? {
    switch function {
    case .add: .add
    case .mul: .multiply
    case .sub: .subtract
    case .div: .divide
    case .max,
      .min,
      .pow,
      .mod,
      .fmod,
      .and,
      .or,
      .xor,
      .bitAnd,
      .bitOr,
      .bitXor,
      .shiftLeft,
      .shiftRight,
      .equal,
      .less,
      .lessOrEqual,
      .greater,
      .greaterOrEqual:
      nil
    }
  }

  /// Whether the library applies `step` on its own.
  static func takes(_ step: Epilogue.Step) -> Bool {
    switch step {
    case .unary(let unary): functions(unary) != nil
    case .binary(let function, _): combination(function) != nil
    }
  }
}
