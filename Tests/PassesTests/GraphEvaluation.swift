import SwageGraph
import SwagePasses
import SwageTensor
import Testing

/// Random inputs for a graph, the same for the same seed.
struct RandomInputs {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493 }

  private mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 11) / Double(1 << 53)
  }

  mutating func tensor(_ type: ElementType, _ shape: [Int]) -> Tensor {
    let count = shape.reduce(1, *)
    if type == .bool { return Tensor(.bool, shape, integers: (0..<count).map { _ in next() < 0.5 ? 0 : 1 }) }
    if type.isInteger { return Tensor(type, shape, integers: (0..<count).map { _ in Int64(next() * 4) }) }
    return Tensor(type, shape, doubles: (0..<count).map { _ in next() * 4 - 2 })
  }

  mutating func tensors(for graph: Graph, symbols: [String: Int]) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for input in graph.inputs {
      let type = graph.type(of: input)
      let shape = try type.shape.map { try #require($0.evaluate(symbols), "no value for a symbol of \(type)") }
      tensors[graph[input].name] = tensor(type.elementType, shape)
    }
    return tensors
  }
}

/// Evaluates both graphs on the same random inputs and expects the same results, up to `tolerance` relative to the
/// largest magnitude of each output.
func assertSameResults(
  _ before: Graph, _ after: Graph, symbols: [String: Int] = [:], tolerance: Double = 1e-6,
  seeds: ClosedRange<UInt64> = 1...2,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  #expect(before.outputNames == after.outputNames, sourceLocation: sourceLocation)
  for seed in seeds {
    var random = RandomInputs(seed: seed)
    let inputs = try random.tensors(for: before, symbols: symbols)
    let expected = try Evaluator.run(before, inputs: inputs)
    let actual = try Evaluator.run(after, inputs: inputs)
    for name in before.outputNames {
      let (a, b) = (try #require(expected[name]), try #require(actual[name]))
      #expect(a.shape == b.shape, "shape of \(name)", sourceLocation: sourceLocation)
      #expect(a.elementType == b.elementType, "type of \(name)", sourceLocation: sourceLocation)
      guard a.shape == b.shape else { continue }
      let largest = a.doubles.filter(\.isFinite).map(abs).max() ?? 0
      let isSame = zip(a.doubles, b.doubles).allSatisfy { x, y in
        x == y || (x.isNaN && y.isNaN) || abs(x - y) <= tolerance * max(largest, 1e-3)
      }
      #expect(
        isSame, "output \(name): \(a.doubles.prefix(8)) against \(b.doubles.prefix(8))", sourceLocation: sourceLocation)
    }
  }
}
