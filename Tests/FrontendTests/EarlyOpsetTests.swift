import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Operators as opsets 1 to 6 had them; what they became later is in `ImportOperatorTests`.
@Suite struct EarlyOpsetTests {
  private func run(
    opset: Int, _ type: String, _ x: Tensor, _ others: [ONNXTensor] = [],
    _ attributes: [(String, ONNXAttributeValue)] = [], outputs: [String] = ["y"]
  ) throws -> [Tensor] {
    let model = M.model(
      opset: opset, [M.input("x", x.elementType, x.shape.map { .value($0) })],
      [M.node(type, ["x"] + others.map(\.name), outputs, attributes)], outputs, others)
    let results = try M.run(model, ["x": x])
    return try outputs.map { try #require(results[$0]) }
  }

  @Test func secondOperandsStandAtAnAxis() throws {
    let x = M.iota(2, 3, 2)
    let one: (String, ONNXAttributeValue) = ("broadcast", .int(1))
    let atStart = try run(opset: 6, "Add", x, [M.floats("b", [10, 20])], [one, ("axis", .int(0))])[0]
    #expect(atStart.floats == [10, 11, 12, 13, 14, 15, 26, 27, 28, 29, 30, 31])
    let between = try run(opset: 6, "Sub", x, [M.floats("b", [0, 2, 4])], [one, ("axis", .int(1))])[0]
    #expect(between.floats == [0, 1, 0, 1, 0, 1, 6, 7, 6, 7, 6, 7])
    let atEnd = try run(opset: 6, "Mul", x, [M.floats("b", [0, 1])], [one])[0]
    #expect(atEnd.floats == [0, 1, 0, 3, 0, 5, 0, 7, 0, 9, 0, 11])
    let single = try run(opset: 6, "Div", x, [M.floats("b", [2], [1, 1])], [one, ("axis", .int(2))])[0]
    #expect(single.floats == x.floats.map { $0 / 2 })
    let faults = M.faults(
      M.model(
        opset: 6, [M.input("x", .f32, [.value(2), .value(3)])],
        [M.node("Add", ["x", "b"], ["y"], [one, ("axis", .int(1))])], ["y"], [M.floats("b", [1, 2, 3, 4], [2, 2])]))
    #expect(faults.first?.why?.contains("does not fit") == true)
  }

  @Test func slopesArePerChannel() throws {
    let x = Tensor(floats: [-1, -2, -3, -4, -5, -6], [1, 3, 2])
    let y = try run(opset: 6, "PRelu", x, [M.floats("s", [1, 2, 3])])[0]
    #expect(y.floats == [-1, -2, -6, -8, -15, -18])
  }

  @Test func attributesThatBecameInputsOrChangedTheirKind() throws {
    let x = M.iota(2, 3)
    #expect(try run(opset: 1, "Reshape", x, [], [("shape", .ints([0, -1, 1]))])[0].shape == [2, 3, 1])
    #expect(try run(opset: 1, "Cast", x, [], [("to", .string("INT32"))])[0].elementType == .i32)
    #expect(try run(opset: 1, "Concat", x, [M.floats("b", [9, 9], [2, 1])])[0].floats == [0, 1, 2, 9, 3, 4, 5, 9])
    #expect(
      try run(opset: 1, "Tile", x, [M.ints("n", [2], []), M.ints("a", [1], [])])[0].floats == [
        0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5,
      ])
    #expect(
      try run(opset: 1, "Pad", x, [], [("paddings", .ints([0, 1, 0, 0]))])[0].floats == [0, 0, 1, 2, 0, 3, 4, 5])
    let parts = try run(opset: 1, "Split", x, [M.ints("s", [1, 2])], [("axis", .int(1))], outputs: ["a", "b"])
    #expect(parts[1].floats == [1, 2, 4, 5])
    let image = M.iota(1, 1, 1, 2)
    let large = try run(opset: 1, "Upsample", image, [], [("height_scale", .float(2)), ("width_scale", .float(2))])[0]
    #expect(large.floats == [0, 0, 1, 1, 0, 0, 1, 1])
    #expect(try run(opset: 1, "GlobalLpPool", M.iota(1, 1, 3), [], [("p", .float(1))])[0].floats == [3])
  }

  @Test func defaultsThatChanged() throws {
    let x = Tensor(floats: [.infinity, 1, -1], [3])
    #expect(try run(opset: 5, "Clip", x, [], [("min", .float(0))])[0].floats == [.infinity, 1, 0])
    #expect(try run(opset: 6, "Clip", x, [], [("min", .float(0))])[0].floats == [.greatestFiniteMagnitude, 1, 0])
    #expect(try run(opset: 1, "Selu", x)[0].floats[1] == 1.0507)
    #expect(try run(opset: 6, "Dropout", x, [], [("is_test", .int(1))])[0].floats == x.floats)
  }

  @Test func normalizationOfABatchByItsOwnStatistics() throws {
    let x = Tensor(floats: [1, 3], [2, 1])
    let parameters = ["s", "b", "m", "v"].enumerated().map { M.floats($1, [$0 == 0 ? 1 : 0]) }
    let results = try run(
      opset: 6, "BatchNormalization", x, parameters, [("epsilon", .float(0)), ("momentum", .float(0.5))],
      outputs: ["y", "mean", "var"])
    #expect(results.map(\.floats) == [[-1, 1], [1], [0.5]])
    // One set of parameters per feature instead of per channel.
    let image = M.iota(1, 1, 2)
    let wide = zip(["s", "b", "m", "v"], [[1, 2], [0, 1], [0, 0], [1, 1]] as [[Float]]).map {
      M.floats($0, $1, [1, 2])
    }
    let y = try run(
      opset: 7, "BatchNormalization", image, wide, [("epsilon", .float(0)), ("spatial", .int(0))])[0]
    #expect(y.floats == [0, 3])
  }

  /// Sums along sequences of two batches, the second of which is one step long.
  @Test func scansHaveBatches() throws {
    let body = M.graph(
      [M.input("s", .f32, [.value(1)]), M.input("e", .f32, [.value(1)])],
      [M.node("Add", ["s", "e"], ["t"]), M.node("Identity", ["t"], ["o"])], ["t", "o"])
    let model = M.model(
      opset: 8, [M.input("x", .f32, [.value(2), .symbol("time"), .value(1)])],
      [
        M.node(
          "Scan", ["lengths", "zero", "x"], ["final", "y"], [("body", .graph(body)), ("num_scan_inputs", .int(1))])
      ], ["final", "y"], [M.floats("zero", [0, 0], [2, 1]), M.ints("lengths", [3, 1])])
    let results = try M.run(model, ["x": Tensor(floats: [1, 2, 3, 4, 5, 6], [2, 3, 1])])
    #expect(results["final"]?.floats == [6, 4])
    #expect(results["y"]?.floats == [1, 3, 6, 4, 0, 0])
  }
}
