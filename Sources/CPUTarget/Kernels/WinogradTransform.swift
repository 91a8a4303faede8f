import SwageKernel

/// The matrices of a minimal filtering algorithm F(m, r) for r taps: results = Aᵀ((G g) ⊙ (Bᵀ d)), by Cook and Toom's construction
/// (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015).
///
/// Rounding errors depend on the points. For m = 4 these are 0, ±5/8, ±5/4 and infinity: near the best of Barabasz et al.
/// ("Error analysis and improving the accuracy of Winograd convolution for deep neural networks", 2018), and all
/// coefficients of Aᵀ and Bᵀ are exact in f32. Measured for 320 channels: relative L2 error 1.4e-6 (with 0, ±1, ±2:
/// 2.8e-6; a direct f32 convolution: 3.1e-7); for m = 2 4.4e-7. For m = 6 and 0, ±1/2, ±1, ±2 it is 7e-6: only between bf16.
/// Two taps and six inputs (m = 5): 2.0e-6 where three taps (m = 4) give 1.8e-6, for 640 channels.
struct WinogradTransform {
  /// Taps of a filter, per axis.
  let taps: Int
  /// Results of a tile, per axis.
  let results: Int
  /// Inputs of a tile, per axis.
  var inputs: Int { results + taps - 1 }
  /// Whether results are for bf16 only.
  let isCoarse: Bool
  /// `[results][inputs]`
  let output: [[Double]]
  /// `[inputs][taps]`
  let filter: [[Double]]
  /// `[inputs][inputs]`
  let input: [[Double]]

  /// All for so many taps: tiles of four and six inputs, and of eight, which gain nothing for two taps.
  static func all(taps: Int) -> [WinogradTransform] {
    guard (2...3).contains(taps) else { return [] }
    let eight = taps == 3 ? [[0.5, 1, 2]] : []
    return ([[1], [0.625, 1.25]] + eight).map { WinogradTransform(taps: taps, pairs: $0) }
  }

  private init(taps: Int, pairs: [Double]) {
    self.taps = taps
    results = 2 * pairs.count + 3 - taps
    isCoarse = pairs.count > 2
    let results = results
    let points = pairs.reduce(into: [0]) { $0 += [$1, -$1] }
    func power(_ x: Double, _ n: Int) -> Double { (0..<n).reduce(1) { product, _ in product * x } }
    /// Coefficients of the product of (x - p), constant first.
    func polynomial(_ roots: [Double]) -> [Double] {
      roots.reduce([1]) { p, root in
        var next = [Double](repeating: 0, count: p.count + 1)
        for (i, c) in p.enumerated() {
          next[i + 1] += c
          next[i] -= c * root
        }
        return next
      }
    }
    var filter: [[Double]] = []
    var input: [[Double]] = []
    for (i, point) in points.enumerated() {
      let others = points.indices.filter { $0 != i }.map { points[$0] }
      let scale = others.reduce(1) { $0 * (point - $1) }
      filter.append((0..<taps).map { power(point, $0) / scale })
      input.append(polynomial(others) + [0])
    }
    self.filter = filter + [(0..<taps).map { $0 == taps - 1 ? 1 : 0 }]
    self.input = input + [polynomial(points)]
    output = (0..<results).map { row in points.map { power($0, row) } + [row == results - 1 ? 1 : 0] }
  }

  // The points but 0 and infinity are pairs of p and -p. Rows of `input` and `filter` for a pair are sums and differences of
  // an even and an odd part, and results take sums and differences of what a pair gives.

  /// A row of values for each row of `matrix`, which is `input` or `filter`.
  func rows(_ matrix: [[Double]], of values: [Expression], _ k: KernelBuilder) -> [Expression] {
    var rows = [Self.sum(matrix[0], values)]
    for row in stride(from: 1, to: inputs - 1, by: 2) {
      func part(_ parity: Int) -> Expression {
        k.let("part", Self.sum(matrix[row].enumerated().map { $0.offset % 2 == parity ? $0.element : 0 }, values))
      }
      let (even, odd) = (part(0), part(1))
      rows += [even + odd, even - odd]
    }
    return rows + [Self.sum(matrix[inputs - 1], values)]
  }

  /// `results` values of `inputs` products.
  func results(of products: [Expression], _ k: KernelBuilder) -> [Expression] {
    let pairs = stride(from: 1, to: inputs - 1, by: 2).map { row in
      [k.let("sum", products[row] + products[row + 1]), k.let("difference", products[row] - products[row + 1])]
    }
    return (0..<results).map { row in
      let coefficients = [output[row][0]] + pairs.indices.map { output[row][1 + 2 * $0] } + [output[row][inputs - 1]]
      return Self.sum(coefficients, [products[0]] + pairs.map { $0[row % 2] } + [products[inputs - 1]])
    }
  }

  /// Sum of the terms whose coefficient is not zero.
  private static func sum(_ coefficients: [Double], _ values: [Expression]) -> Expression {
    var sum: Expression?
    for (coefficient, value) in zip(coefficients, values) where coefficient != 0 {
      switch (sum, coefficient) {
      case (nil, 1): sum = value
      case (nil, _): sum = value * .f32(coefficient)
      case (let known?, 1): sum = known + value
      case (let known?, -1): sum = known - value
      case (let known?, _): sum = known + value * .f32(coefficient)
      }
    }
    return sum ?? .f32(0)
  }
}
