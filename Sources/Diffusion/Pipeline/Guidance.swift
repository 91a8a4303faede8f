import Foundation

/// Classifier-free guidance (Ho and Salimans, 2022), in diffusers' arithmetic.
enum Guidance {
  /// `unconditional + scale * (text - unconditional)`; `prediction` holds the unconditional half first. With `rescale`
  /// above zero, each picture's result is brought towards the standard deviation of its text half.
  static func combine(_ prediction: [Float], scale: Double, rescale: Double, pictures: Int) -> [Float] {
    let half = prediction.count / 2
    let factor = Float(scale)
    var guided = [Float](repeating: 0, count: half)
    for index in 0..<half {
      let unconditional = prediction[index]
      guided[index] = unconditional + factor * (prediction[half + index] - unconditional)
    }
    guard rescale > 0, pictures > 0 else { return guided }
    let size = half / pictures
    for picture in 0..<pictures {
      let range = picture * size..<(picture + 1) * size
      let ratio =
        Float(deviation(prediction[half + range.lowerBound..<half + range.upperBound]))
        / Float(deviation(guided[range]))
      let (mixed, kept) = (Float(rescale), Float(1 - rescale))
      for index in range { guided[index] = mixed * (guided[index] * ratio) + kept * guided[index] }
    }
    return guided
  }

  /// With Bessel's correction, as `torch.std`.
  private static func deviation(_ values: ArraySlice<Float>) -> Double {
    let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
    let sum = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    return (sum / Double(max(values.count - 1, 1))).squareRoot()
  }

  /// The guidance scale as a vector for UNets that take it as an input (`timestep_cond`; latent consistency models):
  /// sines, then cosines, of `1000 (scale - 1)` times frequencies from 1 to 1/10000; f32 throughout.
  static func embedding(scale: Double, size: Int) -> [Float] {
    let half = size / 2
    let weight = Float(scale - 1) * 1000
    let decay = Float(Foundation.log(Double(10000))) / Float(max(half - 1, 1))
    var values = [Float](repeating: 0, count: size)
    for index in 0..<half {
      let exponent = Float(index) * -decay
      let angle = Double(weight * Float(Foundation.exp(Double(exponent))))
      values[index] = Float(Foundation.sin(angle))
      values[half + index] = Float(Foundation.cos(angle))
    }
    return values
  }
}
