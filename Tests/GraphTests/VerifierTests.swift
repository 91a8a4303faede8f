import SwageGraph
import SwageTensor
import Testing

/// Graphs broken through the public interface, one for each rule of the verifier.
///
/// These cannot be broken so: an operand that names no value of the graph (the use table is indexed by it when a node is
/// made), a definition that names another node, and a use that its value does not know (each method keeps both sides).
@Suite struct VerifierTests {
  private func faults(_ graph: Graph) -> [String] {
    do { try GraphVerifier.verify(graph, after: "the test") } catch GraphError.invalid(let faults, _) {
      return faults
    } catch { return ["\(error)"] }
    return []
  }

  /// x -> exp -> log -> y
  private func chain() throws -> (graph: Graph, exp: NodeID, log: NodeID) {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [2, .symbol("h")]))
    let a = try graph.append(.unary(Unary(.exp)), [x], sources: OpSamples.source)[0]
    let b = try graph.append(.unary(Unary(.log)), [a], sources: OpSamples.source)[0]
    graph.addOutput(b, name: "y")
    return (graph, graph.order[0], graph.order[1])
  }

  @Test func aSoundGraphPasses() throws { #expect(faults(try chain().graph) == []) }

  @Test func readBeforeComputed() throws {
    var (graph, exp, log) = try chain()
    graph.reorder([log, exp])
    #expect(faults(graph) == ["g/unary#1 (node): operand 0 is read before it is computed"])
  }

  @Test func operandErased() throws {
    var (graph, exp, _) = try chain()
    graph.erase(exp)
    #expect(faults(graph).contains("g/unary#1 (node): operand 0 is read before it is computed"))
  }

  @Test func outputErased() throws {
    var (graph, _, log) = try chain()
    graph.erase(log)
    #expect(faults(graph).contains { $0.hasSuffix("is never computed") })
  }

  @Test func symbolReadBeforeItIsBound() throws {
    var graph = Graph(name: "g")
    let n = graph.addInput(name: "n", type: TensorType(.i64, [1]))
    try graph.append(.bindSymbols(BindSymbols(["k"])), [n], sources: OpSamples.source)
    let sizes = try graph.append(.sizes(Sizes([.symbol("k") + 1])), [], sources: OpSamples.source)[0]
    graph.addOutput(sizes, name: "y")
    #expect(faults(graph) == [])
    graph.reorder(graph.order.reversed())
    #expect(faults(graph) == ["g/sizes#1 (node): symbols [\"k\"] have no value yet"])
    graph.erase(graph.order[1])
    #expect(faults(graph).contains { $0.contains("have no value yet") })
  }

  @Test func resultTypeChanged() throws {
    var (graph, _, log) = try chain()
    let half = try graph.append(.cast(Cast(to: .f16)), [graph.inputs[0]], sources: OpSamples.source)[0]
    graph.reorder([graph.order[2], graph.order[0], graph.order[1]])
    graph.setOperands(of: log, to: [half])
    #expect(faults(graph) == ["g/unary#1 (node): result 0 is f32[2, h], the rule gives f16[2, h]"])
  }

  @Test func operandsThatTheRuleRefuses() throws {
    var (graph, _, log) = try chain()
    graph.setOperands(of: log, to: [nil])
    #expect(faults(graph).contains("g/unary#1 (node): operand 0 is missing"))
  }

  @Test func numberOfResultsChanged() throws {
    let text = """
      graph "g" (%0 "x": f32[2]) {
        %1 = fused(%0) graph "r" (%0 "x": f32[2]) {
          return %0 "x"
        } : f32[2] from "n" (N)
        return %1 "y"
      }
      """
    var graph = try GraphParser.parse(text)
    var region = try #require(Array(graph.nodes).first?.regions.first)
    region.addOutput(region.inputs[0], name: "again")
    graph.setRegions([region], of: graph.order[0])
    #expect(faults(graph) == ["g/fused#0 (n): 1 results, the rule gives 2"])
  }

  @Test func fusedRegionHoldsOtherOperations() throws {
    let text = """
      graph "g" (%0 "x": f32[2]) {
        %1 = fused(%0) graph "r" (%0 "x": f32[2]) {
          return %0 "x"
        } : f32[2] from "n" (N)
        return %1 "y"
      }
      """
    var graph = try GraphParser.parse(text)
    var region = Graph(name: "r")
    let x = region.addInput(name: "x", type: TensorType(.f32, [2]))
    region.addOutput(try region.append(.softmax(Softmax(axis: 0)), [x])[0], name: "x")
    graph.setRegions([region], of: graph.order[0])
    #expect(faults(graph) == ["g/fused#0 (n): softmax is not elementwise"])
    graph.setRegions([], of: graph.order[0])
    #expect(faults(graph) == ["g/fused#0 (n): fused has one region"])
  }

  @Test func faultInsideARegion() throws {
    var graph = try OpSamples.regions()
    let loop = try #require(Array(graph.nodes).last)
    var body = loop.regions[0]
    body.erase(body.order[0])
    graph.setRegions([body], of: loop.id)
    #expect(faults(graph).contains { $0.contains(".region0: output") && $0.hasSuffix("is never computed") })
  }

  @Test func namesStandTwice() throws {
    var (graph, _, _) = try chain()
    graph.addInput(name: "x", type: TensorType(.f32))
    graph.addOutput(graph.outputs[0], name: "y")
    #expect(faults(graph) == ["g: input x stands twice", "g: output y stands twice"])
  }

  @Test func noSource() throws {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [2]))
    graph.addOutput(try graph.append(.unary(Unary(.exp)), [x])[0], name: "y")
    _ = try graph.constant(Tensor(scalar: 1))
    #expect(faults(graph) == ["g/unary#0: has no source node"])
  }

  @Test func allFaultsAreReported() throws {
    var (graph, exp, log) = try chain()
    graph.reorder([log, exp])
    graph.addOutput(graph.outputs[0], name: "y")
    #expect(faults(graph).count == 2)
    let error = GraphError.invalid(faults(graph), stage: "s")
    #expect(error.diagnostics.count == 2)
    #expect(error.diagnostics.allSatisfy { $0.fault == .bug && $0.code == "graph-invalid" })
  }
}
