import SwageTensor

/// The loop over the scheduler's steps.
struct DenoisingLoop {
  let denoiser: Denoiser
  let settings: GenerationSettings
  let isGuided: Bool
  /// `[pictures, channels, h, w]`
  let shape: [Int]
  let firstStep: Int
  let prepared: StartingLatents
  let vae: VAE

  /// Returns the final latents, f32 of `shape`.
  func run(
    _ scheduler: inout any Scheduler, _ noise: inout NoiseSource, _ seconds: inout [Double],
    progress: (GenerationProgress) throws -> Void
  ) throws -> Tensor {
    var latents = prepared.latents
    let timesteps = scheduler.timesteps
    let steps = timesteps.count - firstStep
    for step in firstStep..<timesteps.count {
      let (current, next) = (latents, scheduler)
      try progress(
        GenerationProgress(
          stage: .denoising, step: step - firstStep, steps: steps, seconds: seconds,
          preview: { try preview(current, next, step) }))
      let start = ContinuousClock.now
      let prediction = try predict(latents, scheduler, step: step, timestep: timesteps[step])
      latents = scheduler.step(prediction, step: step, sample: latents, noise: { noise.draw($0) })
      if let mask = prepared.mask {
        let isLast = step + 1 == timesteps.count
        let original =
          isLast ? mask.original : scheduler.addNoise(mask.original, noise: mask.noise, step: step + 1)
        latents = mask.blend(latents, with: original)
      }
      guard Tensor(floats: latents, shape).isFinite else {
        throw DiffusionError.notFinite(
          stage: "the scheduler \(settings.scheduler) in step \(step - firstStep + 1)", node: nil, sources: [],
          detail: "the UNet's prediction was finite")
      }
      seconds.append((ContinuousClock.now - start).inSeconds)
    }
    return Tensor(floats: latents, shape)
  }

  /// The noise that the UNet sees in the latents, guided.
  private func predict(
    _ latents: [Float], _ scheduler: any Scheduler, step: Int, timestep: Double
  ) throws -> [Float] {
    var sample = Tensor(floats: scheduler.scaleModelInput(latents, step: step), shape)
    if let extra = prepared.extraChannels { sample = .joinedAlongChannels(sample, extra) }
    if isGuided { sample = .joined([sample, sample]) }
    let prediction = try denoiser.predict(sample, timestep: timestep, step: step - firstStep).floats
    guard prediction.count == latents.count * (isGuided ? 2 : 1) else {
      throw DiffusionError.wrongPort(
        entryPoint: Denoiser.name, port: "out_sample", reason: "it has another shape than the latents \(shape)")
    }
    guard isGuided else { return prediction }
    return Guidance.combine(
      prediction, scale: settings.guidance, rescale: settings.guidanceRescale, pictures: settings.pictureCount)
  }

  /// The first picture's latents before `step`, brought to the scale that the UNet sees and made smaller by averaging to
  /// at most 32 a side, decoded.
  private func preview(_ latents: [Float], _ scheduler: any Scheduler, _ step: Int) throws -> Picture {
    let scaled = scheduler.scaleModelInput(latents, step: step)
    let (channels, height, width) = (shape[1], shape[2], shape[3])
    let first = Array(scaled.prefix(channels * height * width))
    let divisor = try vae.takesAnySize() ? max((max(height, width) + 31) / 32, 1) : 1
    let (smallHeight, smallWidth) = (max(height / divisor, 1), max(width / divisor, 1))
    var small = [Float](repeating: 0, count: channels * smallHeight * smallWidth)
    for channel in 0..<channels {
      for y in 0..<smallHeight {
        for x in 0..<smallWidth {
          var sum: Float = 0
          for row in 0..<divisor {
            let line = channel * height + y * divisor + row
            let start = line * width + x * divisor
            for column in 0..<divisor { sum += first[start + column] }
          }
          small[(channel * smallHeight + y) * smallWidth + x] = sum / Float(divisor * divisor)
        }
      }
    }
    let decoded = try vae.decode(
      Tensor(floats: small, [1, channels, smallHeight, smallWidth]), tiling: .automatic)
    guard let picture = Picture(decoded: decoded.sample) else {
      throw DiffusionError.wrongPort(
        entryPoint: VAE.decoderName, port: "sample", reason: "it gives \(decoded.sample.type), no pictures")
    }
    return picture
  }
}
