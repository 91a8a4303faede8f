import SwageTensor

/// The tables of a `TreeEnsemble`, checked: every walk stays inside and ends.
public struct TreeTable: Sendable {
  public struct Node: Hashable, Sendable {
    public var column: Int
    public var outcomes: Int
    public var threshold: Double
    /// A node, or `~leaf`.
    public var first: Int
    public var other: Int
  }

  public let nodes: [Node]
  public let roots: [Int]
  public let leaves: [Int]
  public let targets: [Int]
  public let weights: [Double]

  /// - Parameter tables: the operands of the operation behind the first.
  public init(_ tables: [Tensor?], targets targetCount: Int, columns: Int) throws {
    let tables = tables.compactMap { $0 }
    guard tables.count == 6, tables[0].count == 4 * tables[1].count, tables[4].count == tables[5].count else {
      throw TypeFault("the tables of a tree ensemble do not fit together")
    }
    let entries = tables[0].integers.map { Int($0) }
    let thresholds = tables[1].doubles
    nodes = thresholds.indices.map {
      Node(
        column: entries[4 * $0], outcomes: entries[4 * $0 + 1], threshold: thresholds[$0], first: entries[4 * $0 + 2],
        other: entries[4 * $0 + 3])
    }
    roots = tables[2].integers.map { Int($0) }
    leaves = tables[3].integers.map { Int($0) }
    targets = tables[4].integers.map { Int($0) }
    weights = tables[5].doubles
    try check(targetCount, columns)
  }

  private func check(_ targetCount: Int, _ columns: Int) throws {
    guard leaves.first == 0, leaves.last == weights.count, zip(leaves, leaves.dropFirst()).allSatisfy({ $0 <= $1 }),
      targets.allSatisfy({ (0..<targetCount).contains($0) })
    else { throw TypeFault("the leaves of a tree ensemble do not fit its \(weights.count) weights") }
    func isChild(_ child: Int, of parent: Int) -> Bool {
      child < 0 ? ~child < leaves.count - 1 : child > parent && child < nodes.count
    }
    for (index, node) in nodes.enumerated() {
      guard (0..<columns).contains(node.column), (0...TreeEnsemble.Outcome.all).contains(node.outcomes),
        isChild(node.first, of: index), isChild(node.other, of: index)
      else { throw TypeFault("node \(index) of a tree ensemble is \(node)") }
    }
    for root in roots where !isChild(root, of: -1) { throw TypeFault("\(root) is no root of a tree ensemble") }
  }

  /// The leaf at which a walk ends.
  func leaf(from root: Int, _ value: (Int) -> Double) -> Int {
    var place = root
    while place >= 0 {
      let node = nodes[place]
      place = node.outcomes & Self.outcome(value(node.column), node.threshold) != 0 ? node.first : node.other
    }
    return ~place
  }

  private static func outcome(_ x: Double, _ threshold: Double) -> Int {
    if x < threshold { return TreeEnsemble.Outcome.less }
    if x == threshold { return TreeEnsemble.Outcome.equal }
    if x > threshold { return TreeEnsemble.Outcome.greater }
    return x.isNaN ? TreeEnsemble.Outcome.missing : TreeEnsemble.Outcome.unordered
  }

  /// Nodes on the longest walk.
  public var depth: Int {
    var depths = [Int](repeating: 1, count: nodes.count)
    for index in nodes.indices.reversed() {
      for child in [nodes[index].first, nodes[index].other] where child >= 0 {
        depths[index] = max(depths[index], depths[child] + 1)
      }
    }
    return roots.reduce(0) { $1 >= 0 ? max($0, depths[$1]) : $0 }
  }
}
