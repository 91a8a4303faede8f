/// DPM-Solver and DPM-Solver++ with 1 to 3 steps of memory (Lu et al. 2022), and their stochastic forms.
struct DPMSolverMultistepScheduler: Scheduler {
  enum Algorithm: String, CaseIterable {
    case dpm = "dpmsolver"
    case dpmPlus = "dpmsolver++"
    case sdeDPM = "sde-dpmsolver"
    case sdeDPMPlus = "sde-dpmsolver++"
    /// Another class's name, which diffusers takes for DPM-Solver++.
    case deis

    var predictsOriginal: Bool { self == .dpmPlus || self == .sdeDPMPlus }
    var isStochastic: Bool { self == .sdeDPM || self == .sdeDPMPlus }
  }
  enum Solver: String, CaseIterable {
    case midpoint, heun
    /// Other classes' names, which diffusers takes for `midpoint`.
    case logrho, bh1, bh2
  }

  let initialNoiseSigma: Float = 1
  let order = 1

  private let schedule: MultistepSchedule
  private let prediction: Prediction
  private let limit: SampleLimit
  private let algorithm: Algorithm
  private let isHeun: Bool
  private let solverOrder: Int
  private let lowersLast: Bool
  private let lowersLastTwo: Bool

  /// The converted outputs of the last `solverOrder` steps, newest last.
  private var outputs: [[Float]] = []

  var timesteps: [Double] { schedule.timesteps }

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    let reader = request.reader
    for key in ["use_flow_sigmas", "use_dynamic_shifting"] {
      try reader.refuse(key, "swage has no flow-matching models")
    }
    try reader.refuse("variance_type", "swage's models predict no variance")
    schedule = try MultistepSchedule(request, isUniPC: false)
    prediction = try reader.word("prediction_type", .epsilon)
    limit = try SampleLimit(reader, clips: nil, batch: request.batch)
    let named = try reader.word("algorithm_type", Algorithm.dpmPlus)
    algorithm = named == .deis ? .dpmPlus : named
    isHeun = try reader.word("solver_type", Solver.midpoint) == .heun
    solverOrder = try reader.integer("solver_order", 2, in: 1...3)
    let endsAtZero = try reader.word("final_sigmas_type", FinalSigma.zero) == .zero
    guard !endsAtZero || algorithm.predictsOriginal else {
      throw reader.fault("algorithm_type", "it cannot end at σ = 0: final_sigmas_type must be \"sigma_min\"")
    }
    let isShort = try reader.bool("lower_order_final", true) && schedule.timesteps.count < 15
    lowersLast = try reader.bool("euler_at_final", false) || isShort || endsAtZero
    lowersLastTwo = isShort
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { sample }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    let left = timesteps.count - step
    let known = outputs.count
    outputs = outputs.suffix(solverOrder - 1) + [converted(modelOutput, sample, step: step)]
    let drawn = algorithm.isStochastic ? noise(sample.count) : []
    let order: Int
    if solverOrder == 1 || known < 1 || left == 1 && lowersLast {
      order = 1
    } else if solverOrder == 2 || known < 2 || left == 2 && lowersLastTwo {
      order = 2
    } else {
      order = 3
    }
    return updated(sample, step: step, order: order, noise: drawn)
  }

  /// The original that the output predicts, or its noise for the algorithms that work on that.
  private func converted(_ output: [Float], _ sample: [Float], step: Int) -> [Float] {
    if algorithm.predictsOriginal {
      return limit.apply(schedule.original(output, sample, step: step, prediction))
    }
    let epsilon = schedule.epsilon(output, sample, step: step, prediction)
    guard case .threshold = limit else { return epsilon }
    let original = limit.apply(schedule.original(epsilon, sample, step: step, .epsilon))
    return schedule.epsilon(original, sample, step: step, .sample)
  }

  /// One step of the given order: a sum of the sample, finite differences of the outputs, and noise.
  private func updated(_ sample: [Float], step: Int, order: Int, noise: [Float]) -> [Float] {
    let (end, start) = (schedule.level(step + 1), schedule.level(step))
    let h = end.lambda - start.lambda
    let weights = weights(h, end: end, start: start, order: order)
    let last = outputs.count - 1
    // Differences D0, D1 and D2 of the papers.
    var differences = [outputs[last]]
    if order > 1 {
      let r0 = (start.lambda - schedule.level(step - 1).lambda) / h
      let first = zipMap(outputs[last], outputs[last - 1]) { 1 / r0 * ($0 - $1) }
      if order == 2 {
        differences.append(first)
      } else {
        let r1 = (schedule.level(step - 1).lambda - schedule.level(step - 2).lambda) / h
        let second = zipMap(outputs[last - 1], outputs[last - 2]) { 1 / r1 * ($0 - $1) }
        differences.append(zipMap(first, second) { $0 + r0 / (r0 + r1) * ($0 - $1) })
        differences.append(zipMap(first, second) { 1 / (r0 + r1) * ($0 - $1) })
      }
    }
    var result = sample.map { weights.sample * $0 }
    for (weight, difference) in zip(weights.differences, differences) {
      result = zipMap(result, difference) { $0 + weight * $1 }
    }
    return algorithm.isStochastic ? zipMap(result, noise) { $0 + weights.noise * $1 } : result
  }

  private struct Weights {
    var sample: Float
    var differences: [Float]
    var noise: Float = 0
  }
  private typealias Level = (alpha: Float, sigma: Float, lambda: Float)

  private func weights(_ h: Float, end: Level, start: Level, order: Int) -> Weights {
    let usesIntegral = order == 3 || isHeun
    switch algorithm {
    case .dpmPlus, .deis:
      let change = expFloat(-h) - 1
      return Weights(
        sample: end.sigma / start.sigma,
        differences: [
          -(end.alpha * change), usesIntegral ? end.alpha * (change / h + 1) : -0.5 * (end.alpha * change),
          -(end.alpha * ((change + h) / (h * h) - 0.5)),
        ])
    case .dpm:
      let change = expFloat(h) - 1
      return Weights(
        sample: end.alpha / start.alpha,
        differences: [
          -(end.sigma * change), usesIntegral ? -(end.sigma * (change / h - 1)) : -0.5 * (end.sigma * change),
          -(end.sigma * ((change - h) / (h * h) - 0.5)),
        ])
    case .sdeDPMPlus:
      let change = 1 - expFloat(-2 * h)
      let double = 2 * h
      return Weights(
        sample: end.sigma / start.sigma * expFloat(-h),
        differences: [
          end.alpha * change, usesIntegral ? end.alpha * (change / -double + 1) : 0.5 * (end.alpha * change),
          end.alpha * ((change - double) / (double * double) - 0.5),
        ],
        noise: end.sigma * change.squareRoot())
    case .sdeDPM:
      let change = expFloat(h) - 1
      return Weights(
        sample: end.alpha / start.alpha,
        differences: [
          -2 * (end.sigma * change),
          usesIntegral ? -2 * (end.sigma * (change / h - 1)) : -(end.sigma * change), 0,
        ],
        noise: end.sigma * (expFloat(2 * h) - 1).squareRoot())
    }
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    schedule.addNoise(original, noise: noise, step: step)
  }
}
