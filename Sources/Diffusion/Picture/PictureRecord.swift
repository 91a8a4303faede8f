import SwageTensor

/// How a picture was made, as texts of its PNG file: enough to make it again.
///
/// Keys are words of the field (`prompt`, `negative_prompt`, `seed`, `steps`, `guidance_scale`, …); `parameters` says most
/// of it once more in the one line that other tools write and read.
public struct PictureRecord: Hashable, Sendable {
  public var prompt: String
  public var negativePrompt: String?
  public var seed: UInt64
  public var seeding: GenerationRequest.Seeding
  public var scheduler: String
  public var steps: Int
  public var guidance: Double
  public var guidanceRescale: Double
  public var width: Int
  public var height: Int
  public var strength: Double?
  /// Pictures of the same request, and which of them this is, from 0.
  public var count: Int
  public var index: Int
  /// SHA-256 of the plan's file, and of the files of the picture to begin with and its mask; lower-case hexadecimal.
  public var planHash: String?
  public var imageHash: String?
  public var maskHash: String?
  /// Version of swage.
  public var version: String?

  /// Picture `index` of those that `settings` made of its only prompt, or of prompt `index / count`.
  public init(_ settings: GenerationSettings, index: Int, version: String?) {
    prompt = settings.prompts[index / settings.count]
    negativePrompt = settings.negativePrompt
    seed = settings.seed
    seeding = settings.seeding
    scheduler = settings.scheduler
    steps = settings.steps
    guidance = settings.guidance
    guidanceRescale = settings.guidanceRescale
    width = settings.width
    height = settings.height
    strength = settings.strength
    count = settings.count
    self.index = index
    self.version = version
  }
}

// MARK: - Texts

extension PictureRecord {
  private static let software = "swage "

  /// In a fixed order; what is nil is left out.
  public var texts: [PNG.Text] {
    let values: [(String, String?)] = [
      ("prompt", prompt), ("negative_prompt", negativePrompt), ("seed", "\(seed)"), ("seeding", seeding.rawValue),
      ("scheduler", scheduler), ("steps", "\(steps)"), ("guidance_scale", "\(guidance)"),
      ("guidance_rescale", "\(guidanceRescale)"), ("width", "\(width)"), ("height", "\(height)"),
      ("strength", strength.map { "\($0)" }), ("count", "\(count)"), ("index", "\(index)"), ("plan_sha256", planHash),
      ("image_sha256", imageHash), ("mask_sha256", maskHash), ("Software", version.map { Self.software + $0 }),
      ("parameters", parameters),
    ]
    return values.compactMap { key, value in value.map { PNG.Text(key, $0) } }
  }

  private var parameters: String {
    var facts = [
      "Steps: \(steps)", "Sampler: \(scheduler)", "CFG scale: \(guidance)", "Seed: \(seed)", "Size: \(width)x\(height)",
    ]
    if let strength { facts.append("Denoising strength: \(strength)") }
    if let planHash { facts.append("Model hash: \(planHash.prefix(10))") }
    let negative = negativePrompt.map { "Negative prompt: \($0)\n" } ?? ""
    return "\(prompt)\n\(negative)\(facts.joined(separator: ", "))"
  }

  /// Reads what `texts` wrote; `file` is for the words only. Throws `PictureRecordError`.
  public init(texts: [PNG.Text], file: String) throws(PictureRecordError) {
    let values = Dictionary(texts.map { ($0.keyword, $0.value) }, uniquingKeysWith: { first, _ in first })
    func text(_ key: String) throws(PictureRecordError) -> String {
      guard let value = values[key] else { throw PictureRecordError(file: file, key: key, value: nil) }
      return value
    }
    func number<T: LosslessStringConvertible>(_ key: String, _ type: T.Type) throws(PictureRecordError) -> T {
      let value = try text(key)
      guard let number = T(value) else { throw PictureRecordError(file: file, key: key, value: value) }
      return number
    }
    prompt = try text("prompt")
    negativePrompt = values["negative_prompt"]
    seed = try number("seed", UInt64.self)
    guard let seeding = GenerationRequest.Seeding(rawValue: try text("seeding")) else {
      throw PictureRecordError(file: file, key: "seeding", value: values["seeding"])
    }
    self.seeding = seeding
    scheduler = try text("scheduler")
    steps = try number("steps", Int.self)
    guidance = try number("guidance_scale", Double.self)
    guidanceRescale = try number("guidance_rescale", Double.self)
    width = try number("width", Int.self)
    height = try number("height", Int.self)
    strength = values["strength"] == nil ? nil : try number("strength", Double.self)
    count = try number("count", Int.self)
    index = try number("index", Int.self)
    planHash = values["plan_sha256"]
    imageHash = values["image_sha256"]
    maskHash = values["mask_sha256"]
    version = values["Software"].flatMap { text in
      text.hasPrefix(Self.software) ? String(text.dropFirst(Self.software.count)) : nil
    }
  }
}

/// A PNG file does not say how its picture was made.
public struct PictureRecordError: SwageError, Hashable {
  public var file: String
  public var key: String
  /// What the file says; nil where it says nothing.
  public var value: String?

  public init(file: String, key: String, value: String?) {
    self.file = file
    self.key = key
    self.value = value
  }

  public var diagnostics: [Diagnostic] {
    [
      Diagnostic(
        code: "picture-record", what: "the file does not say how the picture was made",
        place: .init(file: file, value: key),
        why: value.map { "its text \(key) is \"\($0)\", which has no meaning" } ?? "it has no text \(key)",
        remedy: "take a PNG file as swage wrote it: other programs drop its texts when they save it")
    ]
  }
}
