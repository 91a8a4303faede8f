import SwageGraph
import SwageTensor
import Testing

@Suite struct LoweredTreeTests {
  /// Trees of a given depth whose nodes compare with `outcomes`.
  private static func tables(
    _ random: inout SeededNumbers, _ type: ElementType, trees: Int, depth: Int, targets: Int, outcomes: [Int64],
    weightsPerLeaf: Int
  ) -> [Tensor] {
    let inner = (1 << depth) - 1
    var nodes: [Int64] = []
    for tree in 0..<trees {
      for node in 0..<inner {
        func child(_ index: Int) -> Int64 {
          Int64(index < inner ? tree * inner + index : ~(tree * (inner + 1) + index - inner))
        }
        nodes += [
          Int64(random.tensor(.u8, [1]).integers[0] % 5), outcomes[(tree + node) % outcomes.count], child(2 * node + 1),
          child(2 * node + 2),
        ]
      }
    }
    let leaves = trees * (inner + 1)
    let weights = leaves * weightsPerLeaf
    return [
      Tensor(.i32, [trees * inner, 4], integers: nodes),
      Tensor(type, [trees * inner], doubles: random.tensor(.f32, [trees * inner]).doubles.map { $0.rounded() / 2 }),
      Tensor(.i32, [trees], integers: (0..<trees).map { Int64(inner == 0 ? ~$0 : $0 * inner) }),
      Tensor(.i32, [leaves + 1], integers: (0...leaves).map { Int64($0 * weightsPerLeaf) }),
      Tensor(.i32, [weights], integers: (0..<weights).map { Int64($0 % targets) }), random.tensor(type, [weights]),
    ]
  }

  @Test func ensembles() throws {
    var random = SeededNumbers(31)
    let cases = LoweredCases()
    let sets: [[Int64]] = [[3], [1], [6], [4], [2], [29], [3, 19], [3, 1, 6, 4, 2, 29, 18, 31, 0]]
    for outcomes in sets {
      for (type, function, targets, perLeaf) in [
        (.f32, .sum, 1, 1), (.f64, .max, 3, 1), (.f32, .min, 3, 2),
      ] as [(ElementType, TreeEnsemble.Function, Int, Int)] {
        for depth in [0, 1, 4] {
          let tables = Self.tables(
            &random, type, trees: 5, depth: depth, targets: targets, outcomes: outcomes, weightsPerLeaf: perLeaf)
          var values = random.tensor(.f32, [37, 5]).doubles.map { ($0 * 2).rounded() / 2 }
          for hole in stride(from: 0, to: values.count, by: 7) { values[hole] = .nan }
          try cases.single(
            "\(function) \(type) \(outcomes) \(depth)",
            .treeEnsemble(TreeEnsemble(function, targets: targets, columns: 5)),
            [.symbolic(Tensor(type, [37, 5], doubles: values), [.symbol("n"), 5])] + tables.map { .constant($0) },
            tolerance: 0)
        }
      }
    }
    try cases.check()
  }

  @Test func fewRowsOfManyTrees() throws {
    var random = SeededNumbers(33)
    let cases = LoweredCases()
    for (type, function, targets, tolerance) in [
      (.f32, .sum, 1, 1e-5), (.f64, .max, 3, 0), (.f32, .min, 2, 0),
    ] as [(ElementType, TreeEnsemble.Function, Int, Double)] {
      let tables = Self.tables(
        &random, type, trees: 2500, depth: 4, targets: targets, outcomes: [3], weightsPerLeaf: 1)
      for rows in [0, 1, 5, 70] {
        let values = random.tensor(.f32, [rows, 5]).doubles.map { ($0 * 2).rounded() / 2 }
        for size in [Dim.symbol("n"), Dim(rows)] {
          try cases.single(
            "\(function) \(rows) \(size)", .treeEnsemble(TreeEnsemble(function, targets: targets, columns: 5)),
            [.symbolic(Tensor(type, [rows, 5], doubles: values), [size, 5])] + tables.map { .constant($0) },
            tolerance: tolerance)
        }
      }
    }
    try cases.check()
  }

  @Test func coupling() throws {
    var random = SeededNumbers(32)
    let cases = LoweredCases()
    for classes in [2, 3, 7] {
      let count = classes * (classes - 1) / 2
      let pairs = random.tensor(.f32, [9, count]).doubles.map { 0.5 + 0.49 * max(-1, min(1, $0)) }
      try cases.single(
        "\(classes) classes", .pairwiseCoupling(PairwiseCoupling(classes: classes)),
        [.symbolic(Tensor(.f32, [9, count], doubles: pairs), [.symbol("n"), Dim(count)])])
    }
    try cases.check()
  }
}
