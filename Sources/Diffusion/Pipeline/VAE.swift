import Foundation
import SwagePlan
import SwageRuntime
import SwageTensor

/// The variational autoencoder: pictures to latents and back, whole or in tiles.
struct VAE {
  let description: PipelineDescription
  let parts: ModelParts
  /// Bytes of working memory above which tiling is better.
  let memoryLimit: Int

  static let decoderName = "vae_decoder"
  static let encoderName = "vae_encoder"

  /// Latents as the UNet has them, f32 `[n, channels, h, w]`, to f32 `[n, 3, H, W]` around [-1, 1].
  func decode(_ latents: Tensor, tiling: GenerationRequest.Tiling) throws -> (sample: Tensor, isTiled: Bool) {
    let scale = Float(description.scalingFactor)
    let shift = Float(description.shiftFactor)
    let values = latents.floats.map { $0 / scale + shift }
    let factor = description.vaeScaleFactor
    return try apply(
      Tensor(floats: values, latents.shape), part: Self.decoderName, port: "latent_sample", output: "sample",
      tile: defaultLatentSide, scale: Ratio(multiply: factor, divide: 1), tiling: tiling)
  }

  /// A picture, f32 `[1, 3, H, W]` in [-1, 1], to the mean and logarithm of the variance of its latents, f32
  /// `[1, 2 channels, h, w]`, not scaled.
  func encode(_ sample: Tensor, tiling: GenerationRequest.Tiling) throws -> Tensor {
    let factor = description.vaeScaleFactor
    return try apply(
      sample, part: Self.encoderName, port: "sample", output: "latent_parameters", tile: defaultLatentSide * factor,
      scale: Ratio(multiply: 1, divide: factor), tiling: tiling
    ).sample
  }

  /// A sample of the distribution that `encode` gives: mean + deviation * noise, scaled for the UNet. The logarithm of the
  /// variance is clamped to [-30, 20], as diffusers' `DiagonalGaussianDistribution` does. `noise` holds one or more
  /// pictures; the result has as many.
  func sample(_ parameters: Tensor, noise: [Float]) -> [Float] {
    let values = parameters.floats
    let half = values.count / 2
    let (scale, shift) = (Float(description.scalingFactor), Float(description.shiftFactor))
    return noise.indices.map { index in
      let element = index % half
      let logarithm = min(max(values[half + element], -30), 20)
      let latent = values[element] + Float(exp(Double(0.5 * logarithm))) * noise[index]
      return (latent - shift) * scale
    }
  }

  /// The latents' side that the checkpoint was trained for: diffusers' size of a tile.
  private var defaultLatentSide: Int {
    max(max(description.defaultWidth, description.defaultHeight) / description.vaeScaleFactor, 1)
  }

  /// Whether latents of other sizes than the request's can be decoded.
  func takesAnySize() throws -> Bool {
    !Self.isFixed(try parts(Self.decoderName, memoryLimit: memoryLimit), "latent_sample")
  }

  private static func isFixed(_ part: any ModelPart, _ port: String) -> Bool {
    part.inputs.first { $0.name == port }?.type.shape.suffix(2).contains { $0.constant != nil } ?? false
  }

  private func apply(
    _ input: Tensor, part name: String, port: String, output: String, tile: Int, scale: Ratio,
    tiling: GenerationRequest.Tiling
  ) throws -> (sample: Tensor, isTiled: Bool) {
    let limit = tiling == .automatic ? memoryLimit : nil
    let part = try parts(name, memoryLimit: limit)
    func whole(_ tensor: Tensor) throws -> Tensor {
      // One picture at a time: the largest tensors of the pipeline are here.
      let results = try part.runRows(
        [port: tensor], rowPort: port, limit: 1, outputs: [output], of: name, stage: name)
      guard let result = results[output], result.shape.count == 4 else {
        throw DiffusionError.wrongPort(entryPoint: name, port: output, reason: "it is not [batch, channels, h, w]")
      }
      return result
    }
    let sides = (input.shape[2], input.shape[3])
    // A plan for one size alone takes no tiles of another.
    if Self.isFixed(part, port) || tiling == .never { return (try whole(input), false) }
    var side = tile
    if tiling == .automatic {
      do { return (try whole(input), false) } catch let error as RuntimeError where error.isShortOfMemory {
        while side >= max(sides.0, sides.1), side > Tiling.smallestSide { side /= 2 }
      }
    }
    guard sides.0 > side || sides.1 > side else { return (try whole(input), false) }
    while true {
      do {
        return (try Tiling(side: side, scale: scale).run(input, whole), true)
      } catch let error as RuntimeError where error.isShortOfMemory && side > Tiling.smallestSide {
        side /= 2
      }
    }
  }
}

extension RuntimeError {
  var isShortOfMemory: Bool {
    switch self {
    case .memoryLimit, .noMemory: true
    default: false
    }
  }
}

/// A scale of sizes: times one number, by another.
struct Ratio {
  var multiply: Int
  var divide: Int
  func of(_ size: Int) -> Int { size * multiply / divide }
}
