import Foundation
import Swage
import SwageCPUTarget
import Testing

@Suite struct TunerTests {
  private let threads = 2
  private let source = [Source(name: "node", operatorName: "Test")]

  /// A convolution `[1, side, side, channels]`, channels last, with a bias and a rectifier behind it.
  private func convolution(
    _ channels: Int, _ filters: Int, side: Dim, kernel: Int = 3, stride: Int = 1
  ) throws -> Graph {
    var random = SeededNumbers(41)
    var graph = Graph(name: "conv")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [1, side, side, Dim(channels)]))
    let w = try graph.constant(random.tensor([filters, channels, kernel, kernel]))
    let bias = try graph.constant(random.tensor([filters]))
    let pads = [Dim((kernel - 1) / 2), Dim((kernel - 1) / 2)]
    let op = Convolution(
      strides: [stride, stride], dilations: [1, 1], padsBegin: pads, padsEnd: pads, groups: 1, layout: .channelsLast,
      epilogue: Epilogue([.binary(.add, operand: 2), .unary(Unary(.relu))]))
    graph.addOutput(try graph.append(.convolution(op), [x, w, bias], sources: source)[0], name: "y")
    return graph
  }

  private func product(rows: Int, _ depth: Int, _ columns: Int) throws -> Graph {
    var random = SeededNumbers(42)
    var graph = Graph(name: "product")
    let x = graph.addInput(name: "x", type: TensorType(.f32, sizes: [rows, depth]))
    let w = try graph.constant(random.tensor([depth, columns]))
    graph.addOutput(try graph.append(.matmul(MatMul()), [x, w], sources: source)[0], name: "y")
    return graph
  }

  private func compile(_ graph: Graph, choices: [String: KernelChoice] = [:], tuner: Tuner? = nil) throws
    -> CompileResult
  {
    // Without passes: the node stays as it is.
    let request = CompileRequest(models: [], targets: ["cpu"], threads: threads, maxRewrites: 0)
    return try Compiler.compile(
      [(graph: graph, request: request)], targets: ["cpu"], threads: threads, choices: choices, tuner: tuner)
  }

  private func code(_ plan: Plan) -> [[UInt8]] {
    plan.modules.map { [UInt8](UnsafeRawBufferPointer(start: $0.image.base, count: $0.image.byteCount)) }
  }

  private func temporaryFolder() -> String { NSTemporaryDirectory() + "/swage-tune-\(UUID().uuidString)" }

  private func node(_ graph: Graph) throws -> NodeSignature {
    try NodeSignature(try #require(Array(graph.nodes).last), in: graph)
  }

  private func run(_ plan: Plan, _ x: Tensor) throws -> Tensor {
    try #require(try Session(plan: plan, options: SessionOptions(threads: threads)).run(["x": x])["y"])
  }

  @Test func everyChoiceComputesTheSame() throws {
    let graphs = [
      try convolution(64, 64, side: 14), try convolution(40, 20, side: 9), try convolution(32, 48, side: 8, kernel: 1),
      try convolution(32, 64, side: 12, stride: 2), try convolution(3, 16, side: 16),
      try convolution(200, 160, side: 5),
      try product(rows: 1, 300, 200), try product(rows: 40, 64, 100), try product(rows: 1, 32, 40),
    ]
    let target = CPUTarget(threads: threads)
    var seen: Set<String> = []
    for graph in graphs {
      let last = try #require(Array(graph.nodes).last)
      let choices = target.choices(for: last, in: graph)
      #expect(choices.count > 1 && Set(choices).count == choices.count, "\(choices)")
      var random = SeededNumbers(7)
      let x = random.tensor(graph.type(of: graph.inputs[0]).staticShape ?? [])
      let expected = try #require(try Evaluator.run(graph, inputs: ["x": x])["y"])
      for choice in choices {
        seen.insert(choice.name)
        let plan = try compile(graph, choices: [try node(graph).text: choice]).plan
        let got = try run(plan, x).floats
        let largest = expected.floats.map(abs).max() ?? 1
        for (a, b) in zip(got, expected.floats) { #expect(abs(a - b) <= 2e-5 * largest, "\(choice)") }
      }
      // The first is what the cost model takes.
      let images = try [try compile(graph), compile(graph, choices: [node(graph).text: choices[0]])].map {
        code($0.plan)
      }
      #expect(images[0] == images[1])
    }
    #expect(
      seen.isSuperset(of: ["winograd2", "winograd4", "product", "panels", "panels-long", "library", "plain"]), "\(seen)"
    )
  }

  @Test func theFastestIsTakenAndKept() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let graph = try convolution(64, 64, side: 14)
    let first = try compile(graph, tuner: Tuner(cacheFolder: folder))
    let record = try #require(first.tuning.first)
    #expect(first.tuning.count == 1 && !record.isKept && first.untuned == 0)
    #expect(record.times.count > 1)
    let (best, preferred) = (record.times.values.min() ?? 0, record.times[record.task.choices[0]])
    let chosen = try #require(record.times[record.choice])
    // The fastest, or the cost model's within the margin.
    #expect(chosen == best || (record.choice == record.task.choices[0] && chosen * 0.97 <= best))
    #expect(preferred.map { chosen <= $0 } ?? true)

    let second = try compile(graph, tuner: Tuner(cacheFolder: folder))
    #expect(second.tuning[0].isKept && second.tuning[0].times == record.times)
    #expect(second.tuning[0].choice == record.choice)
    #expect(code(second.plan) == code(first.plan))
    #expect(try !compile(graph, tuner: Tuner(measuresAgain: true, cacheFolder: folder)).tuning[0].isKept)

    // A damaged file is as good as none.
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(files.count == 1)
    try Data("{".utf8).write(to: URL(fileURLWithPath: folder + "/" + files[0]))
    #expect(try !compile(graph, tuner: Tuner(cacheFolder: folder)).tuning[0].isKept)
  }

  @Test func equalNodesAreMeasuredOnce() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var graph = Graph(name: "twice")
    var random = SeededNumbers(5)
    var value = graph.addInput(name: "x", type: TensorType(.f32, sizes: [24, 64]))
    for _ in 0..<2 {
      let w = try graph.constant(random.tensor([64, 64]))
      value = try graph.append(.matmul(MatMul()), [value, w], sources: source)[0]
    }
    graph.addOutput(value, name: "y")
    let result = try compile(graph, tuner: Tuner(cacheFolder: folder))
    #expect(result.tuning.map(\.task.count) == [2])
    let x = random.tensor([24, 64])
    let expected = try #require(try Evaluator.run(graph, inputs: ["x": x])["y"]).floats
    let largest = expected.map(abs).max() ?? 1
    for (a, b) in zip(try run(result.plan, x).floats, expected) { #expect(abs(a - b) <= 2e-5 * largest) }
  }

  @Test func unknownSizesAreLeftToTheCostModel() throws {
    let folder = temporaryFolder()
    let result = try compile(try convolution(64, 64, side: .symbol("side")), tuner: Tuner(cacheFolder: folder))
    #expect(result.tuning.isEmpty && result.untuned == 1)
    #expect(!FileManager.default.fileExists(atPath: folder))
  }
}

/// The same numbers everywhere.
private struct SeededNumbers {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func tensor(_ shape: [Int]) -> Tensor {
    Tensor(
      floats: (0..<shape.reduce(1, *)).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Float(state >> 40) / Float(1 << 23) - 1
      }, shape)
  }
}
