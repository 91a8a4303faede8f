import SwageGraph
import SwageTensor
import Testing

/// The fast casts of weights give what rounding element by element gives.
@Suite struct NarrowingTests {
  @Test(arguments: [ElementType.bf16, .f16])
  func castsOfF32RoundAsDefined(_ type: ElementType) throws {
    var state: UInt64 = 1
    var values: [Float] = [0, -0.0, 1, -1, .infinity, -.infinity, 65504, 65519.9, 65520, 1e-8, -6e-8, 3.4e38, 1e-45]
    for _ in 0..<20_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: state >> 32))
      if !value.isNaN { values.append(value) }
    }
    // Halfway between neighbours, both ways.
    for index in 0..<2000 { values.append(Float(bitPattern: UInt32(0x3F80 + index) << 16 | 0x8000)) }
    let x = Tensor(floats: values, [values.count])
    var graph = Graph(name: "cast")
    let input = graph.addInput(name: "x", type: x.type)
    graph.addOutput(try graph.append(.cast(Cast(to: type)), [input])[0], name: "y")
    let fast = try #require(try Evaluator.run(graph, inputs: ["x": x])["y"])
    let slow = Tensor(type, x.shape, doubles: x.doubles)
    let (given, expected) = (fast.withBytes { Array($0) }, slow.withBytes { Array($0) })
    #expect(given == expected)
  }

  @Test func nanStaysNaN() throws {
    var graph = Graph(name: "cast")
    let input = graph.addInput(name: "x", type: TensorType(.f32, sizes: [2]))
    for type in [ElementType.bf16, .f16] {
      graph.addOutput(try graph.append(.cast(Cast(to: type)), [input])[0], name: type.name)
    }
    let result = try Evaluator.run(graph, inputs: ["x": Tensor(floats: [.nan, -.nan], [2])])
    let isNaN = result.values.map { $0.doubles.allSatisfy { $0.isNaN } }
    #expect(isNaN == [true, true])
  }
}
