import SwageFrontend
import SwagePlan

extension PipelineDescription {
  /// What a checkpoint's settings say of its pipeline.
  /// - Throws: `DiffusersError` for settings that cannot be used, or options that do not fit them.
  init(of folder: DiffusersFolder, options: CheckpointOptions) throws {
    guard let unet = folder.component("unet")?.configuration, let vae = folder.component("vae")?.configuration else {
      throw DiffusersError.missingPart(folder: folder.path, part: "unet", reason: "it was not read")
    }
    let latentChannels = try vae.integer("latent_channels", default: 4)
    let levels = vae["block_out_channels"]?.array?.count ?? 1
    guard (1...8).contains(levels) else {
      throw DiffusersError.configuration(
        file: vae.path, key: "block_out_channels", reason: "it is no list of one to eight sizes")
    }
    let factor = 1 << (levels - 1)
    let (height, width) = try Self.latentSize(unet, default: folder.isXL ? 128 : 64)
    let guidance = unet["time_cond_proj_dim"] == nil ? nil : try unet.integer("time_cond_proj_dim", default: nil)
    self.init(
      kind: folder.isXL ? .stableDiffusionXL : .stableDiffusion, textEncoders: try Self.textEncoders(folder),
      latentChannels: latentChannels, denoiserChannels: try unet.integer("in_channels", default: 4),
      vaeScaleFactor: factor, sizeMultiple: factor,
      scalingFactor: try vae.number("scaling_factor", default: 0.18215),
      shiftFactor: try vae.number("shift_factor", default: 0), defaultHeight: height * factor,
      defaultWidth: width * factor,
      forceZerosForEmptyPrompt: try folder.index.flag("force_zeros_for_empty_prompt", default: folder.isXL),
      addsTimeIDs: try unet.text("addition_embed_type") == "text_time", guidanceEmbeddingSize: guidance,
      hasEncoder: options.includesEncoder)
    try specialise(options)
  }

  /// `sample_size`: one number, or height and width, in latent pixels.
  private static func latentSize(_ unet: JSONFile, default fallback: Int) throws -> (height: Int, width: Int) {
    if let pair = unet["sample_size"]?.array {
      guard pair.count == 2, let height = pair[0].integer, let width = pair[1].integer,
        (1...4096).contains(height), (1...4096).contains(width)
      else {
        throw DiffusersError.configuration(file: unet.path, key: "sample_size", reason: "it is no height and width")
      }
      return (height, width)
    }
    let side = try unet.integer("sample_size", default: fallback, in: 1...4096)
    return (side, side)
  }

  private static func textEncoders(_ folder: DiffusersFolder) throws -> [TextEncoder] {
    try ["text_encoder", "text_encoder_2"].compactMap { name in
      guard let settings = folder.component(name)?.configuration else { return nil }
      let layers = try settings.integer("num_hidden_layers", default: 12, in: 1...1024)
      return TextEncoder(
        entryPoint: name, tokenizer: name == "text_encoder" ? "tokenizer" : "tokenizer_2",
        embedding: folder.isXL ? "hidden_states.\(layers - 1)" : "last_hidden_state",
        pooled: name == "text_encoder_2" ? "text_embeds" : nil,
        maximumTokens: try settings.integer("max_position_embeddings", default: 77, in: 3...4096))
    }
  }

  private mutating func specialise(_ options: CheckpointOptions) throws {
    for (name, size) in [("width", options.width), ("height", options.height)] {
      guard let size else { continue }
      guard size > 0, size <= 1 << 14, size % sizeMultiple == 0 else {
        throw DiffusersError.specialisation(
          flag: "--size",
          reason: "its \(name), \(size), is no multiple of \(sizeMultiple) from \(sizeMultiple) to 16384")
      }
    }
    if let batch = options.batch, !(1...1024).contains(batch) {
      throw DiffusersError.specialisation(flag: "--batch", reason: "\(batch) is not from 1 to 1024")
    }
    fixedBatch = options.batch
    fixedHeight = options.height
    fixedWidth = options.width
  }
}
