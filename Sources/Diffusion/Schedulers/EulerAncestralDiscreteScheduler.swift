/// Euler's method in σ with fresh noise after each step (ancestral sampling, as in k-diffusion).
struct EulerAncestralDiscreteScheduler: Scheduler {
  let order = 1

  private let schedule: SigmaSchedule
  private let prediction: Prediction

  var timesteps: [Double] { schedule.timesteps }
  var initialNoiseSigma: Float { schedule.initialNoiseSigma }

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    schedule = try SigmaSchedule(request, spacing: .timesteps, rescales: true, isEuler: false)
    prediction = try request.reader.word("prediction_type", .epsilon)
    guard prediction != .sample else {
      throw request.reader.fault("prediction_type", "this scheduler works on predicted noise or velocity")
    }
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { schedule.scaled(sample, step: step) }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    let (sigma, next) = (schedule.sigmas[step], schedule.sigmas[step + 1])
    let up = (next * next * (sigma * sigma - next * next) / (sigma * sigma)).squareRoot()
    let down = (next * next - up * up).squareRoot()
    let moved = zipMap(sample, modelOutput) { sample, output in
      let original = schedule.original(output, sample, sigma, prediction)
      return sample + (sample - original) / sigma * (down - sigma)
    }
    return zipMap(moved, noise(moved.count)) { $0 + $1 * up }
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    schedule.addNoise(original, noise: noise, step: step)
  }
}
