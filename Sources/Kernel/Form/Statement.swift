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
  /// fromStride + c]. Elements are of one type, of at least 8 bits, and the squares do not overlap.
  case transpose(to: Place, toStride: Expression, from: Place, fromStride: Expression)

  /// A product of matrices that are small in one direction.
  case product(Product)

  /// The products that stand here or further in.
  public var products: [Product] {
    switch self {
    case .product(let product): [product]
    case .loop(let loop): loop.body.flatMap(\.products)
    case .branch(_, let then, let otherwise): (then + otherwise).flatMap(\.products)
    default: []
    }
  }

  /// Whether elements of less than a byte are stored here or further in: writes to one byte must come one after the
  /// other.
  public var sharesBytes: Bool {
    switch self {
    case .store(let buffer, _, _): buffer.elementType.isPacked
    case .loop(let loop): loop.body.contains(where: \.sharesBytes)
    case .branch(_, let then, let otherwise): (then + otherwise).contains(where: \.sharesBytes)
    default: false
    }
  }

  /// Whether a loop that is to be vectorised is here or further in.
  var holdsVectorLoop: Bool {
    switch self {
    case .loop(let loop):
      [.vector, .reduction, .tail].contains(loop.hint) || loop.body.contains(where: \.holdsVectorLoop)
    case .branch(_, let then, let otherwise): (then + otherwise).contains(where: \.holdsVectorLoop)
    default: false
    }
  }

  /// Where a matrix begins.
  public enum Place: Hashable, Sendable {
    case buffer(KernelBuffer, Expression)
    case array(LocalArray, Expression)

    public var elementType: ElementType {
      switch self {
      case .buffer(let buffer, _): buffer.elementType
      case .array(let array, _): array.elementType
      }
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
      /// As `vector`, for less than a few vectors: elements that are none are masked where the machine can do so.
      case tail
      /// Iterations one after the other: those of different places would be gathered and scattered.
      case sequential
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

  /// to[r · toStride + p · columns + c] = Σ left[r · leftStride + u · leftDistance + i] · panel[p · panelSize +
  /// (u · depth + i) · columns + c], added to what is there where `accumulates`, over `rows` rows, `panels` panels of
  /// exactly `columns` columns, and `runs` runs of `depth` terms. All elements are f32, or all f64. The terms of an element
  /// are summed in one order, whatever the number of rows.
  ///
  /// There may be several `groups` of so many rows: group g begins g · groupDistance behind `left`, and the rows of its
  /// results follow those of the group before.
  ///
  /// Elements of bf16 are summed in f32; those of u8, whose panels are of i8, in i32, which wraps. Their panels hold two
  /// or four terms beside each other, as matrix units take them: term i of a run is at (i / n · columns + c) · n + i % n.
  /// Zeros follow where `depth` is no multiple of n.
  public struct Product: Hashable, Sendable {
    public var to: Place
    public var toStride: Expression
    public var left: Place
    public var leftStride: Expression
    public var leftDistance: Expression
    public var panel: Place
    public var panelSize: Expression
    public var panels: Expression
    public var rows: Expression
    public var groups: Expression
    public var groupDistance: Expression
    public var runs: Expression
    public var depth: Expression
    public var columns: Int
    public var accumulates: Bool
    /// Whether the panels behind these come next, from far away: they may be asked for.
    public var isFollowed: Bool

    public init(
      to: Place, stride toStride: Expression, left: Place, stride leftStride: Expression,
      distance leftDistance: Expression = 0, panel: Place, size panelSize: Expression, count panels: Expression,
      rows: Expression, groups: Expression = 1, groupDistance: Expression = 0, runs: Expression = 1,
      depth: Expression, columns: Int, accumulates: Bool, isFollowed: Bool = false
    ) {
      self.to = to
      self.toStride = toStride
      self.left = left
      self.leftStride = leftStride
      self.leftDistance = leftDistance
      self.panel = panel
      self.panelSize = panelSize
      self.panels = panels
      self.rows = rows
      self.groups = groups
      self.groupDistance = groupDistance
      self.runs = runs
      self.depth = depth
      self.columns = columns
      self.accumulates = accumulates
      self.isFollowed = isFollowed
    }

    /// The type of sums of products of `type`; nil where there are no such products.
    public static func sums(of type: ElementType) -> ElementType? {
      switch type {
      case .f32, .bf16: .f32
      case .f64: .f64
      case .u8: .i32
      default: nil
      }
    }

    /// The type of panels that elements of `type` are multiplied with.
    public static func panels(of type: ElementType) -> ElementType { type == .u8 ? .i8 : type }

    /// Terms that lie beside each other in a panel.
    public static func termsTogether(_ type: ElementType) -> Int {
      switch type {
      case .bf16: 2
      case .u8: 4
      default: 1
      }
    }

    /// Columns of a product: what the innermost loops keep in registers.
    public static let columnCounts = [8, 16, 32]
  }
}
