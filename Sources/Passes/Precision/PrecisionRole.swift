import SwageGraph
import SwageTensor

/// What becomes of an operation when a model runs in a narrow float type.
enum PrecisionRole {
  /// Gains most: products read narrow operands and add up in f32.
  case narrows
  /// Moves data or rounds once: narrow where its data is.
  case follows
  /// Stays in f32.
  case keeps

  /// Products narrow. Data movement, pools, norms and softmax (whose statistics are taken in f32 inside the operation,
  /// whatever the type of the data), means and extrema, and functions that do not magnify rounding follow. Sums,
  /// exponentials, logarithms, powers, trigonometry, running sums, recurrent layers, index searches and everything that
  /// is not f32 keeps its type.
  init(_ node: Node, in graph: Graph) {
    self = .keeps
    guard node.results.count == 1, graph.type(of: node.results[0]).elementType == .f32 else { return }
    switch node.op {
    case .convolution, .matmul, .attention: self = .narrows
    case .reshape, .transpose, .broadcast, .slice, .concat, .pad, .gather, .gatherElements, .gatherND, .select, .pool,
      .resize, .layerNorm, .groupNorm:
      self = .follows
    case .softmax(let op): self = op.isLog ? .keeps : .follows
    case .reduce(let op): self = [.mean, .min, .max].contains(op.function) ? .follows : .keeps
    case .unary(let op): self = op.function.magnifiesRounding ? .keeps : .follows
    case .binary(let op): self = [.add, .sub, .mul, .div, .min, .max].contains(op.function) ? .follows : .keeps
    case .constant, .cast, .bitcast, .fused, .iota, .random, .linearAttention, .treeEnsemble, .pairwiseCoupling, .sizes,
      .bindSymbols, .scatterElements,
      .scatterND, .nonZero, .nonMaxSuppression, .argReduce,
      .cumulative, .topK, .sliceOrder, .determinant, .recurrent, .quantizeLinear, .dequantizeLinear, .if, .loop, .copy,
      .fail, .object, .text, .ngramCount:
      break
    }
  }
}

extension Unary.Function {
  /// Whether a rounded operand can make the result wrong by much more than the rounding.
  fileprivate var magnifiesRounding: Bool {
    switch self {
    case .abs, .neg, .tanh, .erf, .sigmoid, .relu, .softplus, .softsign, .mish, .silu, .gelu, .geluTanh, .hardSwish,
      .hardSigmoid, .linear, .clip, .leakyRelu, .elu, .selu, .celu, .thresholdedRelu, .shrink, .sqrt:
      false
    case .exp, .log, .rsqrt, .reciprocal, .square, .sin, .cos, .tan, .asin, .acos, .atan, .sinh, .cosh, .asinh, .acosh,
      .atanh, .ceil, .floor, .round, .sign, .not, .bitNot, .isNaN, .isInf:
      true
    }
  }
}
