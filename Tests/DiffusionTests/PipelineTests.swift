import SwageDiffusion
import SwagePlan
import SwageRuntime
import SwageTensor
import Testing

/// The pipeline against loops written by hand, over parts whose arithmetic is known.
@Suite struct PipelineTests {
  /// `a` and `b` of the fake vocabulary, between start and end, padded.
  private let idsOfA: [Float] = [2, 0, 3, 3, 3, 3]
  private let idsOfB: [Float] = [2, 1, 3, 3, 3, 3]
  private let idsOfNothing: [Float] = [2, 3, 3, 3, 3, 3]

  private func embedding(_ ids: [Float], width: Int = 2, scale: Float = 1) -> [Float] {
    ids.flatMap { id in (0..<width).map { scale * id + Float($0) } }
  }

  private func request(_ prompt: String = "a", steps: Int = 4) -> GenerationRequest {
    var request = GenerationRequest(prompt, seed: 7)
    request.steps = steps
    return request
  }

  private func scheduler(_ fake: FakePipeline, steps: Int) throws -> any Scheduler {
    try SchedulerSettings(json: Array(fake.scheduler.utf8), place: "test").makeScheduler(steps: steps)
  }

  /// Latents of one picture after all steps from `first` on.
  private func denoise(
    _ start: [Float], _ scheduler: inout any Scheduler, from first: Int = 0, text: [Float], negative: [Float]?,
    guidance: Float
  ) -> [Float] {
    var latents = start
    for step in first..<scheduler.timesteps.count {
      let timestep = Float(scheduler.timesteps[step])
      var prediction = FakePipeline.prediction(latents, text, timestep: timestep)
      if let negative {
        let other = FakePipeline.prediction(latents, negative, timestep: timestep)
        prediction = zip(prediction, other).map { $1 + guidance * ($0 - $1) }
      }
      latents = scheduler.step(prediction, step: step, sample: latents, noise: { _ in [] })
    }
    return latents
  }

  private func expectClose(_ values: [Float], _ expected: [Float], _ tolerance: Float = 1e-5) {
    #expect(values.count == expected.count)
    let worst = zip(values, expected).map { abs($0 - $1) }.max() ?? 0
    #expect(worst <= tolerance)
  }

  // MARK: Text to image

  @Test func guidedPicturesFollowTheLoop() throws {
    let fake = FakePipeline()
    let pipeline = try fake.make()
    var request = request()
    request.negativePrompt = "b"
    request.guidance = 3
    request.count = 2
    let result = try pipeline.generate(request)
    #expect(result.latents.shape == [2, 4, 4, 4])
    #expect(result.tokenIDs["text_encoder"]?.integers.map { Float($0) } == idsOfA + idsOfB)

    var generator = TorchGenerator(seed: 7)
    let noise = generator.randn(2 * 64)
    for picture in 0..<2 {
      var scheduler = try scheduler(fake, steps: 4)
      let expected = denoise(
        Array(noise[picture * 64..<(picture + 1) * 64]), &scheduler, text: embedding(idsOfA),
        negative: embedding(idsOfB), guidance: 3)
      expectClose(result.latents.row(picture), expected)
    }
    let calls = try #require(fake.parts["unet"]).calls
    #expect(calls.count == 4)
    let rows = try #require(calls[0]["encoder_hidden_states"])
    #expect((0..<4).map { rows.row($0) } == [idsOfB, idsOfB, idsOfA, idsOfA].map { embedding($0) })
    #expect(calls[0]["sample"]?.row(0) == calls[0]["sample"]?.row(2))

    // Pictures: latents over the scaling factor, halved and moved to [0, 1].
    let channel = result.latents.row(1)[0]
    let byte = (min(max(channel / 0.5 * 0.5 + 0.5, 0), 1) * 255).rounded(.toNearestOrEven)
    #expect(Float(result.pictures[1][0, 0].red) == byte)
    #expect(result.pictures.count == 2 && result.pictures[0].width == 8)
    #expect(result.times.steps.count == 4 && result.dropped.isEmpty && !result.isTiled)
  }

  @Test func withoutGuidanceThereIsOneHalf() throws {
    let fake = FakePipeline()
    var request = request()
    request.guidance = 1
    let result = try fake.make().generate(request)
    #expect(fake.parts["unet"]?.calls[0]["sample"]?.shape == [1, 4, 4, 4])
    #expect(result.tokenIDs["text_encoder"]?.shape == [1, FakePipeline.tokens])
    var scheduler = try scheduler(fake, steps: 4)
    var generator = TorchGenerator(seed: 7)
    expectClose(
      result.latents.floats,
      denoise(generator.randn(64), &scheduler, text: embedding(idsOfA), negative: nil, guidance: 1))
  }

  @Test func guidanceIsRescaledToTheTextsDeviation() throws {
    let fake = FakePipeline()
    var request = request(steps: 1)
    request.guidance = 5
    request.guidanceRescale = 1
    // One step of pure guidance: the deviation of the result is that of the text half, which is 0.2 of the sample's.
    let unet = try #require(fake.parts["unet"])
    let plain = try fake.make().generate(request)
    let sample = try #require(unet.calls[0]["sample"]).row(0)
    func deviation(_ values: [Float]) -> Double {
      let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
      return (values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count - 1))
        .squareRoot()
    }
    let timestep = Float(try scheduler(fake, steps: 1).timesteps[0])
    let text = FakePipeline.prediction(sample, embedding(idsOfA), timestep: timestep)
    let other = FakePipeline.prediction(sample, embedding(idsOfNothing), timestep: timestep)
    let guided = zip(text, other).map { $1 + 5 * ($0 - $1) }
    let rescaled = guided.map { $0 * Float(deviation(text) / deviation(guided)) }
    var scheduler = try scheduler(fake, steps: 1)
    expectClose(
      plain.latents.floats, scheduler.step(rescaled, step: 0, sample: sample, noise: { _ in [] }), 1e-4)
  }

  @Test func eachPictureCanHaveItsOwnSeed() throws {
    let fake = FakePipeline()
    let pipeline = try fake.make()
    var each = request()
    each.count = 3
    each.seeding = .each
    let together = try pipeline.generate(each).latents
    for picture in 0..<3 {
      var alone = request()
      alone.seed = 7 + UInt64(picture)
      expectClose(together.row(picture), try pipeline.generate(alone).latents.floats)
    }
  }

  @Test func severalPrompts() throws {
    let pipeline = try FakePipeline().make()
    var both = GenerationRequest(prompts: ["a", "b"], seed: 7)
    both.steps = 3
    both.seeding = .each
    let result = try pipeline.generate(both).latents
    expectClose(result.row(0), try pipeline.generate(request("a", steps: 3)).latents.floats)
    var second = request("b", steps: 3)
    second.seed = 8
    expectClose(result.row(1), try pipeline.generate(second).latents.floats)
  }

  @Test func fixedBatchesGiveTheSamePictures() throws {
    let open = try FakePipeline().make()
    let fake = FakePipeline(unetRows: 4)
    let fixed = try fake.make()
    var request = request()
    request.count = 3
    expectClose(try fixed.generate(request).latents.floats, try open.generate(request).latents.floats, 0)
    // Six rows in runs of four.
    #expect(fake.parts["unet"]?.calls.count == 8)
    #expect(fake.parts["unet"]?.calls.allSatisfy { $0["sample"]?.shape[0] == 4 } == true)
  }

  @Test func invariantWorkIsDoneOnce() throws {
    var fake = FakePipeline()
    let prompt = FakePart([("encoder_hidden_states", .f32, [nil, nil, nil])]) { inputs in
      let states = inputs["encoder_hidden_states"]!
      return ["invariant.0": Tensor(floats: states.floats.map { 2 * $0 }, states.shape)]
    }
    fake.parts["unet_prompt"] = prompt
    fake.parts["unet"] = FakePart([
      ("sample", .f32, [nil, nil, nil, nil]), ("timestep", .i64, [1]), ("invariant.0", .f32, [nil, nil, nil]),
    ]) { inputs in
      #expect(inputs.count == 3)
      #expect(inputs["timestep"]?.shape == [1] && inputs["timestep"]?.elementType == .i64)
      let sample = inputs["sample"]!
      return ["out_sample": Tensor(floats: sample.floats.map { $0 * inputs["invariant.0"]!.floats[0] }, sample.shape)]
    }
    _ = try fake.make().generate(request())
    #expect(prompt.calls.count == 1)
    #expect(fake.parts["unet"]?.calls.count == 4)
    #expect(fake.parts["unet"]?.calls[0]["invariant.0"]?.floats[0] == 4)
  }

  @Test func guidanceCanBeAnInput() throws {
    var fake = FakePipeline()
    fake.description.guidanceEmbeddingSize = 4
    fake.parts["unet"] = FakePart([
      ("sample", .f32, [nil, nil, nil, nil]), ("timestep", .f32, []), ("timestep_cond", .f32, [nil, 4]),
    ]) { ["out_sample": $0["sample"]!] }
    var request = request()
    request.guidance = 8.5
    _ = try fake.make().generate(request)
    let call = try #require(fake.parts["unet"]?.calls.first)
    #expect(call["sample"]?.shape[0] == 1)
    // get_guidance_scale_embedding(torch.tensor([7.5]), 4)
    expectClose(
      try #require(call["timestep_cond"]).floats, [-0.851_235_9, 0.681_638_7, -0.524_783_3, 0.731_688_9])
  }

  // MARK: SDXL

  @Test func twoEncodersAreJoined() throws {
    let fake = FakePipeline(isXL: true)
    var request = request()
    request.count = 2
    request.sizes = .init(
      originalHeight: 100, originalWidth: 200, cropTop: 1, cropLeft: 2, targetHeight: 8, targetWidth: 8)
    _ = try fake.make().generate(request)
    let call = try #require(fake.parts["unet"]?.calls.first)
    let states = try #require(call["encoder_hidden_states"])
    #expect(states.shape == [4, FakePipeline.tokens, 5])
    // No negative prompt: zeros, as force_zeros_for_empty_prompt says.
    #expect(states.row(0).allSatisfy { $0 == 0 } && call["text_embeds"]?.row(0) == [0])
    var expected: [Float] = []
    for id in idsOfA { expected += [id, id + 1, 10 * id, 10 * id + 1, 10 * id + 2] }
    #expect(states.row(2) == expected && states.row(3) == expected)
    #expect(call["text_embeds"]?.row(2) == [14])
    #expect(
      call["time_ids"]?.floats == [
        100, 200, 1, 2, 8, 8, 100, 200, 1, 2, 8, 8, 100, 200, 1, 2, 8, 8, 100, 200, 1, 2, 8, 8,
      ])

    request.negativePrompt = ""
    request.negativeSizes = .init(originalHeight: 1, originalWidth: 2, targetHeight: 3, targetWidth: 4)
    _ = try fake.make().generate(request)
    let second = try #require(fake.parts["unet"]?.calls.last)
    #expect(second["text_embeds"]?.row(0) == [17])
    #expect(second["time_ids"]?.row(0) == [1, 2, 0, 0, 3, 4] && second["time_ids"]?.row(2) == [100, 200, 1, 2, 8, 8])
  }

  // MARK: Pictures to begin with

  @Test func imageToImage() throws {
    let fake = FakePipeline()
    var request = request(steps: 10)
    request.image = PictureSamples.random.resized(width: 8, height: 8)
    request.strength = 0.35
    request.guidance = 1
    let result = try fake.make().generate(request)
    #expect(result.times.steps.count == 3)

    var generator = TorchGenerator(seed: 7)
    let input = try #require(request.image).encoderInput.floats
    let draws = generator.randn(64)
    let original = (0..<64).map { index in
      let (channel, y, x) = ([0, 1, 2, 0][index / 16], index % 16 / 4, index % 4)
      let mean: Float = input[channel * 64 + 16 * y + 2 * x]
      return (mean + 0.5 * draws[index]) * 0.5
    }
    var scheduler = try scheduler(fake, steps: 10)
    let start = scheduler.addNoise(original, noise: generator.randn(64), step: 7)
    expectClose(
      result.latents.floats,
      denoise(start, &scheduler, from: 7, text: embedding(idsOfA), negative: nil, guidance: 1))
  }

  /// The right half is made anew.
  private var mask: Picture {
    Picture(width: 8, height: 8, pixels: (0..<64).flatMap { [UInt8](repeating: $0 % 8 < 4 ? 0 : 255, count: 3) })!
  }

  @Test func inpaintingKeepsWhatIsNotMasked() throws {
    let fake = FakePipeline()
    var request = request(steps: 5)
    request.image = PictureSamples.random.resized(width: 8, height: 8)
    request.mask = mask
    let result = try fake.make().generate(request)
    #expect(result.times.steps.count == 5)
    var generator = TorchGenerator(seed: 7)
    let input = try #require(request.image).encoderInput.floats
    let draws = generator.randn(64)
    let latents = result.latents.floats
    for index in 0..<64 {
      let (channel, y, x) = ([0, 1, 2, 0][index / 16], index % 16 / 4, index % 4)
      let mean: Float = input[channel * 64 + 16 * y + 2 * x]
      let original = (mean + 0.5 * draws[index]) * 0.5
      if x < 2 {
        #expect(abs(latents[index] - original) < 1e-6)
      } else {
        #expect(abs(latents[index] - original) > 1e-6)
      }
    }
  }

  @Test func inpaintingUNetsSeeMaskAndPicture() throws {
    let fake = FakePipeline(denoiserChannels: 9)
    var request = request(steps: 2)
    request.image = PictureSamples.random.resized(width: 8, height: 8)
    request.mask = mask
    request.guidance = 1
    _ = try fake.make().generate(request)
    let sample = try #require(fake.parts["unet"]?.calls.first?["sample"])
    #expect(sample.shape == [1, 9, 4, 4])
    var generator = TorchGenerator(seed: 7)
    // With all of the picture noise, it is drawn first; then the latents of the masked picture.
    expectClose(Array(sample.floats[0..<64]), generator.randn(64))
    #expect(Array(sample.floats[64..<80]) == (0..<16).map { $0 % 4 < 2 ? 0 : 1 })
    let draws = generator.randn(64)
    let input = try #require(request.image).encoderInput.floats
    expectClose(
      Array(sample.floats[80...]),
      (0..<64).map { index in
        let (channel, y, x) = ([0, 1, 2, 0][index / 16], index % 16 / 4, index % 4)
        let seen: Float = x < 2 ? input[channel * 64 + 16 * y + 2 * x] : 0
        return (seen + 0.5 * draws[index]) * 0.5
      })
  }

  @Test func givenNoiseReplacesTheSeeds() throws {
    let pipeline = try FakePipeline().make()
    var generator = TorchGenerator(seed: 7)
    var given = request()
    given.seed = 99
    given.initialNoise = Tensor(floats: generator.randn(64), [1, 4, 4, 4])
    expectClose(try pipeline.generate(given).latents.floats, try pipeline.generate(request()).latents.floats, 0)
    given.initialNoise = Tensor(floats: [Float](repeating: 0, count: 64), [1, 4, 2, 8])
    #expect(throws: DiffusionError.noise(shape: [1, 4, 2, 8], expected: [1, 4, 4, 4])) { try pipeline.generate(given) }
  }

  // MARK: Stops

  @Test func progressCanStop() throws {
    struct Stop: Error {}
    let fake = FakePipeline()
    var stages: [String] = []
    #expect(throws: Stop.self) {
      try fake.make().generate(request()) { progress in
        stages.append("\(progress.stage.rawValue) \(progress.step)/\(progress.steps)")
        if progress.stage == .denoising, progress.step == 2 { throw Stop() }
      }
    }
    #expect(fake.parts["unet"]?.calls.count == 2)
    #expect(stages == ["text 0/4", "denoising 0/4", "denoising 1/4", "denoising 2/4"])
  }

  @Test func previewsAreSmall() throws {
    let fake = FakePipeline()
    var request = request()
    request.width = 256
    request.height = 128
    var sizes: [[Int]] = []
    _ = try fake.make().generate(request) { progress in
      guard let preview = progress.preview, progress.step == 1 else { return }
      let picture = try preview()
      sizes.append([picture.width, picture.height])
    }
    #expect(sizes == [[64, 32]])
  }

  @Test func notFiniteNamesTheNode() throws {
    var fake = FakePipeline()
    let unet = FakePart([("sample", .f32, [nil, nil, nil, nil]), ("timestep", .f32, [])]) { inputs in
      let sample = inputs["sample"]!
      return ["out_sample": Tensor(floats: sample.floats.map { $0 / 0 }, sample.shape)]
    }
    unet.nonFinite = NonFiniteValue(
      node: "fused(div)", sources: ["/down/div"], isInput: false, nans: 1, infinities: 2, count: 3)
    fake.parts["unet"] = unet
    do {
      _ = try fake.make().generate(request())
      Issue.record("made a picture")
    } catch let error as DiffusionError {
      let text = error.diagnostics[0].description
      #expect(text.contains("diffusion-not-finite") && text.contains("/down/div") && text.contains("step 1"))
    }
  }
}
