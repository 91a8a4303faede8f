import SwagePlan
import SwageRuntime
import SwageTensor

/// The UNet with its conditioning: predicts the noise of a batch of latents at a timestep.
///
/// What depends on the prompt alone is computed once, when the denoiser is made (`unet_prompt`).
final class Denoiser {
  private let unet: any ModelPart
  private let rows: Int
  private let rowsPerRun: Int
  /// For each run of a step, the inputs that stay the same.
  private var constants: [[String: Tensor]] = []

  static let name = "unet"
  static let promptName = "unet_prompt"

  /// `guidanceEmbedding`: a row that UNets of latent consistency models take beside the timestep.
  init(
    parts: ModelParts, conditioning: PromptConditioning, guidanceEmbedding: [Float]?, releasesParts: Bool
  ) throws {
    unet = try parts(Self.name)
    rows = conditioning.embeddings.shape[0]
    rowsPerRun = unet.rowsPerRun("sample") ?? rows
    var known: [String: Tensor] = ["encoder_hidden_states": conditioning.embeddings]
    known["text_embeds"] = conditioning.pooled
    known["time_ids"] = conditioning.timeIDs
    if let embedding = guidanceEmbedding {
      let repeated = (0..<rows).flatMap { _ in embedding }
      known["timestep_cond"] = Tensor(floats: repeated, [rows, embedding.count])
    }
    let wanted = Set(unet.inputs.map(\.name)).subtracting(["sample", "timestep"])
    let prompt = try parts.optional(Self.promptName)
    for start in stride(from: 0, to: rows, by: rowsPerRun) {
      let range = start..<min(start + rowsPerRun, rows)
      let piece = known.mapValues { $0.rows(range, paddedTo: rowsPerRun) }
      var inputs = piece
      if let prompt {
        let names = Set(prompt.inputs.map(\.name))
        let invariant = try prompt.run(piece.filter { names.contains($0.key) })
        inputs.merge(invariant) { given, _ in given }
      }
      if let port = wanted.subtracting(inputs.keys).min() {
        throw DiffusionError.unknownPort(entryPoint: Self.name, port: port)
      }
      constants.append(inputs.filter { wanted.contains($0.key) })
    }
    if releasesParts { parts.release(Self.promptName) }
  }

  /// `sample`: f32 `[rows, channels, height, width]`, with a row for each row of the conditioning. Returns the prediction,
  /// `[rows, latent channels, height, width]`.
  func predict(_ sample: Tensor, timestep: Double, step: Int) throws -> Tensor {
    var pieces: [Tensor] = []
    for (index, constant) in constants.enumerated() {
      let start = index * rowsPerRun
      let range = start..<min(start + rowsPerRun, rows)
      var inputs = constant
      inputs["sample"] = sample.rows(range, paddedTo: rowsPerRun)
      inputs["timestep"] = timestepTensor(timestep)
      let results = try unet.run(
        inputs, outputs: ["out_sample"], of: Self.name, stage: "the UNet in step \(step + 1)")
      guard let prediction = results["out_sample"], prediction.shape.first == rowsPerRun else { continue }
      pieces.append(prediction.rows(0..<range.count, paddedTo: range.count))
    }
    guard pieces.count == constants.count else {
      throw DiffusionError.wrongPort(
        entryPoint: Self.name, port: "out_sample", reason: "it has another batch than the sample")
    }
    return Tensor.joined(pieces)
  }

  /// In the type and shape that the port has: a scalar, one element, or one for each row.
  private func timestepTensor(_ timestep: Double) -> Tensor {
    guard let port = unet.inputs.first(where: { $0.name == "timestep" }) else {
      return Tensor(scalar: timestep)
    }
    let type = port.type.elementType
    let value = type.isFloat ? timestep : timestep.rounded(.towardZero)
    guard let size = port.type.shape.first else { return Tensor(scalar: value, type) }
    let batch = unet.inputs.first { $0.name == "sample" }?.type.shape.first
    let count = size.constant ?? (size == batch ? rowsPerRun : 1)
    return Tensor(type, [count], doubles: [Double](repeating: value, count: count))
  }
}
