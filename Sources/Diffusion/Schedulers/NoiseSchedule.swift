import Foundation
import SwageTensor

/// How much noise each training timestep has: the tables that every scheduler starts from.
struct NoiseSchedule {
  enum BetaSchedule: String, CaseIterable {
    case linear
    case scaledLinear = "scaled_linear"
    case squaredCosine = "squaredcos_cap_v2"
  }

  /// ᾱ of each training timestep: the share of the original's variance that is left, falling.
  var alphasCumprod: [Float]

  var count: Int { alphasCumprod.count }

  /// Reads `num_train_timesteps`, `beta_…`, `trained_betas`; `rescale_betas_zero_snr` where the scheduler has it.
  ///
  /// - Parameters:
  ///   - scaledDefault: whether the class has Stable Diffusion's schedule as default, as LCM does.
  ///   - finiteSigmas: whether a rescaled schedule ends just above zero, since the scheduler divides by ᾱ.
  init(
    _ reader: SettingsReader, scaledDefault: Bool = false, rescales: Bool = true, finiteSigmas: Bool = false
  ) throws(SchedulerError) {
    var betas = try Self.betas(reader, scaledDefault: scaledDefault)
    guard betas.allSatisfy({ $0 >= 0 && $0 < 1 }) else {
      throw reader.fault(reader.has("trained_betas") ? "trained_betas" : "beta_end", "betas must be in [0, 1)")
    }
    let rescale = rescales ? try reader.bool("rescale_betas_zero_snr", false) : false
    if rescale { betas = Self.rescaled(betas) }
    alphasCumprod = Self.cumulativeProduct(betas.map { 1 - $0 })
    if rescale && finiteSigmas { alphasCumprod[count - 1] = 0x1p-24 }
    guard let last = alphasCumprod.last, alphasCumprod.allSatisfy({ $0.isFinite && $0 <= 1 }),
      alphasCumprod.dropLast().allSatisfy({ $0 > 0 }), last > 0 || rescale && !finiteSigmas
    else { throw reader.fault("beta_end", "nothing of the original is left before the last timestep") }
  }

  /// σ of each training timestep: noise relative to the original.
  var sigmas: [Float] { alphasCumprod.map { ((1 - $0) / $0).squareRoot() } }

  private static func betas(_ reader: SettingsReader, scaledDefault: Bool) throws(SchedulerError) -> [Float] {
    let count = try reader.integer("num_train_timesteps", 1000, in: 2...100_000)
    if reader.has("trained_betas") {
      guard let values = reader.settings.values["trained_betas"]?.array, values.count == count else {
        throw reader.fault("trained_betas", "it must be a list of num_train_timesteps = \(count) numbers")
      }
      let betas = values.compactMap { $0.double.map { Float($0) } }
      guard betas.count == count else { throw reader.fault("trained_betas", "it must hold numbers") }
      return betas
    }
    let start = try reader.number("beta_start", scaledDefault ? 0.00085 : 0.0001, in: 0...1)
    let end = try reader.number("beta_end", scaledDefault ? 0.012 : 0.02, in: 0...1)
    switch try reader.word("beta_schedule", scaledDefault ? BetaSchedule.scaledLinear : .linear) {
    case .linear: return linspace(Float(start), Float(end), count)
    case .scaledLinear:
      return linspace(Float(start.squareRoot()), Float(end.squareRoot()), count).map { $0 * $0 }
    case .squaredCosine:
      func remaining(_ time: Double) -> Double {
        let cosine = cos((time + 0.008) / 1.008 * .pi / 2)
        return cosine * cosine
      }
      return (0..<count).map { index in
        let (from, to) = (Double(index) / Double(count), Double(index + 1) / Double(count))
        return Float(min(1 - remaining(to) / remaining(from), 0.999))
      }
    }
  }

  /// `torch.linspace` in f32: counted from the nearer end.
  static func linspace(_ start: Float, _ end: Float, _ count: Int) -> [Float] {
    let step = (end - start) / Float(max(count - 1, 1))
    return (0..<count).map { index in
      index < count / 2 ? start + step * Float(index) : end - step * Float(count - index - 1)
    }
  }

  /// `torch.cumprod` on the CPU: accumulated in f64.
  private static func cumulativeProduct(_ values: [Float]) -> [Float] {
    var product = 1.0
    return values.map {
      product *= Double($0)
      return Float(product)
    }
  }

  /// Betas moved so that the last timestep is noise alone (Lin et al. 2023, algorithm 1).
  private static func rescaled(_ betas: [Float]) -> [Float] {
    var roots = cumulativeProduct(betas.map { 1 - $0 }).map { $0.squareRoot() }
    let (first, last) = (roots[0], roots[roots.count - 1])
    let scale = first / (first - last)
    roots = roots.map { ($0 - last) * scale }
    let products = roots.map { $0 * $0 }
    return products.indices.map { 1 - ($0 == 0 ? products[0] : products[$0] / products[$0 - 1]) }
  }
}
