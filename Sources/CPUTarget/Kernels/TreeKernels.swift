import SwageKernel
import SwagePartition
import SwageTensor

/// Tree ensembles whose tables are constants, which are checked here once and for all. A unit is a block of rows: all of
/// them walk a tree before the next one is read. Where there are few rows, the trees are dealt to several units in groups,
/// whose results a second kernel combines in their order.
struct TreeKernels {
  /// Rows of a unit.
  private static let block = 16
  /// Operations of a group for one row, at least, and groups, at most.
  private static let (leastWork, mostGroups) = (1 << 14, 16)
  /// Rows from which on there is one group.
  private static let manyRows = 64

  private let op: TreeEnsemble
  private let element: ElementType
  private let table: TreeTable
  private let rows: Dim
  private let width: Dim
  private let start: (value: Expression, marksUnscored: Bool)

  static func make(_ op: TreeEnsemble, _ node: Node, in graph: Graph) -> Recipe? {
    let tables = (1...6).map { node.constant($0, in: graph) }
    guard let type = node.type(0, in: graph), !tables.contains(where: { $0 == nil }),
      let table = try? TreeTable(tables, targets: op.targets, columns: op.columns),
      let start = initial(op.function, table, type.elementType.computeType)
    else { return nil }
    let kernels = TreeKernels(
      op: op, element: type.elementType, table: table, rows: type.shape[0], width: type.shape[1], start: start)
    let operands = (0...6).map { Recipe.Slot.operand($0) }
    var recipe = Recipe()
    let groups = kernels.groups
    guard groups != 1 else {
      return .kernel(kernels.walk(groups: 1), operands: Array(0...6), label: "tree_ensemble")
    }
    let parts = recipe.addTemporary(TensorType(type.elementType, [groups, type.shape[0], Dim(op.targets)]))
    recipe.steps = [
      .init(
        action: .kernel(kernels.walk(groups: groups)), reads: operands, writes: [parts], label: "tree_ensemble"),
      .init(
        action: .kernel(kernels.combine(groups: groups)), reads: [parts], writes: [.result(0)],
        label: "tree_ensemble (groups)", isMain: false),
    ]
    return recipe
  }

  /// Groups that the trees are dealt to.
  private var groups: Dim {
    let most = min(Self.mostGroups, work / Self.leastWork, table.roots.count)
    guard most > 1 else { return 1 }
    return .maximum(1, .minimum(Dim(most), Dim(Self.manyRows).floorDivided(by: rows + 1)))
  }

  /// Operations for one row.
  private var work: Int { Checked.product([table.depth + 1, table.roots.count, 4]) ?? 1 << 20 }

  // MARK: - Trees

  /// What each group of trees gives each row: `[groups, rows, targets]`.
  private func walk(groups: Dim) -> KernelFunction {
    let k = KernelBuilder("tree_ensemble_\(op.function.rawValue)_\(element.name)")
    let x = k.input(element)
    let (nodes, thresholds, roots) = (k.input(.i32), k.input(element), k.input(.i32))
    let (leaves, targets, weights) = (k.input(.i32), k.input(.i32), k.input(element))
    let y = k.output(element)
    let (depth, trees, op, table) = (table.depth, table.roots.count, op, table)
    let blocks = rows.ceilDivided(by: Dim(Self.block))
    let perUnit = Dim.minimum(rows, Dim(Self.block)) * Dim(work)
    k.split(blocks * groups, work: perUnit.floorDivided(by: groups))

    let (rows, width) = (k.size(rows), k.size(width))
    let isWhole = groups == 1
    let number = isWhole ? k.unit : k.let("block", k.unit.remainder(by: k.size(blocks)))
    let group: Expression = isWhole ? 0 : k.let("group", k.unit.divided(by: k.size(blocks)))
    let first = k.let("first", number * .i64(Self.block))
    let count = k.let("count", (rows - first).minimum(.i64(Self.block)))
    let base = k.let("base", (group * rows + first) * .i64(op.targets))
    k.fill(y, at: base, with: start.value, count: count * .i64(op.targets))
    func tree(_ tree: Expression) {
      let root = k.let("root", k.load(roots, tree))
      k.loop("row", to: count) { row in
        let line = k.let("line", (first + row) * width)
        let place = k.variable("place", root)
        k.loop("level", to: .i64(depth), while: place.value.greaterOrEqual(0)) { _ in
          let node = k.let("node", place.value.cast(.i64) * 4)
          let value = k.let("value", k.load(x, line + k.load(nodes, node).cast(.i64)))
          let threshold = k.let("threshold", k.load(thresholds, place.value.cast(.i64)))
          let outcomes = k.let("outcomes", k.load(nodes, node + 1))
          let takesFirst = Self.takesFirst(table, value, threshold, outcomes)
          k.assign(place, k.load(nodes, node + .choose(takesFirst, .i64(2), .i64(3))))
        }
        let leaf = k.let("leaf", (-1 - place.value).cast(.i64))
        func add(_ entry: Expression) {
          let target = op.targets == 1 ? 0 : k.load(targets, entry).cast(.i64)
          let place = k.let("target", base + row * .i64(op.targets) + target)
          k.store(y, place, Self.combined(op.function, k.load(y, place), k.let("weight", k.load(weights, entry))))
        }
        if table.leaves == Array(0...table.weights.count) {
          add(leaf)
        } else {
          let end = k.let("end", k.load(leaves, leaf + 1).cast(.i64))
          k.loop("entry", from: k.load(leaves, leaf).cast(.i64), to: end) { add($0) }
        }
      }
    }
    if isWhole {
      k.loop("tree", to: .i64(trees)) { tree($0) }
      mark(k, y, at: base, count: count * .i64(op.targets))
    } else {
      let share = k.size(groups)
      k.loop(
        "tree", from: k.let("from", (group * .i64(trees)).divided(by: share)),
        to: k.let("to", ((group + 1) * .i64(trees)).divided(by: share))
      ) { tree($0) }
    }
    return k.finish()
  }

  /// The results of all groups as one.
  private func combine(groups: Dim) -> KernelFunction {
    let k = KernelBuilder("tree_groups_\(op.function.rawValue)_\(element.name)")
    let parts = k.input(element)
    let y = k.output(element)
    let count = rows * Dim(op.targets)
    k.split(1, work: count * groups)
    let all = k.size(count)
    k.loop("i", to: all, .vector) { k.store(y, $0, k.load(parts, $0)) }
    k.loop("group", from: 1, to: k.size(groups)) { group in
      k.loop("i", to: all, .vector) { i in
        let value = k.load(parts, group * all + i)
        k.store(y, i, Self.combined(op.function, k.load(y, i), value))
      }
    }
    mark(k, y, at: 0, count: all)
    return k.finish()
  }

  /// Targets without a score get zero.
  private func mark(_ k: KernelBuilder, _ y: KernelBuffer, at base: Expression, count: Expression) {
    guard start.marksUnscored else { return }
    k.loop("i", to: count, .vector) { i in
      let value = k.load(y, base + i)
      k.store(y, base + i, .choose(value.equal(start.value), .literal(0, value.type), value))
    }
  }

  /// What results start with; the mark of a target without a score must be no weight.
  private static func initial(
    _ function: TreeEnsemble.Function, _ table: TreeTable, _ type: ScalarType
  ) -> (value: Expression, marksUnscored: Bool)? {
    switch function {
    case .sum: return (.literal(0, type), false)
    case .min, .max:
      guard table.weights.allSatisfy(\.isFinite) else { return nil }
      return (.float(function == .min ? .infinity : -.infinity, type), true)
    }
  }

  private static func combined(
    _ function: TreeEnsemble.Function, _ old: Expression, _ weight: Expression
  ) -> Expression {
    switch function {
    case .sum: old + weight
    case .min: .choose(weight.lessThan(old), weight, old)
    case .max: .choose(weight.greaterThan(old), weight, old)
    }
  }

  /// Whether a comparison goes to the first child. Where all nodes compare alike, their sets of outcomes are not read.
  private static func takesFirst(
    _ table: TreeTable, _ x: Expression, _ threshold: Expression, _ outcomes: Expression
  ) -> Expression {
    typealias Outcome = TreeEnsemble.Outcome
    let comparison = Outcome.less | Outcome.equal | Outcome.greater
    let sets = Set(table.nodes.map(\.outcomes))
    let isMissing = x.notEqual(x)
    let usual = sets.first.map { $0 & comparison } ?? 0
    if sets.allSatisfy({ $0 & comparison == usual && $0 & Outcome.unordered == 0 }),
      let compares = compares(usual, x, threshold)
    {
      if sets.allSatisfy({ $0 & Outcome.missing == 0 }) { return compares }
      return compares.or(isMissing.and(outcomes.greaterOrEqual(.i32(Outcome.missing))))
    }
    let outcome = Expression.choose(
      x.lessThan(threshold), .i32(Outcome.less),
      .choose(
        x.equal(threshold), .i32(Outcome.equal),
        .choose(
          x.greaterThan(threshold), .i32(Outcome.greater),
          .choose(isMissing, .i32(Outcome.missing), .i32(Outcome.unordered)))))
    return outcomes.bitAnd(outcome).notEqual(0)
  }

  private static func compares(_ outcomes: Int, _ x: Expression, _ threshold: Expression) -> Expression? {
    typealias Outcome = TreeEnsemble.Outcome
    switch outcomes {
    case Outcome.less: return x.lessThan(threshold)
    case Outcome.less | Outcome.equal: return x.lessOrEqual(threshold)
    case Outcome.greater: return x.greaterThan(threshold)
    case Outcome.greater | Outcome.equal: return x.greaterOrEqual(threshold)
    case Outcome.equal: return x.equal(threshold)
    default: return nil
    }
  }
}
