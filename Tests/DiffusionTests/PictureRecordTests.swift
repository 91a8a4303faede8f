import SwageDiffusion
import SwageTensor
import Testing

@Suite struct PictureRecordTests {
  private func record() throws -> PictureRecord {
    var request = GenerationRequest("a \"b\"\n🍕", seed: .max)
    request.negativePrompt = ""
    request.steps = 3
    request.guidance = 7.1
    request.image = PictureSamples.random
    request.strength = 0.7
    request.count = 2
    request.seeding = .each
    let settings = try FakePipeline().make().settings(for: request)
    var record = PictureRecord(settings, index: 1, version: "9.9")
    record.planHash = String(repeating: "0f", count: 32)
    record.imageHash = "12"
    return record
  }

  @Test func throughAFileAndBack() throws {
    let record = try record()
    let bytes = try PNG.encode(PictureSamples.random, texts: record.texts)
    let texts = try bytes.withUnsafeBytes { try PNG.read($0, name: "x.png").texts }
    #expect(try PictureRecord(texts: texts, file: "x.png") == record)
    let keys = texts.map(\.keyword)
    #expect(keys.contains("plan_sha256") && keys.contains("seed") && !keys.contains("mask_sha256"))
    #expect(texts.first { $0.keyword == "seed" }?.value == "18446744073709551615")
    let parameters = try #require(texts.first { $0.keyword == "parameters" }?.value)
    #expect(
      parameters == """
        a "b"
        🍕
        Negative prompt:\(" ")
        Steps: 3, Sampler: DDIMScheduler, CFG scale: 7.1, Seed: 18446744073709551615, Size: 6x4, \
        Denoising strength: 0.7, Model hash: 0f0f0f0f0f
        """)
  }

  @Test func otherPicturesAreRefused() throws {
    let texts = try record().texts
    for key in ["prompt", "seed", "seeding", "scheduler", "steps", "guidance_scale", "width", "count"] {
      #expect(throws: PictureRecordError(file: "x.png", key: key, value: nil)) {
        try PictureRecord(texts: texts.filter { $0.keyword != key }, file: "x.png")
      }
    }
    for (key, value) in [("steps", "many"), ("seed", "-1"), ("strength", "strong"), ("seeding", "never")] {
      let changed = texts.map { $0.keyword == key ? PNG.Text(key, value) : $0 }
      #expect(throws: PictureRecordError(file: "x.png", key: key, value: value)) {
        try PictureRecord(texts: changed, file: "x.png")
      }
    }
  }
}
