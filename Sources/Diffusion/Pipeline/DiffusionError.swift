import SwageTensor

/// A picture could not be made.
public enum DiffusionError: SwageError, Hashable {
  case missingAttachment(name: String, needed: String)
  /// An entry point takes an input that no pipeline has.
  case unknownPort(entryPoint: String, port: String)
  /// An entry point gives something else than the pipeline expects.
  case wrongPort(entryPoint: String, port: String, reason: String)
  case count(prompts: Int, count: Int, limit: Int)
  case steps(Int, limit: Int)
  case guidance(Double)
  case guidanceRescale(Double)
  case size(width: Int, height: Int, multiple: Int, limit: Int)
  case fixedSize(width: Int, height: Int, fixedWidth: Int, fixedHeight: Int)
  case strength(Double)
  case noStepsLeft(strength: Double, steps: Int)
  case missingImage(option: String)
  case needsMask
  case noEncoder
  case maskSize(width: Int, height: Int, imageWidth: Int, imageHeight: Int)
  case noise(shape: [Int], expected: [Int])
  /// `node` is nil where the first wrong value could not be found again.
  case notFinite(stage: String, node: String?, sources: [String], detail: String)

  public var diagnostics: [Diagnostic] { [diagnostic] }

  private var diagnostic: Diagnostic {
    switch self {
    case .missingAttachment(let name, let needed):
      Diagnostic(
        code: "diffusion-missing-part", what: "the plan lacks \(name)", place: .init(value: name),
        why: "it is needed for \(needed)",
        remedy: "compile the checkpoint folder again, with its tokenizer and scheduler folders")
    case .unknownPort(let entryPoint, let port):
      Diagnostic(
        code: "diffusion-port", what: "\(entryPoint) takes an input that the pipeline does not have",
        place: .init(value: port), remedy: "export the model as diffusers' pipelines call it, and compile it again")
    case .wrongPort(let entryPoint, let port, let reason):
      Diagnostic(
        code: "diffusion-port", what: "\(entryPoint) does not fit the pipeline", place: .init(value: port), why: reason,
        remedy: "compile the checkpoint folder again")
    case .count(let prompts, let count, let limit):
      Diagnostic(
        fault: .usage, code: "diffusion-count", what: "\(count) pictures of \(prompts) prompts cannot be made at once",
        place: .init(flag: "--count"), why: "at least one prompt and one picture are needed, at most \(limit) pictures",
        remedy: "give a number from 1 to \(limit)")
    case .steps(let steps, let limit):
      Diagnostic(
        fault: .usage, code: "diffusion-steps", what: "\(steps) steps cannot be run", place: .init(flag: "--steps"),
        why: "the model was trained on \(limit) steps", remedy: "give a number from 1 to \(limit)")
    case .guidance(let value):
      Diagnostic(
        fault: .usage, code: "diffusion-guidance", what: "the guidance scale \(value) cannot be used",
        place: .init(flag: "--guidance"), why: "it is not a number of a usable size",
        remedy: "give a number such as 7.5; 1 turns guidance off")
    case .guidanceRescale(let value):
      Diagnostic(
        fault: .usage, code: "diffusion-guidance", what: "the guidance rescale \(value) is out of range",
        place: .init(flag: "--guidance-rescale"), remedy: "give a number from 0 to 1")
    case .size(let width, let height, let multiple, let limit):
      Diagnostic(
        fault: .usage, code: "diffusion-size", what: "a picture cannot be \(width)x\(height) pixels",
        place: .init(flag: "--size"),
        why: "both sides must be multiples of \(multiple), and at most \(limit)",
        remedy: "use \(Self.nearest(width, multiple, limit))x\(Self.nearest(height, multiple, limit))")
    case .fixedSize(let width, let height, let fixedWidth, let fixedHeight):
      Diagnostic(
        code: "diffusion-fixed-size", what: "the plan makes no pictures of \(width)x\(height) pixels",
        place: .init(flag: "--size"), why: "it was compiled for \(fixedWidth)x\(fixedHeight) alone",
        remedy: "leave --size out, or compile the checkpoint with --size \(width)x\(height), or without --size")
    case .strength(let value):
      Diagnostic(
        fault: .usage, code: "diffusion-strength", what: "the strength \(value) is out of range",
        place: .init(flag: "--strength"), remedy: "give a number from 0 (the picture stays) to 1 (all noise)")
    case .noStepsLeft(let strength, let steps):
      Diagnostic(
        fault: .usage, code: "diffusion-strength", what: "nothing is left to do", place: .init(flag: "--strength"),
        why: "\(steps) steps at strength \(strength) are less than one step",
        remedy: "raise --strength, or --steps")
    case .missingImage(let option):
      Diagnostic(
        fault: .usage, code: "diffusion-missing-image", what: "\(option) needs a picture to work on",
        place: .init(flag: option), remedy: "give the picture with --image")
    case .needsMask:
      Diagnostic(
        fault: .usage, code: "diffusion-needs-mask", what: "this checkpoint only fills in masked parts of pictures",
        place: .init(flag: "--mask"), why: "its UNet takes a mask and the picture around it",
        remedy: "give --image and --mask")
    case .noEncoder:
      Diagnostic(
        code: "diffusion-no-encoder", what: "the plan cannot begin with a picture", place: .init(flag: "--image"),
        why: "it has no entry point vae_encoder", remedy: "compile a checkpoint folder that has the VAE's encoder")
    case .maskSize(let width, let height, let imageWidth, let imageHeight):
      Diagnostic(
        code: "diffusion-mask-size", what: "the mask is \(width)x\(height) pixels", place: .init(flag: "--mask"),
        why: "the picture is \(imageWidth)x\(imageHeight)", remedy: "give a mask of the picture's size")
    case .noise(let shape, let expected):
      Diagnostic(
        code: "diffusion-noise", what: "the initial noise has the shape \(shape)", place: .init(flag: "--latents"),
        why: "these pictures need f32 \(expected)", remedy: "give an array of that shape")
    case .notFinite(let stage, let node, let sources, let detail):
      Diagnostic(
        code: "diffusion-not-finite", what: "numbers went out of range: \(stage) gave NaN or infinity",
        place: .init(node: node.map { sources.isEmpty ? $0 : "\(sources.joined(separator: ", ")) (\($0))" }),
        why: detail,
        remedy: "compile with --precision bf16 or f32, or lower --guidance; the weights may also be damaged")
    }
  }

  private static func nearest(_ side: Int, _ multiple: Int, _ limit: Int) -> Int {
    let bounded = min(max(side, multiple), limit)
    return max((bounded + multiple / 2) / multiple * multiple, multiple)
  }
}
