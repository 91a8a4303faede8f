import Foundation

/// Timesteps and noise levels of the multistep solvers in λ = log(α/σ) (DPM-Solver++, UniPC).
struct MultistepSchedule {
  let timesteps: [Double]
  /// σ/α before each step, and after the last.
  let sigmas: [Float]

  /// - Parameters:
  ///   - hasLu, clips: what only DPM-Solver's class reads: `use_lu_lambdas`, `lambda_min_clipped`.
  ///   - isUniPC: its Karras timesteps are always rounded, its `sigma_min` and `sigma_max` are settings, and the final
  ///     level `sigma_min` is the last step's own.
  init(_ request: SchedulerRequest, isUniPC: Bool) throws(SchedulerError) {
    let reader = request.reader
    let schedule = try NoiseSchedule(reader, finiteSigmas: true)
    let table = SigmaTable(schedule.sigmas)
    let last = isUniPC ? request.training : try Self.lastTimestep(schedule, reader)
    var timesteps = try request.timesteps(.linspace, extra: true, last: last).map { $0.rounded(.toNearestOrEven) }
    var sigmas = timesteps.map { table.sigma(at: $0) }
    let spacing = try SigmaSpacing(reader, hasLu: !isUniPC)
    let highest = try isUniPC ? reader.optionalNumber("sigma_max", in: 1e-6...1e6) : nil
    let lowest = try isUniPC ? reader.optionalNumber("sigma_min", in: 1e-6...1e6) : nil
    if spacing != .timesteps {
      sigmas = spacing.sigmas(
        from: highest ?? Double(table.sigmas[table.sigmas.count - 1]), to: lowest ?? Double(table.sigmas[0]),
        count: request.steps)
      let isCosine =
        try reader.word("beta_schedule", NoiseSchedule.BetaSchedule.linear) == .squaredCosine
      let rounds = spacing == .karras && (isUniPC || !isCosine) || spacing == .lu && !isCosine
      timesteps = sigmas.map {
        let timestep = table.timestep(of: $0)
        return rounds ? timestep.rounded(.toNearestOrEven) : timestep.rounded(.towardZero)
      }
    }
    self.timesteps = timesteps
    let final: Float =
      switch try reader.word("final_sigmas_type", FinalSigma.zero) {
      case .zero: 0
      case .lowest: isUniPC && spacing != .timesteps ? Float(sigmas[sigmas.count - 1]) : schedule.sigmas[0]
      }
    self.sigmas = sigmas.map { Float($0) } + [final]
  }

  /// `lambda_min_clipped`: timesteps with a lower λ are left out.
  private static func lastTimestep(_ schedule: NoiseSchedule, _ reader: SettingsReader) throws(SchedulerError) -> Int {
    let limit = Float(try reader.number("lambda_min_clipped", -.infinity, in: -.infinity...0))
    let kept = schedule.alphasCumprod.filter { logFloat($0.squareRoot()) - logFloat((1 - $0).squareRoot()) >= limit }
    guard kept.count >= 2 else { throw reader.fault("lambda_min_clipped", "no timesteps are left") }
    return kept.count
  }

  /// The signal's and the noise's share before step `step`, and λ.
  func level(_ step: Int) -> (alpha: Float, sigma: Float, lambda: Float) {
    let ratio = sigmas[step]
    let alpha = 1 / (ratio * ratio + 1).squareRoot()
    let sigma = ratio * alpha
    return (alpha, sigma, logFloat(alpha) - logFloat(sigma))
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    let (alpha, sigma, _) = level(step)
    return zipMap(original, noise) { alpha * $0 + sigma * $1 }
  }

  /// What the model's output says the original is, and the noise.
  func original(_ output: [Float], _ sample: [Float], step: Int, _ prediction: Prediction) -> [Float] {
    let (alpha, sigma, _) = level(step)
    return zipMap(output, sample) { output, sample in
      switch prediction {
      case .epsilon: (sample - sigma * output) / alpha
      case .sample: output
      case .velocity: alpha * sample - sigma * output
      }
    }
  }

  func epsilon(_ output: [Float], _ sample: [Float], step: Int, _ prediction: Prediction) -> [Float] {
    let (alpha, sigma, _) = level(step)
    return zipMap(output, sample) { output, sample in
      switch prediction {
      case .epsilon: output
      case .sample: (sample - alpha * output) / sigma
      case .velocity: alpha * output + sigma * sample
      }
    }
  }
}

/// Correctly rounded f32 functions, the same on every machine.
func logFloat(_ value: Float) -> Float { Float(log(Double(value))) }
func expFloat(_ value: Float) -> Float { Float(exp(Double(value))) }
func expm1Float(_ value: Float) -> Float { Float(expm1(Double(value))) }
