import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Sequences, optionals, maps and strings.
@Suite struct ImportSequenceTests {
  private static let half: [ONNXDimension] = [.symbol("n"), .value(4)]

  @Test func knownSequencesLeaveNothingBehind() throws {
    let model = M.model(
      [M.input("x", .f32, Self.half)],
      [
        M.node("SplitToSequence", ["x", "two"], ["s"], [("axis", .int(1))]),
        M.node("SequenceAt", ["s", "last"], ["b"]), M.node("SequenceErase", ["s", "last"], ["first"]),
        M.node("SequenceInsert", ["first", "b", "zero"], ["turned"]), M.node("SequenceLength", ["turned"], ["n"]),
        M.node("ConcatFromSequence", ["turned"], ["j"], [("axis", .int(1))]),
        M.node("Cast", ["n"], ["f"], [("to", .int(1))]),
        M.node("Mul", ["j", "f"], ["y"]),
      ], ["y"],
      [
        ONNXTensor(name: "two", tensor: M.scalar(2)), ONNXTensor(name: "last", tensor: M.scalar(-1)),
        ONNXTensor(name: "zero", tensor: M.scalar(0)),
      ])
    #expect(!M.operations(try M.imported(model)).contains("object"))
    #expect(try M.run(model, ["x": M.iota(1, 4)])["y"]?.floats == [4, 6, 0, 2])
  }

  @Test func positionsThatTheRunKnowsMakeObjects() throws {
    let model = M.model(
      [M.input("x", .f32, Self.half), M.input("i", .i64, [])],
      [
        M.node("SplitToSequence", ["x"], ["s"], [("axis", .int(1)), ("keepdims", .int(0))]),
        M.node("SequenceAt", ["s", "i"], ["e"]), M.node("Neg", ["e"], ["y"]),
      ])
    #expect(M.operations(try M.imported(model)).contains("object"))
    for (position, expected) in [(1, [-1, -5]), (-1, [-3, -7])] as [(Int64, [Float])] {
      #expect(try M.run(model, ["x": M.iota(2, 4), "i": M.scalar(position)])["y"]?.floats == expected)
    }
    #expect(throws: GraphError.self) { try M.run(model, ["x": M.iota(2, 4), "i": M.scalar(4)]) }
  }

  @Test func sequencesGrowInLoops() throws {
    let body = M.graph(
      [M.input("k", .i64), M.input("more", .bool), ONNXValueInfo(name: "before")],
      [
        M.node("Cast", ["k"], ["f"], [("to", .int(1))]), M.node("Mul", ["x", "f"], ["row"]),
        M.node("SequenceInsert", ["before", "row"], ["after"]), M.node("Identity", ["more"], ["goes"]),
      ], ["goes", "after"])
    let model = M.model(
      [M.input("x", .f32, [.symbol("n")]), M.input("trips", .i64)],
      [
        M.node("SequenceEmpty", [], ["none"]),
        M.node("Loop", ["trips", "", "none"], ["all"], [("body", .graph(body))]),
        M.node("ConcatFromSequence", ["all"], ["y"], [("axis", .int(0)), ("new_axis", .int(1))]),
      ])
    let result = try M.run(model, ["x": Tensor(floats: [1, 2], [2]), "trips": M.scalar(3)])["y"]
    #expect(result?.shape == [3, 2])
    #expect(result?.floats == [0, 0, 1, 2, 2, 4])
  }

  @Test func faultsOfSequencesAreDiagnostics() {
    func faults(_ nodes: [ONNXNode], _ inputs: [ONNXValueInfo] = []) -> [String] {
      M.faults(
        M.model([M.input("x", .f32, Self.half)] + inputs, nodes, ["y"], [ONNXTensor(name: "five", tensor: M.scalar(5))])
      ).map(\.code)
    }
    let split = M.node("SplitToSequence", ["x"], ["s"], [("axis", .int(1))])
    #expect(faults([split, M.node("SequenceAt", ["s", "five"], ["y"])]) == ["onnx-node"])
    #expect(faults([M.node("SequenceAt", ["x", "five"], ["y"])]) == ["onnx-node"])
    #expect(faults([split, M.node("Add", ["s", "x"], ["y"])]) == ["onnx-node"])
    #expect(faults([M.node("SequenceConstruct", ["x", "five"], ["y"])]) == ["onnx-node"])
    let open = ONNXValueInfo(name: "t", type: .sequence(.tensor(.f32, shape: nil)))
    #expect(faults([M.node("SequenceAt", ["t", "five"], ["y"])], [open]) == ["onnx-unsupported"])
    #expect(faults([M.node("OptionalGetElement", ["o"], ["y"]), M.node("Optional", [], ["o"])]) != [])
  }

  @Test func labelsAreStrings() throws {
    let model = M.model(
      [M.input("x", .f32, [.symbol("n"), .value(3)])],
      [
        M.node("ArgMax", ["x"], ["k"], [("axis", .int(1)), ("keepdims", .int(0))]),
        M.node("Gather", ["labels", "k"], ["word"]), M.node("Equal", ["word", "b"], ["isB"]),
        M.node("Where", ["isB", "other", "word"], ["y"]),
      ], ["y"],
      [
        ONNXTensor(name: "labels", tensor: Tensor(strings: ["a", "b", "c"], [3])),
        ONNXTensor(name: "b", tensor: Tensor(strings: ["b"], [])),
        ONNXTensor(name: "other", tensor: Tensor(strings: ["!"], [])),
      ])
    let x = Tensor(floats: [0, 1, 0, 0, 0, 1, 1, 0, 0], [3, 3])
    #expect(try M.run(model, ["x": x])["y"]?.strings == ["!", "c", "a"])
  }

  @Test(arguments: [3, 300]) func labelEncodersFindTheFirstKey(_ count: Int) throws {
    let keys = (0..<count).map { "k\($0)" } + ["k1"]
    let values = Array(0..<count) + [-5]
    let model = M.model(
      [M.input("x", .string, [.symbol("n")])],
      [
        M.node(
          "LabelEncoder", ["x"], ["y"], domain: "ai.onnx.ml",
          [("keys_strings", .strings(keys)), ("values_int64s", .ints(values)), ("default_int64", .int(-9))])
      ], domains: [ONNXOpset(domain: "ai.onnx.ml", version: 2)])
    let x = Tensor(strings: ["k2", "k1", "nothing", "k0"], [4])
    #expect(try M.run(model, ["x": x])["y"]?.integers == [2, 1, -9, 0])
  }
}
