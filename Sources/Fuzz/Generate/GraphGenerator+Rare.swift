import SwageGraph
import SwageTensor

/// Operations that few models have.
extension GraphGenerator {
  mutating func rare() {
    switch random.below(5) {
    case 0: determinant()
    case 1: sliceOrder()
    case 2: suppression()
    case 3: trees()
    default: coupling()
    }
  }

  private mutating func determinant() {
    let n = size()
    guard let x = operand(TensorType(floatType(), shape().prefix(2) + [n, n])) else { return }
    append(.determinant(Determinant()), [x])
  }

  private mutating func sliceOrder() {
    guard let x = value(where: { $0.rank > 0 && $0.elementType.bitWidth >= 8 }) else { return }
    append(.sliceOrder(SliceOrder(axis: random.below(type(x).rank))), [x])
  }

  private mutating func suppression() {
    let (batch, classes, boxes) = (Dim(random.within(1...2)), Dim(random.within(1...3)), size())
    guard let corners = operand(TensorType(.f32, [batch, boxes, 4]), .positive),
      let scores = operand(TensorType(.f32, [batch, classes, boxes])),
      let limit = operand(TensorType(.i64, [1]), .range(0...4)), let overlap = scalar(random.unit(), .f32)
    else { return }
    var operands: [ValueID?] = [corners, scores, limit, overlap]
    if random.chance(50), let least = scalar(0, .f32) { operands.append(least) }
    append(
      .nonMaxSuppression(NonMaxSuppression(isCentered: random.chance(50), symbol: freshSymbol())), operands)
  }

  /// Pairs of classes, one to five of them.
  private mutating func coupling() {
    let classes = random.within(1...5)
    guard let x = operand(TensorType(.f32, [size(), Dim(classes * (classes - 1) / 2)])),
      let pairs = node(.unary(Unary(.sigmoid)), [x])
    else { return }
    append(.pairwiseCoupling(PairwiseCoupling(classes: classes)), [pairs])
  }

  // MARK: - Trees

  private struct Forest {
    var nodes: [Int64] = []
    var leaves = 0

    /// A node's place, or that of a leaf as its complement.
    mutating func grow(_ depth: Int, columns: Int, _ random: inout FuzzRandom) -> Int64 {
      guard depth > 0, random.chance(75) else {
        leaves += 1
        return ~Int64(leaves - 1)
      }
      let place = nodes.count
      nodes += [Int64(random.below(columns)), Int64(random.below(TreeEnsemble.Outcome.all + 1)), 0, 0]
      for child in 2...3 { nodes[place + child] = grow(depth - 1, columns: columns, &random) }
      return Int64(place / 4)
    }
  }

  private mutating func trees() {
    let element = random.pick([ElementType.f32, .f64])
    let (columns, targets) = (random.within(1...4), random.within(1...3))
    guard let x = operand(TensorType(element, [size(), Dim(columns + random.below(2))])) else { return }
    var forest = Forest()
    let roots = (0..<random.within(1...4)).map { _ in forest.grow(3, columns: columns, &random) }
    var starts: [Int64] = [0]
    for _ in 0..<forest.leaves { starts.append(starts[starts.count - 1] + Int64(random.below(3))) }
    let weights = Int(starts[starts.count - 1])
    let tables = [
      constant(Tensor(.i32, [forest.nodes.count / 4, 4], integers: forest.nodes)),
      constant(element, [forest.nodes.count / 4]),
      constant(Tensor(.i32, [roots.count], integers: roots)),
      constant(Tensor(.i32, [starts.count], integers: starts)),
      constant(.i32, [weights], .range(0...targets - 1)),
      constant(element, [weights]),
    ]
    append(
      .treeEnsemble(
        TreeEnsemble(random.pick(TreeEnsemble.Function.allCases), targets: targets, columns: columns)), [x] + tables)
  }
}
