/// What a text-to-image plan is made of: how its entry points, tokenizers and sizes belong together.
///
/// Stored as the attachment `pipeline.json`. The plan beside it holds the entry points `unet` (and `unet_prompt`, where
/// work that is the same for every step was taken out of it), `vae_decoder`, `vae_encoder` where `hasEncoder`, and those
/// that `textEncoders` names; the attachment `scheduler/scheduler_config.json`; and the files of each tokenizer, where
/// the checkpoint has them.
public struct PipelineDescription: Codable, Hashable, Sendable {
  public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
    case stableDiffusion = "stable-diffusion"
    case stableDiffusionXL = "stable-diffusion-xl"
  }

  public struct TextEncoder: Codable, Hashable, Sendable {
    /// `text_encoder`, `text_encoder_2`. Its input is `input_ids: i64[batch, maximumTokens]`.
    public var entryPoint: String
    /// Folder of the tokenizer's attachments: `tokenizer`, `tokenizer_2`.
    public var tokenizer: String
    /// The output that conditions the UNet: `last_hidden_state`, `hidden_states.11`.
    public var embedding: String
    /// The output with one vector for the whole prompt, where the UNet takes it: `text_embeds`.
    public var pooled: String?
    /// Tokens of a prompt, start and end included.
    public var maximumTokens: Int

    public init(entryPoint: String, tokenizer: String, embedding: String, pooled: String? = nil, maximumTokens: Int) {
      self.entryPoint = entryPoint
      self.tokenizer = tokenizer
      self.embedding = embedding
      self.pooled = pooled
      self.maximumTokens = maximumTokens
    }
  }

  public var kind: Kind
  /// Their embeddings are joined along the last axis, in this order.
  public var textEncoders: [TextEncoder]
  /// Channels of a latent picture.
  public var latentChannels: Int
  /// Channels of the UNet's input: more than `latentChannels` where it also takes a mask and a masked picture.
  public var denoiserChannels: Int
  /// Pixels along each axis of a picture for each latent pixel.
  public var vaeScaleFactor: Int
  /// Widths and heights of pictures are multiples of this.
  public var sizeMultiple: Int
  /// Latents are the VAE's times this, less the shift.
  public var scalingFactor: Double
  public var shiftFactor: Double
  /// Pixels.
  public var defaultHeight: Int
  public var defaultWidth: Int
  /// An empty negative prompt is embedded as zeros.
  public var forceZerosForEmptyPrompt: Bool
  /// The UNet takes the original size, the crop and the target size.
  public var addsTimeIDs: Bool
  /// Width of the UNet's input `timestep_cond`, where it has one: the guidance scale is embedded, not applied.
  public var guidanceEmbeddingSize: Int?
  /// Whether there is `vae_encoder`: image to image is possible.
  public var hasEncoder: Bool
  /// Sizes that the plan was specialised on, in pictures per run and pixels; the UNet sees twice the batch.
  public var fixedBatch: Int?
  public var fixedHeight: Int?
  public var fixedWidth: Int?

  public init(
    kind: Kind, textEncoders: [TextEncoder], latentChannels: Int, denoiserChannels: Int, vaeScaleFactor: Int,
    sizeMultiple: Int, scalingFactor: Double, shiftFactor: Double = 0, defaultHeight: Int, defaultWidth: Int,
    forceZerosForEmptyPrompt: Bool = false, addsTimeIDs: Bool = false, guidanceEmbeddingSize: Int? = nil,
    hasEncoder: Bool = false, fixedBatch: Int? = nil, fixedHeight: Int? = nil, fixedWidth: Int? = nil
  ) {
    self.kind = kind
    self.textEncoders = textEncoders
    self.latentChannels = latentChannels
    self.denoiserChannels = denoiserChannels
    self.vaeScaleFactor = vaeScaleFactor
    self.sizeMultiple = sizeMultiple
    self.scalingFactor = scalingFactor
    self.shiftFactor = shiftFactor
    self.defaultHeight = defaultHeight
    self.defaultWidth = defaultWidth
    self.forceZerosForEmptyPrompt = forceZerosForEmptyPrompt
    self.addsTimeIDs = addsTimeIDs
    self.guidanceEmbeddingSize = guidanceEmbeddingSize
    self.hasEncoder = hasEncoder
    self.fixedBatch = fixedBatch
    self.fixedHeight = fixedHeight
    self.fixedWidth = fixedWidth
  }
}
