import SwageGraph
import SwageTensor

/// The trees of a model in any order of nodes, on their way to the tables of the operation.
struct Forest {
  struct Branch {
    var column: Int
    /// See `TreeEnsemble.Outcome`.
    var outcomes: Int
    var threshold: Double
    /// Index of a branch, or `~leaf`.
    var first: Int
    var other: Int
  }

  struct Weight {
    var target: Int
    var value: Double
  }

  var branches: [Branch] = []
  /// The weights of each leaf.
  var leaves: [[Weight]] = []
  /// Each as a child.
  var roots: [Int] = []

  /// The operands of the operation behind the first, without what no root reaches.
  func tables(_ type: ElementType) throws -> [Tensor] {
    let order = try sorted()
    var places = [Int](repeating: 0, count: branches.count)
    for (place, branch) in order.enumerated() { places[branch] = place }
    func placed(_ child: Int) -> Int64 { Int64(child < 0 ? child : places[child]) }
    let nodes = order.flatMap { index -> [Int64] in
      let branch = branches[index]
      return [Int64(branch.column), Int64(branch.outcomes), placed(branch.first), placed(branch.other)]
    }
    let starts = leaves.reduce(into: [Int64(0)]) { $0.append($0[$0.count - 1] + Int64($1.count)) }
    let weights = leaves.flatMap { $0 }
    return [
      Tensor(.i32, [order.count, 4], integers: nodes),
      Tensor(type, [order.count], doubles: order.map { branches[$0].threshold }),
      Tensor(.i32, [roots.count], integers: roots.map { placed($0) }),
      Tensor(.i32, [starts.count], integers: starts),
      Tensor(.i32, [weights.count], integers: weights.map { Int64($0.target) }),
      Tensor(type, [weights.count], doubles: weights.map(\.value)),
    ]
  }

  /// Columns that nodes read.
  var columns: Int { branches.reduce(0) { max($0, $1.column + 1) } }

  /// The same trees with other weights.
  func mapWeights(_ change: (Double) -> Double) -> Forest {
    var copy = self
    copy.leaves = leaves.map { $0.map { Weight(target: $0.target, value: change($0.value)) } }
    return copy
  }

  /// Branches that roots reach, each before its children: a depth-first search, whose order of leaving is turned around.
  private func sorted() throws -> [Int] {
    enum Mark { case unseen, open, done }
    var marks = [Mark](repeating: .unseen, count: branches.count)
    var left: [Int] = []
    for root in roots.reversed() {
      var stack = try check(root) ? [root] : []
      while let top = stack.last {
        switch marks[top] {
        case .unseen:
          marks[top] = .open
          for child in [branches[top].first, branches[top].other] where try check(child) {
            if marks[child] == .open { throw NodeFault.invalid("its trees have a cycle") }
            if marks[child] == .unseen { stack.append(child) }
          }
        case .open:
          marks[top] = .done
          left.append(top)
          stack.removeLast()
        case .done: stack.removeLast()
        }
      }
    }
    return left.reversed()
  }

  /// Whether a child is a branch; it must exist.
  private func check(_ child: Int) throws -> Bool {
    guard child < 0 ? ~child < leaves.count : child < branches.count else {
      throw NodeFault.invalid("a node of its trees is missing")
    }
    return child >= 0
  }
}

extension Forest {
  /// What is known before the run of whether rows have a score for a target.
  enum Scores { case always, never, sometimes }

  /// Whether rows always have a score for each of so many targets; false where that takes too long to find out.
  func alwaysScores(targets: Int) -> Bool {
    if leaves.allSatisfy({ $0.count <= 1 }) { return targetsOfWholeTrees().count == targets }
    let isLarge = Checked.product([leaves.count, targets]).map { $0 > 1 << 22 } ?? true
    return !isLarge && (0..<targets).allSatisfy { scores($0) == .always }
  }

  /// Targets that all leaves of some tree have a weight for, where no leaf has several: a tree for each class.
  private func targetsOfWholeTrees() -> Set<Int> {
    guard let order = try? sorted() else { return [] }
    let none = -1
    var targets = [Int](repeating: none, count: branches.count)
    func target(_ child: Int) -> Int { child < 0 ? leaves[~child].first?.target ?? none : targets[child] }
    for index in order.reversed() {
      let (first, other) = (target(branches[index].first), target(branches[index].other))
      targets[index] = first == other ? first : none
    }
    return Set(roots.map { target($0) }).subtracting([none])
  }

  /// Always: every leaf of some tree has a weight for the target.
  func scores(_ target: Int) -> Scores {
    var (isInSome, isInAll) = (
      [Bool](repeating: false, count: branches.count), [Bool](repeating: false, count: branches.count)
    )
    let leafHas = leaves.map { $0.contains { $0.target == target } }
    guard let order = try? sorted() else { return .sometimes }
    func some(_ child: Int) -> Bool { child < 0 ? leafHas[~child] : isInSome[child] }
    func all(_ child: Int) -> Bool { child < 0 ? leafHas[~child] : isInAll[child] }
    for index in order.reversed() {
      let branch = branches[index]
      isInSome[index] = some(branch.first) || some(branch.other)
      isInAll[index] = all(branch.first) && all(branch.other)
    }
    if roots.contains(where: { all($0) }) { return .always }
    return roots.contains(where: { some($0) }) ? .sometimes : .never
  }
}
