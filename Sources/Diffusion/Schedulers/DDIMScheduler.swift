/// Denoising diffusion implicit models (Song et al. 2020, formulas 12 and 16).
struct DDIMScheduler: Scheduler {
  let timesteps: [Double]
  let initialNoiseSigma: Float = 1
  let order = 1

  private let alphas: [Float]
  private let finalAlpha: Float
  private let stride: Int
  private let prediction: Prediction
  private let limit: SampleLimit
  private let eta: Float

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    let reader = request.reader
    alphas = try NoiseSchedule(reader).alphasCumprod
    finalAlpha = try reader.bool("set_alpha_to_one", true) ? 1 : alphas[0]
    timesteps = try request.timesteps(.leading).map { $0.rounded(.toNearestOrEven) }
    stride = request.training / request.steps
    prediction = try reader.word("prediction_type", .epsilon)
    limit = try SampleLimit(reader, clips: true, batch: request.batch)
    eta = Float(request.eta)
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { sample }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    let timestep = Int(timesteps[step])
    let alpha = alphas[timestep]
    let previous = timestep >= stride ? alphas[timestep - stride] : finalAlpha
    let (signal, spread) = (alpha.squareRoot(), (1 - alpha).squareRoot())
    let original = limit.apply(
      zipMap(sample, modelOutput) { sample, output in
        switch prediction {
        case .epsilon: (sample - spread * output) / signal
        case .sample: output
        case .velocity: signal * sample - spread * output
        }
      })
    // The noise is that of the prediction before it was limited, as diffusers has it without clipped outputs.
    let epsilon = zipMap(sample, modelOutput) { sample, output in
      switch prediction {
      case .epsilon: output
      case .sample: (sample - signal * output) / spread
      case .velocity: signal * output + spread * sample
      }
    }
    let variance = (1 - previous) / (1 - alpha) * (1 - alpha / previous)
    let deviation = eta * variance.squareRoot()
    let (toSignal, toSpread) = (previous.squareRoot(), (1 - previous - deviation * deviation).squareRoot())
    let next = zipMap(original, epsilon) { toSignal * $0 + toSpread * $1 }
    guard eta > 0 else { return next }
    return zipMap(next, noise(next.count)) { $0 + deviation * $1 }
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    mixed(original, noise, alpha: alphas[Int(timesteps[step])])
  }
}

/// `original` with noise so that ᾱ of its variance is left.
func mixed(_ original: [Float], _ noise: [Float], alpha: Float) -> [Float] {
  let (signal, spread) = (alpha.squareRoot(), (1 - alpha).squareRoot())
  return zipMap(original, noise) { signal * $0 + spread * $1 }
}
