import SwageDiffusion
import Testing

/// The numbers of PyTorch's CPU generator.
@Suite struct TorchGeneratorTests {
  private func expectClose(_ values: [Float], _ expected: [Float], _ what: String) {
    #expect(values.count == expected.count)
    for (index, pair) in zip(values, expected).enumerated() where abs(pair.0 - pair.1) > 1e-6 {
      Issue.record("\(what): value \(index) is \(pair.0), PyTorch has \(pair.1)")
    }
  }

  @Test func mixedSizes() throws {
    let document = try Expected.document("random.json")
    let sizes = try document.list("sizes").compactMap(\.integer)
    let sequences = try document.list("sequences")
    #expect(sequences.count == 7)
    for sequence in sequences {
      let seed = try #require(UInt64(try sequence.text("seed")))
      var generator = TorchGenerator(seed: seed)
      expectClose(sizes.flatMap { generator.randn($0) }, try sequence.floats("values"), "seed \(seed)")
    }
  }

  @Test func latent() throws {
    let latent = try Expected.document("random.json").member("latent")
    var generator = TorchGenerator(seed: try #require(UInt64(try latent.text("seed"))))
    let values = generator.randn(2 * 4 * 64 * 64)
    expectClose(stride(from: 0, to: values.count, by: 37).map { values[$0] }, try latent.floats("values"), "latent")
  }

  @Test func nothing() {
    var generator = TorchGenerator(seed: 1)
    #expect(generator.randn(0).isEmpty)
    #expect(generator.randn(-5).isEmpty)
  }
}
