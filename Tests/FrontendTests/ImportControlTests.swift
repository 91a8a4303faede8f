import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Conditionals, loops and functions.
@Suite struct ImportControlTests {
  private static func choose(_ then: ONNXGraph, _ other: ONNXGraph, _ condition: String = "c") -> ONNXNode {
    M.node("If", [condition], ["r"], [("then_branch", .graph(then)), ("else_branch", .graph(other))])
  }

  @Test func aConditionThatSizesDecideTakesItsBranch() throws {
    let squeeze = M.graph([], [M.node("Squeeze", ["x", "axis"], ["t"])], ["t"])
    let same = M.graph([], [M.node("Identity", ["x"], ["e"])], ["e"])
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .value(1)])],
      [
        M.node("Shape", ["x"], ["s"]), M.node("Gather", ["s", "axis"], ["d"]), M.node("Equal", ["d", "one"], ["c"]),
        Self.choose(squeeze, same), M.node("Relu", ["r"], ["y"]),
      ], ["y"], [M.ints("axis", [1]), M.ints("one", [1])])
    #expect(M.operations(try M.imported(model)) == ["reshape", "unary"])
  }

  private static let divergent: ONNXModel = {
    let squeeze = M.graph([], [M.node("Squeeze", ["x", "axis"], ["t"])], ["t"])
    let same = M.graph([], [M.node("Identity", ["x"], ["e"])], ["e"])
    return M.model(
      [M.input("x", .f32, [.value(2), .symbol("n")])],
      [
        M.node("Shape", ["x"], ["s"]), M.node("Gather", ["s", "axis"], ["d"]), M.node("Equal", ["d", "one"], ["c"]),
        choose(squeeze, same), M.node("MatMul", ["m", "r"], ["p"]),
        M.node("Concat", ["p", "r"], ["j"], [("axis", .int(0))]), M.node("Reshape", ["j", "minus"], ["y"]),
      ], ["y"],
      [
        M.ints("axis", [1]), M.ints("one", [1]), M.floats("m", [1, 2, 3, 4], [2, 2]), M.ints("minus", [-1]),
      ])
  }()

  @Test func whatFollowsDivergentBranchesGoesIntoBoth() throws {
    let graph = try M.imported(Self.divergent)
    let conditional = try #require(graph.nodes.first { $0.op.mnemonic == "if" })
    #expect(graph.outputs == conditional.results)
    #expect(try M.run(Self.divergent, ["x": M.iota(2, 1)])["y"]?.floats == [2, 4, 0, 1])
    #expect(try M.run(Self.divergent, ["x": M.iota(2, 2)])["y"]?.floats == [4, 7, 8, 15, 0, 1, 2, 3])
  }

  @Test func aBranchWithoutMeaningFailsWhenItIsTaken() throws {
    // The concatenation of a matrix with a vector has no meaning.
    let squeeze = M.graph([], [M.node("Squeeze", ["x", "axis"], ["t"])], ["t"])
    let same = M.graph([], [M.node("Identity", ["x"], ["e"])], ["e"])
    let model = M.model(
      [M.input("x", .f32, [.value(2), .symbol("n")])],
      [
        M.node("Shape", ["x"], ["s"]), M.node("Gather", ["s", "axis"], ["d"]), M.node("Equal", ["d", "one"], ["c"]),
        Self.choose(squeeze, same), M.node("Concat", ["r", "v"], ["y"], [("axis", .int(0))]),
      ], ["y"], [M.ints("axis", [1]), M.ints("one", [1]), M.floats("v", [7])])
    #expect(try M.run(model, ["x": M.iota(2, 1)])["y"]?.floats == [0, 1, 7])
    #expect(throws: GraphError.self) { try M.run(model, ["x": M.iota(2, 3)]) }
    // With the size given, nothing of the conditional is left.
    let fixed = try M.imported(model, ImportOptions(shapes: ["x": [2, 1]]))
    #expect(M.operations(fixed).allSatisfy { $0 != "if" })
  }

  @Test func branchesNestAndCaptureOuterValues() throws {
    // Inner branches of different rank, decided by the size; outer branches by data.
    let squeeze = M.graph([], [M.node("Squeeze", ["x", "axis"], ["t2"])], ["t2"])
    let same = M.graph([], [M.node("Identity", ["x"], ["e2"])], ["e2"])
    let inner = M.node(
      "If", ["c2"], ["i"], [("then_branch", .graph(squeeze)), ("else_branch", .graph(same))])
    let outer = M.graph([], [inner, M.node("Concat", ["i", "bias"], ["t"], [("axis", .int(0))])], ["t"])
    let other = M.graph([], [M.node("Mul", ["half", "bias"], ["e"])], ["e"])
    let model = M.model(
      [M.input("x", .f32, [.value(2), .symbol("n")]), M.input("c", .bool), M.input("bias", .f32, [.value(2)])],
      [
        M.node("Shape", ["x"], ["s"]), M.node("Gather", ["s", "axis"], ["d"]), M.node("Equal", ["d", "one"], ["c2"]),
        Self.choose(outer, other), M.node("Add", ["r", "half"], ["y"]),
      ], ["y"], [M.ints("axis", [1]), M.ints("one", [1]), M.floats("half", [0.5], [])])
    let bias = Tensor(floats: [10, 20], [2])
    func run(_ condition: Int64, _ x: Tensor) throws -> Tensor? {
      try M.run(model, ["x": x, "c": M.scalar(condition, .bool), "bias": bias])["y"]
    }
    #expect(try run(1, M.iota(2, 1))?.floats == [0.5, 1.5, 10.5, 20.5])
    #expect(try run(0, M.iota(2, 1))?.floats == [5.5, 10.5])
    #expect(try run(0, M.iota(2, 3))?.floats == [5.5, 10.5])
    #expect(throws: GraphError.self) { try run(1, M.iota(2, 3)) }
  }

  @Test func sizesThatDifferBetweenBranchesAreSymbolsOfTheConditional() throws {
    let twice = M.graph([], [M.node("Concat", ["x", "x"], ["t"], [("axis", .int(0))])], ["t"])
    let once = M.graph([], [M.node("Identity", ["x"], ["e"])], ["e"])
    let model = M.model(
      [M.input("x", .f32, [.value(2)]), M.input("c", .bool)], [Self.choose(twice, once), M.node("Neg", ["r"], ["y"])])
    let graph = try M.imported(model)
    #expect(graph.type(of: graph.outputs[0]).description == "f32[u0]")
    #expect(try M.run(model, ["x": M.iota(2), "c": M.scalar(1, .bool)])["y"]?.floats == [0, -1, 0, -1])
    #expect(try M.run(model, ["x": M.iota(2), "c": M.scalar(0, .bool)])["y"]?.floats == [0, -1])
  }

  @Test func resultsOfDifferentRankAreRefused() {
    let matrix = M.graph([], [M.node("Unsqueeze", ["x", "axis"], ["t"])], ["t"])
    let vector = M.graph([], [M.node("Identity", ["x"], ["e"])], ["e"])
    let model = M.model(
      [M.input("x", .f32, [.value(2)]), M.input("c", .bool)], [Self.choose(matrix, vector)], ["r"],
      [M.ints("axis", [0])])
    #expect(M.faults(model).map(\.code) == ["onnx-branches"])
  }

  @Test func nestingConditionalsWithoutEndIsRefused() {
    // Each conditional doubles what follows.
    var nodes: [ONNXNode] = []
    for index in 0..<40 {
      let (x, y) = ("v\(index)", "v\(index + 1)")
      let up = M.graph([], [M.node("Unsqueeze", [x, "axis"], ["t\(index)"])], ["t\(index)"])
      let same = M.graph([], [M.node("Identity", [x], ["e\(index)"])], ["e\(index)"])
      nodes.append(M.node("If", ["c\(index)"], [y], [("then_branch", .graph(up)), ("else_branch", .graph(same))]))
    }
    let inputs = [M.input("v0", .f32, [.value(2)])] + (0..<40).map { M.input("c\($0)", .bool) }
    let model = M.model(
      inputs, nodes + [M.node("ReduceSum", ["v40"], ["y"], [("keepdims", .int(0))])], ["y"], [M.ints("axis", [0])])
    #expect(M.faults(model, ImportOptions(nodeLimit: 2000)).map(\.code) == ["onnx-expansion"])
  }

  // MARK: - Loops

  @Test func loopWithAValueThatGrows() throws {
    let body = M.graph(
      [M.input("i", .i64), M.input("go", .bool), M.input("v", .f32, [.unknown])],
      [
        M.node("Concat", ["v", "w"], ["v2"], [("axis", .int(0))]), M.node("Cast", ["i"], ["f"], [("to", .int(1))]),
        M.node("Add", ["f", "w"], ["row"]), M.node("Identity", ["go"], ["go2"]),
      ], ["go2", "v2", "row"])
    let model = M.model(
      [M.input("n", .i64), M.input("x", .f32, [.value(1)]), M.input("w", .f32, [.value(1)])],
      [M.node("Loop", ["n", "", "x"], ["y", "rows"], [("body", .graph(body))])], ["y", "rows"])
    let inputs = ["n": M.scalar(3), "x": Tensor(floats: [1], [1]), "w": Tensor(floats: [5], [1])]
    let result = try M.run(model, inputs)
    #expect(result["y"]?.floats == [1, 5, 5, 5])
    #expect(result["rows"]?.floats == [5, 6, 7])
    #expect(result["rows"]?.shape == [3, 1])
  }

  @Test func scanRunsForwardsAndBackwards() throws {
    let body = M.graph(
      [M.input("sum", .f32, [.value(2)]), M.input("a", .f32, [.value(2)]), M.input("b", .f32, [.value(2)])],
      [
        M.node("Add", ["sum", "a"], ["s1"]), M.node("Sub", ["s1", "b"], ["s2"]), M.node("Identity", ["s2"], ["out"]),
      ], ["s2", "out"])
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .value(2)]), M.input("z", .f32, [.value(2)])],
      [
        M.node(
          "Scan", ["z", "x", "x"], ["last", "all"],
          [
            ("body", .graph(body)), ("num_scan_inputs", .int(2)), ("scan_input_directions", .ints([0, 1])),
            ("scan_output_axes", .ints([1])),
          ])
      ], ["last", "all"])
    let result = try M.run(model, ["x": M.iota(3, 2), "z": Tensor(floats: [0, 0], [2])])
    #expect(result["last"]?.floats == [0, 0])
    // Differences of rows 0, 1, 2 and 2, 1, 0, summed up, along the second axis.
    #expect(result["all"]?.shape == [2, 3])
    #expect(result["all"]?.floats == [-4, -4, 0, -4, -4, 0])
  }

  // MARK: - Functions

  @Test func functionsExpandWithTheirAttributes() throws {
    let scale = ONNXFunction(
      domain: "mine", name: "Scale", inputs: ["a", "unused"], outputs: ["b"], attributes: ["to"],
      defaultAttributes: [ONNXAttribute(name: "slope", value: .float(0.5))],
      opsetImports: [ONNXOpset(domain: "", version: 21)],
      nodes: [
        M.node("LeakyRelu", ["a"], ["l"], [("alpha", .reference("slope"))]),
        M.node("Cast", ["l"], ["b"], [("to", .reference("to"))]),
      ])
    let model = M.model(
      [M.input("x", .f32, [.value(2)])],
      [
        M.node("Scale", ["x"], ["h"], domain: "mine", [("to", .int(11))]),
        M.node("Scale", ["h"], ["y"], domain: "mine", [("to", .int(1)), ("slope", .float(2))]),
      ], ["y"], functions: [scale], domains: [ONNXOpset(domain: "mine", version: 1)])
    let graph = try M.imported(model)
    #expect(M.operations(graph) == ["unary", "cast", "unary", "cast"])
    #expect(try M.run(model, ["x": Tensor(floats: [-4, 3], [2])])["y"]?.floats == [-4, 3])
  }

  @Test func functionsThatMultiplyMeetTheLimit() {
    var functions: [ONNXFunction] = []
    for index in 0..<30 {
      let inner = index == 0 ? ("Relu", "") : ("F\(index - 1)", "mine")
      functions.append(
        ONNXFunction(
          domain: "mine", name: "F\(index)", inputs: ["a"], outputs: ["c"],
          opsetImports: [ONNXOpset(domain: "", version: 21), ONNXOpset(domain: "mine", version: 1)],
          nodes: [
            M.node(inner.0, ["a"], ["b"], domain: inner.1), M.node(inner.0, ["b"], ["c"], domain: inner.1),
          ]))
    }
    let model = M.model(
      [M.input("x", .f32, [.value(2)])], [M.node("F29", ["x"], ["y"], domain: "mine")], ["y"], functions: functions,
      domains: [ONNXOpset(domain: "mine", version: 1)])
    #expect(M.faults(model, ImportOptions(nodeLimit: 5000)).map(\.code) == ["onnx-expansion"])
  }
}
