import Foundation

/// How the noise levels of the steps are spaced, other than by timesteps.
enum SigmaSpacing {
  case timesteps
  /// Karras et al. 2022, formula 5 with ρ = 7.
  case karras
  case exponential
  /// "Beta sampling is all you need" (Lee et al. 2024), α = β = 0.6.
  case beta
  /// Evenly in the logarithm (Lu et al. 2022).
  case lu

  /// Reads `use_karras_sigmas` and its like; at most one may be set.
  init(_ reader: SettingsReader, hasLu: Bool = false) throws(SchedulerError) {
    var chosen: [(key: String, spacing: SigmaSpacing)] = []
    let options: [(String, SigmaSpacing)] = [
      ("use_karras_sigmas", .karras), ("use_exponential_sigmas", .exponential), ("use_beta_sigmas", .beta),
    ]
    for (key, spacing) in options {
      if try reader.bool(key, false) { chosen.append((key, spacing)) }
    }
    guard chosen.count <= 1 else { throw reader.fault(chosen[1].key, "\(chosen[0].key) is set too") }
    // Among diffusers' switches, Karras' comes first, then Lu's.
    let isLu = hasLu ? try reader.bool("use_lu_lambdas", false) : false
    let other = chosen.first?.spacing ?? .timesteps
    self = isLu && other != .karras ? .lu : other
  }

  /// `count` noise levels from `highest` down to `lowest`.
  func sigmas(from highest: Double, to lowest: Double, count: Int) -> [Double] {
    switch self {
    case .timesteps: return []
    case .karras:
      let (start, end) = (pow(highest, 1 / 7), pow(lowest, 1 / 7))
      return numpyLinspace(0, 1, count).map { pow(start + $0 * (end - start), 7) }
    case .exponential: return numpyLinspace(log(highest), log(lowest), count).map { exp($0) }
    case .beta:
      return numpyLinspace(0, 1, count).map {
        lowest + BetaDistribution(alpha: 0.6, beta: 0.6).quantile(1 - $0) * (highest - lowest)
      }
    case .lu:
      // Between the logarithms as the table has them, in f32.
      let (start, end) = (Double(Float(log(highest))), Double(Float(log(lowest))))
      return numpyLinspace(0, 1, count).map { exp(start + $0 * (end - start)) }
    }
  }
}

/// The noise levels of the training timesteps, and the way between the two.
struct SigmaTable {
  /// Rising.
  let sigmas: [Float]
  private let logarithms: [Float]

  init(_ sigmas: [Float]) {
    self.sigmas = sigmas
    logarithms = sigmas.map { Float(log(Double($0))) }
  }

  /// `numpy.interp` over the timesteps.
  func sigma(at timestep: Double) -> Double {
    let last = sigmas.count - 1
    guard timestep > 0 else { return Double(sigmas[0]) }
    guard timestep < Double(last) else { return Double(sigmas[last]) }
    let below = Int(timestep)
    let (low, high) = (Double(sigmas[below]), Double(sigmas[below + 1]))
    return (high - low) * (timestep - Double(below)) + low
  }

  /// The timestep of a noise level, linear in the logarithm (diffusers' `_sigma_to_t`).
  func timestep(of sigma: Double) -> Double {
    let logarithm = log(max(sigma, 1e-10))
    let below = min(logarithms.lastIndex { logarithm >= Double($0) } ?? 0, logarithms.count - 2)
    let (low, high) = (logarithms[below], logarithms[below + 1])
    let weight = min(max((Double(low) - logarithm) / Double(low - high), 0), 1)
    return (1 - weight) * Double(below) + weight * Double(below + 1)
  }
}
