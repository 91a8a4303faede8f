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

  // The costs are estimates in multiply-adds of a product; no measurement stands behind the single numbers.

  /// Multiply-adds that take as long as one byte from memory: about 100 G/s beside 12 GB/s.
  private static let multiplyAddsPerByte = 8.0
  /// A multiply-add inside a transform, which goes through memory that is nearer.
  private static let transformCost = 4.0
  /// Speed of a convolution by its definition, beside that of a product.
  private static let directSpeed = 0.9
  /// Transformed filters are not made larger than this: they would fill memory.
  private static let largestFilters = 64 << 20
  /// Scratch of one unit, which is to stay in the cache that cores share.
  private static let scratchFloats = 1 << 20

  /// What symbols count as where sizes are not known: the side of a picture.
  private static let assumedSide = 256

  /// The cheapest transform for a result `[n, height, width, filters]`; nil where the definition is cheaper, or none fits.
  static func preferred(channels: Int, filters: Int, result: [Dim]) -> WinogradTransform? {
    let fitting = [WinogradTransform.two, .four].filter { fits($0, channels, filters) }
    let picture = picture(result)
    let costs = ([nil] + fitting).map { (transform: $0, cost: cost($0, channels, filters, picture)) }
    return costs.min { $0.cost < $1.cost }?.transform
  }

  static func tile(filters: Int) -> ProductTile { .of(.f32, filling: filters) ?? .f32 }

  private static func fits(_ transform: WinogradTransform, _ channels: Int, _ filters: Int) -> Bool {
    let points = transform.inputs * transform.inputs
    // Up to 256 terms count as exact: the importer gives integers to such convolutions.
    return channels * 9 > Convolution.exactTerms && filters >= 16
      && (points <= 16 || points * channels * filters * 4 <= largestFilters)
  }

  /// How the work is cut; nil where the transform does not fit.
  init?(_ transform: WinogradTransform, channels: Int, filters: Int, result: [Dim], threads: Int) {
    guard Self.fits(transform, channels, filters) else { return nil }
    let tiles = Self.tileCount(transform, Self.picture(result))
    let panelCount = Self.tile(filters: filters).panelCount(filters)
    // Filters beyond the caches are read as few times as possible.
    let perTile = transform.inputs * transform.inputs * channels
    let isLarge = perTile * filters * 4 > 8 << 20
    let largest = max(12, min(isLarge ? 240 : 96, Self.scratchFloats * (isLarge ? 4 : 1) / perTile) / 12 * 12)
    // Where there are too few tiles for all threads, filters are shared out instead.
    let areKnown = result.dropLast().allSatisfy { $0.constant != nil }
    let groups = areKnown && (tiles + largest - 1) / largest < threads ? min(panelCount, threads) : 1
    // No more scratch memory than a thread's share of the tiles.
    let share = groups == 1 ? (tiles + threads - 1) / threads : tiles
    self.transform = transform
    self.largest = areKnown ? min(largest, (share + 11) / 12 * 12) : largest
    panels = (panelCount + groups - 1) / groups
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
  private static func cost(_ transform: WinogradTransform?, _ channels: Int, _ filters: Int, _ picture: [Int]) -> Double
  {
    let weights = Double(channels) * Double(filters)
    func atLeastReading(_ numbers: Double, _ work: Double) -> Double { max(work, numbers * 4 * multiplyAddsPerByte) }
    guard let transform else {
      let pixels = picture.reduce(1) { $0 * Double($1) }
      return atLeastReading(9 * weights, pixels * 9 * weights / directSpeed)
    }
    let points = Double(transform.inputs * transform.inputs)
    let tiles = Double(tileCount(transform, picture))
    let moved = points * tiles * Double(channels + filters) * Double(2 * transform.inputs)
    return atLeastReading(points * weights, points * tiles * weights) + moved * transformCost
  }
}
