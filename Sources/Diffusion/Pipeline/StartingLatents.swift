import SwagePlan
import SwageTensor

/// The latents that denoising begins with, and what inpainting puts beside or into them.
struct StartingLatents {
  /// f32 `[pictures, channels, h, w]`, scaled for the scheduler.
  var latents: [Float]
  /// Inpainting; nil elsewhere.
  var mask: LatentMask?
  /// More channels of the UNet's input, a row for each picture: the mask and the latents of the masked picture.
  var extraChannels: Tensor?
}

/// Where a picture is made anew, and what the rest is.
struct LatentMask {
  /// 1 where the picture is made anew, 0 where it stays; `[h, w]`.
  var values: [Float]
  /// Latents of the picture and the noise that was drawn, both of all pictures.
  var original: [Float]
  var noise: [Float]
}

/// Makes `StartingLatents`, drawing from the generator in the order of diffusers' pipelines.
struct LatentPreparation {
  let description: PipelineDescription
  let vae: VAE
  let request: GenerationRequest
  let settings: GenerationSettings

  /// `[pictures, channels, h, w]`
  var shape: [Int] {
    let factor = description.vaeScaleFactor
    return [
      settings.pictureCount, description.latentChannels, settings.height / factor, settings.width / factor,
    ]
  }

  private var elementsPerPicture: Int { shape.dropFirst().reduce(1, *) }

  /// Throws `DiffusionError`, or what a session throws.
  func run(scheduler: any Scheduler, firstStep: Int, noise source: inout NoiseSource) throws -> StartingLatents {
    guard let image = request.image, let strength = settings.strength else {
      let noise = try drawNoise(&source)
      return StartingLatents(latents: noise.map { $0 * scheduler.initialNoiseSigma })
    }
    let picture = image.resized(width: settings.width, height: settings.height)
    guard let mask = request.mask else {
      let original = try imageLatents(picture.encoderInput, source.drawForImage(elementsPerPicture))
      let noise = try drawNoise(&source)
      return StartingLatents(latents: scheduler.addNoise(original, noise: noise, step: firstStep))
    }
    let resized = mask.resized(width: settings.width, height: settings.height)
    return try inpainting(picture, resized.luma, strength, scheduler, firstStep, &source)
  }

  private func drawNoise(_ source: inout NoiseSource) throws(DiffusionError) -> [Float] {
    guard let given = request.initialNoise else { return source.draw(shape.reduce(1, *)) }
    guard given.elementType == .f32, given.shape == shape else {
      throw .noise(shape: given.shape, expected: shape)
    }
    return given.floats
  }

  /// Latents of an encoder's input for all pictures of the batch.
  private func imageLatents(_ input: Tensor, _ noise: [Float]) throws -> [Float] {
    let parameters = try vae.encode(input, tiling: request.tiling)
    guard parameters.count == 2 * elementsPerPicture else {
      throw DiffusionError.wrongPort(
        entryPoint: VAE.encoderName, port: "latent_parameters",
        reason: "it gives \(parameters.type) for latents \(shape)")
    }
    let latents = vae.sample(parameters, noise: noise)
    if latents.count == shape.reduce(1, *) { return latents }
    return (0..<settings.pictureCount).flatMap { _ in latents }
  }

  /// `brightness`: of the mask, a byte for each pixel; white is made anew.
  private func inpainting(
    _ picture: Picture, _ brightness: [UInt8], _ strength: Double, _ scheduler: any Scheduler, _ firstStep: Int,
    _ source: inout NoiseSource
  ) throws -> StartingLatents {
    let blends = description.denoiserChannels == description.latentChannels
    let isAllNoise = strength == 1
    let isMasked = brightness.map { $0 >= 128 }
    let whole = picture.encoderInput
    var original: [Float] = []
    if blends || !isAllNoise { original = try imageLatents(whole, source.drawShared(elementsPerPicture)) }
    let noise = try drawNoise(&source)
    let latents =
      isAllNoise
      ? noise.map { $0 * scheduler.initialNoiseSigma }
      : scheduler.addNoise(original, noise: noise, step: firstStep)
    // diffusers encodes the masked picture also where it does not use it: the draw counts.
    let maskedNoise = source.drawShared(elementsPerPicture)
    let small = latentMask(isMasked)
    if blends {
      return StartingLatents(
        latents: latents, mask: LatentMask(values: small, original: original, noise: noise))
    }
    var values = whole.floats
    for index in values.indices where isMasked[index % isMasked.count] { values[index] = 0 }
    let masked = try imageLatents(Tensor(floats: values, whole.shape), maskedNoise)
    let maskRows = (0..<settings.pictureCount).flatMap { _ in small }
    let extra = Tensor.joinedAlongChannels(
      Tensor(floats: maskRows, [shape[0], 1, shape[2], shape[3]]), Tensor(floats: masked, shape))
    guard extra.shape[1] + description.latentChannels == description.denoiserChannels else {
      throw DiffusionError.wrongPort(
        entryPoint: Denoiser.name, port: "sample",
        reason: "\(description.denoiserChannels) channels are not latents, mask and masked latents")
    }
    return StartingLatents(latents: latents, extraChannels: extra)
  }

  /// The nearest pixel of the mask for each of the latents (`torch.nn.functional.interpolate`'s default).
  private func latentMask(_ isMasked: [Bool]) -> [Float] {
    let factor = description.vaeScaleFactor
    return (0..<shape[2]).flatMap { y in
      (0..<shape[3]).map { x in isMasked[y * factor * settings.width + x * factor] ? Float(1) : 0 }
    }
  }
}

extension LatentMask {
  /// `(1 - mask) * original + mask * latents`
  func blend(_ latents: [Float], with original: [Float]) -> [Float] {
    latents.indices.map { index in
      let weight = values[index % values.count]
      return (1 - weight) * original[index] + weight * latents[index]
    }
  }
}

extension Tensor {
  /// Two tensors `[n, c, h, w]` that differ in `c` alone, as one `[n, c1 + c2, h, w]`.
  static func joinedAlongChannels(_ first: Tensor, _ second: Tensor) -> Tensor {
    let rows = first.shape[0]
    let plane = first.shape[2] * first.shape[3]
    func flat(_ tensor: Tensor) -> Tensor { tensor.reshaped([rows, tensor.shape[1] * plane]) }
    let channels = first.shape[1] + second.shape[1]
    return joinedAlongLastAxis([flat(first), flat(second)])
      .reshaped([rows, channels, first.shape[2], first.shape[3]])
  }
}
