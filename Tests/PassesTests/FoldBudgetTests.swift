import SwageGraph
import SwagePasses
import SwageTensor
import Testing

@Suite struct FoldBudgetTests {
  /// Two exponentials of constants with 256 elements, 1 KiB each.
  private static func graph() throws -> Graph {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, sizes: [256]))
    for index in 0..<2 {
      let source = [Source(name: "n\(index)", operatorName: "Exp")]
      let weight = try graph.constant(Tensor(floats: (0..<256).map { Float($0 + index) / 256 }, [256]))
      let power = try graph.append(.unary(Unary(.exp)), [weight], sources: source)[0]
      graph.addOutput(try graph.append(.binary(Binary(.add)), [x, power], sources: source)[0], name: "y\(index)")
    }
    return graph
  }

  private static func fold(_ budget: FoldBudget) throws -> PassContext {
    var graph = try graph()
    let before = graph
    let context = try constantFolding.run(&graph, options: PipelineOptions(foldBudget: budget))
    try GraphVerifier.verify(graph, after: "constant-fold")
    try assertSameResults(before, graph)
    return context
  }

  @Test func everythingFoldsWithinTheBudget() throws {
    let context = try Self.fold(FoldBudget())
    #expect(context.rewrites == 2 && context.notes.isEmpty)
    #expect(context.foldSpending.bytes == 0 && context.foldSpending.flops == 512)
  }

  @Test func totalBytesLimitIsTheModelsOwnSizeAtLeast() throws {
    #expect(try Self.fold(FoldBudget(totalBytes: 0)).rewrites == 2)
  }

  @Test func nodeBytesAreLimited() throws {
    let context = try Self.fold(FoldBudget(nodeBytes: 1023))
    #expect(context.rewrites == 0)
    #expect(context.notes.count == 2 && context.notes[0].contains("1024 bytes of at most 1023"))
  }

  @Test func workIsLimited() throws {
    let context = try Self.fold(FoldBudget(flops: 300))
    #expect(context.rewrites == 1)
    #expect(context.notes.count == 1 && context.notes[0].contains("n1 (Exp)"))
  }

  @Test func growthBeyondTheBudgetIsNoted() throws {
    var graph = try GraphParser.parse(
      """
      graph "g" (%0 "x": f32[64]) {
        %1 = constant f32[1] [1.0]
        %2 = broadcast(%1) {shape = [64]} : f32[64] from "b" (Expand)
        %3 = binary(%0, %2) {function = add} : f32[64] from "a" (Add)
        return %3 "y"
      }
      """)
    var context = try constantFolding.run(&graph, options: PipelineOptions(foldBudget: FoldBudget(totalBytes: 251)))
    #expect(context.rewrites == 0 && context.notes.first?.contains("252 bytes on top of 0") == true)
    context = try constantFolding.run(&graph, options: PipelineOptions(foldBudget: FoldBudget(totalBytes: 252)))
    #expect(context.rewrites == 1 && context.foldSpending.bytes == 252)
  }

  @Test func hugeExpansionsAreNeverAllocated() throws {
    var graph = try GraphParser.parse(
      """
      graph "g" (%0 "x": f32[1]) {
        %1 = constant f32[] [1.0]
        %2 = broadcast(%1) {shape = [1000000, 1000000]} : f32[1000000, 1000000] from "b" (Expand)
        %3 = reduce(%2) {function = sum, axes = [0, 1]} : f32[] from "r" (ReduceSum)
        %4 = binary(%0, %3) {function = add} : f32[1] from "a" (Add)
        return %4 "y"
      }
      """)
    let context = try constantFolding.run(&graph)
    #expect(context.rewrites == 0)
    #expect(!context.notes.isEmpty)
  }
}
