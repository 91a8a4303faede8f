import Foundation
import Swage
import Testing

/// Folders that are not what they should be: each ends with its diagnostic, which names the place.
@Suite struct CheckpointErrorTests {
  struct Damage: Sendable, CustomTestStringConvertible {
    var what: String
    var code: String
    var apply: @Sendable (TinyCheckpoint) throws -> Void
    var testDescription: String { what }

    init(_ what: String, _ code: String, _ apply: @escaping @Sendable (TinyCheckpoint) throws -> Void) {
      (self.what, self.code, self.apply) = (what, code, apply)
    }
  }

  static let damages: [Damage] = [
    Damage("unknown pipeline", "checkpoint-pipeline") {
      try $0.edit("model_index.json", "StableDiffusionPipeline", "FluxPipeline")
    },
    Damage("no pipeline", "checkpoint-pipeline") { try $0.edit("model_index.json", "_class_name", "_name") },
    Damage("cut index", "checkpoint-json") { try $0.write(Array("{\"_class_name\": ".utf8), to: "model_index.json") },
    Damage("index of another kind", "checkpoint-json") { try $0.write(Array("[]".utf8), to: "model_index.json") },
    Damage("class that is a number", "checkpoint-configuration") {
      try $0.edit("model_index.json", "\"StableDiffusionPipeline\"", "5")
    },
    Damage("no UNet", "checkpoint-part") { try $0.remove("unet") },
    Damage("no VAE", "checkpoint-part") { try $0.remove("vae") },
    Damage("no text encoder", "checkpoint-part") { try $0.remove("text_encoder") },
    Damage("no configuration", "file-missing") { try $0.remove("unet/config.json") },
    Damage("no scheduler", "file-missing") { try $0.remove("scheduler") },
    Damage("cut scheduler", "checkpoint-json") { try $0.write([], to: "scheduler/scheduler_config.json") },
    Damage("unknown class", "checkpoint-class") { try $0.edit("model_index.json", "AutoencoderKL", "AutoencoderTiny") },
    Damage("refiner", "checkpoint-configuration") {
      try $0.edit("model_index.json", "\"_class_name\"", "\"requires_aesthetics_score\": true, \"_class_name\"")
    },
    Damage("huge number of levels", "checkpoint-configuration") {
      let levels = (0..<70).map { _ in "8" }.joined(separator: ", ")
      try $0.write(Array("{\"block_out_channels\": [\(levels)]}".utf8), to: "vae/config.json")
    },
    Damage("size that is text", "checkpoint-configuration") {
      try $0.edit("unet/config.json", "\"sample_size\": 8", "\"sample_size\": \"8\"")
    },
    Damage("size beyond all bounds", "checkpoint-configuration") {
      try $0.edit("unet/config.json", "\"sample_size\": 8", "\"sample_size\": 99999999999")
    },
    Damage("other architecture", "checkpoint-architecture") {
      try $0.edit("unet/config.json", "\"cross_attention_dim\": 16", "\"cross_attention_dim\": 24")
    },
    Damage("cut weights", "safetensors-truncated") {
      try $0.write([1, 2, 3], to: "unet/diffusion_pytorch_model.safetensors")
    },
    Damage("index without its shard", "file-missing") { checkpoint in
      try checkpoint.write("unet", .shards)
      try checkpoint.remove("unet/diffusion_pytorch_model.safetensors")
      try checkpoint.remove("unet/diffusion_pytorch_model-00002-of-00002.safetensors")
    },
    Damage("vocabulary of another kind", "checkpoint-json") { try $0.write([0xFF], to: "tokenizer/vocab.json") },
    Damage("graph of another model", "checkpoint-ports") { checkpoint in
      let digits = try Data(contentsOf: URL(fileURLWithPath: Digits.model))
      try checkpoint.write(Array(digits), to: "text_encoder/model.onnx")
      try checkpoint.remove("text_encoder/model.safetensors")
    },
  ]

  @Test(arguments: damages) func damagedFoldersAreRefused(_ damage: Damage) throws {
    let checkpoint = try TinyCheckpoint()
    try damage.apply(checkpoint)
    let found = checkpoint.diagnostics()
    #expect(found.map(\.code) == [damage.code], "\(found)")
    #expect(found.first?.place.file?.hasPrefix(checkpoint.path) == true)
  }

  @Test func architecturesSayWhatDiffers() throws {
    let checkpoint = try TinyCheckpoint()
    try checkpoint.edit("unet/config.json", "\"cross_attention_dim\": 16", "\"cross_attention_dim\": 24")
    let found = try #require(checkpoint.diagnostics().first)
    #expect(found.what.contains("unet") && found.what.contains("UNet2DConditionModel"))
    #expect(found.why == "the nearest is tiny, which differs in cross_attention_dim (24, not 16)")
    #expect(found.remedy?.contains("graphs/export.py \(checkpoint.path)") == true)
  }

  @Test func aFolderWithoutAnIndexIsNoModel() throws {
    let folder = try TinyCheckpoint()
    try folder.remove("model_index.json")
    #expect(folder.diagnostics().map(\.code) == ["model-unknown"])
  }

  @Test func aTokenizerFileIsSplit() throws {
    let checkpoint = try TinyCheckpoint()
    try checkpoint.remove("tokenizer/vocab.json")
    try checkpoint.remove("tokenizer/merges.txt")
    let merges = "[[\"a\", \"b\"], \"ab c\"]"
    let text =
      "{\"added_tokens\": [{\"id\": 3, \"content\": \"<|end|>\"}], \"model\": {\"type\": \"BPE\", "
      + "\"vocab\": {\"b\": 1, \"a/\": 0}, \"merges\": \(merges)}}"
    try checkpoint.write(Array(text.utf8), to: "tokenizer/tokenizer.json")
    let plan = try Compiler(checkpoint.request()).importGraphs()
    func attachment(_ name: String) -> String? {
      plan.attachments.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) }
    }
    #expect(attachment("tokenizer/vocab.json") == "{\"<|end|>\":3,\"a/\":0,\"b\":1}")
    #expect(attachment("tokenizer/merges.txt") == "#version: 0.2\na b\nab c\n")
    try checkpoint.edit("tokenizer/tokenizer.json", merges, "[[\"a\"]]")
    #expect(checkpoint.diagnostics().map(\.code) == ["checkpoint-configuration"])
    try checkpoint.remove("tokenizer")
    #expect(try Compiler(checkpoint.request()).importGraphs().notes.count == 1)
  }

  @Test func theOverviewShowsWhatIsThere() throws {
    let checkpoint = try TinyCheckpoint()
    let text = try CheckpointOverview(path: checkpoint.path, options: checkpoint.request().checkpoint).text
    for part in [
      "checkpoint of StableDiffusionPipeline", "part unet: UNet2DConditionModel", "tiny/unet.onnx",
      "attachment tokenizer/vocab.json", "pipeline stable-diffusion",
    ] {
      #expect(text.contains(part))
    }
  }
}
