import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Which random numbers nodes draw, and what operators make of them.
@Suite struct ImportRandomTests {
  @Test func seedsDecideAndNamesMakeThem() throws {
    let shape: (String, ONNXAttributeValue) = ("shape", .ints([3]))
    let model = M.model(
      [],
      [
        M.node("RandomUniform", [], ["a"], [shape, ("seed", .float(7))]),
        M.node("RandomUniform", [], ["b"], [shape, ("seed", .float(7))]),
        M.node("RandomUniform", [], ["c"], [shape]), M.node("RandomUniform", [], ["d"], [shape]),
        M.node("RandomNormal", [], ["e"], [shape, ("seed", .float(7)), ("mean", .float(1)), ("scale", .float(2))]),
      ], ["a", "b", "c", "d", "e"])
    let first = try M.run(model, [:])
    // numpy.random.RandomState(7)
    #expect(first["a"]?.floats == [0.07630829, 0.7799188, 0.43840924])
    #expect(first["b"]?.floats == first["a"]?.floats)
    #expect(first["c"]?.floats != first["d"]?.floats)
    #expect(first["e"].map { abs($0.doubles[0] - (1 + 2 * 1.690525703800356)) < 1e-6 } == true)
    let again = try M.run(model, [:])
    #expect(again["c"]?.floats == first["c"]?.floats)
  }

  @Test func iterationsDrawOtherNumbers() throws {
    let body = M.graph(
      [M.input("i", .i64), M.input("go", .bool)],
      [
        M.node("RandomUniform", [], ["row"], [("shape", .ints([2])), ("seed", .float(0))]),
        M.node("Identity", ["go"], ["go2"]),
      ], ["go2", "row"])
    let model = M.model(
      [M.input("n", .i64)], [M.node("Loop", ["n", ""], ["rows"], [("body", .graph(body))])], ["rows"])
    let rows = try #require(try M.run(model, ["n": M.scalar(3)])["rows"]).floats
    #expect(rows.count == 6)
    #expect(Array(rows.prefix(2)) == [0.5488135, 0.71518934])
    #expect(Set(rows).count == 6)
  }

  @Test func dropoutInTraining() throws {
    let x = Tensor(floats: [1, 2, 3, 4, 5, .infinity], [6])
    let model = M.model(
      [M.input("x", .f32, [.value(6)]), M.input("r", .f32), M.input("t", .bool)],
      [M.node("Dropout", ["x", "r", "t"], ["y", "mask"], [("seed", .int(0))])], ["y", "mask"])
    func run(_ ratio: Float, _ training: Int64) throws -> [String: Tensor] {
      try M.run(model, ["x": x, "r": Tensor(floats: [ratio], []), "t": M.scalar(training, .bool)])
    }
    // numpy.random.RandomState(0).uniform(size=6) is 0.55, 0.72, 0.60, 0.54, 0.42, 0.65.
    let half = try run(0.5, 1)
    #expect(half["y"]?.floats == [2, 4, 6, 8, 0, .infinity])
    #expect(half["mask"]?.integers == [1, 1, 1, 1, 0, 1])
    #expect(try run(0.6, 1)["mask"]?.integers == [0, 1, 1, 0, 0, 1])
    #expect(try run(0.5, 0)["y"]?.floats == x.floats)
    #expect(try run(1, 1)["y"]?.floats == [0, 0, 0, 0, 0, 0])
  }

  @Test func multinomialFollowsTheWeights() throws {
    let model = M.model(
      [M.input("x", .f32, [.value(2), .value(3)])],
      [M.node("Multinomial", ["x"], ["y"], [("sample_size", .int(4000)), ("seed", .float(3)), ("dtype", .int(7))])])
    let logits: [Float] = [0, 1.0986123, -.infinity, 0, 0, 0]
    let y = try #require(try M.run(model, ["x": Tensor(floats: logits, [2, 3])])["y"])
    #expect(y.type == TensorType(.i64, [2, 4000]))
    let (first, second) = (y.integers.prefix(4000), y.integers.suffix(4000))
    // Shares of a quarter, three quarters and none; then a third each.
    #expect((940...1060).contains(first.count { $0 == 0 }) && !first.contains(2))
    for index in 0..<3 { #expect((1240...1430).contains(second.count { $0 == Int64(index) })) }
  }

  @Test func bitsAreReinterpreted() throws {
    func bits(_ x: Tensor, _ type: ElementType) throws -> Tensor? {
      let model = M.model(
        opset: 26, [M.input("x", x.elementType, [.value(x.count)])],
        [M.node("BitCast", ["x"], ["y"], [("to", .int(Int(type.rawValue)))])])
      return try M.run(model, ["x": x])["y"]
    }
    #expect(try bits(Tensor(floats: [1, -0.0], [2]), .u32)?.integers == [0x3f80_0000, 0x8000_0000])
    #expect(try bits(Tensor(.u8, [3], integers: [0, 1, 7]), .bool)?.integers == [0, 1, 1])
    #expect(try bits(Tensor(.bool, [2], integers: [0, 1]), .i8)?.integers == [0, 1])
  }
}
