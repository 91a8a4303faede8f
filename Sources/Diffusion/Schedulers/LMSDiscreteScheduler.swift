/// Linear multistep method of order 4 in σ (as in k-diffusion).
struct LMSDiscreteScheduler: Scheduler {
  let order = 1

  private let schedule: SigmaSchedule
  private let prediction: Prediction
  /// The last four derivatives, newest last.
  private var derivatives: [[Float]] = []

  var timesteps: [Double] { schedule.timesteps }
  var initialNoiseSigma: Float { schedule.initialNoiseSigma }

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    schedule = try SigmaSchedule(
      request, spacing: SigmaSpacing(request.reader), rescales: false, isEuler: false)
    prediction = try request.reader.word("prediction_type", .epsilon)
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { schedule.scaled(sample, step: step) }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    let sigma = schedule.sigmas[step]
    let derivative = zipMap(sample, modelOutput) { sample, output in
      (sample - schedule.original(output, sample, sigma, prediction)) / sigma
    }
    derivatives = derivatives.suffix(3) + [derivative]
    let order = min(step + 1, 4)
    let coefficients = (0..<order).map { Float(coefficient(order: order, step: step, current: $0)) }
    // Where the steps begin later, fewer derivatives than coefficients are there, as in diffusers.
    var change = [Float](repeating: 0, count: sample.count)
    for (coefficient, derivative) in zip(coefficients, derivatives.reversed()) {
      change = zipMap(change, derivative) { $0 + coefficient * $1 }
    }
    return zipMap(sample, change) { $0 + $1 }
  }

  /// The integral over the step of the Lagrange polynomial that is 1 at the derivative `current` steps back: by the
  /// Gauss–Legendre rule of two points, which is exact for its degree of at most 3.
  private func coefficient(order: Int, step: Int, current: Int) -> Double {
    let sigmas = schedule.sigmas.map { Double($0) }
    let (middle, half) = ((sigmas[step] + sigmas[step + 1]) / 2, (sigmas[step + 1] - sigmas[step]) / 2)
    let node = half / 3.0.squareRoot()
    return half
      * [middle - node, middle + node].reduce(0) { sum, sigma in
        sum
          + (0..<order).filter { $0 != current }.reduce(1) { product, other in
            product * (sigma - sigmas[step - other]) / (sigmas[step - current] - sigmas[step - other])
          }
      }
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    schedule.addNoise(original, noise: noise, step: step)
  }
}
