import SwageDiffusion
import SwagePlan
import SwageRuntime
import SwageTensor

/// A part that computes in Swift, and remembers what it was given.
final class FakePart: ModelPart {
  let inputs: [PortDescription]
  let profile: Profile? = nil
  var nonFinite: NonFiniteValue?
  private(set) var calls: [[String: Tensor]] = []
  private let body: ([String: Tensor]) throws -> [String: Tensor]

  /// Ports whose first size is nil take any number of rows.
  init(_ ports: [(String, ElementType, [Int?])], _ body: @escaping ([String: Tensor]) throws -> [String: Tensor]) {
    inputs = ports.map { name, type, sizes in
      let shape = sizes.enumerated().map { index, size in size.map { Dim($0) } ?? .symbol("d\(index)") }
      return PortDescription(name: name, type: TensorType(type, shape))
    }
    self.body = body
  }

  func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
    calls.append(inputs)
    return try body(inputs)
  }

  func firstNonFinite() throws -> NonFiniteValue? { nonFinite }
}

extension Tensor {
  /// The values of row `index`.
  func row(_ index: Int) -> [Float] {
    let size = count / shape[0]
    return Array(floats[index * size..<(index + 1) * size])
  }
}

/// A pipeline of parts that are easy to follow: latents of 4 channels, half of the picture's size.
struct FakePipeline {
  var description: PipelineDescription
  var scheduler = """
    {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
     "beta_schedule": "scaled_linear", "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1}
    """
  var parts: [String: FakePart]
  var withoutTokenizer = false

  static let tokens = 6

  init(isXL: Bool = false, denoiserChannels: Int = 4, unetRows: Int? = nil) {
    var encoders = [
      PipelineDescription.TextEncoder(
        entryPoint: "text_encoder", tokenizer: "tokenizer", embedding: "last_hidden_state", maximumTokens: Self.tokens)
    ]
    parts = [
      "text_encoder": Self.textEncoder(width: 2, scale: 1), "vae_decoder": Self.decoder, "vae_encoder": Self.encoder,
      "unet": Self.unet(rows: unetRows, isXL: isXL),
    ]
    if isXL {
      encoders.append(
        PipelineDescription.TextEncoder(
          entryPoint: "text_encoder_2", tokenizer: "tokenizer_2", embedding: "last_hidden_state",
          pooled: "text_embeds", maximumTokens: Self.tokens))
      parts["text_encoder_2"] = Self.textEncoder(width: 3, scale: 10)
    }
    description = PipelineDescription(
      kind: isXL ? .stableDiffusionXL : .stableDiffusion, textEncoders: encoders, latentChannels: 4,
      denoiserChannels: denoiserChannels, vaeScaleFactor: 2, sizeMultiple: 2, scalingFactor: 0.5, defaultHeight: 8,
      defaultWidth: 8, forceZerosForEmptyPrompt: isXL, addsTimeIDs: isXL, hasEncoder: true)
  }

  func make(_ options: TextToImage.Options = TextToImage.Options()) throws -> TextToImage {
    let (scheduler, parts, withoutTokenizer) = (scheduler, parts, withoutTokenizer)
    return try TextToImage(
      description: description,
      attachments: { name in
        if name == "scheduler/scheduler_config.json" { return Array(scheduler.utf8) }
        if withoutTokenizer { return nil }
        let start = "<|startoftext|>"
        let end = "<|endoftext|>"
        if name.hasSuffix("vocab.json") {
          return Array(#"{"a</w>": 0, "b</w>": 1, "\#(start)": 2, "\#(end)": 3}"#.utf8)
        }
        if name.hasSuffix("merges.txt") { return Array("#version: 0.2\n".utf8) }
        if name.hasSuffix("tokenizer_config.json") {
          return Array(
            #"{"bos_token": "\#(start)", "eos_token": "\#(end)", "unk_token": "\#(end)", "pad_token": "\#(end)"}"#.utf8)
        }
        return nil
      }, options: options, parts: { name, _ in parts[name] })
  }

  /// `last_hidden_state[r, t, w] = scale * id[r, t] + w`; `text_embeds[r] = [sum of ids]`
  static func textEncoder(width: Int, scale: Float) -> FakePart {
    FakePart([("input_ids", .i64, [nil, tokens])]) { inputs in
      let ids = inputs["input_ids"]!
      let values = ids.integers.flatMap { id in (0..<width).map { scale * Float(id) + Float($0) } }
      let sums = (0..<ids.shape[0]).map { row in Float(ids.integers[row * tokens..<(row + 1) * tokens].reduce(0, +)) }
      return [
        "last_hidden_state": Tensor(floats: values, [ids.shape[0], tokens, width]),
        "text_embeds": Tensor(floats: sums, [ids.shape[0], 1]),
      ]
    }
  }

  /// What the fake UNet predicts from a row of its inputs.
  static func prediction(_ sample: [Float], _ embedding: [Float], timestep: Float) -> [Float] {
    let mean = embedding.reduce(0, +) / Float(embedding.count)
    return sample.map { 0.2 * $0 + 0.05 * mean + timestep / 10_000 }
  }

  static func unet(rows: Int?, isXL: Bool) -> FakePart {
    var ports: [(String, ElementType, [Int?])] = [
      ("sample", .f32, [rows, nil, nil, nil]), ("timestep", .f32, []),
      ("encoder_hidden_states", .f32, [rows, nil, nil]),
    ]
    if isXL { ports += [("text_embeds", .f32, [rows, nil]), ("time_ids", .f32, [rows, 6])] }
    return FakePart(ports) { inputs in
      let sample = inputs["sample"]!
      let plane = sample.shape[2] * sample.shape[3]
      let rows = (0..<sample.shape[0]).flatMap { row in
        prediction(
          Array(sample.row(row).prefix(4 * plane)), inputs["encoder_hidden_states"]!.row(row),
          timestep: inputs["timestep"]!.floats[0])
      }
      return ["out_sample": Tensor(floats: rows, [sample.shape[0], 4, sample.shape[2], sample.shape[3]])]
    }
  }

  /// Each latent pixel's first three channels as two by two pixels.
  static var decoder: FakePart {
    FakePart([("latent_sample", .f32, [nil, 4, nil, nil])]) { inputs in
      let latent = inputs["latent_sample"]!
      let (n, h, w) = (latent.shape[0], latent.shape[2], latent.shape[3])
      let source = latent.floats
      var values: [Float] = []
      for row in 0..<n {
        for channel in 0..<3 {
          for y in 0..<2 * h {
            for x in 0..<2 * w { values.append(source[((row * 4 + channel) * h + y / 2) * w + x / 2]) }
          }
        }
      }
      return ["sample": Tensor(floats: values, [n, 3, 2 * h, 2 * w])]
    }
  }

  /// Means are the upper left of two by two pixels (red, green, blue, and red again); the deviation is 1/2.
  static var encoder: FakePart {
    FakePart([("sample", .f32, [nil, 3, nil, nil])]) { inputs in
      let sample = inputs["sample"]!
      let (h, w) = (sample.shape[2] / 2, sample.shape[3] / 2)
      let source = sample.floats
      var values: [Float] = []
      for channel in [0, 1, 2, 0] {
        for y in 0..<h { for x in 0..<w { values.append(source[(channel * 2 * h + 2 * y) * 2 * w + 2 * x]) } }
      }
      values += [Float](repeating: -2 * 0.693_147_2, count: 4 * h * w)
      return ["latent_parameters": Tensor(floats: values, [1, 8, h, w])]
    }
  }
}
