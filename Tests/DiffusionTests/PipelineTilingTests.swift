import SwageDiffusion
import SwageRuntime
import SwageTensor
import Testing

@Suite struct PipelineTilingTests {
  private func request(_ tiling: GenerationRequest.Tiling, width: Int, height: Int) -> GenerationRequest {
    var request = GenerationRequest("a", seed: 3)
    request.steps = 1
    request.width = width
    request.height = height
    request.tiling = tiling
    return request
  }

  /// A decoder that looks at one pixel at a time gives the same picture in tiles.
  @Test(arguments: [(18, 22), (8, 8), (6, 40), (20, 8)])
  func tilesOfAPointwiseDecoderAreTheWhole(_ size: (width: Int, height: Int)) throws {
    let pipeline = try FakePipeline().make()
    let whole = try pipeline.generate(request(.never, width: size.width, height: size.height))
    let tiled = try pipeline.generate(request(.always, width: size.width, height: size.height))
    #expect(tiled.isTiled == (size.width > 8 || size.height > 8))
    #expect(!whole.isTiled && whole.latents.floats == tiled.latents.floats)
    let differences = zip(whole.pictures[0].pixels, tiled.pictures[0].pixels).map { abs(Int($0) - Int($1)) }
    #expect((differences.max() ?? 9) <= 1)
  }

  /// Each tile has a brightness of its own: borders fade as `AutoencoderKL.tiled_decode` fades them. Tiles of 4 latents
  /// overlap by one, 2 pixels; their brightness here is the number of the tile.
  @Test func bordersFadeLinearly() throws {
    var fake = FakePipeline()
    var tiles = 0
    fake.parts["vae_decoder"] = FakePart([("latent_sample", .f32, [nil, 4, nil, nil])]) { inputs in
      let shape = inputs["latent_sample"]!.shape
      tiles += 1
      let count = 3 * shape[2] * shape[3] * 4
      return [
        "sample": Tensor(
          floats: [Float](repeating: Float(tiles) / 10, count: count), [1, 3, 2 * shape[2], 2 * shape[3]])
      ]
    }
    let picture = try fake.make().generate(request(.always, width: 14, height: 8)).pictures[0]
    // Tiles begin at latents 0, 3, 6 and hold 4, 4, 1; each keeps 6 pixels, and fades in over 2. Rows of tiles begin at
    // latents 0 and 3: the second row is tiles 4 to 6, and keeps what is left of 8 pixels.
    #expect(tiles == 6)
    func byte(_ value: Double) -> Int { Int(((value / 10) / 2 + 0.5) * 255 + 0.5) }
    let firstRow = [1, 1, 1, 1, 1, 1, 1, 1.5, 2, 2, 2, 2, 2, 2.5].map(byte)
    for y in 0..<6 {
      for x in 0..<14 { #expect(abs(Int(picture[x, y].red) - firstRow[x]) <= 1, "pixel \(x), \(y)") }
    }
    // Row 6 is the first of the lower tiles, all of what is above; row 7 half of each.
    #expect(abs(Int(picture[0, 6].red) - byte(1)) <= 1 && abs(Int(picture[0, 7].red) - byte(2.5)) <= 1)
  }

  @Test func automaticTilingFollowsMemory() throws {
    var fake = FakePipeline()
    var sides: [Int] = []
    fake.description.defaultWidth = 128
    fake.description.defaultHeight = 128
    let decoder = FakePipeline.decoder
    fake.parts["vae_decoder"] = FakePart([("latent_sample", .f32, [nil, 4, nil, nil])]) { inputs in
      let side = inputs["latent_sample"]!.shape[3]
      sides.append(side)
      if side > 32 { throw RuntimeError.memoryLimit(needed: side, limit: 32) }
      return try decoder.run(inputs)
    }
    let pipeline = try fake.make()
    let tiled = try pipeline.generate(request(.automatic, width: 128, height: 64))
    #expect(tiled.isTiled && sides.first == 64 && sides[1...].allSatisfy { $0 <= 32 })
    #expect(tiled.pictures[0].width == 128 && tiled.pictures[0].height == 64)
    let small = try pipeline.generate(request(.automatic, width: 64, height: 64))
    #expect(!small.isTiled)
    #expect(throws: RuntimeError.self) { try pipeline.generate(request(.never, width: 128, height: 64)) }
  }
}
