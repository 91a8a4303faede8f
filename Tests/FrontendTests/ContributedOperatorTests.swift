import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Operators of ONNX Runtime's own domains: what is hard to see from outside, and what is refused. Their numbers are
/// compared with onnxruntime in Tests/Python/contrib.py.
@Suite struct ContributedOperatorTests {
  private static let microsoft = "com.microsoft"

  private func model(
    _ type: String, _ inputs: [(String, ElementType, [ONNXDimension])], _ constants: [ONNXTensor] = [],
    _ attributes: [(String, ONNXAttributeValue)] = [], domain: String = Self.microsoft
  ) -> ONNXModel {
    M.model(
      inputs.map { M.input($0.0, $0.1, $0.2) },
      [M.node(type, inputs.map(\.0) + constants.map(\.name), ["y"], domain: domain, attributes)], ["y"], constants,
      domains: [ONNXOpset(domain: domain, version: 1)])
  }

  @Test func attentionStaysOneOperation() throws {
    let size: [ONNXDimension] = [.symbol("batch"), .symbol("length"), .value(8)]
    let graph = try M.imported(
      model(
        "MultiHeadAttention", [("q", .f32, size), ("k", .f32, size), ("v", .f32, size)], [],
        [("num_heads", .int(2))]))
    #expect(M.operations(graph).filter { $0 == "attention" }.count == 1)
    #expect(!M.operations(graph).contains("softmax"))
  }

  @Test func groupedQueriesDoNotRepeatKeys() throws {
    let graph = try M.imported(
      M.model(
        [
          M.input("q", .f32, [.symbol("batch"), .value(1), .value(64)]),
          M.input("k", .f32, [.symbol("batch"), .value(1), .value(32)]),
          M.input("v", .f32, [.symbol("batch"), .value(1), .value(32)]),
          M.input("pk", .f32, [.symbol("batch"), .value(2), .symbol("past"), .value(16)]),
          M.input("pv", .f32, [.symbol("batch"), .value(2), .symbol("past"), .value(16)]),
          M.input("lengths", .i32, [.symbol("batch")]), M.input("total", .i32, [.value(1)]),
        ],
        [
          M.node(
            "GroupQueryAttention", ["q", "k", "v", "pk", "pv", "lengths", "total"], ["y", "a", "b"],
            domain: Self.microsoft, [("num_heads", .int(4)), ("kv_num_heads", .int(2))])
        ], ["y", "a", "b"], domains: [ONNXOpset(domain: Self.microsoft, version: 1)]))
    let attention = try #require(graph.nodes.first { $0.op.mnemonic == "attention" })
    let keys = try #require(attention.operands[1])
    #expect(graph.type(of: keys).shape[1] == 2)
  }

  @Test func weightsOfFourBitsKeepTheirBytes() throws {
    let bytes = ONNXTensor(
      name: "b", tensor: Tensor(.u8, [2, 1, 8], integers: (0..<16).map { Int64($0 * 16 + 15 - $0) }))
    let graph = try M.imported(
      model(
        "MatMulNBits", [("x", .f32, [.symbol("n"), .value(16)])], [bytes, M.floats("s", [1, 0.5], [2, 1])],
        [("K", .int(16)), ("N", .int(2)), ("bits", .int(4)), ("block_size", .int(16))]))
    let types = graph.nodes.compactMap { node in node.op.mnemonic == "constant" ? node.results.first : nil }.map {
      graph.type(of: $0).elementType
    }
    #expect(types.contains(.u4))
  }

  /// A kernel of eight outputs and eight inputs in blocks: element (input, output) of the file is (output, input).
  @Test func kernelsLoseTheirBlocks() throws {
    var values = [Float](repeating: 0, count: 64)
    values[3 * 8 + 5] = 2
    let y = try M.run(
      model(
        "Conv", [("x", .f32, [.value(1), .value(8), .value(1), .value(1)])], [M.floats("w", values, [8, 8, 1, 1])],
        [("activation", .string("Relu"))], domain: "com.microsoft.nchwc"),
      ["x": Tensor(floats: [0, 0, 0, 10, 0, 0, 0, 0], [1, 8, 1, 1])])["y"]
    #expect(y?.floats == [0, 0, 0, 0, 0, 20, 0, 0])
  }

  @Test(
    arguments: [
      ("MatMulNBits", [("K", .int(-4)), ("N", .int(2)), ("block_size", .int(16))], "K is missing, or no size"),
      ("MatMulNBits", [("K", .int(4)), ("N", .int(2)), ("block_size", .int(16)), ("bits", .int(3))], "3 bits"),
      ("MultiHeadAttention", [("num_heads", .int(0))], "num_heads is missing"),
      ("Attention", [("num_heads", .int(2))], "attention of"), ("RotaryEmbedding", [], "is missing"),
      ("GroupNorm", [("groups", .int(0)), ("activation", .int(1))], "groups is missing"),
      ("CDist", [("metric", .string("cosine"))], "distances of"), ("QLinearConcat", [("axis", .int(0))], "do not fit"),
      ("UnfoldTensor", [("size", .int(-1))], "size is missing"), ("QGemm", [], "is missing"),
      ("NGramRepeatBlock", [("ngram_size", .int(0))], "ngram_size is missing"),
    ] as [(String, [(String, ONNXAttributeValue)], String)])
  func faultsNameWhatIsWrong(_ type: String, _ attributes: [(String, ONNXAttributeValue)], _ reason: String) {
    let given = model(
      type, [("x", .f32, [.value(3)]), ("w", .f32, [.value(3), .value(3), .value(1)])], [], attributes)
    let faults = M.faults(given)
    #expect(faults.count == 1)
    #expect(faults.first?.why?.contains(reason) == true, "\(faults.first?.why ?? "none")")
  }
}
