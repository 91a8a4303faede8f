import Foundation
import SwageGraph
import SwageInspect
import SwageTensor
import Testing

@Suite struct GraphJSONTests {
  private func object(_ graph: Graph) throws -> [String: Any] {
    let parsed = try JSONSerialization.jsonObject(with: Data(GraphJSON.text(graph).utf8))
    return try #require(parsed as? [String: Any])
  }

  @Test func nodesAndValuesReferToEachOther() throws {
    let document = try object(try Sample.chain())
    let nodes = try #require(document["nodes"] as? [[String: Any]])
    let values = try #require(document["values"] as? [[String: Any]])
    #expect(nodes.count == 6)
    #expect(values.count == 7)
    let convolution = try #require(nodes.first { $0["op"] as? String == "convolution" })
    #expect(convolution["operands"] as? [Int] == [0, 1])
    let result = try #require((convolution["results"] as? [Int])?.first)
    #expect(values[result]["name"] as? String == "conv1")
    #expect(values[result]["producer"] as? Int == convolution["id"] as? Int)
    #expect((values[result]["shape"] as? [Any])?.first as? String == "n")
    #expect((values[0]["users"] as? [Int])?.count == 2)
    #expect((convolution["sources"] as? [[String: String]])?.first?["operator"] == "Conv")
  }

  @Test func workIsANumberOrAnExpression() throws {
    let document = try object(try Sample.chain())
    let symbolic = try #require(document["flops"] as? String)
    // 2 · 9 · 2 multiply-adds for each of 32·n results, then three elementwise nodes.
    #expect(Dim(parsing: symbolic) == Dim.symbol("n") * 1248)
    let constant = try #require((document["nodes"] as? [[String: Any]])?.first)
    #expect(constant["flops"] as? Int == 0)
  }

  @Test func smallConstantsCarryTheirValues() throws {
    let nodes = try #require(try object(try Sample.chain())["nodes"] as? [[String: Any]])
    #expect(nodes[0]["constant"] == nil)
    #expect(nodes[1]["constant"] as? [Double] == [2])
  }

  @Test func infinitiesAndNaNAreStrings() throws {
    var graph = Graph(name: "g")
    let value = try graph.constant(Tensor(.f32, [3], doubles: [.infinity, -.infinity, .nan]))
    graph.addOutput(value, name: "y")
    let nodes = try #require(try object(graph)["nodes"] as? [[String: Any]])
    #expect(nodes[0]["constant"] as? [String] == ["inf", "-inf", "nan"])
  }

  @Test func nestedGraphsAreWhole() throws {
    let nodes = try #require(try object(try Sample.fused())["nodes"] as? [[String: Any]])
    let regions = try #require(nodes[0]["regions"] as? [[String: Any]])
    #expect((regions[0]["nodes"] as? [[String: Any]])?.count == 2)
  }

  @Test func erasedNodesLeaveNoTrace() throws {
    var graph = try Sample.chain()
    let extra = try graph.append(.unary(Unary(.exp)), [graph.inputs[0]])[0]
    if let node = graph.producer(of: extra) { graph.erase(node.id) }
    #expect(GraphJSON.text(graph) == GraphJSON.text(try Sample.chain()))
  }

  @Test func hostileNamesComeBack() throws {
    let text = GraphJSON.text(try Sample.hostileGraph())
    #expect(!text.contains("<") && !text.contains("\u{2028}") && !text.contains("\u{1}"))
    #expect(try object(try Sample.hostileGraph())["name"] as? String == hostile)
  }
}
