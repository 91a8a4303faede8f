import Foundation

/// Timesteps and noise levels of schedulers that count in σ (LMS, Euler, Euler ancestral).
struct SigmaSchedule {
  let timesteps: [Double]
  /// One for each timestep, and the last one's end.
  let sigmas: [Float]
  let initialNoiseSigma: Float

  /// The options that only Euler's has are read with `isEuler`.
  init(
    _ request: SchedulerRequest, spacing: SigmaSpacing, rescales: Bool, isEuler: Bool
  ) throws(SchedulerError) {
    let reader = request.reader
    let schedule = try NoiseSchedule(reader, rescales: rescales, finiteSigmas: true)
    let table = SigmaTable(schedule.sigmas)
    var timesteps = try request.timesteps(.linspace).map { Double(Float($0)) }
    var sigmas = timesteps.map { table.sigma(at: $0) }
    let highest = try isEuler ? reader.optionalNumber("sigma_max", in: 1e-6...1e6) : nil
    let lowest = try isEuler ? reader.optionalNumber("sigma_min", in: 1e-6...1e6) : nil
    let interpolation = isEuler ? try reader.word("interpolation_type", Interpolation.linear) : .linear
    if interpolation == .logLinear {
      // One level more than steps, the last being the schedule's lowest: it ends there, not at the final level.
      sigmas = Self.logLinear(table.sigmas, count: request.steps + 1)
    }
    if spacing != .timesteps {
      sigmas = spacing.sigmas(
        from: highest ?? sigmas[0], to: lowest ?? sigmas[sigmas.count - 1], count: request.steps)
      timesteps = sigmas.map { Double(Float(table.timestep(of: $0))) }
    }
    let final = isEuler ? try reader.word("final_sigmas_type", FinalSigma.zero) : .zero
    self.sigmas = sigmas.map { Float($0) } + [final == .zero ? 0 : schedule.sigmas[0]]
    let isContinuous = isEuler ? try reader.word("timestep_type", TimestepType.discrete) == .continuous : false
    if isContinuous, try reader.word("prediction_type", Prediction.epsilon) == .velocity {
      self.timesteps = self.sigmas.prefix(request.steps).map { Double(0.25 * Float(log(Double($0)))) }
    } else {
      self.timesteps = timesteps
    }
    let peak = self.sigmas.max() ?? 0
    let isLeading = try reader.word("timestep_spacing", TimestepSpacing.linspace) == .leading
    initialNoiseSigma = isLeading ? (peak * peak + 1).squareRoot() : peak
  }

  /// `torch.linspace` of the logarithms, from the highest level to the lowest.
  private static func logLinear(_ sigmas: [Float], count: Int) -> [Double] {
    func logarithm(_ sigma: Float) -> Float { Float(log(Double(sigma))) }
    return NoiseSchedule.linspace(logarithm(sigmas[sigmas.count - 1]), logarithm(sigmas[0]), count).map {
      Double(Float(exp(Double($0))))
    }
  }

  enum Interpolation: String, CaseIterable {
    case linear
    case logLinear = "log_linear"
  }
  enum TimestepType: String, CaseIterable { case discrete, continuous }

  func scaled(_ sample: [Float], step: Int) -> [Float] {
    let scale = (sigmas[step] * sigmas[step] + 1).squareRoot()
    return sample.map { $0 / scale }
  }

  /// What the model's output says the original is.
  func original(_ output: Float, _ sample: Float, _ sigma: Float, _ prediction: Prediction) -> Float {
    switch prediction {
    case .epsilon: sample - sigma * output
    case .sample: output
    case .velocity:
      output * (-sigma / (sigma * sigma + 1).squareRoot()) + sample / (sigma * sigma + 1)
    }
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    zipMap(original, noise) { $0 + $1 * sigmas[step] }
  }
}

/// The noise level after the last step.
enum FinalSigma: String, CaseIterable {
  case zero
  case lowest = "sigma_min"
}
