import SwagePlan
import SwageTensor
import Testing

@Suite struct PipelineDescriptionTests {
  static let description = PipelineDescription(
    kind: .stableDiffusionXL,
    textEncoders: [
      .init(entryPoint: "text_encoder", tokenizer: "tokenizer", embedding: "hidden_states.11", maximumTokens: 77),
      .init(
        entryPoint: "text_encoder_2", tokenizer: "tokenizer_2", embedding: "hidden_states.31", pooled: "text_embeds",
        maximumTokens: 77),
    ], latentChannels: 4, denoiserChannels: 4, vaeScaleFactor: 8, sizeMultiple: 8, scalingFactor: 0.13025,
    defaultHeight: 1024, defaultWidth: 1024, forceZerosForEmptyPrompt: true, addsTimeIDs: true,
    guidanceEmbeddingSize: 256, hasEncoder: true, fixedBatch: 2)

  /// An entry point that hands its first input on under each output's name.
  static func entry(_ name: String, _ inputs: [String], _ outputs: [String]) -> EntryPoint {
    var builder = EntryBuilder(name, symbols: [])
    let values = inputs.map { builder.input($0, .f32, [1]) }
    for output in outputs { builder.output(output, values[0]) }
    return builder.finish()
  }

  static func plan(_ description: PipelineDescription) throws -> Plan {
    Plan(
      provenance: Provenance(toolVersion: "1"),
      entryPoints: [
        entry("text_encoder", ["input_ids"], ["hidden_states.11"]),
        entry("text_encoder_2", ["input_ids"], ["hidden_states.31", "text_embeds"]),
        entry("unet_prompt", ["encoder_hidden_states"], ["invariant.0"]),
        entry("unet", ["sample", "timestep", "timestep_cond", "invariant.0"], ["out_sample"]),
        entry("vae_decoder", ["latent_sample"], ["sample"]),
        entry("vae_encoder", ["sample"], ["latent_parameters"]),
      ], attachments: [try description.attachment()])
  }

  @Test func survivesAPlanFile() throws {
    let folder = try TemporaryFolder()
    let plan = try Self.plan(Self.description)
    try PlanWriter.write(plan, to: folder.file("plan"))
    let read = try PlanReader.open(path: folder.file("plan"))
    #expect(try PipelineDescription(of: read) == Self.description)
    #expect(try Self.description.attachment() == Self.description.attachment())
    #expect(PlanText.print(read).contains("pipeline stable-diffusion-xl: pictures of 1024x1024"))
  }

  @Test func plansWithoutAPipelineSaySo() {
    #expect(code { _ = try PipelineDescription(of: SamplePlans.small()) } == "plan-pipeline")
  }

  /// JSON that is not a description of this plan.
  @Test(arguments: ["", "{}", "[1]", "{\"kind\": \"stable-diffusion\"}", "nul", "{\"kind\": 1e999}"])
  func malformedJSONIsRefused(_ text: String) throws {
    var plan = try Self.plan(Self.description)
    plan.attachments[0].bytes = Array(text.utf8)
    #expect(code { _ = try PipelineDescription(of: plan) } == "plan-pipeline")
  }

  @Test(arguments: 0..<14) func descriptionsThatDoNotFitAreRefused(_ index: Int) throws {
    let changes: [(inout PipelineDescription) -> Void] = [
      { $0.latentChannels = 0 }, { $0.vaeScaleFactor = -8 }, { $0.sizeMultiple = 0 }, { $0.defaultWidth = .max },
      { $0.denoiserChannels = 3 }, { $0.scalingFactor = 0 }, { $0.fixedHeight = 0 }, { $0.textEncoders = [] },
      { $0.textEncoders[1].pooled = nil }, { $0.textEncoders[0].entryPoint = "text" },
      { $0.textEncoders[0].embedding = "last_hidden_state" }, { $0.textEncoders[1].pooled = "pooler_output" },
      { $0.textEncoders[0].maximumTokens = 2 }, { $0.guidanceEmbeddingSize = 0 },
    ]
    var description = Self.description
    changes[index](&description)
    let plan = try Self.plan(description)
    #expect(code { _ = try PipelineDescription(of: plan) } == "plan-pipeline")
  }

  @Test(arguments: ["text_encoder_2", "unet_prompt", "unet", "vae_decoder", "vae_encoder"])
  func missingEntryPointsAreNamed(_ name: String) throws {
    var plan = try Self.plan(Self.description)
    plan.entryPoints.removeAll { $0.name == name }
    #expect(throws: PlanError.pipeline(reason: "there is no entry point \(name)")) { try PipelineDescription(of: plan) }
  }
}
