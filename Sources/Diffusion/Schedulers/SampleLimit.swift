/// What keeps a predicted original in range: nothing, clipping, or dynamic thresholding (Saharia et al. 2022).
enum SampleLimit {
  case none
  case clip(Float)
  /// Each picture is clipped to its own quantile `ratio` of absolute values, between 1 and `maximum`, and divided by it.
  case threshold(ratio: Float, maximum: Float, batch: Int)

  /// Reads `thresholding`, and `clip_sample` where the scheduler has it (`clips` is its default then).
  init(_ reader: SettingsReader, clips: Bool?, batch: Int) throws(SchedulerError) {
    if try reader.bool("thresholding", false) {
      let ratio = try reader.number("dynamic_thresholding_ratio", 0.995, in: 0...1)
      let maximum = try reader.number("sample_max_value", 1, in: 1...1e6)
      self = .threshold(ratio: Float(ratio), maximum: Float(maximum), batch: batch)
    } else if let clips, try reader.bool("clip_sample", clips) {
      self = .clip(Float(try reader.number("clip_sample_range", 1, in: 0...1e6)))
    } else {
      self = .none
    }
  }

  func apply(_ sample: [Float]) -> [Float] {
    switch self {
    case .none: return sample
    case .clip(let range): return sample.map { clamp($0, range) }
    case .threshold(let ratio, let maximum, let batch):
      let size = max(sample.count / max(batch, 1), 1)
      return stride(from: 0, to: sample.count, by: size).flatMap { start in
        let picture = sample[start..<min(start + size, sample.count)]
        let limit = min(max(quantile(picture.map(abs), ratio), 1), maximum)
        return picture.map { clamp($0, limit) / limit }
      }
    }
  }

  private func clamp(_ value: Float, _ range: Float) -> Float {
    value < -range ? -range : value > range ? range : value
  }

  /// `torch.quantile`: between the two nearest ranks by linear interpolation; NaN where a value is.
  private func quantile(_ values: [Float], _ ratio: Float) -> Float {
    guard !values.contains(where: \.isNaN) else { return .nan }
    let sorted = values.sorted()
    let rank = ratio * Float(sorted.count - 1)
    let below = min(Int(rank), sorted.count - 1)
    let above = min(Int(rank.rounded(.up)), sorted.count - 1)
    let weight = rank - Float(below)
    let distance = sorted[above] - sorted[below]
    return weight < 0.5 ? sorted[below] + weight * distance : sorted[above] - distance * (1 - weight)
  }
}
