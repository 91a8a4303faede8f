import SwagePlan
import SwageTensor

/// A request with every choice made, and found to fit the checkpoint.
public struct GenerationSettings: Hashable, Sendable {
  public var prompts: [String]
  public var negativePrompt: String?
  public var count: Int
  public var steps: Int
  public var guidance: Double
  public var guidanceRescale: Double
  public var seed: UInt64
  public var seeding: GenerationRequest.Seeding
  /// A name that `GenerationRequest.scheduler` takes.
  public var scheduler: String
  public var width: Int
  public var height: Int
  /// nil for text to image.
  public var strength: Double?

  public var pictureCount: Int { prompts.count * count }

  /// Most pictures of one request.
  public static let pictureLimit = 1024
  /// Largest side of a picture, in pixels.
  public static let sideLimit = 1 << 14

  /// `chosen` are the checkpoint's scheduler settings, converted to the scheduler that the request names. Throws
  /// `DiffusionError` for what does not fit.
  init(
    _ request: GenerationRequest, _ description: PipelineDescription, checkpoint: SchedulerSettings,
    chosen: SchedulerSettings
  ) throws(DiffusionError) {
    prompts = request.prompts
    negativePrompt = request.negativePrompt
    count = request.count
    seed = request.seed
    seeding = request.seeding
    guidanceRescale = request.guidanceRescale
    guard !prompts.isEmpty, (1...Self.pictureLimit).contains(count), prompts.count <= Self.pictureLimit,
      prompts.count * count <= Self.pictureLimit
    else { throw .count(prompts: prompts.count, count: count, limit: Self.pictureLimit) }

    scheduler = request.scheduler ?? checkpoint.className
    let isLCM = chosen.className == "LCMScheduler"
    steps = request.steps ?? (isLCM ? 4 : 50)
    let limit = max(chosen.values["num_train_timesteps"]?.integer ?? 1000, 1)
    guard (1...limit).contains(steps) else { throw .steps(steps, limit: limit) }

    let isXL = description.kind == .stableDiffusionXL
    guidance = request.guidance ?? (isLCM ? 8.5 : isXL ? 5 : 7.5)
    guard guidance.isFinite, abs(guidance) <= 1e6 else { throw .guidance(guidance) }
    guard guidanceRescale >= 0, guidanceRescale <= 1 else { throw .guidanceRescale(guidanceRescale) }

    (width, height) = try Self.size(request, description)
    strength = try Self.strength(request, description, isXL: isXL, steps: steps)
  }

  private static func size(
    _ request: GenerationRequest, _ description: PipelineDescription
  ) throws(DiffusionError) -> (width: Int, height: Int) {
    let multiple = description.sizeMultiple
    func side(_ given: Int?, _ fixed: Int?, _ image: Int?, _ standard: Int) -> Int {
      given ?? fixed ?? image.map { max($0 / multiple * multiple, multiple) } ?? standard
    }
    let width = side(request.width, description.fixedWidth, request.image?.width, description.defaultWidth)
    let height = side(request.height, description.fixedHeight, request.image?.height, description.defaultHeight)
    guard width > 0, height > 0, width % multiple == 0, height % multiple == 0, width <= sideLimit, height <= sideLimit
    else { throw .size(width: width, height: height, multiple: multiple, limit: sideLimit) }
    let fixedWidth = description.fixedWidth ?? width
    let fixedHeight = description.fixedHeight ?? height
    guard width == fixedWidth, height == fixedHeight else {
      throw .fixedSize(width: width, height: height, fixedWidth: fixedWidth, fixedHeight: fixedHeight)
    }
    return (width, height)
  }

  private static func strength(
    _ request: GenerationRequest, _ description: PipelineDescription, isXL: Bool, steps: Int
  ) throws(DiffusionError) -> Double? {
    guard let image = request.image else {
      if request.mask != nil { throw .missingImage(option: "--mask") }
      if request.strength != nil { throw .missingImage(option: "--strength") }
      if description.denoiserChannels != description.latentChannels { throw .needsMask }
      return nil
    }
    if let mask = request.mask {
      guard mask.width == image.width, mask.height == image.height else {
        throw .maskSize(
          width: mask.width, height: mask.height, imageWidth: image.width, imageHeight: image.height)
      }
    } else if description.denoiserChannels != description.latentChannels {
      throw .needsMask
    }
    guard description.hasEncoder else { throw .noEncoder }
    let strength = request.strength ?? (request.mask != nil ? (isXL ? 0.9999 : 1) : isXL ? 0.3 : 0.8)
    guard strength >= 0, strength <= 1 else { throw .strength(strength) }
    guard Int(Double(steps) * strength) >= 1 else { throw .noStepsLeft(strength: strength, steps: steps) }
    return strength
  }

  /// The first step to run: image to image leaves out the noisiest ones.
  func firstStep(order: Int) -> Int {
    guard let strength else { return 0 }
    return (steps - min(Int(Double(steps) * strength), steps)) * order
  }
}
