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
  var filtering: Filtering

  /// When filters are transformed.
  enum Filtering {
    /// While the plan is written.
    case stored
    /// At the beginning of each run: in bf16 they take 8 to 14 times the memory of the filters.
    case beforehand
    /// For each block of tiles, a few at a time: the transformed ones would come from memory, or nearly.
    case asNeeded
  }

  // The costs are multiply-adds of a product: those of transforms as measured on Zen 4 (a fifth of the product for 128
  // channels and filters, a third for 64), the others estimates.

  /// Multiply-adds that take as long as one byte from memory: about 100 G/s beside 12 GB/s.
  private static let multiplyAddsPerByte = 8.0
  /// A multiply-add inside a transform, which takes longer to bring its values there.
  private static let transformCost = 1.2
  /// Speed of a convolution by its definition, beside that of a product of f32: of f32, of bf16 where the processor
  /// multiplies pairs of them, and of bf16 that is widened first.
  private static let directSpeed = (f32: 0.9, pairs: 1.6, widened: 0.6)
  /// Multiply-adds that take as long as it takes to make one transformed filter.
  private static let filteringCost = 6.0
  /// Above this size in bytes, transformed filters come from beyond the second-level cache.
  private static let farFilters = 1 << 20
  /// Above this size in bytes, transformed filters come from memory, or nearly, to each block of tiles.
  private static let largeFilters = 16 << 20
  /// Above this size in bytes, transformed filters are not kept in the plan.
  private static let largestStored = 64 << 20
  /// Tiles of a block, at least and at most, where filters are near: so many that what goes into the product and comes out of
  /// it stays in the second-level cache.
  private static let nearTiles = 12...36
  private static let nearFloats = 320 << 10
  /// Large filters are read, or transformed, for more tiles, whose inputs stay in the cache that cores share.
  private static let farTiles = 132
  private static let farFloats = 4 << 20
  /// Filters of a chunk, and of one that is transformed as needed.
  private static let (chunkFilters, chunkAsNeeded) = (256, 64)

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
  }

  private static func isLarge(_ transform: WinogradTransform, _ channels: Int, _ filters: Int) -> Bool {
    filterCount(transform, channels, filters) * 4 > largeFilters
  }

  /// `tiles` are those of the whole picture.
  private static func filtering(
    _ transform: WinogradTransform, _ element: ElementType, _ channels: Int, _ filters: Int, tiles: Int
  ) -> Filtering {
    let bytes = filterCount(transform, channels, filters) * 4
    if element == .f32 { return bytes > largestStored ? .asNeeded : .stored }
    // One block of tiles needs each of them once: they need not go through memory.
    return bytes > largeFilters || (bytes > farFilters && tiles <= farTiles) ? .asNeeded : .beforehand
  }

  /// Tiles of a block at most, where there are enough.
  private static func largestBlock(
    _ transform: WinogradTransform, _ channels: Int, _ filters: Int, _ filtering: Filtering
  ) -> Int {
    let points = transform.inputs * transform.inputs
    if filtering == .asNeeded || isLarge(transform, channels, filters) {
      return max(12, min(farTiles, farFloats / (points * channels)) / 12 * 12)
    }
    let tiles = nearFloats / (points * (channels + min(filters, chunkFilters))) / 6 * 6
    return min(max(tiles, nearTiles.lowerBound), nearTiles.upperBound)
  }

  /// How the work is cut; nil where the transform does not fit.
  init?(
    _ transform: WinogradTransform, _ element: ElementType, channels: Int, filters: Int, result: [Dim], threads: Int
  ) {
    guard Self.fits(transform, element, channels, filters) else { return nil }
    let count = Self.tileCount(transform, Self.picture(result))
    let tile = Self.tile(filters: filters)
    let panelCount = tile.panelCount(filters)
    let filtering = Self.filtering(transform, element, channels, filters, tiles: count)
    let largest = Self.largestBlock(transform, channels, filters, filtering)
    // Where there are too few tiles for all threads, filters are shared out instead.
    let areKnown = result.dropLast().allSatisfy { $0.constant != nil }
    let groups = areKnown && (count + largest - 1) / largest < threads ? min(panelCount, threads) : 1
    // No more scratch memory than a thread's share of the tiles.
    let share = groups == 1 ? (count + threads - 1) / threads : count
    self.transform = transform
    self.largest = areKnown ? min(largest, (share + 11) / 12 * 12) : largest
    panels = (panelCount + groups - 1) / groups
    self.filtering = filtering
    chunk = min(panels, (filtering == .asNeeded ? Self.chunkAsNeeded : Self.chunkFilters) / tile.columns)
    isFar = Self.filterCount(transform, channels, filters) * 4 > Self.farFilters
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
    let count = tileCount(transform, picture)
    let tiles = Double(count)
    let moved = points * tiles * Double(channels + filters) * Double(2 * transform.inputs)
    let filtering = filtering(transform, element, channels, filters, tiles: count)
    let blocks = (tiles / Double(largestBlock(transform, channels, filters, filtering))).rounded(.up)
    // What is read, written and made of filters in all.
    let (bytes, made): (Double, Double) =
      switch filtering {
      case .stored: (points * weights * 4, 0)
      case .beforehand: (points * weights * 8, points * weights)
      case .asNeeded: (9 * weights * Double(element.bitWidth / 8) * blocks, points * weights * blocks)
      }
    return atLeastReading(bytes, points * tiles * weights) + moved * transformCost + made * filteringCost
  }
}
