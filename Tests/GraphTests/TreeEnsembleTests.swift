import SwageGraph
import SwageTensor
import Testing

@Suite("Tree ensembles") struct TreeEnsembleTests {
  /// Node 0: x[0] <= 0.5 ? node 1 : leaf 0; node 1: x[1] == 2 or x[1] is NaN ? leaf 1 : leaf 2. The second tree is leaf 0.
  /// Leaf 0 gives 1 to target 0, leaf 1 gives -2 to target 1, leaf 2 gives 4 to both.
  static let tables = [
    Tensor(.i32, [2, 4], integers: [0, 3, 1, ~0, 1, 18, ~1, ~2]), Tensor(floats: [0.5, 2], [2]),
    Tensor(.i32, [2], integers: [0, ~0]), Tensor(.i32, [4], integers: [0, 1, 2, 4]),
    Tensor(.i32, [4], integers: [0, 1, 0, 1]), Tensor(floats: [1, -2, 4, 4], [4]),
  ]

  static func result(_ function: TreeEnsemble.Function, _ tables: [Tensor] = tables, columns: Int = 2) throws
    -> [Double]
  {
    var context = EvaluationContext()
    let x = Tensor(floats: [1, 0, 0.5, 2, 0, .nan, .nan, 2, 0, 3], [5, 2])
    return try TreeEnsemble(function, targets: 2, columns: columns).evaluate([x] + tables, &context)[0].doubles
  }

  @Test func walks() throws {
    #expect(try Self.result(.sum) == [2, 0, 1, -2, 1, -2, 2, 0, 5, 4])
    #expect(try Self.result(.min) == [1, 0, 1, -2, 1, -2, 1, 0, 1, 4])
    #expect(try Self.result(.max) == [1, 0, 1, -2, 1, -2, 1, 0, 4, 4])
  }

  @Test("sums are rounded in the order of the trees") func rounds() throws {
    let roots = Tensor(.i32, [3], integers: [~0, ~1, ~2])
    let tables = [
      Tensor(.i32, [0, 4], integers: []), Tensor(floats: [], [0]), roots, Tensor(.i32, [4], integers: [0, 1, 2, 3]),
      Tensor(.i32, [3], integers: [0, 0, 0]), Tensor(floats: [0x1p24, 1, 1], [3]),
    ]
    #expect(try Self.result(.sum, tables)[0] == 0x1p24)
  }

  @Test(
    "tables that lead astray are refused",
    arguments: [
      (0, Tensor(.i32, [2, 4], integers: [0, 3, 0, ~0, 1, 18, ~1, ~2])),
      (0, Tensor(.i32, [2, 4], integers: [0, 3, 1, ~0, 1, 18, 0, ~2])),
      (0, Tensor(.i32, [2, 4], integers: [0, 3, 2, ~0, 1, 18, ~1, ~2])),
      (0, Tensor(.i32, [2, 4], integers: [0, 3, 1, ~3, 1, 18, ~1, ~2])),
      (0, Tensor(.i32, [2, 4], integers: [2, 3, 1, ~0, 1, 18, ~1, ~2])),
      (0, Tensor(.i32, [2, 4], integers: [-1, 3, 1, ~0, 1, 18, ~1, ~2])),
      (0, Tensor(.i32, [2, 4], integers: [0, 32, 1, ~0, 1, 18, ~1, ~2])),
      (1, Tensor(floats: [0], [1])),
      (2, Tensor(.i32, [2], integers: [2, ~0])), (2, Tensor(.i32, [2], integers: [0, -2_147_483_648])),
      (3, Tensor(.i32, [4], integers: [0, 2, 1, 4])), (3, Tensor(.i32, [4], integers: [0, 1, 2, 5])),
      (3, Tensor(.i32, [4], integers: [-1, 1, 2, 4])), (3, Tensor(.i32, [0], integers: [])),
      (4, Tensor(.i32, [4], integers: [0, 2, 0, 1])), (4, Tensor(.i32, [4], integers: [0, -1, 0, 1])),
      (5, Tensor(floats: [1], [1])),
    ] as [(Int, Tensor)]) func refuses(index: Int, table: Tensor)
  {
    var tables = Self.tables
    tables[index] = table
    #expect(throws: TypeFault.self) { try Self.result(.sum, tables) }
  }

  @Test("of two classes the pair's probability is refined only to the tolerance") func couples() throws {
    var context = EvaluationContext()
    let pairs = Tensor(floats: [0.5, 0.5, 0.5, 0.9, 0.8, 0.3], [2, 3])
    let result = try PairwiseCoupling(classes: 3).evaluate([pairs], &context)[0].doubles
    #expect(result[..<3].allSatisfy { abs($0 - 1.0 / 3) < 1e-6 })
    #expect(abs(result[3...].reduce(0, +) - 1) < 1e-6 && result[3] > result[5] && result[5] > result[4])
  }
}
