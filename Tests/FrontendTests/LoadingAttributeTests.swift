import SwageFrontend
import SwageTensor
import Testing

@Suite struct LoadingAttributeTests {
  private typealias W = LoadingWire

  private func load(_ attributes: [UInt8]...) throws -> ONNXNode {
    let graph = W.input("x") + W.bytes(1, W.nodeBody("Op", ["x"], ["y"]) + attributes.joined()) + W.output("y")
    let model = try ONNXModel.load(bytes: W.model(graph), name: "m")
    return model.graph.nodes[0]
  }

  private static let float: [UInt8] = [0x15, 0, 0, 0x80, 0x3f]

  @Test(
    arguments: [
      ("float", W.attribute("a", type: 1, float), "float(1.0)"),
      ("float left out", W.attribute("a", type: 1), "float(0.0)"),
      ("int", W.attribute("a", type: 2, W.int(3, -5)), "int(-5)"),
      ("int with a stored zero float", W.attribute("a", type: 2, W.int(3, 5), [0x15, 0, 0, 0, 0]), "int(5)"),
      ("string", W.attribute("a", type: 3, W.text(4, "same")), "string(\"same\")"),
      ("floats", W.attribute("a", type: 6, [0x3d, 0, 0, 0x80, 0x3f], [0x3d, 0, 0, 0, 0x40]), "floats([1.0, 2.0])"),
      ("packed floats", W.attribute("a", type: 6, W.bytes(7, [0, 0, 0x80, 0x3f])), "floats([1.0])"),
      ("ints", W.attribute("a", type: 7, W.int(8, 1), W.int(8, -1)), "ints([1, -1])"),
      ("packed ints", W.attribute("a", type: 7, W.bytes(8, [1, 2])), "ints([1, 2])"),
      ("no ints", W.attribute("a", type: 7), "ints([])"),
      ("strings", W.attribute("a", type: 8, W.text(9, "p"), W.text(9, "q")), "strings([\"p\", \"q\"])"),
      ("guessed int", W.attribute("a", type: nil, W.int(3, 4)), "int(4)"),
      ("guessed zero", W.attribute("a", type: nil, W.int(3, 0)), "int(0)"),
      ("guessed ints", W.attribute("a", type: nil, W.int(8, 4)), "ints([4])"),
    ] as [(String, [UInt8], String)])
  func values(name: String, attribute: [UInt8], expected: String) throws {
    let value = try load(attribute).attribute("a")
    #expect(value.map { "\($0)" } == expected)
  }

  @Test func tensorsAndTypes() throws {
    let tensor = try load(W.attribute("value", type: 4, W.bytes(5, W.tensor("t", [3])))).attribute("value")
    guard case .tensor(let constant)? = tensor else {
      Issue.record("no tensor")
      return
    }
    #expect(constant.tensor?.floats == [3])
    let type = try load(W.attribute("t", type: 13, W.bytes(14, W.bytes(1, W.int(1, 7))))).attribute("t")
    guard case .type(.tensor(.i64, nil))? = type else {
      Issue.record("no type")
      return
    }
    let strings = W.int(1, 2) + W.int(2, 8) + W.text(6, "p") + W.text(6, "q")
    guard case .tensor(let words)? = try load(W.attribute("v", type: 4, W.bytes(5, strings))).attribute("v"),
      case .tensor(let elements) = words.content
    else {
      Issue.record("no strings")
      return
    }
    #expect(elements.strings == ["p", "q"])
  }

  @Test(
    arguments: [
      ("without name", W.attribute("", type: 2, W.int(3, 1)), "onnx-name"),
      ("unknown type", W.attribute("a", type: 99, W.int(3, 1)), "onnx-attribute"),
      ("negative type", W.attribute("a", type: -1, W.int(3, 1)), "onnx-attribute"),
      ("another field", W.attribute("a", type: 2, float), "onnx-attribute"),
      ("two fields", W.attribute("a", type: 2, W.int(3, 1), float), "onnx-attribute"),
      ("two fields, no type", W.attribute("a", type: nil, W.int(3, 1), float), "onnx-attribute"),
      ("nothing", W.attribute("a", type: nil), "onnx-attribute"),
      ("no tensor", W.attribute("a", type: 4), "onnx-attribute"),
      ("no graph", W.attribute("a", type: 5), "onnx-attribute"),
      ("text that is not UTF-8", W.attribute("a", type: 3, W.bytes(4, [0xff])), "onnx-attribute"),
      (
        "twice", W.attribute("a", type: 2, W.int(3, 1)) + W.attribute("a", type: 2, W.int(3, 2)),
        "onnx-attribute-duplicate"
      ),
      ("reference outside of a function", W.attribute("a", type: 2, W.text(21, "b")), "onnx-attribute"),
      ("reference and value", W.attribute("a", type: 2, W.int(3, 1), W.text(21, "b")), "onnx-attribute"),
      ("bad tensor", W.attribute("a", type: 4, W.bytes(5, W.int(1, 1) + W.int(2, 1))), "tensor-data-missing"),
      (
        "tensor of sizes that overflow", W.attribute("a", type: 4, W.bytes(5, W.int(1, 1 << 62) + W.int(2, 11))),
        "tensor-shape"
      ),
      ("bad type", W.attribute("a", type: 13, W.bytes(14, W.bytes(1, W.int(1, 9999)))), "onnx-element-type"),
    ] as [(String, [UInt8], String)])
  func refuses(name: String, attribute: [UInt8], expected: String) {
    #expect(loadingCodes { _ = try load(attribute) } == [expected])
  }

  // MARK: - Sparse tensors

  private static func indices(_ dims: [Int], _ values: [Int]) -> [UInt8] {
    dims.flatMap { W.int(1, $0) } + W.int(2, 7) + W.bytes(7, values.flatMap { W.varint(UInt64(bitPattern: Int64($0))) })
  }

  private func sparse(_ values: [UInt8], _ indices: [UInt8], _ dims: [Int]) throws -> ONNXTensor? {
    let proto = W.bytes(1, values) + W.bytes(2, indices) + dims.flatMap { W.int(3, $0) }
    let model = try ONNXModel.load(bytes: W.model(W.relu + W.bytes(15, proto)), name: "m")
    return model.graph.initializers.first
  }

  @Test func sparseBecomesDense() throws {
    let linear = try sparse(W.tensor("s", [5, 6]), Self.indices([2], [1, 3]), [2, 2])
    #expect(linear?.name == "s")
    #expect(linear?.tensor?.floats == [0, 5, 0, 6])
    let rows = try sparse(W.tensor("s", [5, 6]), Self.indices([2, 2], [0, 0, 1, 1]), [2, 2])
    #expect(rows?.tensor?.floats == [5, 0, 0, 6])
  }

  @Test(arguments: [
    ("past the end", indices([2], [1, 4]), [2, 2]), ("negative", indices([2], [-1, 1]), [2, 2]),
    ("descending", indices([2], [3, 1]), [2, 2]), ("twice", indices([2], [1, 1]), [2, 2]),
    ("row past the end", indices([2, 2], [0, 0, 0, 2]), [2, 2]), ("count", indices([1], [1]), [2, 2]),
    ("shape", indices([2, 3], [0, 0, 0, 1, 1, 1]), [2, 2]), ("huge", indices([2], [1, 2]), [1 << 40]),
    ("overflow", indices([2], [1, 2]), [1 << 40, 1 << 40]),
    ("no elements", indices([2, 2], [0, 0, 1, 1]), [1 << 62, 0]),
    ("negative size", indices([2], [1, 2]), [-4]),
  ])
  func badSparse(name: String, indices: [UInt8], dims: [Int]) {
    #expect(loadingCodes { _ = try sparse(W.tensor("s", [5, 6]), indices, dims) } == ["onnx-sparse"])
  }
}
