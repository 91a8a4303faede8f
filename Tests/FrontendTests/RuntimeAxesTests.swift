import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Axes, bounds and sizes that are inputs of the model.
@Suite struct RuntimeAxesTests {
  /// A node of `x` (2, 1, 3) and of inputs that only the run knows.
  private func model(
    _ type: String, _ inputs: [(name: String, count: Int)], _ attributes: [(String, ONNXAttributeValue)] = [],
    shape: [ONNXDimension] = [.value(2), .value(1), .value(3)]
  ) -> ONNXModel {
    M.model(
      [M.input("x", .f32, shape)] + inputs.map { M.input($0.name, .i64, [.value($0.count)]) },
      [M.node(type, ["x"] + inputs.map(\.name), ["y"], attributes)])
  }

  private func run(_ model: ONNXModel, _ values: [String: Tensor]) throws -> Tensor {
    try #require(try M.run(model, values.merging(["x": M.iota(2, 1, 3)]) { a, _ in a })["y"])
  }

  @Test func reductionsHaveACaseForEachSetOfAxes() throws {
    let one = model("ReduceSum", [("a", 1)], [("keepdims", .int(0))])
    #expect(try run(one, ["a": M.vector(0)]).floats == [3, 5, 7])
    #expect(try run(one, ["a": M.vector(-1)]).floats == [3, 12])
    let two = model("ReduceSum", [("a", 2)])
    #expect(try run(two, ["a": M.vector(-1, 0)]).floats == [15])
    #expect(try run(two, ["a": M.vector(1, 2)]).shape == [2, 1, 1])
    for wrong in [M.vector(0, 0), M.vector(0, 3), M.vector(-4, 1), M.vector(.max, .min)] {
      #expect(throws: (any Error).self) { try run(two, ["a": wrong]) }
    }
  }

  @Test func axesOfSizeOneComeAndGo() throws {
    let squeeze = model("Squeeze", [("a", 1)])
    #expect(try run(squeeze, ["a": M.vector(-2)]).shape == [2, 3])
    #expect(throws: (any Error).self) { try run(squeeze, ["a": M.vector(0)]) }
    #expect(throws: (any Error).self) { try run(squeeze, ["a": M.vector(3)]) }
    let unsqueeze = model("Unsqueeze", [("a", 2)])
    #expect(try run(unsqueeze, ["a": M.vector(4, 0)]).shape == [1, 2, 1, 3, 1])
    #expect(throws: (any Error).self) { try run(unsqueeze, ["a": M.vector(1, 1)]) }
    let open = model("Squeeze", [], shape: [.symbol("n"), .value(1), .value(3)])
    #expect(try M.run(open, ["x": M.iota(2, 1, 3)])["y"]?.shape == [2, 3])
    #expect(throws: (any Error).self) { try M.run(open, ["x": M.iota(1, 1, 3)]) }
  }

  @Test func slicesGoWhereTheRunSays() throws {
    let inputs = ["s", "e", "a", "t"].map { ($0, 1) }
    func slice(_ start: Int64, _ end: Int64, _ axis: Int64, _ step: Int64) throws -> Tensor {
      try run(
        model("Slice", inputs),
        ["s": M.vector(start), "e": M.vector(end), "a": M.vector(axis), "t": M.vector(step)])
    }
    #expect(try slice(-2, .max, 2, 1).floats == [1, 2, 4, 5])
    #expect(try slice(-1, .min, -1, -2).floats == [2, 0, 5, 3])
    #expect(try slice(1, 100, 0, 7).floats == [3, 4, 5])
    #expect(try slice(2, 1, 2, 1).shape == [2, 1, 0])
    #expect(try slice(-100, -200, 2, -1).floats == [0, 3])
    #expect(throws: (any Error).self) { try slice(0, 1, 3, 1) }
    #expect(throws: (any Error).self) { try slice(0, 1, 2, 0) }
  }

  @Test func runningSumsAndPadsAlongAnAxisOfTheRun() throws {
    let sum = model("CumSum", [("a", 1)])
    #expect(try run(sum, ["a": M.vector(0)]).floats == [0, 1, 2, 3, 5, 7])
    #expect(try run(sum, ["a": M.vector(-1)]).floats == [0, 1, 3, 3, 7, 12])
    let pad = M.model(
      [M.input("x", .f32, [.value(2), .value(1), .value(3)])]
        + [("p", 2), ("a", 1)].map { M.input($0, .i64, [.value($1)]) },
      [M.node("Pad", ["x", "p", "", "a"], ["y"])])
    #expect(try run(pad, ["p": M.vector(0, 1), "a": M.vector(2)]).floats == [0, 1, 2, 0, 3, 4, 5, 0])
    #expect(try run(pad, ["p": M.vector(-1, 0), "a": M.vector(-3)]).floats == [3, 4, 5])
    #expect(throws: (any Error).self) { try run(pad, ["p": M.vector(0, 0), "a": M.vector(3)]) }
  }

  @Test func tooManyCasesAreSaidSo() {
    let large = M.model(
      [M.input("x", .f32, [ONNXDimension](repeating: .value(1), count: 9)), M.input("a", .i64, [.value(4)])],
      [M.node("ReduceSum", ["x", "a"], ["y"])])
    #expect(M.faults(large).first?.why?.contains("more than 64 cases") == true)
  }

  @Test func windowsOfTheRun() throws {
    // Two frames of a signal of ones: the sum is in the first bin.
    let stft = M.model(
      [M.input("x", .f32, [.value(1), .value(6), .value(1)]), M.input("s", .i64, []), M.input("l", .i64, [])],
      [M.node("STFT", ["x", "s", "", "l"], ["y"])])
    let ones = Tensor(floats: [Float](repeating: 1, count: 6), [1, 6, 1])
    let y = try #require(try M.run(stft, ["x": ones, "s": M.scalar(2), "l": M.scalar(4)])["y"])
    #expect(y.shape == [1, 2, 3, 2])
    #expect(zip(y.floats, [4, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0]).allSatisfy { abs($0 - $1) < 1e-5 })
  }
}
