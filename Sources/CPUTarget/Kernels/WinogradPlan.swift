import SwagePartition
import SwageTensor

/// Whether minimal filtering pays for a convolution, with which tiles, and how its work is cut.
struct WinogradPlan {
  var transform: WinogradTransform
  /// Tiles of a block at most.
  var largest: Int
  /// Panels of filters of a block.
  var panels: Int
  /// Shares of the work, each with scratch memory of its own.
  var units: Int

  /// Multiply-adds that take as long as one byte from memory: 100 G/s beside 12 GB/s on two cores of 2021 to 2023.
  private static let multiplyAddsPerByte = 8.0
  /// Time of a multiply-add inside a transform, beside one in a product: they go through memory that is nearer.
  private static let transformCost = 4.0
  /// The library's direct convolution reaches about this share of a product's speed.
  private static let directSpeed = 0.9
  /// Transformed filters are not made larger than this: they would fill memory.
  private static let largestFilters = 64 << 20
  /// Scratch of one unit, which is to stay in the cache that cores share.
  private static let scratchFloats = 1 << 20

  /// What symbols count as where sizes are not known: the side of a picture.
  private static let assumedSide = 256

  /// `result` is `[n, height, width, filters]`.
  static func choose(channels: Int, filters: Int, result: [Dim], threads: Int) -> WinogradPlan? {
    // Up to 256 terms count as exact: the importer gives integers to such convolutions.
    guard channels * 9 > Convolution.exactTerms, filters >= 16 else { return nil }
    let sizes = result.dropLast().map(assumed)
    let batch = result[0].constant ?? 1
    let pixels = Double(batch * sizes[1] * sizes[2])
    let weights = Double(channels * filters)
    var best = max(pixels * 9 * weights / directSpeed, 9 * 4 * weights * multiplyAddsPerByte)
    var chosen: (transform: WinogradTransform, tiles: Int)?
    for transform in [WinogradTransform.two, .four] {
      let side = transform.results
      let points = Double(transform.inputs * transform.inputs)
      guard Int(points) * channels * filters * 4 <= largestFilters || side == 2 else { continue }
      let tiles = batch * ((sizes[1] + side - 1) / side) * ((sizes[2] + side - 1) / side)
      let products = max(points * Double(tiles) * weights, points * 4 * weights * multiplyAddsPerByte)
      let moved = points * Double(tiles) * Double(channels + filters) * Double(2 * transform.inputs)
      let time = products + moved * transformCost
      if time < best { (best, chosen) = (time, (transform, tiles)) }
    }
    guard let (transform, tiles) = chosen else { return nil }
    let panelCount = (filters + ProductTile.columns(.f32) - 1) / ProductTile.columns(.f32)
    // Filters beyond the caches are read as few times as possible.
    let perTile = transform.inputs * transform.inputs * channels
    let isLarge = perTile * filters * 4 > 8 << 20
    let largest = max(12, min(isLarge ? 240 : 96, scratchFloats * (isLarge ? 4 : 1) / perTile) / 12 * 12)
    // Where there are too few tiles for all threads, filters are shared out instead.
    let areKnown = result.dropLast().allSatisfy { $0.constant != nil }
    let groups = areKnown && (tiles + largest - 1) / largest < threads ? min(panelCount, threads) : 1
    // No more scratch memory than a thread's share of the tiles.
    let share = groups == 1 ? (tiles + threads - 1) / threads : tiles
    return WinogradPlan(
      transform: transform, largest: areKnown ? min(largest, (share + 11) / 12 * 12) : largest,
      panels: (panelCount + groups - 1) / groups, units: threads)
  }

  private static func assumed(_ size: Dim) -> Int {
    if let known = size.constant { return known }
    let symbols = Dictionary(size.symbols.map { ($0, Dim(assumedSide)) }, uniquingKeysWith: { first, _ in first })
    return min(max(size.substituting(symbols).constant ?? 32, 1), assumedSide)
  }
}
