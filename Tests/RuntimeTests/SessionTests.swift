import Foundation
import SwagePlan
import SwageRuntime
import SwageTensor
import Testing

/// y = 3 · (2 · x), x of any length.
private func scalePlan() throws -> Plan {
  let maker = try PlanMaker.withKernels()
  let n = maker.symbol("n")
  let x = maker.input("x", .f32, [n])
  let middle = maker.temporary("middle", .f32, [n])
  let y = maker.temporary("y", .f32, [n])
  maker.output("y", y)
  return try maker.plan([
    maker.instruction(maker.kernel("scale", sizes: [2], range: n), [x], [middle], flops: n, bytes: n * 8),
    maker.instruction(maker.kernel("scale", sizes: [3], range: n), [middle], [y], flops: n, bytes: n * 8),
  ])
}

private func code(_ body: () throws -> Void) -> String? {
  do { try body() } catch let error as any SwageError { return error.diagnostics.first?.code } catch {
    return "\(error)"
  }
  return nil
}

@Suite struct SessionTests {
  @Test func runsWithAnySize() throws {
    let session = try Session(plan: try scalePlan())
    for count in [1, 5, 0, 1000, 3, 5] {
      let x = Tensor(floats: (0..<count).map(Float.init), [count])
      let y = try #require(try session.run(["x": x])["y"])
      #expect(y.shape == [count])
      #expect(y.floats == (0..<count).map { Float($0) * 6 })
    }
  }

  @Test func boundInputsRunAgain() throws {
    let session = try Session(plan: try scalePlan())
    try session.bind(["x": Tensor(floats: [1, 2], [2])])
    for _ in 0..<3 { try session.execute() }
    #expect(try session.results()["y"]?.floats == [6, 12])
    #expect(session.workingBytes > 0)
  }

  @Test func inputsThatAreNotAligned() throws {
    let session = try Session(plan: try scalePlan())
    let storage = Storage(zeroed: 64)
    storage.base.storeBytes(of: 5, toByteOffset: 4, as: Float.self)
    let x = try #require(Tensor(.f32, [1], storage: storage, byteOffset: 4))
    #expect(try session.run(["x": x])["y"]?.floats == [30])
    #expect(try session.run(["x": Tensor(floats: [7], [1])])["y"]?.floats == [42])
  }

  @Test func chunksCoverTheRangeOnce() throws {
    for threads in [1, 2, 3, 7] {
      for (range, grain) in [(1, 1), (10, 3), (1000, 1), (64, 64), (65, 64), (129, 64)] {
        let maker = try PlanMaker.withKernels()
        let y = maker.temporary("y", .i64, [Dim(range)])
        maker.output("y", y)
        let plan = try maker.plan([
          maker.instruction(maker.kernel("number", sizes: [7], range: Dim(range), grain: Dim(grain)), [], [y])
        ])
        let session = try Session(plan: plan, options: SessionOptions(threads: threads))
        #expect(try session.run([:])["y"]?.integers == (0..<range).map { Int64($0 * 7) })
      }
    }
  }

  @Test func threadsDoNotChangeKernels() throws {
    let plan = try scalePlan()
    let results = try [1, 2, 3].map { threads -> [Float]? in
      let session = try Session(plan: plan, options: SessionOptions(threads: threads))
      return try session.run(session.randomInputs(seed: 3, sizes: ["n": 10_000]))["y"]?.floats
    }
    #expect(results[0]?.count == 10_000)
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test func wrongInputsAreRefused() throws {
    let session = try Session(plan: try scalePlan())
    let good = Tensor(floats: [1], [1])
    #expect(code { _ = try session.run([:]) } == "runtime-missing-input")
    #expect(code { _ = try session.run(["x": good, "z": good]) } == "runtime-unknown-input")
    #expect(code { _ = try session.run(["x": Tensor(zeros: .f64, [1])]) } == "runtime-input-type")
    #expect(code { _ = try session.run(["x": Tensor(zeros: .f32, [1, 1])]) } == "runtime-input-rank")
    #expect(code { try Session(plan: try scalePlan()).execute() } == "runtime-not-bound")
    #expect(code { _ = try Session(plan: try scalePlan(), entryPoint: "other") } == "runtime-no-entry-point")
    // And it still works.
    #expect(try session.run(["x": good])["y"]?.floats == [6])
  }

  @Test func sizesOfInputsMustFit() throws {
    let maker = try PlanMaker.withKernels()
    let h = maker.symbol("h")
    let a = maker.input("a", .f32, [h])
    let b = maker.input("b", .f32, [h * 2])
    let c = maker.input("c", .f32, [h])
    let y = maker.temporary("y", .f32, [h])
    maker.output("y", y)
    maker.output("b", b)
    let plan = try maker.plan([
      maker.instruction(maker.kernel("add", sizes: [], range: h), [a, c], [y])
    ])
    let session = try Session(plan: plan)
    let three = Tensor(floats: [1, 2, 3], [3])
    let six = Tensor(zeros: .f32, [6])
    #expect(try session.run(["a": three, "b": six, "c": three])["y"]?.floats == [2, 4, 6])
    #expect(code { _ = try session.run(["a": three, "b": three, "c": three]) } == "runtime-input-shape")
    #expect(code { _ = try session.run(["a": three, "b": six, "c": six]) } == "runtime-symbol-conflict")
    #expect(try session.run(["a": three, "b": six, "c": three])["b"]?.shape == [6])
  }

  @Test func sizesThatMakeNoSense() throws {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let x = maker.input("x", .f32, [n])
    let y = maker.temporary("y", .f32, [n - 4])
    maker.output("y", y)
    maker.entry.checks = [SizeCheck(left: maker.size(n), relation: .atMost, right: maker.size(8), source: "slice")]
    let plan = try maker.plan([
      maker.instruction(maker.kernel("scale", sizes: [2], range: n - 4), [x], [y], label: "slice")
    ])
    let session = try Session(plan: plan)
    #expect(try session.run(["x": Tensor(zeros: .f32, [6])])["y"]?.shape == [2])
    #expect(try session.run(["x": Tensor(zeros: .f32, [4])])["y"]?.shape == [0])
    #expect(code { _ = try session.run(["x": Tensor(zeros: .f32, [3])]) } == "runtime-negative-size")
    #expect(code { _ = try session.run(["x": Tensor(zeros: .f32, [9])]) } == "runtime-size-check")
    #expect(try session.run(["x": Tensor(zeros: .f32, [5])])["y"]?.shape == [1])
  }

  @Test func memoryHasALimit() throws {
    let session = try Session(plan: try scalePlan(), options: SessionOptions(memoryLimit: 1 << 16))
    #expect(try session.run(["x": Tensor(zeros: .f32, [100])])["y"]?.count == 100)
    #expect(code { _ = try session.run(["x": Tensor(zeros: .f32, [1 << 20])]) } == "runtime-memory-limit")
    #expect(try session.run(["x": Tensor(zeros: .f32, [10])])["y"]?.count == 10)
  }

  @Test func nativeCodeThatIsNot() throws {
    let maker = try PlanMaker.withKernels()
    let y = maker.temporary("y", .f32, [1])
    maker.output("y", y)
    let missing = try maker.plan([maker.instruction(maker.kernel("absent", sizes: [], range: 1), [], [y])])
    #expect(code { _ = try Session(plan: missing) } == "runtime-missing-function")
    maker.modules[0].image = Storage(zeroed: 128)
    let damaged = try maker.plan([maker.instruction(maker.kernel("number", sizes: [1], range: 1), [], [y])])
    #expect(code { _ = try Session(plan: damaged) } == "runtime-module-load")
    var foreign = try maker.plan([maker.instruction(maker.kernel("number", sizes: [1], range: 1), [], [y])])
    foreign.host = HostRequirement(architecture: PlanMaker.architecture, features: ["no_such_feature"])
    #expect(code { _ = try Session(plan: foreign) } == "plan-cpu-features")
  }

  @Test func randomInputsRepeat() throws {
    let session = try Session(plan: try scalePlan())
    let first = try session.randomInputs(seed: 7, sizes: ["n": 9])
    let second = try session.randomInputs(seed: 7, sizes: ["n": 9])
    let other = try session.randomInputs(seed: 8, sizes: ["n": 9])
    #expect(first["x"]?.floats == second["x"]?.floats)
    #expect(first["x"]?.floats != other["x"]?.floats)
    #expect(first["x"]?.floats.allSatisfy { abs($0) <= 1 } == true)
  }

  @Test func viewsAndPartsOfABuffer() throws {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let x = maker.input("x", .f32, [n])
    // Concatenation by parts: two kernels write two halves of one buffer.
    maker.entry.buffers.append(
      PlanBuffer(byteCount: maker.size(n * 8), placement: .arena, first: 0, last: 0))
    let low = maker.value("low", .f32, [n], .buffer(0, offset: nil))
    let high = maker.value("high", .f32, [n], .buffer(0, offset: maker.size(n * 4)))
    let both = maker.value("both", .f32, [n * 2], .buffer(0, offset: nil))
    maker.output("both", both)
    let plan = try maker.plan([
      maker.instruction(maker.kernel("scale", sizes: [1], range: n), [x], [low]),
      maker.instruction(maker.kernel("scale", sizes: [2], range: n), [x], [high]),
    ])
    let session = try Session(plan: plan)
    #expect(try session.run(["x": Tensor(floats: [1, 2, 3], [3])])["both"]?.floats == [1, 2, 3, 2, 4, 6])
  }
}

@Suite struct HostTests {
  @Test func featuresAreThoseOfTheKernel() throws {
    let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }
    let known = Set((line ?? "").split(separator: " ").map(String.init))
    let features = HostCPU.features
    #expect(!features.isEmpty)
    #expect(features == features.sorted())
    for feature in features { #expect(known.contains(feature), "\(feature)") }
    #expect(HostCPU.coreCount >= 1)
  }
}
