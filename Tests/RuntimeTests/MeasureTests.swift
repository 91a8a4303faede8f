import Foundation
import SwagePlan
import SwageRuntime
import SwageTensor
import Testing

@Suite struct MeasureTests {
  private func session() throws -> Session {
    let maker = try PlanMaker.withKernels()
    let x = maker.input("x", .f32, [4096])
    let middle = maker.temporary("middle", .f32, [4096])
    let y = maker.temporary("y", .f32, [4096])
    maker.output("y", y)
    let plan = try maker.plan([
      maker.instruction(
        maker.kernel("scale", sizes: [2], range: 4096), [x], [middle], label: "fused(\"a\")", flops: 4096, bytes: 32768,
        sources: ["conv_1", "line\nbreak"]),
      maker.instruction(
        maker.kernel("scale", sizes: [3], range: 4096), [middle], [y], label: "second", flops: 4096, bytes: 32768),
    ])
    let session = try Session(plan: plan)
    try session.bind(try session.randomInputs(seed: 1))
    return session
  }

  @Test func profileAddsUp() throws {
    let profile = try session().profile(warmup: 1, runs: 5)
    #expect(profile.runs == 5)
    #expect(profile.nodes.count == 2)
    #expect(profile.nodes.allSatisfy { $0.hostNanoseconds > 0 && $0.wasReached && $0.flops == 4096 })
    #expect(profile.nodes[0].elementType == .f32)
    #expect(profile.nodeSumNanoseconds <= profile.wallNanoseconds * 1.001)
    #expect(abs(profile.wallNanoseconds - profile.nodeSumNanoseconds - profile.gapNanoseconds) < 1)
    #expect(profile.flops == 8192)
    #expect(profile.nodes[1].startNanoseconds >= profile.nodes[0].startNanoseconds)
  }

  @Test func traceIsJSON() throws {
    let profile = try session().profile(warmup: 0, runs: 2)
    let text = Trace.json(profile, name: "a \"plan\"")
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let events = try #require(object["traceEvents"] as? [[String: Any]])
    let complete = events.filter { $0["ph"] as? String == "X" }
    #expect(complete.map { $0["name"] as? String } == ["fused(\"a\")", "second"])
    let arguments = try #require(complete[0]["args"] as? [String: Any])
    #expect(arguments["sources"] as? [String] == ["conv_1", "line\nbreak"])
    #expect(arguments["flops"] as? Int == 4096)
    #expect((complete[0]["dur"] as? Double ?? 0) > 0)
  }

  @Test func tableShowsTheSlowestFirst() throws {
    var profile = try session().profile(warmup: 0, runs: 2)
    profile.nodes[1].hostNanoseconds = profile.nodes[0].hostNanoseconds * 3
    let peak = MachinePeak(threads: 2, flopsPerSecond: 1e11, bf16FlopsPerSecond: 0, bytesPerSecond: 1e10)
    let lines = ProfileTable.text(profile, peak: peak).split(separator: "\n").map(String.init)
    #expect(lines[0].contains("GFLOP/s") && lines[0].contains("of peak"))
    #expect(lines[1].contains("second") && lines[1].contains("75.0%"))
    #expect(lines[2].contains("conv_1"))
    let short = ProfileTable.text(profile, peak: peak, limit: 1)
    #expect(short.contains("1 more nodes"))
  }

  @Test func theBoundIsNamed() {
    let peak = MachinePeak(threads: 1, flopsPerSecond: 1e9, bf16FlopsPerSecond: 4e9, bytesPerSecond: 1e9)
    // 1000 operations in 2000 ns are half of the peak, 500 bytes a quarter.
    let f32 = peak.share(flops: 1000, bytes: 500, nanoseconds: 2000, elementType: .f32)
    let bf16 = peak.share(flops: 1000, bytes: 500, nanoseconds: 2000, elementType: .bf16)
    #expect(abs((f32?.0 ?? 0) - 0.5) < 1e-9 && f32?.1 == .compute)
    #expect(abs((bf16?.0 ?? 0) - 0.25) < 1e-9 && bf16?.1 == .memory)
    #expect(peak.share(flops: 0, bytes: 0, nanoseconds: 10, elementType: nil) == nil)
  }

  @Test func benchmarkStatistics() throws {
    let samples = [4.0, 1, 3, 2]
    let result = BenchmarkResult(
      samples: samples, warmup: 5, threads: 2, loadMilliseconds: 7, peakResidentBytes: 9)
    #expect(result.medianMilliseconds == 2.5)
    #expect(result.meanMilliseconds == 2.5)
    #expect(abs(result.standardDeviationMilliseconds - 1.2909944487) < 1e-9)
    #expect(abs(result.p90Milliseconds - 3.7) < 1e-9)
    #expect(result.minimumMilliseconds == 1 && result.maximumMilliseconds == 4)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(result.json.utf8)) as? [String: Any])
    let keys =
      "median_ms mean_ms std_ms p50_ms p90_ms p95_ms p99_ms min_ms max_ms load_ms peak_rss_bytes runs warmup threads"
    #expect(object.keys.sorted() == keys.split(separator: " ").map(String.init).sorted())
    #expect(object["runs"] as? Int == 4)
  }

  @Test func benchmarkOfASession() throws {
    let result = try session().benchmark(warmup: 1, runs: 7)
    #expect(result.runs == 7)
    #expect(result.minimumMilliseconds > 0)
    #expect(result.peakResidentBytes > 1 << 20)
  }

  @Test func peaksAreMeasured() {
    let peak = MachinePeak.measured(threads: 1)
    #expect(peak.flopsPerSecond > 1e8)
    #expect(peak.bytesPerSecond > 1e8)
    #expect(MachinePeak.measured(threads: 1) == peak)
  }

  /// Prints what the interpreter costs per instruction; kernels that do nothing leave little else.
  @Test func interpreterOverhead() throws {
    let maker = try PlanMaker.withKernels()
    let x = maker.input("x", .f32, [1])
    let y = maker.temporary("y", .f32, [1])
    maker.output("y", y)
    let count = 10_000
    var body: [Instruction] = []
    for _ in 0..<count {
      let part = maker.value("part", .f32, [1], maker.entry.values[y].location)
      body.append(maker.instruction(maker.kernel("nothing", sizes: [1, 2], range: 1), [x], [part]))
    }
    body.append(maker.instruction(maker.kernel("scale", sizes: [2], range: 1), [x], [y]))
    let session = try Session(plan: try maker.plan(body))
    try session.bind(["x": Tensor(floats: [1], [1])])
    let plain = try session.benchmark(warmup: 5, runs: 50)
    let timed = try session.profile(warmup: 5, runs: 50)
    print(
      "interpreter: \(plain.medianMilliseconds * 1e6 / Double(count)) ns per instruction, "
        + "\(timed.wallNanoseconds / Double(count)) ns with timing; \(plain.loadMilliseconds) ms to load")
    #expect(try session.results()["y"]?.floats == [2])
  }
}
