import SwageTensor

/// One step of a kernel.
public indirect enum Statement: Hashable, Sendable {
  /// A line for the reader of the generated code.
  case comment(String)
  case constant(Variable, Expression)
  case variable(Variable, Expression)
  case assign(Variable, Expression)
  case array(LocalArray)
  case setElement(LocalArray, Expression, Expression)
  /// Converts from the compute type: floats round to nearest even, integers keep their low bits.
  case store(KernelBuffer, Expression, Expression)
  case loop(Loop)
  case branch(Expression, then: [Statement], else: [Statement])
  /// Copies `count` elements of one type; the ranges do not overlap.
  case copy(to: KernelBuffer, toIndex: Expression, from: KernelBuffer, fromIndex: Expression, count: Expression)
  /// Copies a square of `transposeTile` rows and columns, exchanging the two: to[c · toStride + r] = from[r ·
  /// fromStride + c]. The buffers hold unsigned integers of at least 8 bits and do not overlap.
  case transpose(
    to: KernelBuffer, toIndex: Expression, toStride: Expression, from: KernelBuffer, fromIndex: Expression,
    fromStride: Expression)

  /// Rows and columns of `transpose`.
  public static let transposeTile = 16

  public struct Loop: Hashable, Sendable {
    public enum Hint: String, Hashable, Sendable {
      case plain
      /// Iterations are independent of each other: vectorise.
      case vector
      /// Vectorise; sums of floats inside may be taken in any order.
      case reduction
      /// Unroll fully.
      case unroll
    }

    public var index: Variable
    public var from: Expression
    public var to: Expression
    /// Ends the loop before an iteration in which it is false.
    public var condition: Expression?
    public var step: Int
    public var hint: Hint
    public var body: [Statement]
  }
}
