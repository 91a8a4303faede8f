import Foundation

/// Multistep sampling of latent consistency models (Luo et al. 2023).
struct LCMScheduler: Scheduler {
  let timesteps: [Double]
  let initialNoiseSigma: Float = 1
  let order = 1

  private let alphas: [Float]
  private let timestepScaling: Double
  private let prediction: Prediction
  private let limit: SampleLimit

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    let reader = request.reader
    alphas = try NoiseSchedule(reader, scaledDefault: true).alphasCumprod
    let original = try reader.integer("original_inference_steps", 50, in: 1...request.training)
    guard original <= request.training else {
      throw reader.fault("original_inference_steps", "there are only \(request.training) num_train_timesteps")
    }
    guard request.steps <= original else {
      throw .steps(request.steps, kind: .lcm, why: "the model was distilled for \(original) (original_inference_steps)")
    }
    let kept = Int(Double(original) * min(max(request.strength, 0), 1))
    guard request.steps <= kept else {
      throw .steps(
        request.steps, kind: .lcm, why: "with the strength \(request.strength) only \(kept) of the \(original) remain")
    }
    let ratio = request.training / original
    let falling = (1...kept).map { $0 * ratio - 1 }.reversed() as [Int]
    // `numpy.linspace` without its end, rounded down.
    let share = Double(kept) / Double(request.steps)
    timesteps = (0..<request.steps).map { Double(falling[min(Int((Double($0) * share).rounded(.down)), kept - 1)]) }
    timestepScaling = try reader.number("timestep_scaling", 10, in: 0...1e6)
    prediction = try reader.word("prediction_type", .epsilon)
    limit = try SampleLimit(reader, clips: false, batch: request.batch)
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { sample }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    let alpha = alphas[Int(timesteps[step])]
    let (signal, spread) = (alpha.squareRoot(), (1 - alpha).squareRoot())
    let original = limit.apply(
      zipMap(sample, modelOutput) { sample, output in
        switch prediction {
        case .epsilon: (sample - spread * output) / signal
        case .sample: output
        case .velocity: signal * sample - spread * output
        }
      })
    // The boundary condition: at timestep 0 the sample is its own original (σ of the data 0.5). diffusers computes it
    // on an integer tensor, so in f32.
    let scaled = Float(timesteps[step]) * Float(timestepScaling)
    let skip = 0.25 / (scaled * scaled + 0.25)
    let out = scaled / (scaled * scaled + 0.25).squareRoot()
    let denoised = zipMap(original, sample) { out * $0 + skip * $1 }
    guard step + 1 < timesteps.count else { return denoised }
    let next = alphas[Int(timesteps[step + 1])]
    return mixed(denoised, noise(denoised.count), alpha: next)
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    mixed(original, noise, alpha: alphas[Int(timesteps[step])])
  }
}
