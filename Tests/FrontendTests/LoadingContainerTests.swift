import SwageFrontend
import SwageTensor
import Testing

@Suite struct LoadingContainerTests {
  private typealias W = LoadingWire

  private static let model: [UInt8] = {
    let attribute = W.attribute("alpha", type: 1, [0x15, 0, 0, 0x80, 0x3f])
    let graph =
      W.input("x", W.type(1, [W.text(2, "n"), W.dim(2)])) + W.initializer("w")
      + W.node("Add", ["x", "w"], ["s"], name: "add") + W.node("LeakyRelu", ["s"], ["y"], attribute) + W.output("y")
    return W.int(1, 8) + W.text(2, "test") + W.bytes(7, graph) + W.opset(17)
  }()

  @Test func readsAModel() throws {
    let model = try ONNXModel.load(bytes: Self.model, name: "test.onnx")
    #expect(model.irVersion == 8)
    #expect(model.opset("") == 17)
    #expect(model.opset("other") == nil)
    #expect(model.producerName == "test")
    #expect(
      model.graph.inputs == [
        ONNXValueInfo(name: "x", type: .tensor(.f32, shape: [.symbol("n"), .value(2)]))
      ])
    #expect(model.graph.initializers.map(\.name) == ["w"])
    #expect(model.graph.initializers[0].tensor?.floats == [1, 2])
    #expect(model.graph.nodes.map(\.label) == ["add", "LeakyRelu#1"])
    #expect(model.graph.nodes[0].inputs == ["x", "w"])
    guard case .float(1)? = model.graph.nodes[1].attribute("alpha") else {
      Issue.record("alpha is \(String(describing: model.graph.nodes[1].attribute("alpha")))")
      return
    }
  }

  @Test func refusesEveryTruncation() {
    for count in Self.model.indices {
      let codes = loadingCodes(Array(Self.model.prefix(count)))
      #expect(!codes.isEmpty, "\(count) bytes load")
      #expect(codes.allSatisfy { !$0.contains(" ") }, "\(codes)")
    }
  }

  @Test func everyBitFlipIsAnErrorOrAModel() {
    for index in Self.model.indices {
      for bit in 0..<8 {
        var bytes = Self.model
        bytes[index] ^= 1 << UInt8(bit)
        let codes = loadingCodes(bytes)
        #expect(codes.allSatisfy { !$0.contains(" ") }, "byte \(index) bit \(bit): \(codes)")
      }
    }
  }

  @Test(
    arguments: [
      ("empty", [], "onnx-not-onnx"),
      ("Git LFS pointer", Array("version https://git-lfs.github.com/spec/v1\n".utf8), "onnx-not-onnx"),
      ("zip", Array("PK\u{3}\u{4}".utf8), "onnx-not-onnx"),
      ("JSON", Array("{\"graph\": {}}".utf8), "onnx-not-onnx"),
      ("text form", Array("<\n ir_version: 8\n>".utf8), "onnx-not-onnx"),
      ("ELF", Array("\u{7f}ELF".utf8), "onnx-not-onnx"),
      ("gzip", [0x1f, 0x8b, 8, 0], "onnx-not-onnx"),
      ("safetensors", [2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8), "onnx-not-onnx"),
      ("one byte", [8], "protobuf-varint"),
      ("endless varint", [UInt8](repeating: 0x80, count: 100), "protobuf-varint"),
      ("group", [0x0b], "protobuf-wire-type"),
      ("graph is a number", W.int(7, 1), "protobuf-field-type"),
      ("graph longer than the file", W.varint(7 << 3 | 2) + W.varint(1 << 34), "protobuf-truncated"),
      ("graph twice", W.model(W.relu, W.bytes(7, W.relu)), "protobuf-repeated"),
      ("trailing bytes", W.model(W.relu, [0xff]), "protobuf-varint"),
    ] as [(String, [UInt8], String)])
  func refuses(name: String, bytes: [UInt8], expected: String) {
    #expect(loadingCodes(bytes) == [expected])
  }

  @Test func skipsUnknownFields() throws {
    let unknown = W.text(10, "doc") + W.int(1000, 5) + W.bytes(26, [1, 2, 3]) + W.bytes(20, W.bytes(1, []))
    #expect(loadingCodes(W.model(unknown + W.relu, unknown)) == [])
  }

  @Test func lastSingleFieldCounts() throws {
    let model = try ONNXModel.load(bytes: W.model(W.relu, W.text(2, "a"), W.text(2, "b")), name: "m")
    #expect(model.producerName == "b")
  }

  /// Graph, node and attribute inside each other; a model with `count` messages nested.
  private static func nested(_ count: Int) -> [UInt8] {
    // Levels below the model: graph 1, node 2, attribute 3, graph 4, ...
    var inner: [UInt8] = []
    for level in stride(from: count - 1, through: 1, by: -1) {
      switch level % 3 {
      case 1: inner = W.bytes(level == 1 ? 7 : 6, inner)
      case 2: inner = W.bytes(1, inner)
      default: inner = W.bytes(5, inner)
      }
    }
    return W.int(1, 8) + W.opset(17) + inner
  }

  @Test(arguments: [101, 3000, 100_000]) func refusesDeepNesting(depth: Int) {
    #expect(loadingCodes(Self.nested(depth)) == ["protobuf-depth"])
  }

  @Test func allowsAHundredLevels() {
    #expect(!loadingCodes(Self.nested(100)).contains("protobuf-depth"))
    #expect(!loadingCodes(Self.nested(99)).contains("protobuf-depth"))
  }

  @Test(arguments: [
    ("empty attributes", [0x2a, 0x00], 1), ("empty nodes", [0x0a, 0x00], 0), ("empty initializers", [0x2a, 0x00], 0),
  ])
  func refusesParseBombs(name: String, unit: [UInt8], nodes: Int) {
    let many = [[UInt8]](repeating: unit, count: 500_000).flatMap(\.self)
    let graph = nodes == 1 ? W.bytes(1, many) : many
    #expect(loadingCodes(W.model(graph)) == ["protobuf-messages"])
    var limits = ONNXLimits()
    limits.protobuf.bytesPerMessage = 0
    #expect(loadingCodes(W.model(graph), limits: limits) == ["protobuf-memory"])
  }

  @Test func limitsAreObeyed() {
    var limits = ONNXLimits()
    limits.protobuf.bytes = 10
    #expect(loadingCodes(Self.model, limits: limits) == ["protobuf-too-large"])
    limits = ONNXLimits()
    limits.protobuf.messages = 3
    #expect(loadingCodes(Self.model, limits: limits) == ["protobuf-messages"])
    limits = ONNXLimits()
    limits.nodes = 1
    #expect(loadingCodes(Self.model, limits: limits) == ["onnx-nodes"])
    limits = ONNXLimits()
    limits.nameBytes = 2
    #expect(loadingCodes(Self.model, limits: limits) == ["onnx-name"])
  }

  @Test func everyMemoryBudgetIsAnErrorOrAModel() {
    var limits = ONNXLimits()
    var loaded = 0
    for budget in stride(from: 0, through: 8192, by: 16) {
      limits.protobuf.memory = budget
      let codes = loadingCodes(Self.model, limits: limits)
      if codes.isEmpty { loaded += 1 } else { #expect(codes == ["protobuf-memory"]) }
    }
    #expect(loaded > 0)
  }

  @Test func theSearchForFaultsEnds() throws {
    let nodes = (0..<1000).flatMap { W.node("Relu", ["missing\($0)"], ["y\($0)"]) }
    do {
      _ = try ONNXModel.load(bytes: W.model(nodes), name: "m")
      Issue.record("it loads")
    } catch let error as ONNXError {
      #expect(error.faults.count == 100)
      #expect(error.isPartial)
      #expect(error.diagnostics.last?.code == "onnx-more")
    }
  }
}
