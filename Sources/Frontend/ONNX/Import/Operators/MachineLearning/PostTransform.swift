import SwageGraph
import SwageTensor

/// What the domain's models do to their scores at the end.
enum PostTransform: String {
  case none = "NONE"
  case softmax = "SOFTMAX"
  case logistic = "LOGISTIC"
  case softmaxZero = "SOFTMAX_ZERO"
  case probit = "PROBIT"

  init(_ call: Call) throws {
    let name = try call.string("post_transform", default: "NONE")
    guard let known = PostTransform(rawValue: name) else {
      throw NodeFault.invalid("post_transform is \(name)")
    }
    self = known
  }

  /// Of scores [rows, columns]; of a single column only `PROBIT` makes anything else.
  func apply(_ call: Call, _ scores: ImportedValue) throws -> ImportedValue {
    let isSingle = scores.type.shape[1] == 1
    switch self {
    case .none: return scores
    case .probit: return try Self.probit(call, scores)
    case .logistic: return isSingle ? scores : try call.unary(.sigmoid, scores)
    case .softmax: return isSingle ? scores : try call.emit(.softmax(Softmax(axis: 1)), [scores])
    case .softmaxZero: return isSingle ? scores : try Self.softmaxZero(call, scores)
    }
  }

  /// The outputs of two classes from one score, that of the second: by `LOGISTIC` σ(-x) and σ(x), else 1 - x and x where
  /// it is a probability, and -x and x where not.
  func pair(_ call: Call, _ score: ImportedValue, isProbability: Bool) throws -> [ImportedValue] {
    if self == .logistic {
      return [try call.unary(.sigmoid, try call.unary(.neg, score)), try call.unary(.sigmoid, score)]
    }
    if isProbability { return [try call.unary(.linear, score, alpha: -1, beta: 1), score] }
    return [try call.unary(.neg, score), score]
  }

  /// Softmax in which elements near zero stay near zero and do not count in the sum.
  private static func softmaxZero(_ call: Call, _ scores: ImportedValue) throws -> ImportedValue {
    let peak = try call.reduce(.max, scores, axes: [1], keeps: true)
    let exponential = try call.unary(.exp, try call.binary(.sub, scores, peak))
    let rest = try call.binary(.mul, scores, try call.unary(.exp, try call.unary(.neg, peak)))
    let isScore = try call.binary(.greater, try call.unary(.abs, scores), Double(Float(0.0000001)))
    let zero = call.scalar(0, scores.type.elementType)
    let counted = try call.select(isScore, exponential, zero)
    let sum = try call.reduce(.sum, counted, axes: [1], keeps: true)
    return try call.binary(.div, try call.select(isScore, exponential, rest), sum)
  }

  /// √2 · erf⁻¹(2x - 1) by Winitzki's approximation ("A handy approximation for the error function and its inverse", 2008)
  /// with the constants of onnxruntime.
  private static func probit(_ call: Call, _ scores: ImportedValue) throws -> ImportedValue {
    let type = scores.type.elementType
    let x = try call.unary(.linear, try call.cast(scores, to: .f32), alpha: 2, beta: -1)
    let one = call.scalar(1, .f32)
    let product = try call.binary(.mul, try call.binary(.sub, one, x), try call.unary(.linear, x, alpha: 1, beta: 1))
    let log = try call.unary(.log, product)
    let (pi, a) = (Float(3.14159), Float(0.147))
    let v = try call.unary(.linear, log, alpha: 0.5, beta: Double(2 / (pi * a)))
    let rest = try call.binary(.mul, log, Double(1 / a))
    let root = try call.unary(.sqrt, try call.binary(.sub, try call.unary(.square, v), rest))
    let size = try call.unary(.sqrt, try call.binary(.sub, root, v))
    let sign = try call.select(try call.binary(.less, x, 0), call.scalar(-1, .f32), one)
    let result = try call.binary(.mul, try call.binary(.mul, sign, size), Double(Float(1.41421356)))
    return try call.cast(result, to: type)
  }
}
