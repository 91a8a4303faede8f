/// The discrete solver of a diffusion process: from the model's outputs it makes each step's sample from the one
/// before. Samples are flat f32 tensors; where several pictures run together, theirs follow each other.
///
/// Numbers are diffusers', in its precision: tables in f32 (their intermediate forms in f64 where NumPy is used), steps
/// in f32.
public protocol Scheduler: Sendable {
  /// What the model gets as timestep, in the order of the steps. Some schedulers call the model more often than the
  /// number of steps asked for.
  var timesteps: [Double] { get }
  /// The standard deviation that the first sample must have: pure noise times this.
  var initialNoiseSigma: Float { get }
  /// Timesteps per step asked for, as image to image counts them: 1 for all that swage has.
  var order: Int { get }

  /// The model's input for the sample at `timesteps[step]`.
  func scaleModelInput(_ sample: [Float], step: Int) -> [Float]

  /// The next sample. Steps run in order, from the first or (image to image) a later one; `modelOutput` and `sample`
  /// have the same count. `noise` draws from the generator and is called exactly when diffusers draws.
  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float]

  /// `original` with as much noise as a sample has before step `step`.
  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float]
}

/// Which step image to image starts at: `strength` in 0...1 is the share of the steps that run (diffusers'
/// `get_timesteps`). With strength 0 the result is the number of timesteps left out, `steps`.
public func firstStep(strength: Double, steps: Int) -> Int {
  let share = Double(steps) * Swift.min(Swift.max(strength, 0), 1)
  return share.isNaN ? 0 : Swift.max(steps - Int(share), 0)
}
