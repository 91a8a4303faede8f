import Foundation

extension PipelineDescription {
  /// The attachment that holds the description.
  public static let attachmentName = "pipeline.json"
  /// The attachment that holds the noise scheduler's settings, as the checkpoint has them.
  public static let schedulerAttachmentName = "scheduler/scheduler_config.json"

  /// No size in a description is larger; products of four of them fit 64 bits.
  static let maximumSize = 1 << 15

  /// The description as JSON with sorted keys: the same description gives the same bytes.
  public func attachment() throws -> PlanAttachment {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return PlanAttachment(name: Self.attachmentName, bytes: Array(try encoder.encode(self)) + [UInt8(ascii: "\n")])
  }

  /// The description in a plan; every entry point and port that it names is there.
  /// - Throws: `PlanError.pipeline` where the plan has none, or one that does not fit the plan.
  public init(of plan: Plan) throws(PlanError) {
    guard let bytes = plan.attachment(Self.attachmentName) else {
      throw .pipeline(reason: "it has no attachment \(Self.attachmentName)")
    }
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(bytes))
    } catch {
      throw .pipeline(reason: "\(Self.attachmentName) is no description of a pipeline: \(Self.reason(error))")
    }
    if let fault = fault(in: plan) { throw .pipeline(reason: fault) }
  }

  /// What does not fit; nil for a description that the plan can run.
  func fault(in plan: Plan) -> String? {
    let sizes: [(String, Int?)] = [
      ("latentChannels", latentChannels), ("denoiserChannels", denoiserChannels), ("vaeScaleFactor", vaeScaleFactor),
      ("sizeMultiple", sizeMultiple), ("defaultHeight", defaultHeight), ("defaultWidth", defaultWidth),
      ("guidanceEmbeddingSize", guidanceEmbeddingSize), ("fixedBatch", fixedBatch), ("fixedHeight", fixedHeight),
      ("fixedWidth", fixedWidth),
    ]
    for (name, size) in sizes {
      if let size, !(1...Self.maximumSize).contains(size) { return "\(name) is \(size)" }
    }
    if denoiserChannels < latentChannels {
      return "denoiserChannels \(denoiserChannels) are fewer than latentChannels \(latentChannels)"
    }
    guard scalingFactor.isFinite, scalingFactor != 0, shiftFactor.isFinite else {
      return "scalingFactor \(scalingFactor) and shiftFactor \(shiftFactor) cannot be used"
    }
    guard (1...2).contains(textEncoders.count) else { return "it has \(textEncoders.count) text encoders" }
    if kind == .stableDiffusionXL, !textEncoders.contains(where: { $0.pooled != nil }) {
      return "no text encoder gives a pooled embedding"
    }
    for encoder in textEncoders {
      if !(3...Self.maximumSize).contains(encoder.maximumTokens) { return "maximumTokens is \(encoder.maximumTokens)" }
      if let fault = Self.missing(
        encoder.entryPoint, inputs: ["input_ids"], outputs: [encoder.embedding] + (encoder.pooled.map { [$0] } ?? []),
        in: plan)
      {
        return fault
      }
    }
    let hoisted = plan.entryPoints.first { $0.name == "unet" }?.inputs.map(\.name).filter { $0.hasPrefix("invariant.") }
    return Self.missing("unet", inputs: ["sample", "timestep"], outputs: ["out_sample"], in: plan)
      ?? (hoisted ?? []).lazy.compactMap { Self.missing("unet_prompt", inputs: [], outputs: [$0], in: plan) }.first
      ?? Self.missing("vae_decoder", inputs: ["latent_sample"], outputs: ["sample"], in: plan)
      ?? (hasEncoder
        ? Self.missing("vae_encoder", inputs: ["sample"], outputs: ["latent_parameters"], in: plan) : nil)
  }

  private static func missing(_ name: String, inputs: [String], outputs: [String], in plan: Plan) -> String? {
    guard let entry = plan.entryPoints.first(where: { $0.name == name }) else {
      return "there is no entry point \(name)"
    }
    for input in inputs where !entry.inputs.contains(where: { $0.name == input }) {
      return "the entry point \(name) has no input \(input)"
    }
    for output in outputs where !entry.outputs.contains(where: { $0.name == output }) {
      return "the entry point \(name) has no output \(output)"
    }
    return nil
  }

  private static func reason(_ error: any Error) -> String {
    func path(_ context: DecodingError.Context) -> String {
      context.codingPath.isEmpty ? "" : " at " + context.codingPath.map(\.stringValue).joined(separator: ".")
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context): return "\(key.stringValue) is missing\(path(context))"
    case .valueNotFound(_, let context), .typeMismatch(_, let context):
      return "a value of the wrong type\(path(context))"
    case .dataCorrupted(let context): return "malformed JSON or an unknown value\(path(context))"
    default: return "it cannot be decoded"
    }
  }

  /// The description in lines, for people.
  public var summary: [String] {
    let fixed = [
      fixedBatch.map { "\($0) pictures" }, fixedWidth.flatMap { width in fixedHeight.map { "\(width)x\($0)" } },
    ].compactMap { $0 }
    var lines = [
      "pipeline \(kind.rawValue): pictures of \(defaultWidth)x\(defaultHeight) by default, sizes in multiples of "
        + "\(sizeMultiple)" + (fixed.isEmpty ? "" : ", fixed to \(fixed.joined(separator: " of "))"),
      "  latents of \(latentChannels) channels, 1/\(vaeScaleFactor) of the size, scaled by \(scalingFactor)"
        + (shiftFactor == 0 ? "" : ", shifted by \(shiftFactor)")
        + (denoiserChannels == latentChannels ? "" : "; the UNet takes \(denoiserChannels) channels")
        + (hasEncoder ? "" : "; no encoder"),
    ]
    for encoder in textEncoders {
      lines.append(
        "  \(encoder.entryPoint.printable): \(encoder.maximumTokens) tokens of \(encoder.tokenizer.printable), "
          + "embedding \(encoder.embedding.printable)" + (encoder.pooled.map { ", pooled \($0.printable)" } ?? ""))
    }
    return lines
  }
}
