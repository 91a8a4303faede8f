import SwageGraph
import SwagePartition
import SwageTensor
import Testing

/// Kernels whose results are decisions, and determinants, against the reference evaluator.
@Suite struct LoweredDetectionTests {
  @Test func suppressionPicksTheSameBoxes() throws {
    var random = SeededNumbers(31)
    let cases = LoweredCases()
    for (batches, classes, count) in [(1, 1, 1), (1, 2, 200), (3, 2, 17), (2, 3, 0), (0, 1, 4)] {
      // Few different scores, so that many are equal.
      let scores = Tensor(
        .f32, [batches, classes, count],
        doubles: (0..<batches * classes * count).map { _ in Double(random.next() % 16) / 16 })
      let boxes = random.tensor(.f32, [batches, count, 4], scale: 1)
      for (isCentered, limit, overlap, threshold) in [
        (false, 9, 0.3, 0.25), (true, 300, 0.5, nil), (false, 0, 0.5, nil),
      ]
        as [(Bool, Int64, Double, Double?)]
      {
        let op = NonMaxSuppression(isCentered: isCentered, symbol: "k")
        let numbers: [LoweredCases.Operand] = [
          .constant(Tensor(.i64, [1], integers: [limit])), .constant(Tensor(.f32, [], doubles: [overlap])),
          threshold.map { .input(Tensor(.f32, [1], doubles: [$0])) } ?? .absent,
        ]
        try cases.single(
          "suppression", .nonMaxSuppression(op), [.input(boxes), .input(scores)] + numbers, tolerance: 0)
        try cases.single(
          "suppression symbolic", .nonMaxSuppression(op),
          [
            .symbolic(boxes, [.symbol("b"), .symbol("n"), 4]),
            .symbolic(scores, [.symbol("b"), .symbol("c"), .symbol("n")]),
          ] + numbers, tolerance: 0)
      }
    }
    try cases.check()
  }

  @Test func slicesAreSortedStably() throws {
    var random = SeededNumbers(32)
    let cases = LoweredCases()
    for type in [ElementType.f32, .bf16, .i64, .u8, .bool, .u64] {
      for (shape, axis) in [([50], 0), ([3, 40, 2], 1), ([2, 9], 0), ([4, 1], 1), ([0, 3], 0), ([5, 0], 0)] {
        let count = shape.reduce(1, *)
        var x = Tensor(type, shape, integers: (0..<count).map { _ in Int64(random.next() % 2) })
        if type == .u64 { x = Tensor(type, shape, integers: (0..<count).map { Int64($0 % 3) - 1 }) }
        try cases.single("order \(type) \(shape)", .sliceOrder(SliceOrder(axis: axis)), [.input(x)], tolerance: 0)
      }
    }
    let special = Tensor(.f32, [7], doubles: [.nan, 1, -0.0, .infinity, 0, -.infinity, .nan])
    try cases.single("order of NaN", .sliceOrder(SliceOrder(axis: 0)), [.input(special)], tolerance: 0)
    try cases.check()
  }

  @Test func determinants() throws {
    var random = SeededNumbers(33)
    let cases = LoweredCases()
    for (shape, names) in [
      ([3, 4, 4], true), ([1, 1], false), ([2, 2, 9, 9], false), ([0, 2, 2], true), ([2, 0, 0], false),
    ] {
      let x = random.tensor(.f32, shape, scale: 1)
      let sizes = names ? [.symbol("n")] + shape.dropFirst().map { Dim($0) } : shape.map { Dim($0) }
      try cases.single("determinant \(shape)", .determinant(Determinant()), [.symbolic(x, sizes)])
    }
    // The first pivot is zero, and the last row repeats another.
    let singular = Tensor(.f64, [2, 3, 3], doubles: [0, 2, 1, 1, 0, 3, 4, 1, 1, 1, 2, 3, 4, 5, 6, 1, 2, 3])
    try cases.single("determinant with exchanges", .determinant(Determinant()), [.input(singular)])
    try cases.check()
  }
}
