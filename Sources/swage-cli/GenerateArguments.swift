import ArgumentParser
import Foundation
import Swage

/// What to make; nil is the checkpoint's default, or that of the picture in `--from`.
struct GenerateArguments: ParsableArguments {
  @Option(name: .customLong("negative"), help: "What the picture should not show.")
  var negative: String?

  @Option(name: .long, help: "Steps of the scheduler (default: 50; 4 for LCM).")
  var steps: Int?

  @Option(name: .long, help: "Guidance scale (default: 7.5; 5 for SDXL, 8.5 for LCM); 1 turns it off.")
  var guidance: Double?

  @Option(name: .customLong("guidance-rescale"), help: "0 to 1: brings guided noise back to the text's deviation.")
  var guidanceRescale: Double?

  @Option(name: .long, help: "Seed of the noise, as PyTorch's CPU generator takes it (default: a random one).")
  var seed: UInt64?

  @Flag(name: .customLong("seed-each"), help: "Gives picture k of --count the seed SEED + k.")
  var seedEach = false

  @Option(name: .long, help: "Scheduler (default: the checkpoint's); a wrong name lists them all.")
  var scheduler: String?

  @Option(name: .long, help: "Width and height in pixels: 512x768.")
  var size: PictureSize?

  @Option(name: .long, help: "Pictures to make.")
  var count: Int?

  @Option(name: .long, help: "A PNG file to begin with: image to image.")
  var image: String?

  @Option(name: .long, help: "How much of --image is replaced, 0 to 1 (default: 0.8; with --mask 1).")
  var strength: Double?

  @Option(name: .long, help: "A PNG file of the size of --image: where it is white, the picture is made anew.")
  var mask: String?

  @Flag(inversion: .prefixedNo, help: "Decodes in tiles: less memory (default: where memory would be short).")
  var tile: Bool?

  @Option(name: .long, help: "A PNG file that swage made: makes it again. Other options change what they name.")
  var from: String?

  @Option(name: .long, help: "Initial noise instead of the seed's: an .npy file [pictures, channels, h, w].")
  var latents: String?

  /// The request, the record of `--from`, and hashes of the pictures read.
  func request(prompt: String?) throws -> GenerateInput {
    let record = try from.map { try PictureRecord(texts: PNG.read(path: $0).texts, file: $0) }
    guard let text = prompt ?? record?.prompt else {
      throw ValidationError("a prompt is needed, or --from PICTURE; an empty prompt is \"\"")
    }
    var request = GenerationRequest(text, seed: seed ?? record?.seed ?? UInt64.random(in: 0...UInt64(UInt32.max)))
    request.negativePrompt = negative ?? record?.negativePrompt
    request.steps = steps ?? record?.steps
    request.guidance = guidance ?? record?.guidance
    request.guidanceRescale = guidanceRescale ?? record?.guidanceRescale ?? 0
    request.seeding = seedEach ? .each : record?.seeding ?? .together
    request.scheduler = scheduler ?? record?.scheduler
    request.width = size?.width ?? record?.width
    request.height = size?.height ?? record?.height
    request.count = count ?? record?.count ?? 1
    request.strength = strength ?? record?.strength
    request.tiling = tile.map { $0 ? .always : .never } ?? .automatic
    var input = GenerateInput(request: request, record: record)
    if let image {
      input.request.image = try PNG.read(path: image).picture
      input.imageHash = try SHA256.hexDigest(ofFile: image)
    }
    if let mask {
      input.request.mask = try PNG.read(path: mask).picture
      input.maskHash = try SHA256.hexDigest(ofFile: mask)
    }
    if let latents { input.request.initialNoise = try Npy.read(path: latents) }
    try input.check(from: from ?? "")
    return input
  }
}

/// A request as the command line gives it.
struct GenerateInput {
  var request: GenerationRequest
  /// Of `--from`.
  var record: PictureRecord?
  var imageHash: String?
  var maskHash: String?

  /// Throws where the picture to repeat was made from other pictures than those given.
  fileprivate func check(from file: String) throws {
    let pairs = [("--image", record?.imageHash, imageHash), ("--mask", record?.maskHash, maskHash)]
    for (flag, recorded, given) in pairs {
      guard let recorded, given == nil else { continue }
      throw Diagnostic(
        code: "generate-from", what: "the picture was made from another picture", place: .init(file: file, flag: flag),
        why: "that one is not in the file; its SHA-256 is \(recorded)", remedy: "give it with \(flag)")
    }
  }

  /// What is not as it was when the picture of `--from` was made.
  func warnings(planHash: String) -> [String] {
    var warnings: [String] = []
    if let recorded = record?.planHash, recorded != planHash {
      warnings.append("the picture was made with another plan (\(recorded.prefix(12))…): this one may differ")
    }
    for (flag, recorded, given) in [("--image", record?.imageHash, imageHash), ("--mask", record?.maskHash, maskHash)] {
      if let recorded, let given, recorded != given {
        warnings.append("\(flag) is not the file that the picture was made from")
      }
    }
    return warnings
  }
}
