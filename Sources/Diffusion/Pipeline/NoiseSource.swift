import SwageTensor

/// Draws the noise of a batch of pictures, in diffusers' order (`randn_tensor`): one generator for all of them, or one
/// for each.
struct NoiseSource {
  private var generators: [TorchGenerator]

  init(seed: UInt64, seeding: GenerationRequest.Seeding, pictures: Int) {
    switch seeding {
    case .together: generators = [TorchGenerator(seed: seed)]
    case .each: generators = (0..<pictures).map { TorchGenerator(seed: seed &+ UInt64($0)) }
    }
  }

  /// `count` numbers for all pictures of the batch.
  mutating func draw(_ count: Int) -> [Float] {
    if generators.count == 1 { return generators[0].randn(count) }
    let each = count / generators.count
    var values: [Float] = []
    values.reserveCapacity(count)
    for index in generators.indices { values += generators[index].randn(each) }
    return values
  }

  /// `count` numbers for one picture that all of the batch share: the first generator's.
  mutating func drawShared(_ count: Int) -> [Float] { generators[0].randn(count) }

  /// `count` numbers for the latents of the picture to begin with: one draw that all pictures share, or one of each
  /// generator. Its length tells which.
  mutating func drawForImage(_ count: Int) -> [Float] {
    generators.count == 1 ? generators[0].randn(count) : draw(count * generators.count)
  }
}
