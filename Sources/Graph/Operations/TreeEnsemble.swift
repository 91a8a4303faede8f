import SwageTensor

/// Decision trees that are walked for each row of a matrix. Each tree ends at a leaf, whose weights are combined per target
/// over all trees; a target that no leaf has a weight for is zero.
///
/// Operands: x [rows, columns] (f32 or f64), then the tables:
/// - nodes, i32 [n, 4]: the column that a node reads, the outcomes of its comparison (see `Outcome`) that lead to the first
///   child, the first child, the other child. A child is a node behind its parent (so that walks end), or where negative
///   the leaf `~child`.
/// - thresholds [n], of x's type
/// - roots, i32 [trees], each as a child
/// - leaves, i32 [leaves + 1]: where each leaf's weights begin in the next two
/// - targets, i32 [weights]
/// - weights [weights], of x's type
///
/// Result: [rows, targets] of x's type. Weights are added in the order of the trees, and each sum is rounded: results are
/// the same bit for bit wherever they are computed.
public struct TreeEnsemble: OpDefinition {
  public enum Function: String, Hashable, Sendable, CaseIterable { case sum, min, max }

  /// Bits of a node's set of outcomes of `x[column]` against its threshold.
  public enum Outcome {
    public static let less = 1
    public static let equal = 2
    public static let greater = 4
    /// The threshold is NaN, the element is not.
    public static let unordered = 8
    /// The element is NaN.
    public static let missing = 16
    public static let all = 31
  }

  public static let mnemonic = "tree_ensemble"
  public var function: Function
  public var targets: Int
  /// Columns that nodes may read.
  public var columns: Int

  public init(_ function: Function, targets: Int, columns: Int) {
    self.function = function
    self.targets = targets
    self.columns = columns
  }

  public var attributes: AttributeList {
    AttributeList().with("function", function).with("targets", targets).with("columns", columns)
  }
  public init(_ attributes: inout AttributeReader) throws {
    function = try attributes.word("function")
    targets = try attributes.integer("targets")
    columns = try attributes.integer("columns")
  }
  public var numericClass: NumericClass { .exact }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(7...7)
    let x = try context.type(0)
    try context.require(
      x.rank == 2 && (x.elementType == .f32 || x.elementType == .f64), "trees walk rows of f32 or f64, got \(x)")
    try context.require(targets >= 1 && columns >= 0, "\(targets) targets, \(columns) columns")
    try context.requireModest(targets, "a number of targets")
    try context.requireAtMost(Dim(columns), x.shape[1], "columns that nodes read")
    let tables = try (1...6).map { try context.type($0) }
    for (index, table) in tables.enumerated() {
      let isNumbers = index == 1 || index == 5
      try context.require(
        table.rank == (index == 0 ? 2 : 1) && table.elementType == (isNumbers ? x.elementType : .i32),
        "table \(index) is \(table)")
    }
    try context.requireEqual(tables[0].shape[1], 4, "entries of a node")
    try context.requireEqual(tables[0].shape[0], tables[1].shape[0], "nodes and thresholds")
    try context.requireEqual(tables[4].shape[0], tables[5].shape[0], "targets and weights")
    return [TensorType(x.elementType, [x.shape[0], Dim(targets)])]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let table = try TreeTable(Array(operands.dropFirst()), targets: targets, columns: columns)
    let x = operands[0]!
    let (rows, width) = (x.shape[0], x.shape[1])
    try context.checkAllocation(x.elementType, [rows, targets])
    let values = x.doubles
    let isSingle = x.elementType == .f32
    var result = [Double](repeating: 0, count: rows * targets)
    var isScored = [Bool](repeating: false, count: targets)
    for row in 0..<rows {
      for target in 0..<targets { isScored[target] = false }
      for root in table.roots {
        let leaf = table.leaf(from: root) { values[row * width + $0] }
        for entry in table.leaves[leaf]..<table.leaves[leaf + 1] {
          let (target, weight) = (table.targets[entry], table.weights[entry])
          let place = row * targets + target
          let old = result[place]
          switch function {
          case .sum: result[place] = isSingle ? Double(Float(old) + Float(weight)) : old + weight
          case .min: result[place] = !isScored[target] || weight < old ? weight : old
          case .max: result[place] = !isScored[target] || weight > old ? weight : old
          }
          isScored[target] = true
        }
      }
    }
    return [Tensor(x.elementType, [rows, targets], doubles: result)]
  }

  /// A walk of ten nodes of each tree.
  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let rows = operands[0]?.shape.first, let trees = operands[3]?.shape.first else { return 0 }
    return rows * trees * 20
  }
}
