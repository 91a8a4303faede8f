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

  /// A product of matrices that are small in one direction.
  case product(Product)

  /// Whether a product stands here or further in.
  public var containsProduct: Bool {
    switch self {
    case .product: true
    case .loop(let loop): loop.body.contains(where: \.containsProduct)
    case .branch(_, let then, let otherwise): (then + otherwise).contains(where: \.containsProduct)
    default: false
    }
  }

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

  /// to[r · toStride + c] = Σ left[r · leftStride + i] · panel[i · panelStride + c], added to what is there where
  /// `accumulates`, over `rows` rows, `depth` terms and exactly `columns` columns. All elements are f32, or all f64. The
  /// terms of an element are summed in one order, whatever the number of rows.
  public struct Product: Hashable, Sendable {
    /// Where a matrix begins.
    public enum Place: Hashable, Sendable {
      case buffer(KernelBuffer, Expression)
      case array(LocalArray, Expression)

      public var type: ScalarType {
        switch self {
        case .buffer(let buffer, _): buffer.elementType.computeType
        case .array(let array, _): array.type
        }
      }
    }

    public var to: Place
    public var toStride: Expression
    public var left: Place
    public var leftStride: Expression
    public var panel: Place
    public var panelStride: Expression
    public var rows: Expression
    public var depth: Expression
    public var columns: Int
    public var accumulates: Bool

    public init(
      to: Place, stride toStride: Expression, left: Place, stride leftStride: Expression, panel: Place,
      stride panelStride: Expression, rows: Expression, depth: Expression, columns: Int, accumulates: Bool
    ) {
      self.to = to
      self.toStride = toStride
      self.left = left
      self.leftStride = leftStride
      self.panel = panel
      self.panelStride = panelStride
      self.rows = rows
      self.depth = depth
      self.columns = columns
      self.accumulates = accumulates
    }

    /// Columns of a product: what the innermost loops keep in registers.
    public static let columnCounts = [8, 16, 32]
  }
}
