/// Euler's method in σ (Karras et al. 2022, algorithm 2 without churn).
struct EulerDiscreteScheduler: Scheduler {
  let order = 1

  private let schedule: SigmaSchedule
  private let prediction: Prediction

  var timesteps: [Double] { schedule.timesteps }
  var initialNoiseSigma: Float { schedule.initialNoiseSigma }

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    schedule = try SigmaSchedule(
      request, spacing: SigmaSpacing(request.reader), rescales: true, isEuler: true)
    prediction = try request.reader.word("prediction_type", .epsilon)
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { schedule.scaled(sample, step: step) }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    let sigma = schedule.sigmas[step]
    let distance = schedule.sigmas[step + 1] - sigma
    return zipMap(sample, modelOutput) { sample, output in
      let original = schedule.original(output, sample, sigma, prediction)
      return sample + (sample - original) / sigma * distance
    }
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    schedule.addNoise(original, noise: noise, step: step)
  }
}
