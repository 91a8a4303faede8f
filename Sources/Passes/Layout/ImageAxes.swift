import SwageGraph
import SwageTensor

/// Axes of image tensors of one rank in both layouts: `[n, c, spatial…]` and `[n, spatial…, c]`.
struct ImageAxes {
  let rank: Int

  /// Brings the channel axis last.
  var toLast: [Int] { [0] + Array(2..<rank) + [1] }
  /// Brings it back.
  var toFirst: [Int] { [0, rank - 1] + Array(1..<rank - 1) }

  /// Where an axis of the first layout stands in the last one.
  func moved(_ axis: Int) -> Int { axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1 }

  /// A list with an element for each axis, in the order of the last layout.
  func permuted<T>(_ list: [T]) -> [T] { toLast.map { list[$0] } }

  /// Whether moving the channel axis of a tensor of this shape moves data: not where all it passes has size one.
  static func movesData(_ shape: [Dim]) -> Bool {
    let kept = ImageAxes(rank: shape.count).toLast.filter { shape[$0] != 1 }
    return kept != kept.sorted()
  }
}
