import SwageRuntime
import SwageTensor

/// Pictures, and how they came about.
public struct GenerationResult: Sendable {
  /// `count` for each prompt, in the order of the prompts.
  public var pictures: [Picture]
  /// What the VAE decoded, before `scaling_factor` was taken off: f32 `[pictures, channels, height, width]`.
  public var latents: Tensor
  /// Token ids, i64 `[prompts, tokens]`, by the entry point of their text encoder; the negative prompt last, where one was
  /// encoded.
  public var tokenIDs: [String: Tensor]
  /// Text that did not fit the encoder.
  public var dropped: [DroppedText]
  /// What was used where the request left a choice.
  public var settings: GenerationSettings
  public var times: GenerationTimes
  /// Where the time of each entry point went, over all its runs.
  public var profiles: [Profile]
  /// Whether the VAE worked on tiles.
  public var isTiled: Bool
}

/// The end of a prompt that was cut off.
public struct DroppedText: Hashable, Sendable {
  public var prompt: String
  public var dropped: String
  /// Tokens that the encoder takes, start and end included.
  public var maximumTokens: Int
}

/// Seconds.
public struct GenerationTimes: Hashable, Sendable {
  /// Opening entry points: loading code, preparing library calls.
  public var load = 0.0
  /// Tokens, text encoders, and what is done once per prompt.
  public var text = 0.0
  /// Encoding the picture to begin with; 0 without one.
  public var image = 0.0
  /// Each step of the scheduler: UNet, guidance, the step itself.
  public var steps: [Double] = []
  public var decode = 0.0
  public var total = 0.0
}

/// How far a generation is.
public struct GenerationProgress {
  public enum Stage: String, Hashable, Sendable {
    case text, image, denoising, decoding
  }

  /// What begins, or goes on, now.
  public let stage: Stage
  /// Steps done, of all.
  public let step: Int
  public let steps: Int
  /// Seconds of the steps so far.
  public let seconds: [Double]
  /// The first picture as it is now, made small: the VAE decodes what the latents are at this step. nil outside the steps.
  public let preview: (() throws -> Picture)?
}
