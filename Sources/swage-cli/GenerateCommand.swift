import ArgumentParser
import Foundation
import Swage

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Makes pictures from a prompt with a diffusion checkpoint.",
    discussion: """
      A checkpoint folder is compiled first; its plan is kept for the next time. The picture is a PNG file that says how
      it was made. On a terminal it is shown, too.

      Examples:
        swage generate models/emoji "a slice of pizza"
        swage generate sd.plan "a lighthouse at dusk" --steps 25 --scheduler euler --seed 7 -o lighthouse.png
        swage generate sd.plan "in watercolours" --image photo.png --strength 0.6
        swage generate sd.plan "a red door" --image house.png --mask door.png
        swage generate sd.plan --from lighthouse.png --steps 50
      """)

  @Argument(help: "A plan, or a checkpoint folder.") var model: String
  @Argument(help: "The prompt.") var prompt: String?
  @OptionGroup var arguments: GenerateArguments

  @Option(name: .shortAndLong, help: "The PNG file (default: named after the prompt); several get -1, -2, …")
  var output: String?
  @Flag(inversion: .prefixedNo, help: "Shows the picture in the terminal (default: where standard output is one).")
  var show: Bool?
  @Option(name: .long, help: "How pictures are shown: sixel or blocks (default: what the terminal can).")
  var graphics: TerminalGraphics?
  @Flag(name: .long, help: "Shows the picture while it develops.") var preview = false
  @Flag(name: .long, help: "Prints the slowest nodes of every entry point.") var times = false
  @Option(name: .long, help: "Writes a Chrome trace of the last run of every entry point (open it in Perfetto).")
  var profile: String?
  @Flag(name: .long, help: "Prints one JSON object.") var json = false
  @Option(name: .long, help: "Threads (default: all cores).") var threads: Int?
  @Option(name: .long, help: "Precision that a folder is compiled with: f32, bf16 or f16.")
  var precision: PrecisionArgument = .f32
  @Option(name: .long, help: "Targets that a folder is compiled for, in order of preference.")
  var target = TargetList(["cpu", "reference"])
  @Flag(name: .customLong("trust-native-code"), help: "Runs native code that another user or machine compiled.")
  var trustNativeCode = false
  @Option(name: .customLong("save-latents"), help: "Writes the final latents to this .npy file.")
  var saveLatents: String?
  @Option(name: .customLong("save-ids"), help: "Writes token ids to this .npy file: [text encoders, texts, tokens].")
  var saveIDs: String?

  func validate() throws {
    if let threads, threads < 1 || threads > 1024 {
      throw ValidationError("--threads must be between 1 and 1024, not \(threads)")
    }
  }

  func run() throws {
    let input = try arguments.request(prompt: prompt)
    let source = GeneratePlan(
      model: model, precision: precision, target: target, threads: threads ?? HostCPU.coreCount,
      trust: trustNativeCode ? .allow : .compiledHere)
    let (plan, path) = try source.open()
    let pipeline = try pipeline(plan)
    let settings = try pipeline.settings(for: input.request)
    let files = try GenerateFiles(output: output, settings: settings)
    let planHash = try SHA256.hexDigest(ofFile: path)
    for warning in input.warnings(planHash: planHash) { Terminal.error("warning: \(warning)") }
    if let seed = plan.provenance.syntheticWeightsSeed {
      Terminal.error("note: this plan has synthetic weights (seed \(seed)); its pictures mean nothing")
    }

    let display = GenerateDisplay(showsPreview: preview)
    Interrupts.await()
    let result: GenerationResult
    do {
      result = try pipeline.generate(input.request) { progress in
        try Interrupts.check()
        try display.show(progress)
      }
      try Interrupts.check()
    } catch {
      display.clear()
      throw error
    }
    display.clear()

    for text in result.dropped {
      Terminal.error(
        "warning: the prompt is longer than \(text.maximumTokens) tokens; left out: \"\(text.dropped.printable)\"")
    }
    let start = ContinuousClock.now
    try files.write(result) { index in
      var record = PictureRecord(result.settings, index: index, version: SwageVersion.current)
      record.planHash = planHash
      record.imageHash = input.imageHash
      record.maskHash = input.maskHash
      return record.texts
    }
    let report = GenerateReport(
      result: result, files: files.paths, pngSeconds: (ContinuousClock.now - start).seconds, planHash: planHash)
    try write(result)
    try print(report)
  }

  private func pipeline(_ plan: Plan) throws -> TextToImage {
    var options = TextToImage.Options()
    options.threads = threads
    options.releasesParts = true
    return try TextToImage(plan: plan, options: options, devices: [ReferenceDevice()])
  }

  /// What developers asked for.
  private func write(_ result: GenerationResult) throws {
    if let saveLatents { try Npy.write(result.latents, path: saveLatents) }
    if let saveIDs { try Npy.write(GenerateReport.tokenIDs(result), path: saveIDs) }
    if let profile {
      try AtomicFile.write(Array(Trace.json(result.profiles, name: "swage generate").utf8), to: profile)
    }
  }

  private func print(_ report: GenerateReport) throws {
    if json { return try Terminal.write(Array((report.json + "\n").utf8)) }
    if show ?? (isatty(STDOUT_FILENO) == 1) {
      let graphics = graphics ?? (isatty(STDOUT_FILENO) == 1 ? .detected() : .blocks)
      for picture in report.result.pictures { try Terminal.write(Array(graphics.text(picture).utf8)) }
    }
    try Terminal.write(Array(report.text.utf8))
    if times { try Terminal.write(Array(report.nodes.utf8)) }
  }
}

extension TerminalGraphics: ExpressibleByArgument {}
