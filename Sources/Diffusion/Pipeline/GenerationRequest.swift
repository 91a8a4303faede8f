import SwageTensor

/// What to make. What is nil is the checkpoint's default, or diffusers' where the checkpoint has none.
public struct GenerationRequest: Sendable {
  /// Who draws the noise of several pictures.
  public enum Seeding: String, Hashable, Sendable, CaseIterable {
    /// One generator draws for all of them at once: diffusers with one `torch.Generator`.
    case together
    /// Picture k has its own generator, seeded with `seed + k`: diffusers with a list of generators.
    case each
  }

  /// Whether the VAE works on overlapping tiles, whose borders are blended: less memory, and slightly another picture.
  public enum Tiling: String, Hashable, Sendable, CaseIterable {
    /// Where the whole picture would need more memory than `TextToImage.Options.decodeMemory`.
    case automatic
    case always
    case never
  }

  /// SDXL's conditioning on sizes, in pixels: (height, width) and (top, left), as diffusers orders them.
  public struct SizeConditioning: Hashable, Sendable {
    public var originalHeight: Int
    public var originalWidth: Int
    public var cropTop: Int
    public var cropLeft: Int
    public var targetHeight: Int
    public var targetWidth: Int

    public init(
      originalHeight: Int, originalWidth: Int, cropTop: Int = 0, cropLeft: Int = 0, targetHeight: Int, targetWidth: Int
    ) {
      self.originalHeight = originalHeight
      self.originalWidth = originalWidth
      self.cropTop = cropTop
      self.cropLeft = cropLeft
      self.targetHeight = targetHeight
      self.targetWidth = targetWidth
    }

    var values: [Float] {
      [originalHeight, originalWidth, cropTop, cropLeft, targetHeight, targetWidth].map { Float($0) }
    }
  }

  /// Each is made into `count` pictures. An empty prompt is allowed.
  public var prompts: [String]
  /// What the pictures should not show; nil is not the same as empty where `force_zeros_for_empty_prompt` is set.
  public var negativePrompt: String?
  /// Pictures for each prompt.
  public var count = 1
  /// Steps of the scheduler: 50, or 4 for LCM.
  public var steps: Int?
  /// Guidance scale: 7.5, 5 for SDXL, 8.5 for LCM. 1 or less goes without the unconditional half.
  public var guidance: Double?
  /// How far the guided noise is brought back to the standard deviation of the text's, 0 to 1 ("Common Diffusion Noise
  /// Schedules and Sample Steps are Flawed", 3.4).
  public var guidanceRescale = 0.0
  public var seed: UInt64
  public var seeding = Seeding.together
  /// The scheduler's short name (`euler`) or diffusers' class; nil takes the checkpoint's.
  public var scheduler: String?
  /// Pixels; nil takes those of `image`, or the checkpoint's.
  public var width: Int?
  public var height: Int?
  /// The picture to begin with: image to image. Another size is resized.
  public var image: Picture?
  /// How much of `image` is replaced by noise, 0 to 1: 0.8, 0.3 for SDXL; with a mask 1, 0.9999 for SDXL.
  public var strength: Double?
  /// Where it is white, `image` is made anew: inpainting. It has the size of `image`.
  public var mask: Picture?
  /// SDXL: nil takes the picture's size.
  public var sizes: SizeConditioning?
  /// SDXL, for the negative prompt: nil takes `sizes`.
  public var negativeSizes: SizeConditioning?
  public var tiling = Tiling.automatic
  /// The noise to begin with, f32 `[pictures, channels, height, width]` of standard deviation one, instead of the seed's.
  public var initialNoise: Tensor?

  public init(prompts: [String], seed: UInt64) {
    self.prompts = prompts
    self.seed = seed
  }

  public init(_ prompt: String, seed: UInt64) { self.init(prompts: [prompt], seed: seed) }
}
