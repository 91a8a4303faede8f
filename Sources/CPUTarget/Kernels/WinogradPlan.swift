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
  /// Speed of products with filters that are transformed as needed: inputs come from the cache that cores share.
  private static let asNeededSpeed = 0.92
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
  /// Large filters are read, or transformed, for more tiles: as many, between these, as keep their inputs in the cache that
  /// cores share.
  private static let farTiles = 72...132
  private static let farFloats = 2 << 20
  /// Filters of a chunk, and of one that is transformed as needed.
  private static let (chunkFilters, chunkAsNeeded) = (256, 64)

  /// What symbols count as where sizes are not known: the side of a picture.
  private static let assumedSide = 256

  /// The transforms that fit a convolution.
  static func fitting(_ element: ElementType, _ form: ConvolutionForm) -> [WinogradTransform] {
    let taps = form.axes[0].taps
    // Sums of up to 256 products count as exact: the importer gives integers to such convolutions. Behind a picture that was
    // enlarged, these were at least nine for each channel.
    let terms = form.channels * (form.isTransposed ? 9 : taps * taps)
    guard form.axes.count == 2, form.axes.allSatisfy({ $0.taps == taps && $0.stride == 1 && $0.dilation == 1 }),
      terms > Convolution.exactTerms, form.filters >= 16
    else { return [] }
    return WinogradTransform.all(taps: taps).filter { !$0.isCoarse || element == .bf16 }
  }

  /// The cheapest transform for pictures of a batch; nil where the definition is cheaper, or none fits.
  static func preferred(_ element: ElementType, _ form: ConvolutionForm, batch: Dim) -> WinogradTransform? {
    let picture = picture(form, batch)
    let costs = ([nil] + fitting(element, form)).map { (transform: $0, cost: cost($0, element, form, picture)) }
    return costs.min { $0.cost < $1.cost }?.transform
  }

  static func tile(filters: Int) -> ProductTile { .of(.f32, filling: filters) ?? .f32 }

  /// Bytes of the transformed filters of one phase.
  private static func filterBytes(_ transform: WinogradTransform, _ form: ConvolutionForm) -> Int {
    transform.inputs * transform.inputs * form.channels * form.filters * 4
  }

  /// `tiles` are those of one phase of the whole picture.
  private static func filtering(
    _ transform: WinogradTransform, _ element: ElementType, _ form: ConvolutionForm, tiles: Int
  ) -> Filtering {
    let bytes = form.phases * filterBytes(transform, form)
    if element == .f32 { return bytes > largestStored ? .asNeeded : .stored }
    // One block of tiles needs each of them once: they need not go through memory.
    return bytes > largeFilters || (bytes > farFilters && tiles <= farTiles.upperBound) ? .asNeeded : .beforehand
  }

  /// Tiles of a block at most, where there are enough.
  private static func largestBlock(
    _ transform: WinogradTransform, _ form: ConvolutionForm, _ filtering: Filtering
  ) -> Int {
    let points = transform.inputs * transform.inputs
    if filtering == .asNeeded || filterBytes(transform, form) > largeFilters {
      let tiles = farFloats / (points * form.channels) / 12 * 12
      return min(max(tiles, farTiles.lowerBound), farTiles.upperBound)
    }
    let tiles = nearFloats / (points * (form.channels + min(form.filters, chunkFilters))) / 6 * 6
    return min(max(tiles, nearTiles.lowerBound), nearTiles.upperBound)
  }

  /// How the work is cut, for a transform that fits.
  init(_ transform: WinogradTransform, _ element: ElementType, _ form: ConvolutionForm, batch: Dim, threads: Int) {
    let count = Self.tileCount(transform, Self.picture(form, batch))
    let tile = Self.tile(filters: form.filters)
    let panelCount = tile.panelCount(form.filters)
    let filtering = Self.filtering(transform, element, form, tiles: count)
    let largest = Self.largestBlock(transform, form, filtering)
    // Where there are too few tiles for all threads, filters are shared out instead.
    let areKnown = ([batch] + form.axes.map(\.positions)).allSatisfy { $0.constant != nil }
    let pieces = form.phases * ((count + largest - 1) / largest)
    let groups = areKnown && pieces < threads ? min(panelCount, threads) : 1
    // No more scratch memory than a thread's share of the tiles.
    let share = groups == 1 ? (form.phases * count + threads - 1) / threads : count
    self.transform = transform
    self.largest = areKnown ? min(largest, (share + 11) / 12 * 12) : largest
    panels = (panelCount + groups - 1) / groups
    self.filtering = filtering
    chunk = min(panels, (filtering == .asNeeded ? Self.chunkAsNeeded : Self.chunkFilters) / tile.columns)
    isFar = Self.filterBytes(transform, form) > Self.farFilters
    units = threads
  }

  /// Batch, height and width of the results of a phase, as far as they are known.
  private static func picture(_ form: ConvolutionForm, _ batch: Dim) -> [Int] {
    let sizes = form.axes.map(\.positions)
    let symbols = Set(sizes.flatMap(\.symbols))
    let values = Dictionary(uniqueKeysWithValues: symbols.map { ($0, Dim(assumedSide)) })
    return [batch.constant ?? 1] + sizes.map { max($0.substituting(values).constant ?? assumedSide, 1) }
  }

  private static func tileCount(_ transform: WinogradTransform, _ picture: [Int]) -> Int {
    let side = transform.results
    return picture[0] * ((picture[1] + side - 1) / side) * ((picture[2] + side - 1) / side)
  }

  /// Multiply-adds that would take as long; without a transform, those of the definition.
  private static func cost(
    _ transform: WinogradTransform?, _ element: ElementType, _ form: ConvolutionForm, _ picture: [Int]
  ) -> Double {
    // Of one phase, as all are alike.
    let weights = Double(form.channels) * Double(form.filters)
    let taps = Double(form.taps)
    func atLeastReading(_ bytes: Double, _ work: Double) -> Double { max(work, bytes * multiplyAddsPerByte) }
    guard let transform else {
      let speed =
        element == .f32 ? directSpeed.f32 : swage_cpu_has("avx512_bf16") ? directSpeed.pairs : directSpeed.widened
      let pixels = picture.reduce(1) { $0 * Double($1) }
      return atLeastReading(taps * weights * Double(element.bitWidth / 8), pixels * taps * weights / speed)
    }
    let points = Double(transform.inputs * transform.inputs)
    let count = tileCount(transform, picture)
    let tiles = Double(count)
    let moved = points * tiles * Double(form.channels + form.filters) * Double(2 * transform.inputs)
    let filtering = filtering(transform, element, form, tiles: count)
    // Threads share filters, phases or blocks. Two are assumed: results must not depend on their number.
    let threads = 2
    let largest = largestBlock(transform, form, filtering)
    let least = (count + largest - 1) / largest
    let areEnough = form.phases * least < threads || form.phases % threads == 0
    let blocks = Double(areEnough ? least : (least + threads - 1) / threads * threads)
    // What is read, written and made of filters in all.
    let (bytes, made, speed): (Double, Double, Double) =
      switch filtering {
      case .stored: (points * weights * 4, 0, 1)
      case .beforehand: (points * weights * 8, points * weights, 1)
      case .asNeeded:
        (taps * weights * Double(element.bitWidth / 8) * blocks, points * weights * blocks, asNeededSpeed)
      }
    let products = atLeastReading(bytes, points * tiles * weights / speed)
    return products + moved * transformCost + made * filteringCost
  }
}
