import Foundation
import Swage
import Testing

@Suite struct CheckpointTests {
  /// `name: type` of every input and output.
  private static func ports(_ plan: Plan, _ name: String) throws -> (inputs: [String], outputs: [String]) {
    let entry = try #require(plan.entryPoints.first { $0.name == name })
    func type(_ id: Int) -> TensorType {
      TensorType(entry.values[id].elementType, entry.values[id].shape.map { entry.sizes[$0] })
    }
    return (
      entry.inputs.map { "\($0.name): \(type($0.value))" }, entry.outputs.map { "\($0.name): \(type($0.value))" }
    )
  }

  @Test func aFolderBecomesOnePlan() throws {
    let checkpoint = try TinyCheckpoint()
    let plan = try checkpoint.plan()
    #expect(plan.entryPoints.map(\.name) == ["text_encoder", "unet_prompt", "unet", "vae_decoder", "vae_encoder"])
    let unet = try Self.ports(plan, "unet")
    #expect(unet.inputs[0] == "sample: f32[batch, 4, height, width]")
    #expect(unet.inputs[1].hasPrefix("timestep: f32"))
    #expect(unet.inputs.dropFirst(2).allSatisfy { $0.hasPrefix("invariant.") } && unet.inputs.count > 3)
    #expect(unet.outputs == ["out_sample: f32[batch, 4, height, width]"])
    let prompt = try Self.ports(plan, "unet_prompt")
    #expect(prompt.inputs == ["encoder_hidden_states: f32[batch, 77, 16]"])
    #expect(prompt.outputs == Array(unet.inputs.dropFirst(2)))
    #expect(try Self.ports(plan, "text_encoder").inputs == ["input_ids: i64[batch, 77]"])
    #expect(try Self.ports(plan, "vae_decoder").outputs == ["sample: f32[batch, 3, 2*height, 2*width]"])
    let description = try PipelineDescription(of: plan)
    #expect(description.kind == .stableDiffusion && description.vaeScaleFactor == 2 && description.scalingFactor == 0.2)
    #expect(description.defaultHeight == 16 && description.hasEncoder && description.guidanceEmbeddingSize == nil)
    #expect(description.textEncoders.map(\.embedding) == ["last_hidden_state"])
    #expect(
      plan.attachments.map(\.name) == [
        "pipeline.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
      ])
    #expect(
      plan.attachment("scheduler/scheduler_config.json")
        == Array(try checkpoint.text("scheduler/scheduler_config.json").utf8))
    #expect(plan.provenance.sources.contains { $0.name == "unet/diffusion_pytorch_model.safetensors" })
    #expect(plan.provenance.syntheticWeightsSeed == nil)
  }

  @Test func anXLFolderHasTwoTextEncoders() throws {
    let plan = try TinyCheckpoint("tiny-xl").plan()
    let description = try PipelineDescription(of: plan)
    #expect(description.kind == .stableDiffusionXL && description.addsTimeIDs && description.forceZerosForEmptyPrompt)
    #expect(description.textEncoders.map(\.embedding) == ["hidden_states.2", "hidden_states.2"])
    #expect(description.textEncoders.map(\.pooled) == [nil, "text_embeds"])
    #expect(plan.attachments.map(\.name).contains("tokenizer_2/vocab.json"))
    let prompt = try Self.ports(plan, "unet_prompt")
    #expect(prompt.inputs.map { $0.prefix { $0 != ":" } } == ["encoder_hidden_states", "text_embeds", "time_ids"])
    let unet = try Self.ports(plan, "unet")
    #expect(!unet.inputs.contains { $0.hasPrefix("text_embeds") || $0.hasPrefix("encoder_hidden_states") })
  }

  /// Work done once per prompt and work done at every step, against all of it in one.
  @Test(arguments: ["tiny", "tiny-xl"]) func theSplitKeepsResults(_ name: String) throws {
    let checkpoint = try TinyCheckpoint(name)
    let isXL = name == "tiny-xl"
    var inputs = [
      "sample": Self.noise([2, 4, 6, 4], 1), "timestep": Tensor(floats: [321], [1]),
      "encoder_hidden_states": Self.noise([2, 77, isXL ? 32 : 16], 2),
    ]
    if isXL {
      inputs["text_embeds"] = Self.noise([2, 16], 3)
      inputs["time_ids"] = Self.noise([2, 6], 4)
    }
    let weights = checkpoint.path + "/unet/diffusion_pytorch_model.safetensors"
    let whole = CompileRequest(
      models: [checkpoint.graphFolder + "/unet.onnx"], weights: [weights], targets: ["reference"])
    let expected = try Self.run(try Compiler(whole).compile().plan, "unet", inputs)
    let plan = try checkpoint.plan()
    let invariant = try Self.run(plan, "unet_prompt", inputs)
    let step = try Self.run(plan, "unet", inputs.merging(invariant) { first, _ in first })
    #expect(Digits.error(step, expected) < 1e-5)
  }

  private static func noise(_ shape: [Int], _ seed: UInt64) -> Tensor {
    var state = seed
    let values = (0..<shape.reduce(1, *)).map { _ -> Double in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) / Double(1 << 23) - 1
    }
    return Tensor(.f32, shape, doubles: values)
  }

  private static func run(_ plan: Plan, _ entry: String, _ inputs: [String: Tensor]) throws -> [String: Tensor] {
    let session = try Session(
      plan: plan, entryPoint: entry, options: SessionOptions(threads: 1), devices: [ReferenceDevice()])
    let names = Set(session.inputs.map(\.name))
    return try session.run(inputs.filter { names.contains($0.key) })
  }

  // MARK: - Weights

  private static func bytes(_ plan: Plan) throws -> [[UInt8]] {
    plan.weights.map { weight in weight.tensor.withBytes { Array($0) } }
  }

  @Test(arguments: [TinyCheckpoint.Layout.half, .shards, .halfShards])
  func layoutsHoldTheSameWeights(_ layout: TinyCheckpoint.Layout) throws {
    #expect(try Self.bytes(try TinyCheckpoint("tiny", layout).plan()) == Self.bytes(try TinyCheckpoint().plan()))
  }

  @Test func theFullWeightsComeFirst() throws {
    let checkpoint = try TinyCheckpoint()
    for part in ["unet", "vae", "text_encoder"] { try checkpoint.write(part, .half) }
    let full = try checkpoint.plan()
    #expect(full.provenance.sources.contains { $0.name == "unet/diffusion_pytorch_model.safetensors" })
    let half = try checkpoint.plan(CheckpointOptions(variant: "fp16"))
    #expect(half.provenance.sources.contains { $0.name == "unet/diffusion_pytorch_model.fp16.safetensors" })
    #expect(half.provenance.flags.contains("--variant fp16"))
    #expect(checkpoint.diagnostics(CheckpointOptions(variant: "bf16")).map(\.code) == ["checkpoint-weights"])
    try checkpoint.remove("unet/diffusion_pytorch_model.safetensors")
    try checkpoint.write(TinyCheckpoint.safetensors([:]), to: "unet/diffusion_pytorch_model.ema.safetensors")
    #expect(checkpoint.diagnostics().map(\.code) == ["checkpoint-weights"], "two variants and no full weights")
  }

  @Test func namesOfOtherReleasesAreKnown() throws {
    let checkpoint = try TinyCheckpoint()
    let expected = try Self.bytes(try checkpoint.plan())
    try checkpoint.rewrite("vae") { tensors in
      for (new, old) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
        for (name, tensor) in tensors where name.contains(".\(new).") {
          tensors[name] = nil
          let shape = tensor.shape.count == 2 ? tensor.shape + [1, 1] : tensor.shape
          tensors[name.replacingOccurrences(of: ".\(new).", with: ".\(old).")] = tensor.reshaped(shape)
        }
      }
    }
    try checkpoint.rewrite("text_encoder") { tensors in
      tensors = Dictionary(
        uniqueKeysWithValues: tensors.map { name, tensor in
          (name.hasPrefix("text_model.") ? String(name.dropFirst(11)) : "text_model." + name, tensor)
        })
      tensors["text_model.embeddings.position_ids"] = Tensor(.i64, [1, 77], integers: (0..<77).map { Int64($0) })
    }
    #expect(try Self.bytes(try checkpoint.plan()) == expected)
  }

  @Test func whatDoesNotFitIsListed() throws {
    let checkpoint = try TinyCheckpoint()
    try checkpoint.rewrite("unet") { tensors in
      tensors["conv_in.bias"] = nil
      tensors["conv_out.bias"] = nil
      tensors["conv_in.weight"] = Tensor(zeros: .f32, [8, 5, 3, 3])
      tensors["lora.down"] = Tensor(zeros: .f32, [1])
    }
    try checkpoint.rewrite("vae") {
      $0["decoder.conv_in.bias"] = Tensor(.f64, [16], doubles: [Double](repeating: 0, count: 16))
    }
    let found = checkpoint.diagnostics()
    #expect(
      found.map { "\($0.code) \($0.place.value ?? "")" }.sorted() == [
        "weights-missing conv_in.bias", "weights-missing conv_out.bias", "weights-type conv_in.weight",
        "weights-type decoder.conv_in.bias", "weights-unused lora.down",
      ])
  }

  @Test func syntheticWeightsFollowFromTheSeed() throws {
    let checkpoint = try TinyCheckpoint("tiny", nil)
    #expect(checkpoint.diagnostics().map(\.code) == ["checkpoint-weights"])
    let plan = try checkpoint.plan(seed: 1)
    #expect(plan.provenance.syntheticWeightsSeed == 1)
    #expect(try Self.bytes(plan) == Self.bytes(try checkpoint.plan(seed: 1)))
    #expect(try Self.bytes(plan) != Self.bytes(try checkpoint.plan(seed: 2)))
    let results = try Self.run(plan, "vae_decoder", ["latent_sample": Self.noise([1, 4, 4, 4], 5)])
    #expect(results["sample"]?.floats.allSatisfy { $0.isFinite && $0.magnitude < 1000 } == true)
  }

  // MARK: - Options

  @Test func sizesAndBatchAreFixed() throws {
    let options = CheckpointOptions(width: 24, height: 16, batch: 2)
    let plan = try TinyCheckpoint().plan(options)
    #expect(try Self.ports(plan, "unet").inputs[0] == "sample: f32[4, 4, 8, 12]")
    #expect(try Self.ports(plan, "unet_prompt").inputs == ["encoder_hidden_states: f32[4, 77, 16]"])
    #expect(try Self.ports(plan, "text_encoder").inputs == ["input_ids: i64[1, 77]"])
    #expect(try Self.ports(plan, "vae_decoder").outputs == ["sample: f32[1, 3, 16, 24]"])
    #expect(try Self.ports(plan, "vae_encoder").inputs == ["sample: f32[1, 3, 16, 24]"])
    #expect(plan.entryPoints.allSatisfy { $0.symbols.isEmpty })
    let description = try PipelineDescription(of: plan)
    #expect((description.fixedBatch, description.fixedHeight, description.fixedWidth) == (2, 16, 24))
    #expect(plan.provenance.flags.contains("--size 24x16") && plan.provenance.flags.contains("--batch 2"))
  }

  @Test func aSizeAloneLeavesTheBatchOpen() throws {
    let plan = try TinyCheckpoint().plan(CheckpointOptions(width: 16, height: 16))
    #expect(try Self.ports(plan, "unet").inputs[0] == "sample: f32[batch, 4, 8, 8]")
  }

  @Test(arguments: [
    CheckpointOptions(width: 15, height: 16), CheckpointOptions(width: 16, height: 1 << 20),
    CheckpointOptions(width: 0, height: 16), CheckpointOptions(batch: 0), CheckpointOptions(batch: .max),
  ])
  func impossibleSizesAreRefused(_ options: CheckpointOptions) throws {
    let found = try TinyCheckpoint().diagnostics(options)
    #expect(found.map(\.code) == ["usage-size"] && found.first?.fault == .usage)
  }

  @Test func theEncoderCanBeLeftOut() throws {
    let plan = try TinyCheckpoint().plan(CheckpointOptions(includesEncoder: false))
    #expect(!plan.entryPoints.contains { $0.name == "vae_encoder" })
    #expect(try PipelineDescription(of: plan).hasEncoder == false)
  }

  @Test func flagsOfOtherModelsAreRefused() throws {
    let checkpoint = try TinyCheckpoint()
    var request = checkpoint.request()
    request.shapes = ["sample": [1, 4, 8, 8]]
    #expect(throws: CompilerError.self) { try Compiler(request).importGraphs() }
    let other = CompileRequest(models: [Digits.model], checkpoint: CheckpointOptions(variant: "fp16"))
    #expect(throws: CompilerError.self) { try Compiler(other).importGraphs() }
  }
}
