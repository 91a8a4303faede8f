import Foundation

/// The beta distribution's quantiles, which SciPy calls `beta.ppf`.
struct BetaDistribution {
  var alpha: Double
  var beta: Double

  /// The x in 0...1 below which the share `probability` lies. Found by bisection to the last bit: the distribution
  /// function has no inverse in closed form.
  func quantile(_ probability: Double) -> Double {
    guard probability > 0 else { return 0 }
    guard probability < 1 else { return 1 }
    // From the nearer end, so that small distances from 1 keep their digits.
    let isUpper = probability > cumulative(0.5)
    let mirrored = BetaDistribution(alpha: beta, beta: alpha)
    var (low, high) = (0.0, 0.5)
    for _ in 0..<200 {
      let middle = (low + high) / 2
      guard middle > low, middle < high else { break }
      let isBelow = isUpper ? 1 - mirrored.cumulative(middle) > probability : cumulative(middle) < probability
      if isBelow { low = middle } else { high = middle }
    }
    let distance = (low + high) / 2
    return isUpper ? 1 - distance : distance
  }

  /// The regularized incomplete beta function for x up to 1/2, by its continued fraction (Abramowitz and Stegun 26.5.8,
  /// evaluated by Lentz' method).
  func cumulative(_ x: Double) -> Double {
    guard x > 0 else { return 0 }
    let logFactor = lgamma(alpha + beta) - lgamma(alpha) - lgamma(beta) + alpha * log(x) + beta * log1p(-x)
    var (c, d) = (1.0, 1 / nonZero(1 - (alpha + beta) * x / (alpha + 1)))
    var fraction = d
    for index in 1...500 {
      let m = Double(index)
      let even = m * (beta - m) * x / ((alpha + 2 * m - 1) * (alpha + 2 * m))
      let odd = -(alpha + m) * (alpha + beta + m) * x / ((alpha + 2 * m) * (alpha + 2 * m + 1))
      var change = 1.0
      for coefficient in [even, odd] {
        d = 1 / nonZero(1 + coefficient * d)
        c = nonZero(1 + coefficient / c)
        change = d * c
        fraction *= change
      }
      if abs(change - 1) < 1e-16 { break }
    }
    return exp(logFactor) * fraction / alpha
  }

  private func nonZero(_ value: Double) -> Double { abs(value) < 1e-300 ? 1e-300 : value }
}
