extension SchedulerSettings {
  /// The scheduler that the settings describe, ready for its first step.
  ///
  /// - Parameters:
  ///   - steps: diffusers' `num_inference_steps`; at most the number of training timesteps.
  ///   - batch: the number of pictures in a sample; dynamic thresholding looks at each by itself.
  ///   - eta: the share of DDPM's noise that DDIM adds, in 0...1; other schedulers ignore it, as diffusers does.
  ///   - strength: the share of the timesteps that LCM spreads its steps over, from the end of denoising, in 0...1:
  ///     image to image with latent consistency models. Others ignore it: see `firstStep(strength:steps:)`.
  public func makeScheduler(
    steps: Int, batch: Int = 1, eta: Double = 0, strength: Double = 1
  ) throws(SchedulerError) -> any Scheduler {
    let kind = try kind
    let reader = SettingsReader(settings: self, kind: kind)
    let training = try reader.integer("num_train_timesteps", 1000, in: 2...100_000)
    guard steps >= 1 else { throw .steps(steps, kind: kind, why: "it takes one or more") }
    guard steps <= training else {
      throw .steps(steps, kind: kind, why: "the model was trained with \(training) timesteps")
    }
    let request = SchedulerRequest(
      reader: reader, steps: steps, training: training, batch: max(batch, 1), eta: eta, strength: strength)
    switch kind {
    case .ddim: return try DDIMScheduler(request)
    case .pndm: return try PNDMScheduler(request)
    case .lms: return try LMSDiscreteScheduler(request)
    case .euler: return try EulerDiscreteScheduler(request)
    case .eulerAncestral: return try EulerAncestralDiscreteScheduler(request)
    case .dpmSolver: return try DPMSolverMultistepScheduler(request)
    case .uniPC: return try UniPCMultistepScheduler(request)
    case .lcm: return try LCMScheduler(request)
    }
  }
}

/// What every scheduler is made from.
struct SchedulerRequest {
  var reader: SettingsReader
  var steps: Int
  /// `num_train_timesteps`.
  var training: Int
  var batch: Int
  var eta: Double
  var strength: Double

  /// The timesteps of `timestep_spacing`. They are in range and as many as asked for (fewer where `last` cuts the range
  /// short), or the request has a fault.
  func timesteps(
    _ fallback: TimestepSpacing, extra: Bool = false, last: Int? = nil
  ) throws(SchedulerError) -> [Double] {
    let spacing = try reader.word("timestep_spacing", fallback)
    let offset = try reader.integer("steps_offset", 0, in: 0...training)
    let timesteps = spacing.timesteps(
      steps: steps, last: last ?? training, training: training, offset: offset, extra: extra)
    guard !timesteps.isEmpty, timesteps.allSatisfy({ $0 >= 0 && $0 < Double(training) }) else {
      throw .steps(
        steps, kind: reader.kind,
        why: "with timestep_spacing \(spacing.rawValue) and steps_offset \(offset) a step would lie outside of the "
          + "\(training) timesteps of the training")
    }
    return timesteps
  }
}
