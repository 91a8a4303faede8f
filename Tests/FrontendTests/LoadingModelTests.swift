import SwageFrontend
import SwageTensor
import Testing

/// Headers, names, types and attributes: each row is a graph or model with one fault and the code that names it.
@Suite struct LoadingModelTests {
  private typealias W = LoadingWire

  @Test(
    arguments: [
      ("no IR version", W.opset(17), "onnx-ir-version"),
      ("IR version 0", W.int(1, 0) + W.opset(17), "onnx-ir-version"),
      ("IR version -1", W.int(1, -1) + W.opset(17), "onnx-ir-version"),
      ("IR version 2", W.int(1, 2) + W.opset(17), "onnx-ir-version"),
      ("IR version of the future", W.int(1, 999) + W.opset(17), "onnx-ir-version"),
      ("no opset", W.int(1, 8), "onnx-opset-missing"),
      ("one domain twice", W.int(1, 8) + W.opset(17) + W.opset(18), "onnx-opset-duplicate"),
      ("one domain by two names", W.int(1, 8) + W.opset(17) + W.opset(18, "ai.onnx"), "onnx-opset-duplicate"),
      ("opset 0", W.int(1, 8) + W.opset(0), "onnx-opset-version"),
      ("opset -1", W.int(1, 8) + W.opset(-1), "onnx-opset-version"),
      ("opset of the future", W.int(1, 8) + W.opset(999), "onnx-opset-version"),
      ("largest opset", W.int(1, 8) + W.opset(Int.max), "onnx-opset-version"),
      ("other domain at 0", W.int(1, 8) + W.opset(17) + W.opset(0, "com.example"), "onnx-opset-version"),
      ("only another domain", W.int(1, 8) + W.opset(1, "com.example"), "onnx-domain"),
    ] as [(String, [UInt8], String)])
  func headers(name: String, header: [UInt8], expected: String) {
    #expect(loadingCodes(W.model(W.relu, header: header)) == [expected])
  }

  @Test func oneVersionMayBeNamedTwice() {
    let header =
      W.int(1, 8) + W.opset(17) + W.opset(17, "ai.onnx") + W.opset(1, "com.example") + W.opset(1, "com.example")
    #expect(loadingCodes(W.model(W.relu, header: header)) == [])
  }

  @Test func everySupportedOpset() {
    for version in ONNXModel.opsets {
      #expect(loadingCodes(W.model(W.relu, header: W.int(1, 8) + W.opset(version, "ai.onnx"))) == [])
    }
  }

  @Test func noGraph() {
    #expect(loadingCodes(W.int(1, 8) + W.opset(17)) == ["onnx-graph-missing"])
  }

  @Test func severalFaultsAtOnce() {
    let codes = loadingCodes(W.int(1, 99) + W.opset(0) + W.bytes(7, W.node("", ["x"], ["y\0"])))
    #expect(Set(codes) == ["onnx-ir-version", "onnx-opset-version", "onnx-name"])
  }

  @Test(
    arguments: [
      ("empty graph", [], nil),
      ("relu", W.relu, nil),
      ("input is output", W.input("x") + W.output("x"), nil),
      ("initializer is output", W.initializer("w") + W.output("w"), nil),
      ("initializer is an input's default", W.input("w") + W.initializer("w") + W.output("w"), nil),
      ("output twice", W.relu + W.output("y"), nil),
      ("absent optional input", W.input("x") + W.node("Clip", ["x", "", "x"], ["y"]) + W.output("y"), nil),
      ("absent optional output", W.input("x") + W.node("Dropout", ["x"], ["y", ""]) + W.output("y"), nil),
      ("node name twice", W.relu + W.node("A", ["x"], ["a"], name: "n") + W.node("A", ["x"], ["b"], name: "n"), nil),
      ("input without name", W.input("") + W.relu, "onnx-name"),
      ("initializer without name", W.initializer("") + W.relu, "onnx-name"),
      ("operator without name", W.input("x") + W.node("", ["x"], ["y"]) + W.output("y"), "onnx-name"),
      ("NUL in a name", W.input("x\0evil") + W.relu, "onnx-name"),
      ("not UTF-8", W.bytes(11, W.bytes(1, [0xff]) + W.type()) + W.relu, "onnx-name"),
      ("surrogate in UTF-8", W.bytes(11, W.bytes(1, [0xed, 0xa0, 0x80]) + W.type()) + W.relu, "onnx-name"),
      ("not NFC", W.input("e\u{301}") + W.relu, "onnx-name"),
      ("NFC twin", W.input("é") + W.input("e\u{301}") + W.relu, "onnx-name"),
      ("megabyte name", W.input(String(repeating: "n", count: 1 << 20)) + W.relu, "onnx-name"),
      ("NFC name", W.input("é") + W.relu, nil),
      ("path as name", W.input("../../etc/passwd") + W.relu, nil),
      ("input twice", W.input("x") + W.relu, "onnx-duplicate-input"),
      ("initializer twice", W.initializer("w") + W.initializer("w") + W.relu, "onnx-duplicate-initializer"),
      ("value twice", W.relu + W.node("Neg", ["x"], ["y"]), "onnx-duplicate-value"),
      ("value twice in a node", W.relu + W.node("Split", ["x"], ["a", "a"]), "onnx-duplicate-value"),
      ("value is an input", W.relu + W.node("Neg", ["y"], ["x"]), "onnx-duplicate-value"),
      ("value is an initializer", W.relu + W.initializer("w") + W.node("Neg", ["x"], ["w"]), "onnx-duplicate-value"),
      ("dangling input", W.relu + W.node("Neg", ["gone"], ["z"]), "onnx-undefined-value"),
      ("dangling output", W.relu + W.output("gone"), "onnx-undefined-output"),
      ("cycle of one", W.relu + W.node("Neg", ["a"], ["a"]), "onnx-cycle"),
      ("cycle of two", W.relu + W.node("Neg", ["b"], ["a"]) + W.node("Neg", ["a"], ["b"]), "onnx-cycle"),
      (
        "cycle of three",
        W.relu + W.node("Neg", ["c"], ["a"]) + W.node("Neg", ["a"], ["b"]) + W.node("Neg", ["b"], ["c"]), "onnx-cycle"
      ),
      (
        "initializer of another type", W.input("w", W.type(7, [W.dim(2)])) + W.initializer("w"), "onnx-initializer-type"
      ),
      (
        "initializer of another size", W.input("w", W.type(1, [W.dim(3)])) + W.initializer("w"), "onnx-initializer-type"
      ),
      ("initializer of another rank", W.input("w", W.type(1, [])) + W.initializer("w"), "onnx-initializer-type"),
      ("undeclared domain", W.relu + W.node("Op", ["x"], ["z"], domain: "com.example"), "onnx-domain"),
    ] as [(String, [UInt8], String?)])
  func names(name: String, graph: [UInt8], expected: String?) {
    #expect(loadingCodes(W.model(graph)) == (expected.map { [$0] } ?? []))
  }

  @Test func sortsNodes() throws {
    let graph =
      W.input("x") + W.node("Neg", ["c"], ["y"]) + W.node("Abs", ["x"], ["a"]) + W.node("Add", ["b", "a"], ["c"])
      + W.node("Exp", ["a"], ["b"]) + W.output("y")
    let model = try ONNXModel.load(bytes: W.model(graph), name: "m")
    #expect(model.graph.nodes.map(\.opType) == ["Abs", "Exp", "Add", "Neg"])
    #expect(model.graph.nodes.map(\.index) == [1, 3, 2, 0])
  }

  @Test func cyclesNameTheirNodes() throws {
    let graph = W.node("Neg", ["b"], ["a"], name: "first") + W.node("Neg", ["a"], ["b"], name: "second")
    #expect {
      try ONNXModel.load(bytes: W.model(graph), name: "m")
    } throws: { error in
      let why = (error as? ONNXError)?.diagnostics.first?.why ?? ""
      return why.contains("first") && why.contains("second")
    }
  }

  @Test func sortsALongChainBackwards() throws {
    let count = 20_000
    let nodes = (0..<count).reversed().flatMap { W.node("Neg", ["v\($0)"], ["v\($0 + 1)"]) }
    let model = try ONNXModel.load(bytes: W.model(W.input("v0") + nodes + W.output("v\(count)")), name: "m")
    #expect(model.graph.nodes.map(\.index) == (0..<count).reversed())
  }

  // MARK: - Graphs inside nodes

  private static func branch(_ graph: [UInt8]) -> [UInt8] { W.attribute("then_branch", type: 5, W.bytes(6, graph)) }

  @Test(
    arguments: [
      ("reads the outer graph", branch(W.node("Neg", ["x"], ["b"]) + W.output("b")), nil),
      ("reads a later outer value", branch(W.node("Neg", ["late"], ["b"]) + W.output("b")), nil),
      ("shadows an outer value", branch(W.node("Neg", ["w"], ["x"]) + W.output("x")), nil),
      ("gives an outer value", branch(W.output("x")), nil),
      ("reads a missing value", branch(W.node("Neg", ["gone"], ["b"]) + W.output("b")), "onnx-undefined-value"),
      ("reads its own node's result", branch(W.node("Neg", ["y"], ["b"]) + W.output("b")), "onnx-cycle"),
      ("cycle inside", branch(W.node("Neg", ["b"], ["b"])), "onnx-cycle"),
      ("output never produced", branch(W.output("b")), "onnx-undefined-output"),
      ("value twice", branch(W.node("Neg", ["x"], ["b"]) + W.node("Neg", ["x"], ["b"])), "onnx-duplicate-value"),
      ("initializer twice", branch(W.initializer("i") + W.initializer("i")), "onnx-duplicate-initializer"),
      ("bad name inside", branch(W.node("Neg", ["x"], ["b\0"])), "onnx-name"),
    ] as [(String, [UInt8], String?)])
  func subgraphs(name: String, branch: [UInt8], expected: String?) throws {
    let graph =
      W.input("x") + W.initializer("w") + W.node("If", ["x"], ["y"], branch) + W.node("Abs", ["x"], ["late"])
      + W.output("y")
    #expect(loadingCodes(W.model(graph)) == (expected.map { [$0] } ?? []))
  }

  @Test func capturesOrderNodes() throws {
    let branch = Self.branch(W.node("Neg", ["late"], ["b"]) + W.output("b"))
    let graph = W.input("x") + W.node("If", ["x"], ["y"], branch) + W.node("Abs", ["x"], ["late"]) + W.output("y")
    let model = try ONNXModel.load(bytes: W.model(graph), name: "m")
    #expect(model.graph.nodes.map(\.opType) == ["Abs", "If"])
  }

  @Test func innerValuesStayInside() {
    let branch = Self.branch(W.node("Neg", ["x"], ["b"]) + W.output("b"))
    let graph = W.input("x") + W.node("If", ["x"], ["y"], branch) + W.node("Abs", ["b"], ["z"])
    #expect(loadingCodes(W.model(graph)) == ["onnx-undefined-value"])
  }

  // MARK: - Types

  private static func valueType(_ type: [UInt8]) -> [UInt8] { W.bytes(2, type) }

  @Test(
    arguments: [
      ("no type", [], "onnx-input-type"),
      ("empty type", valueType([]), "onnx-input-type"),
      ("element type 0", W.type(0), "onnx-input-type"),
      ("element type 9999", W.type(9999), "onnx-element-type"),
      ("complex64", W.type(14), "onnx-element-type"),
      ("dimension -2", W.type(1, [W.dim(-2)]), "onnx-dimension"),
      ("smallest dimension", W.type(1, [W.dim(Int.min)]), "onnx-dimension"),
      ("largest dimension", W.type(1, [W.dim(Int.max)]), "onnx-type"),
      ("sizes overflow", W.type(1, [W.dim(1 << 32), W.dim(1 << 32)]), "onnx-type"),
      ("value and name", W.type(1, [W.dim(2) + W.text(2, "n")]), "onnx-type"),
      ("bad dimension name", W.type(1, [W.text(2, "n\0")]), "onnx-name"),
      ("rank 10000", W.type(1, [[UInt8]](repeating: W.dim(1), count: 10_000)), "onnx-type"),
      ("tensor and sequence", valueType(W.bytes(1, W.int(1, 1)) + W.bytes(4, [])), "onnx-type"),
      ("sequence of nothing", valueType(W.bytes(4, [])), "onnx-type"),
      ("map without a key", valueType(W.bytes(5, W.bytes(2, W.bytes(1, W.int(1, 1))))), "onnx-type"),
    ] as [(String, [UInt8], String)])
  func badTypes(name: String, type: [UInt8], expected: String) {
    #expect(loadingCodes(W.model(W.input("x", type) + W.output("x"))).contains(expected))
  }

  @Test(
    arguments: [
      ("scalar", W.type(1), .tensor(.f32, shape: [])),
      ("no shape", valueType(W.bytes(1, W.int(1, 9))), .tensor(.bool, shape: nil)),
      (
        "dimensions", W.type(16, [W.dim(0), W.dim(-1), [], W.text(2, "batch size")]),
        .tensor(.bf16, shape: [.value(0), .unknown, .unknown, .symbol("batch size")])
      ),
      ("string", W.type(8), .tensor(.string, shape: [])),
      ("int2", W.type(26), .tensor(.i2, shape: [])),
      ("sequence", valueType(W.bytes(4, W.bytes(1, W.bytes(1, W.int(1, 7))))), .sequence(.tensor(.i64, shape: nil))),
      ("optional", valueType(W.bytes(9, W.bytes(1, W.bytes(1, W.int(1, 7))))), .optional(.tensor(.i64, shape: nil))),
      (
        "map", valueType(W.bytes(5, W.int(1, 7) + W.bytes(2, W.bytes(1, W.int(1, 1))))),
        .map(key: .i64, value: .tensor(.f32, shape: nil))
      ),
      ("sparse", valueType(W.bytes(8, W.int(1, 1))), .sparseTensor(.f32, shape: nil)),
      ("opaque", valueType(W.bytes(7, W.text(1, "d") + W.text(2, "n"))), .opaque(domain: "d", name: "n")),
    ] as [(String, [UInt8], ONNXType)])
  func types(name: String, type: [UInt8], expected: ONNXType) throws {
    let model = try ONNXModel.load(bytes: W.model(W.input("x", type) + W.output("x")), name: "m")
    #expect(model.graph.inputs == [ONNXValueInfo(name: "x", type: expected)])
    #expect(model.graph.outputs == [ONNXValueInfo(name: "x")])
  }
}
