import CRuntime
import SwageKernel
import SwageTensor

/// How matrices of one element type are laid out for `Statement.product` on this machine.
struct ProductTile {
  let element: ElementType
  /// The type of panels' elements.
  let panelElement: ElementType
  /// The type of sums.
  let sums: ElementType
  /// Columns of a product: two vectors of AVX-512 or AVX2, four of NEON, two matrix tiles.
  private(set) var columns: Int
  /// Terms that lie beside each other in a panel.
  let together: Int
  /// Rows of a tile.
  let rows: Int
  /// Whether products are so fast (AMX) that the way of the data from cache to cache decides.
  let usesMatrixUnit: Bool

  static let f32 = ProductTile(.f32, sums: .f32)

  /// nil where there is no product of such elements.
  static func of(_ element: ElementType) -> ProductTile? {
    Statement.Product.sums(of: element).map { ProductTile(element, sums: $0) }
  }

  /// The tile for results of so many columns: one vector of AVX-512 instead of two where that leaves fewer columns empty.
  static func of(_ element: ElementType, filling count: Int) -> ProductTile? {
    guard let tile = of(element), !tile.usesMatrixUnit, swage_cpu_has("avx512f") else { return of(element) }
    var narrow = tile
    narrow.columns /= 2
    let (few, many) = (narrow.panelCount(count) * narrow.columns, tile.panelCount(count) * tile.columns)
    return few < many ? narrow : tile
  }

  private init(_ element: ElementType, sums: ElementType) {
    self.element = element
    panelElement = Statement.Product.panels(of: element)
    self.sums = sums
    let f32 = swage_cpu_has("avx512f") ? 32 : 16
    columns = element == .f64 ? f32 / 2 : f32
    together = Statement.Product.termsTogether(element)
    let usesMatrixUnit = together > 1 && swage_cpu_has("amx_bf16") && swage_cpu_has("amx_int8")
    self.usesMatrixUnit = usesMatrixUnit
    rows = usesMatrixUnit ? 32 : swage_cpu_has("avx512f") ? 12 : 6
  }

  /// Columns that are computed and finished together, at most, of products with `depth` terms. What is on the left goes
  /// from cache to cache once for all, while their panels stay in the second-level cache.
  func chunk(depth: Int) -> Int {
    guard usesMatrixUnit else { return 64 }
    return [128, 64].first { $0 * depth * bytes <= Self.nearBytes } ?? 32
  }

  /// Bytes of panels that lie in the second-level cache beside what is on the left.
  static let nearBytes = 1 << 20

  /// Elements of one line of a panel: the distance from one line to the next.
  var line: Int { columns * together }

  /// `depth` rounded up to terms that are computed at once: zeros in the panel and on the left save a tail.
  func whole(_ depth: Dim) -> Dim { depth.ceilDivided(by: Dim(step)) * Dim(step) }
  private var step: Int { usesMatrixUnit ? 64 / bytes : together }
  /// Bytes of an element.
  var bytes: Int { element.bitWidth / 8 }

  /// Elements of a panel of `depth` terms.
  func panel(depth: Int) -> Int { (depth + together - 1) / together * line }

  /// Where a term of a column is in its panel.
  func place(_ term: Int, _ column: Int) -> Int { term / together * line + column * together + term % together }

  func panelCount(_ n: Int) -> Int { (n + columns - 1) / columns }

  /// A matrix `[depth, n]` (or `[n, depth]` where `isTransposed`) as panels: `[⌈n / columns⌉, ⌈depth / together⌉,
  /// columns · together]`, with zeros behind the last column and the last term. Large ones are made when they are written.
  func panels(_ matrix: Tensor, isTransposed: Bool) -> Tensor? {
    guard matrix.elementType == panelElement, matrix.shape.count == 2 else { return nil }
    let (depth, n) = isTransposed ? (matrix.shape[1], matrix.shape[0]) : (matrix.shape[0], matrix.shape[1])
    let size = panel(depth: depth)
    let shape = [panelCount(n), size / line, line]
    return rearranged(shape, "panels \(columns) \(isTransposed)", matrix) { move in
      for panel in 0..<shape[0] {
        let first = panel * columns
        for i in 0..<depth {
          for c in 0..<min(columns, n - first) {
            move(panel * size + place(i, c), isTransposed ? (first + c) * depth + i : i * n + first + c)
          }
        }
      }
    }
  }

  /// A tensor whose elements are those of another one in other places, and zeros. `each` calls its argument with the
  /// place of each element in the result and in the source.
  func rearranged(
    _ shape: [Int], _ operation: String, _ source: Tensor, _ each: @escaping ((Int, Int) -> Void) -> Void
  ) -> Tensor? {
    func copy<T>(_ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer, _: T.Type) {
      let (from, to) = (from.bindMemory(to: T.self), to.bindMemory(to: T.self))
      each { to[$0] = from[$1] }
    }
    return Tensor.deferred(panelElement, shape, operation, source) { [panelElement] from, to in
      switch panelElement.bitWidth {
      case 8: copy(from, to, UInt8.self)
      case 16: copy(from, to, UInt16.self)
      case 32: copy(from, to, UInt32.self)
      default: copy(from, to, UInt64.self)
      }
    }
  }
}
