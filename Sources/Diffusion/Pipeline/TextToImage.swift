import Foundation
import SwagePlan
import SwageRuntime
import SwageTensor

/// Makes pictures from prompts with a compiled checkpoint: text encoders, UNet, VAE, and a noise scheduler between them.
///
///     let plan = try PlanReader.open(path: "stable-diffusion.plan")
///     let pipeline = try TextToImage(plan: plan)
///     let result = try pipeline.generate(GenerationRequest("a slice of pizza", seed: 1))
///     try PNG.write(result.pictures[0], to: "pizza.png")
///
/// The same request gives the same picture as diffusers' `StableDiffusionPipeline` and `StableDiffusionXLPipeline`, their
/// image-to-image and their inpainting forms, with `generator=torch.Generator("cpu").manual_seed(seed)`. Entry points are
/// opened when they are first needed and share the plan's mapped weights. One caller at a time.
public final class TextToImage {
  public struct Options: Sendable {
    /// Threads of kernels and library calls; nil takes all cores this process may use.
    public var threads: Int?
    /// Bytes of working memory that decoding may take before `GenerationRequest.Tiling.automatic` goes over to tiles. The
    /// default is a quarter of the machine's memory.
    public var decodeMemory = HostCPU.memoryBytes / 4
    /// Closes each entry point after its last use in a request: less memory, and a later request opens it again.
    public var releasesParts = false

    public init() {}
  }

  public let description: PipelineDescription
  /// The checkpoint's scheduler and its settings.
  public let schedulerSettings: SchedulerSettings
  private let tokenizers: [String: CLIPTokenizer]
  private let parts: ModelParts
  private let options: Options

  /// Reads the plan's description, scheduler settings and tokenizers. `devices` are those that the plan's entry points
  /// need beside the CPU. Throws `PlanError` for a plan without a pipeline, `DiffusionError` where a part of one lacks.
  public convenience init(plan: Plan, options: Options = Options(), devices: [any Device] = []) throws {
    let description = try PipelineDescription(of: plan)
    let names = Set(plan.entryPoints.map(\.name))
    try self.init(
      description: description, attachments: plan.attachment, options: options
    ) { name, limit in
      guard names.contains(name) else { return nil }
      let options = SessionOptions(threads: options.threads, memoryLimit: limit)
      return SessionPart(try Session(plan: plan, entryPoint: name, options: options, devices: devices))
    }
  }

  /// The same over any parts, by the names of entry points.
  package init(
    description: PipelineDescription, attachments: (String) -> [UInt8]?, options: Options = Options(),
    parts: @escaping (_ name: String, _ memoryLimit: Int?) throws -> (any ModelPart)?
  ) throws {
    self.description = description
    self.options = options
    self.parts = ModelParts(parts)
    let name = PipelineDescription.schedulerAttachmentName
    guard let settings = attachments(name) else {
      throw DiffusionError.missingAttachment(name: name, needed: "the noise schedule")
    }
    let written = try SchedulerSettings(json: settings, place: name)
    schedulerSettings = description.kind == .stableDiffusion ? written.correctedForStableDiffusion() : written
    var tokenizers: [String: CLIPTokenizer] = [:]
    for encoder in description.textEncoders {
      let folder = encoder.tokenizer
      guard tokenizers[folder] == nil else { continue }
      func file(_ name: String) throws -> [UInt8] {
        guard let bytes = attachments("\(folder)/\(name)") else {
          throw DiffusionError.missingAttachment(
            name: "\(folder)/\(name)", needed: "turning prompts into the tokens of \(encoder.entryPoint)")
        }
        return bytes
      }
      tokenizers[folder] = try CLIPTokenizer(
        vocabulary: file("vocab.json"), merges: file("merges.txt"),
        configuration: attachments("\(folder)/tokenizer_config.json"),
        specialTokens: attachments("\(folder)/special_tokens_map.json"), place: folder)
    }
    self.tokenizers = tokenizers
  }

  /// The choices that `generate` would make for a request. Throws `DiffusionError` for a request that does not fit.
  public func settings(for request: GenerationRequest) throws -> GenerationSettings {
    try resolved(request).settings
  }

  private func resolved(
    _ request: GenerationRequest
  ) throws -> (settings: GenerationSettings, scheduler: SchedulerSettings) {
    let chosen =
      try request.scheduler.map { try schedulerSettings.converted(toName: $0) } ?? schedulerSettings
    let settings = try GenerationSettings(
      request, description, checkpoint: schedulerSettings, chosen: chosen)
    return (settings, chosen)
  }

  /// Makes the pictures.
  ///
  /// `progress` is called when each stage begins and after each step; what it throws stops the generation, between two
  /// steps, and is thrown on. Throws `DiffusionError` for a request that does not fit and for results that are not finite,
  /// and what sessions throw.
  public func generate(
    _ request: GenerationRequest, progress: (GenerationProgress) throws -> Void = { _ in }
  ) throws -> GenerationResult {
    let start = ContinuousClock.now
    let (settings, chosen) = try resolved(request)
    // Latent consistency models run all of their steps, over a shorter schedule; others leave steps out.
    let shortens = description.guidanceEmbeddingSize != nil && chosen.className == SchedulerKind.lcm.rawValue
    var scheduler = try chosen.makeScheduler(
      steps: settings.steps, batch: settings.pictureCount, strength: shortens ? settings.strength ?? 1 : 1)
    let firstStep = shortens ? 0 : settings.firstStep(order: scheduler.order)
    let total = max(scheduler.timesteps.count - firstStep, 0)
    let vae = VAE(description: description, parts: parts, memoryLimit: options.decodeMemory)
    var times = GenerationTimes()
    parts.beginCounting()
    func report(_ stage: GenerationProgress.Stage) throws {
      try progress(
        GenerationProgress(stage: stage, step: times.steps.count, steps: total, seconds: times.steps, preview: nil))
    }

    try report(.text)
    let embedsGuidance = description.guidanceEmbeddingSize != nil
    let isGuided = settings.guidance > 1 && !embedsGuidance
    let encoder = PromptEncoder(
      description: description, tokenizers: tokenizers, parts: parts, releasesParts: options.releasesParts)
    let conditioning = try measure(&times.text) {
      try encoder.encode(settings, isGuided: isGuided, sizes: [request.sizes, request.negativeSizes])
    }
    let denoiser = try measure(&times.text) {
      try Denoiser(
        parts: parts, conditioning: conditioning,
        guidanceEmbedding: description.guidanceEmbeddingSize.map {
          Guidance.embedding(scale: settings.guidance, size: $0)
        }, releasesParts: options.releasesParts)
    }

    if request.image != nil { try report(.image) }
    var noise = NoiseSource(seed: settings.seed, seeding: settings.seeding, pictures: settings.pictureCount)
    let preparation = LatentPreparation(description: description, vae: vae, request: request, settings: settings)
    var seconds = 0.0
    let prepared = try measure(&seconds) {
      try preparation.run(scheduler: scheduler, firstStep: firstStep, noise: &noise)
    }
    if request.image != nil { times.image = seconds }
    if options.releasesParts { parts.release(VAE.encoderName) }

    let loop = DenoisingLoop(
      denoiser: denoiser, settings: settings, isGuided: isGuided, shape: preparation.shape, firstStep: firstStep,
      prepared: prepared, vae: vae)
    let latents = try loop.run(&scheduler, &noise, &times.steps, progress: progress)
    if options.releasesParts { parts.release(Denoiser.name) }

    try report(.decoding)
    let decoded = try measure(&times.decode) { try vae.decode(latents, tiling: request.tiling) }
    let pictures = (0..<decoded.sample.shape[0]).compactMap { Picture(decoded: decoded.sample, index: $0) }
    guard pictures.count == settings.pictureCount else {
      throw DiffusionError.wrongPort(
        entryPoint: VAE.decoderName, port: "sample", reason: "it gives \(decoded.sample.type), no pictures")
    }
    if options.releasesParts { parts.release(VAE.decoderName) }
    times.load = parts.loadSeconds
    times.total = (ContinuousClock.now - start).inSeconds
    return GenerationResult(
      pictures: pictures, latents: latents, tokenIDs: conditioning.tokenIDs, dropped: conditioning.dropped,
      settings: settings, times: times, profiles: parts.profiles(entryPoints), isTiled: decoded.isTiled)
  }

  private var entryPoints: [String] {
    description.textEncoders.map(\.entryPoint) + [
      VAE.encoderName, Denoiser.promptName, Denoiser.name, VAE.decoderName,
    ]
  }

  /// Adds the time of `body`, less what opening entry points took of it.
  private func measure<R>(_ seconds: inout Double, _ body: () throws -> R) rethrows -> R {
    let start = ContinuousClock.now
    let loaded = parts.loadSeconds
    defer { seconds += (ContinuousClock.now - start).inSeconds - (parts.loadSeconds - loaded) }
    return try body()
  }
}
