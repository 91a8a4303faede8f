import SwageDiffusion
import SwageTensor
import Testing

/// What is refused before any work, and in which words.
@Suite struct PipelineSettingsTests {
  private func code(
    _ fake: FakePipeline = FakePipeline(), _ change: (inout GenerationRequest) -> Void
  ) throws -> String? {
    var request = GenerationRequest("a", seed: 1)
    request.steps = 2
    change(&request)
    do {
      _ = try fake.make().generate(request)
      #expect(fake.parts.values.contains { !$0.calls.isEmpty })
      return nil
    } catch let error as any SwageError {
      #expect(fake.parts.values.allSatisfy { $0.calls.isEmpty }, "refused after work was done")
      return error.diagnostics[0].code
    }
  }

  private let picture = PictureSamples.random.resized(width: 8, height: 8)

  @Test func sizes() throws {
    #expect(try code { $0.width = 9 } == "diffusion-size")
    #expect(try code { $0.height = 0 } == "diffusion-size")
    #expect(try code { $0.height = -8 } == "diffusion-size")
    #expect(try code { $0.height = 1 << 40 } == "diffusion-size")
    #expect(try code { $0.height = 16 } == nil)
    var fake = FakePipeline()
    fake.description.fixedWidth = 16
    fake.description.fixedHeight = 8
    #expect(try code(fake) { $0.width = 8 } == "diffusion-fixed-size")
    #expect(try fake.make().settings(for: GenerationRequest("a", seed: 1)).width == 16)
    let words = DiffusionError.size(width: 515, height: 3, multiple: 8, limit: 16384).diagnostics[0].description
    #expect(words.contains("512x8"))
  }

  @Test func stepsAndScheduler() throws {
    #expect(try code { $0.steps = 0 } == "diffusion-steps")
    #expect(try code { $0.steps = 1001 } == "diffusion-steps")
    #expect(try code { $0.steps = .min } == "diffusion-steps")
    #expect(try code { $0.scheduler = "magic" } == "scheduler-unknown")
    #expect(try code { $0.scheduler = "ddim" } == nil)
  }

  @Test func numbers() throws {
    #expect(try code { $0.guidance = .nan } == "diffusion-guidance")
    #expect(try code { $0.guidance = .infinity } == "diffusion-guidance")
    #expect(try code { $0.guidanceRescale = 2 } == "diffusion-guidance")
    #expect(try code { $0.guidance = -3 } == nil)
    #expect(try code { $0.count = 0 } == "diffusion-count")
    #expect(try code { $0.count = .max } == "diffusion-count")
    #expect(try code { $0.prompts = [] } == "diffusion-count")
    #expect(try code { $0.prompts = [""] } == nil)
  }

  @Test func picturesAndMasks() throws {
    let other = PictureSamples.random
    #expect(try code { $0.mask = picture } == "diffusion-missing-image")
    #expect(try code { $0.strength = 0.5 } == "diffusion-missing-image")
    #expect(
      try code {
        $0.image = picture
        $0.mask = other
      } == "diffusion-mask-size")
    for strength in [-0.1, 1.1, .nan, 0.4] {
      let code = try code {
        $0.image = picture
        $0.strength = strength
      }
      #expect(code == "diffusion-strength", "\(strength)")
    }
    var fake = FakePipeline()
    fake.description.hasEncoder = false
    #expect(try code(fake) { $0.image = picture } == "diffusion-no-encoder")
    let inpainting = FakePipeline(denoiserChannels: 9)
    #expect(try code(inpainting) { _ in } == "diffusion-needs-mask")
    #expect(try code(inpainting) { $0.image = picture } == "diffusion-needs-mask")
    // 7x5 pixels become the multiples of 2 below.
    var request = GenerationRequest("a", seed: 1)
    request.image = other
    let settings = try FakePipeline().make().settings(for: request)
    #expect(settings.width == 6 && settings.height == 4 && settings.strength == 0.8)
  }

  @Test func defaultsAreDiffusers() throws {
    var request = GenerationRequest("a", seed: 1)
    let settings = try FakePipeline().make().settings(for: request)
    #expect(settings.steps == 50 && settings.guidance == 7.5 && settings.scheduler == "DDIMScheduler")
    #expect(try FakePipeline(isXL: true).make().settings(for: request).guidance == 5)
    request.image = picture
    #expect(try FakePipeline(isXL: true).make().settings(for: request).strength == 0.3)
    request.mask = picture
    #expect(try FakePipeline().make().settings(for: request).strength == 1)
  }

  @Test func partsThatLack() throws {
    var fake = FakePipeline()
    fake.withoutTokenizer = true
    do {
      _ = try fake.make()
      Issue.record("opened")
    } catch let error as DiffusionError {
      #expect(
        error
          == .missingAttachment(
            name: "tokenizer/vocab.json", needed: "turning prompts into the tokens of text_encoder"))
    }
    fake = FakePipeline()
    fake.parts["unet"] = nil
    #expect(throws: DiffusionError.self) { try fake.make().generate(GenerationRequest("a", seed: 1)) }
    fake = FakePipeline()
    fake.parts["unet"] = FakePart([("sample", .f32, [nil]), ("timestep", .f32, []), ("pose", .f32, [nil])]) { $0 }
    #expect(throws: DiffusionError.unknownPort(entryPoint: "unet", port: "pose")) {
      try fake.make().generate(GenerationRequest("a", seed: 1))
    }
    fake = FakePipeline()
    fake.parts["vae_decoder"] = FakePart([("latent_sample", .f32, [nil, 4, nil, nil])]) { _ in [:] }
    var request = GenerationRequest("a", seed: 1)
    request.steps = 1
    #expect(throws: DiffusionError.self) { try fake.make().generate(request) }
  }

  @Test func longPromptsAreCut() throws {
    var request = GenerationRequest("a b a b a b a", seed: 1)
    request.steps = 1
    let result = try FakePipeline().make().generate(request)
    #expect(result.dropped.count == 1)
    #expect(result.dropped.first?.maximumTokens == FakePipeline.tokens)
    #expect(result.dropped.first?.dropped.filter { $0 != " " } == "aba")
  }
}
