/// A routine of the CPU library (oneDNN). Shapes come from the operands and results.
public enum LibraryCall: Hashable, Sendable {
  case convolution(ConvolutionCall)
  case matmul(MatMulCall)
}

/// Convolution, or its transpose.
///
/// Operands: input, weights, then bias where `hasBias`, then the tensors that `postOps` name by operand index.
/// The input and the result are `[n, spatial…, c]` where `channelsLast`, else `[n, c, spatial…]`. Weights are in ONNX
/// order: `[m, c/groups, kernel…]`, for the transpose `[c, m/groups, kernel…]`.
public struct ConvolutionCall: Hashable, Sendable {
  public var strides: [Int]
  public var dilations: [Int]
  public var padsBegin: [SizeID]
  public var padsEnd: [SizeID]
  public var groups: Int
  public var channelsLast: Bool
  public var isTransposed: Bool
  public var hasBias: Bool
  public var postOps: [PostOp]

  public init(
    strides: [Int], dilations: [Int], padsBegin: [SizeID], padsEnd: [SizeID], groups: Int, channelsLast: Bool,
    isTransposed: Bool, hasBias: Bool, postOps: [PostOp]
  ) {
    self.strides = strides
    self.dilations = dilations
    self.padsBegin = padsBegin
    self.padsEnd = padsEnd
    self.groups = groups
    self.channelsLast = channelsLast
    self.isTransposed = isTransposed
    self.hasBias = hasBias
    self.postOps = postOps
  }
}

/// `a · b` with NumPy's batch broadcasting; each operand is transposed in its last two axes where told so.
///
/// Operands: a, b, then bias where `hasBias` (`[n]`), then the tensors that `postOps` name by operand index.
public struct MatMulCall: Hashable, Sendable {
  public var transposeA: Bool
  public var transposeB: Bool
  public var hasBias: Bool
  public var postOps: [PostOp]

  public init(transposeA: Bool, transposeB: Bool, hasBias: Bool, postOps: [PostOp]) {
    self.transposeA = transposeA
    self.transposeB = transposeB
    self.hasBias = hasBias
    self.postOps = postOps
  }
}

/// Work on the result before it is stored, in order. `x` is the value so far.
public enum PostOp: Hashable, Sendable {
  public enum Function: UInt32, Hashable, Sendable, CaseIterable {
    case relu = 0
    case sigmoid = 1
    case tanh = 2
    /// x · sigmoid(alpha · x)
    case swish = 3
    case geluErf = 4
    case geluTanh = 5
    case exp = 6
    case abs = 7
    case sqrt = 8
    case square = 9
    /// x · min(max(x + 3, 0), 6) / 6
    case hardSwish = 10
    /// alpha · x + beta
    case linear = 11
    /// min(max(x, alpha), beta)
    case clip = 12
    /// x < 0 ? alpha · x : x
    case leakyRelu = 13
    /// x < 0 ? alpha · (exp(x) - 1) : x
    case elu = 14
  }

  public enum Combination: UInt32, Hashable, Sendable, CaseIterable {
    case add = 0
    case multiply = 1
    case maximum = 2
    case minimum = 3
    case subtract = 4
    case divide = 5
  }

  case function(Function, alpha: Float, beta: Float)
  /// Combines with an operand that broadcasts to the result.
  case combine(Combination, operand: Int)
}
