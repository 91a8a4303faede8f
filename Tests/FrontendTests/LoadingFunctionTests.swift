import SwageFrontend
import Testing

@Suite struct LoadingFunctionTests {
  private typealias W = LoadingWire

  /// A function of one input and one output in domain `f`; `body` gives "b" from "a".
  private static func function(_ name: String, _ body: [UInt8], _ rest: [UInt8]...) -> [UInt8] {
    W.bytes(
      25,
      W.text(1, name) + W.text(10, "f") + W.text(4, "a") + W.text(5, "b") + body + rest.joined()
        + W.bytes(9, W.int(2, 17)))
  }

  /// A node of a function's body.
  private static func node(
    _ op: String, _ inputs: [String], _ outputs: [String], domain: String = "", _ rest: [UInt8]...
  ) -> [UInt8] {
    W.bytes(7, W.nodeBody(op, inputs, outputs, domain: domain) + rest.joined())
  }

  private static let header = W.int(1, 8) + W.opset(17) + W.opset(1, "f")

  private func codes(_ functions: [[UInt8]], call: String = "F", limits: ONNXLimits = ONNXLimits()) -> [String] {
    let graph = W.input("x") + W.node(call, ["x"], ["y"], domain: "f") + W.output("y")
    return loadingCodes(W.model(graph, header: Self.header, functions.flatMap(\.self)), limits: limits)
  }

  @Test(
    arguments: [
      ("plain", [function("F", node("Neg", ["a"], ["b"]))], nil),
      ("unsorted", [function("F", node("Neg", ["c"], ["b"]) + node("Abs", ["a"], ["c"]))], nil),
      (
        "calls another",
        [function("F", node("G", ["a"], ["b"], domain: "f")), function("G", node("Neg", ["a"], ["b"]))], nil
      ),
      (
        "reads its attribute",
        [function("F", node("Neg", ["a"], ["b"], W.attribute("p", type: 2, W.text(21, "q"))), W.text(6, "q"))], nil
      ),
      (
        "reads its default",
        [
          function(
            "F", node("Neg", ["a"], ["b"], W.attribute("p", type: 2, W.text(21, "q"))),
            W.bytes(11, W.text(1, "q") + W.int(3, 1) + W.int(20, 2)))
        ], nil
      ),
      ("calls itself", [function("F", node("F", ["a"], ["b"], domain: "f"))], "onnx-function-recursive"),
      (
        "circle of two",
        [
          function("F", node("G", ["a"], ["b"], domain: "f")), function("G", node("F", ["a"], ["b"], domain: "f")),
        ], "onnx-function-recursive"
      ),
      (
        "circle through If",
        [
          function(
            "F",
            node(
              "If", ["a"], ["b"],
              W.attribute("then_branch", type: 5, W.bytes(6, W.node("F", ["a"], ["c"], domain: "f") + W.output("c")))))
        ], "onnx-function-recursive"
      ),
      (
        "two of one name", [function("F", node("Neg", ["a"], ["b"])), function("F", node("Abs", ["a"], ["b"]))],
        "onnx-function-duplicate"
      ),
      ("reads a value of the caller", [function("F", node("Add", ["a", "x"], ["b"]))], "onnx-undefined-value"),
      ("output never produced", [function("F", node("Neg", ["a"], ["c"]))], "onnx-undefined-output"),
      ("cycle", [function("F", node("Neg", ["b"], ["b"]))], "onnx-cycle"),
      (
        "missing attribute", [function("F", node("Neg", ["a"], ["b"], W.attribute("p", type: 2, W.text(21, "q"))))],
        "onnx-attribute"
      ),
      (
        "attribute twice", [function("F", node("Neg", ["a"], ["b"]), W.text(6, "q"), W.text(6, "q"))],
        "onnx-attribute-duplicate"
      ),
      ("without name", [function("", node("Neg", ["a"], ["b"]))], "onnx-name"),
      ("input twice", [function("F", node("Neg", ["a"], ["b"]), W.text(4, "a"))], "onnx-duplicate-input"),
      (
        "unknown opset", [function("F", node("Neg", ["a"], ["b"]), W.bytes(9, W.text(1, "g") + W.int(2, 0)))],
        "onnx-opset-version"
      ),
    ] as [(String, [[UInt8]], String?)])
  func functions(name: String, functions: [[UInt8]], expected: String?) {
    #expect(codes(functions) == (expected.map { [$0] } ?? []))
  }

  @Test func callWithTooManyInputs() {
    let graph = W.input("x") + W.node("F", ["x", "x"], ["y"], domain: "f") + W.output("y")
    let function = Self.function("F", Self.node("Neg", ["a"], ["b"]))
    #expect(loadingCodes(W.model(graph, header: Self.header, function)) == ["onnx-function-call"])
  }

  @Test func exponentialExpansion() {
    let levels = 40
    var functions = [Self.function("F0", Self.node("Neg", ["a"], ["b"]))]
    for level in 1...levels {
      let body =
        Self.node("F\(level - 1)", ["a"], ["c"], domain: "f") + Self.node("F\(level - 1)", ["c"], ["b"], domain: "f")
      functions.append(Self.function("F\(level)", body))
    }
    #expect(codes(functions, call: "F\(levels)") == ["onnx-inlined-nodes"])
    #expect(codes(functions, call: "F10") == [])
  }

  @Test func overloads() throws {
    let plain = Self.function("F", Self.node("Neg", ["a"], ["b"]))
    let other = Self.function("F", Self.node("Abs", ["a"], ["b"]), W.text(13, "second"))
    #expect(codes([plain, other]) == [])
  }
}
