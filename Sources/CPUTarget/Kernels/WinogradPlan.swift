import CRuntime
import SwagePartition
import SwageTensor

/// Whether minimal filtering pays for a convolution, with which tiles, and how its work is cut.
struct WinogradPlan {
  var transform: WinogradTransform
  /// Tiles of a block at most.
  var largest: Int
  /// Panels of filters of a block.
  var panels: Int
  /// Panels whose products are transformed back together.
  var chunk: Int
  /// Whether panels may come from farther away than the second-level cache.
  var isFar: Bool
  /// Shares of the work, each with scratch memory of its own.
  var units: Int

  // The costs are estimates in multiply-adds of a product; no measurement stands behind the single numbers.

  /// Multiply-adds that take as long as one byte from memory: about 100 G/s beside 12 GB/s.
  private static let multiplyAddsPerByte = 8.0
  /// A multiply-add inside a transform, which takes longer to bring its values there.
  private static let transformCost = 1.2
  /// Speed of a convolution by its definition, beside that of a product of f32: of f32, of bf16 where the processor
  /// multiplies pairs of them, and of bf16 that is widened first.
  private static let directSpeed = (f32: 0.9, pairs: 1.6, widened: 0.6)
  /// Transformed filters are not made larger than this: they would fill memory.
  private static let largestFilters = 64 << 20
  /// Transformed filters above this size come from memory, or nearly, to each block of tiles.
  private static let largeFilters = 16 << 20
  /// Tiles of a block, at least and at most, where filters are near: so many that what goes into the product and comes out of
  /// it stays in the second-level cache.
  private static let nearTiles = 12...36
  private static let nearFloats = 320 << 10
  /// Filters that come from far away are read for more tiles, whose inputs stay in the cache that cores share.
  private static let farTiles = 132
  private static let farFloats = 5 << 19
  /// Filters of a chunk.
  private static let chunkFilters = 256

  /// What symbols count as where sizes are not known: the side of a picture.
  private static let assumedSide = 256

  /// The cheapest transform for a result `[n, height, width, filters]`; nil where the definition is cheaper, or none fits.
  static func preferred(_ element: ElementType, channels: Int, filters: Int, result: [Dim]) -> WinogradTransform? {
    let fitting = [WinogradTransform.two, .four, .six].filter { fits($0, element, channels, filters) }
    let picture = picture(result)
    let costs = ([nil] + fitting).map { (transform: $0, cost: cost($0, element, channels, filters, picture)) }
    return costs.min { $0.cost < $1.cost }?.transform
  }

  static func tile(filters: Int) -> ProductTile { .of(.f32, filling: filters) ?? .f32 }

  /// Floats of the transformed filters.
  private static func filterCount(_ transform: WinogradTransform, _ channels: Int, _ filters: Int) -> Int {
    transform.inputs * transform.inputs * channels * filters
  }

  private static func fits(
    _ transform: WinogradTransform, _ element: ElementType, _ channels: Int, _ filters: Int
  ) -> Bool {
    // Up to 256 terms count as exact: the importer gives integers to such convolutions.
    channels * 9 > Convolution.exactTerms && filters >= 16 && (transform.results <= 4 || element == .bf16)
      && (transform.results == 2 || filterCount(transform, channels, filters) * 4 <= largestFilters)
  }

  /// How the work is cut; nil where the transform does not fit.
  init?(_ transform: WinogradTransform, _ element: ElementType, channels: Int, filters: Int, result: [Dim], threads: Int) {
    guard Self.fits(transform, element, channels, filters) else { return nil }
    let count = Self.tileCount(transform, Self.picture(result))
    let tile = Self.tile(filters: filters)
    let panelCount = tile.panelCount(filters)
    let isLarge = Self.filterCount(transform, channels, filters) * 4 > Self.largeFilters
    let points = transform.inputs * transform.inputs
    let near = Self.nearFloats / (points * (channels + min(filters, Self.chunkFilters))) / 6 * 6
    let far = min(Self.farTiles, Self.farFloats / (points * channels)) / 12 * 12
    let largest = isLarge ? max(12, far) : min(max(near, Self.nearTiles.lowerBound), Self.nearTiles.upperBound)
    // Where there are too few tiles for all threads, filters are shared out instead.
    let areKnown = result.dropLast().allSatisfy { $0.constant != nil }
    let groups = areKnown && (count + largest - 1) / largest < threads ? min(panelCount, threads) : 1
    // No more scratch memory than a thread's share of the tiles.
    let share = groups == 1 ? (count + threads - 1) / threads : count
    self.transform = transform
    self.largest = areKnown ? min(largest, (share + 11) / 12 * 12) : largest
    panels = (panelCount + groups - 1) / groups
    chunk = min(panels, max(1, Self.chunkFilters / tile.columns))
    isFar = Self.filterCount(transform, channels, filters) * 4 > 1 << 20
    units = threads
  }

  /// Batch, height and width, as far as they are known.
  private static func picture(_ result: [Dim]) -> [Int] {
    let symbols = Set(result.flatMap(\.symbols))
    let values = Dictionary(uniqueKeysWithValues: symbols.map { ($0, Dim(assumedSide)) })
    let sizes = result[1...2].map { max($0.substituting(values).constant ?? assumedSide, 1) }
    return [result[0].constant ?? 1] + sizes
  }

  private static func tileCount(_ transform: WinogradTransform, _ picture: [Int]) -> Int {
    let side = transform.results
    return picture[0] * ((picture[1] + side - 1) / side) * ((picture[2] + side - 1) / side)
  }

  /// Multiply-adds that would take as long; without a transform, those of the definition.
  private static func cost(
    _ transform: WinogradTransform?, _ element: ElementType, _ channels: Int, _ filters: Int, _ picture: [Int]
  ) -> Double {
    let weights = Double(channels) * Double(filters)
    func atLeastReading(_ bytes: Double, _ work: Double) -> Double { max(work, bytes * multiplyAddsPerByte) }
    guard let transform else {
      let speed =
        element == .f32 ? directSpeed.f32 : swage_cpu_has("avx512_bf16") ? directSpeed.pairs : directSpeed.widened
      let pixels = picture.reduce(1) { $0 * Double($1) }
      return atLeastReading(9 * weights * Double(element.bitWidth / 8), pixels * 9 * weights / speed)
    }
    let points = Double(transform.inputs * transform.inputs)
    let tiles = Double(tileCount(transform, picture))
    let moved = points * tiles * Double(channels + filters) * Double(2 * transform.inputs)
    // Filters of bf16 are transformed in each run.
    let filtering = element == .f32 ? 0 : points * weights * Double(transform.inputs)
    return atLeastReading(points * weights * 4, points * tiles * weights) + (moved + filtering) * transformCost
  }
}
