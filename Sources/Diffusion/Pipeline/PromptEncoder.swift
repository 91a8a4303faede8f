import SwagePlan
import SwageTensor

/// What conditions the UNet: a row for each picture, the negative prompt's rows first where there is guidance.
struct PromptConditioning {
  /// f32 `[rows, tokens, width]`
  var embeddings: Tensor
  /// SDXL, f32 `[rows, width]`
  var pooled: Tensor?
  /// SDXL, f32 `[rows, 6]`
  var timeIDs: Tensor?
  var tokenIDs: [String: Tensor]
  var dropped: [DroppedText]
}

/// Prompts to token ids to embeddings.
struct PromptEncoder {
  let description: PipelineDescription
  let tokenizers: [String: CLIPTokenizer]
  let parts: ModelParts
  let releasesParts: Bool

  /// `isGuided` asks for the negative prompt's rows. Throws `DiffusionError`, or what a session throws.
  func encode(
    _ settings: GenerationSettings, isGuided: Bool, sizes: [GenerationRequest.SizeConditioning?]
  ) throws -> PromptConditioning {
    // Zeros stand for no negative prompt where the checkpoint says so; otherwise it is the empty text.
    let zeros = isGuided && settings.negativePrompt == nil && description.forceZerosForEmptyPrompt
    let encodesNegative = isGuided && !zeros
    let texts = settings.prompts + (encodesNegative ? [settings.negativePrompt ?? ""] : [])
    var embeddings: [Tensor] = []
    var pooled: Tensor?
    var ids: [String: Tensor] = [:]
    var dropped: [DroppedText] = []
    for encoder in description.textEncoders {
      let tokens = try tokenize(texts, for: encoder, &dropped)
      ids[encoder.entryPoint] = tokens
      let outputs = [encoder.embedding] + (encoder.pooled.map { [$0] } ?? [])
      let results = try parts(encoder.entryPoint).runRows(
        ["input_ids": tokens], rowPort: "input_ids", outputs: outputs, of: encoder.entryPoint, stage: encoder.entryPoint
      )
      if releasesParts { parts.release(encoder.entryPoint) }
      guard let embedding = results[encoder.embedding], embedding.shape.count == 3 else {
        throw DiffusionError.wrongPort(
          entryPoint: encoder.entryPoint, port: encoder.embedding, reason: "it is not [batch, tokens, width]")
      }
      embeddings.append(embedding)
      pooled = encoder.pooled.flatMap { results[$0] } ?? pooled
    }
    guard embeddings.allSatisfy({ $0.shape.dropLast() == embeddings[0].shape.dropLast() }) else {
      throw DiffusionError.wrongPort(
        entryPoint: "text_encoder", port: "input_ids", reason: "the text encoders take different numbers of tokens")
    }
    let joined = Tensor.joinedAlongLastAxis(embeddings)

    func rows(_ tensor: Tensor) -> Tensor {
      let pictures = settings.prompts.indices.flatMap { [Int](repeating: $0, count: settings.count) }
      let positive = tensor.rows(pictures)
      guard isGuided else { return positive }
      let negative =
        zeros
        ? Tensor(zeros: .f32, positive.shape)
        : tensor.rows([Int](repeating: settings.prompts.count, count: pictures.count))
      return Tensor.joined([negative, positive])
    }
    var result = PromptConditioning(embeddings: rows(joined), pooled: pooled.map(rows), tokenIDs: ids, dropped: dropped)
    if description.addsTimeIDs { result.timeIDs = timeIDs(settings, isGuided: isGuided, sizes) }
    return result
  }

  private func tokenize(
    _ texts: [String], for encoder: PipelineDescription.TextEncoder, _ dropped: inout [DroppedText]
  ) throws -> Tensor {
    guard let tokenizer = tokenizers[encoder.tokenizer] else {
      throw DiffusionError.missingAttachment(
        name: "\(encoder.tokenizer)/vocab.json", needed: "turning prompts into the tokens of \(encoder.entryPoint)")
    }
    var ids: [Int64] = []
    for text in texts {
      let encoded = tokenizer.encode(text, maximumTokens: encoder.maximumTokens)
      ids += encoded.ids
      // Both encoders of SDXL cut at the same place.
      if let rest = encoded.dropped, !dropped.contains(where: { $0.prompt == text }) {
        dropped.append(DroppedText(prompt: text, dropped: rest, maximumTokens: encoder.maximumTokens))
      }
    }
    return Tensor(.i64, [texts.count, encoder.maximumTokens], integers: ids)
  }

  private func timeIDs(
    _ settings: GenerationSettings, isGuided: Bool, _ sizes: [GenerationRequest.SizeConditioning?]
  ) -> Tensor {
    let own = GenerationRequest.SizeConditioning(
      originalHeight: settings.height, originalWidth: settings.width, targetHeight: settings.height,
      targetWidth: settings.width)
    let positive = (sizes.first ?? nil) ?? own
    let negative = (sizes.last ?? nil) ?? positive
    let rows = settings.pictureCount
    let halves = isGuided ? [negative, positive] : [positive]
    let values = halves.flatMap { half in (0..<rows).flatMap { _ in half.values } }
    return Tensor(floats: values, [halves.count * rows, 6])
  }
}
