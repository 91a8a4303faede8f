import Foundation
import SwageDiffusion
import SwageTensor
import Testing

/// Runs of every scheduler in many configurations, with a stand-in for the model, against diffusers.
@Suite struct SchedulerTests {
  /// The samples after each step; noise, and the original of image to image, come from one generator.
  private func run(_ scheduler: inout any Scheduler, start: Int, isImage: Bool, seed: UInt64, count: Int) -> [[Float]] {
    var generator = TorchGenerator(seed: seed)
    var sample: [Float]
    if isImage {
      let original = generator.randn(count)
      sample = scheduler.addNoise(original, noise: generator.randn(count), step: start)
    } else {
      sample = generator.randn(count).map { $0 * scheduler.initialNoiseSigma }
    }
    var samples: [[Float]] = []
    for step in start..<scheduler.timesteps.count {
      let timestep = Float(scheduler.timesteps[step])
      let output = scheduler.scaleModelInput(sample, step: step).map { tanh($0 * 0.7 + 0.1 * timestep / 1000) }
      sample = scheduler.step(output, step: step, sample: sample) { generator.randn($0) }
      samples.append(sample)
    }
    return samples
  }

  /// The largest difference, relative to the largest value where that is above 1; infinite where one is no number.
  /// Where a run begins at thousands of σ, its first samples' last digit is what counts.
  private func distance(_ values: [Float], _ expected: [Float], sigma: Float) -> Float {
    guard values.count == expected.count else { return .infinity }
    let scale = max(1, expected.map(abs).max() ?? 1, sigma / 100)
    return zip(values, expected).map { ($0 - $1).isNaN ? .infinity : abs($0 - $1) / scale }.max() ?? 0
  }

  @Test func allCases() throws {
    let document = try Expected.document("schedulers.json")
    let seed = UInt64(try document.integer("seed"))
    let cases = try document.list("cases")
    #expect(cases.count > 450)
    var worst: Float = 0
    var seen: Set<String> = []
    for expected in cases {
      let members = try #require(try expected.member("config").object)
      var settings = SchedulerSettings(
        className: try expected.member("config").text("_class_name"),
        values: Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }))
      if let name = expected["name"]?.string { settings = try settings.converted(toName: name) }
      let steps = try expected.integer("steps")
      let strength = expected["strength"]?.double
      let start = strength.map { firstStep(strength: $0, steps: steps) } ?? 0
      let what = "\(settings.className) \(settings.values), \(steps) steps from \(start)"
      #expect(start == (try expected.integer("start")), "\(what)")
      var scheduler = try settings.makeScheduler(steps: steps, batch: 2, eta: expected["eta"]?.double ?? 0)
      let timesteps = try expected.list("timesteps").compactMap(\.double)
      #expect(scheduler.timesteps.count == timesteps.count, "\(what)")
      #expect(
        zip(scheduler.timesteps, timesteps).allSatisfy { abs($0 - $1) < 2e-3 },
        "\(what): \(scheduler.timesteps), diffusers has \(timesteps)")
      let sigma = Float(try expected.member("sigma").double ?? .nan)
      #expect(abs(scheduler.initialNoiseSigma / sigma - 1) < 1e-6, "\(what)")
      let final = try expected.floats("final")
      let samples = run(
        &scheduler, start: start, isImage: strength != nil, seed: seed, count: final.count)
      #expect(samples.count == (try expected.integer("count")), "\(what)")
      let differences = [
        distance(samples[samples.count / 2], try expected.floats("middle"), sigma: sigma),
        distance(samples[samples.count - 1], final, sigma: sigma),
      ]
      worst = max(worst, differences[0], differences[1])
      #expect(differences.allSatisfy { $0 < 1e-4 }, "\(what): differs by \(differences)")
      seen.insert(settings.className)
    }
    #expect(seen.count == SchedulerKind.allCases.count)
    #expect(worst > 0 && worst < 1e-4)
  }
}
