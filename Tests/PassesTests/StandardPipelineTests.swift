import SwageGraph
import SwagePasses
import SwageTensor
import Testing

@Suite struct StandardPipelineTests {
  /// A block as in a latent diffusion model: convolutions around attention over positions, with residuals.
  private static func block() throws -> Graph {
    var graph = try GraphParser.parse(
      """
      graph "block" (%0 "x": f32[2, 8, h, 4], %1 "w1": f32[8, 8, 3, 3], %2 "wq": f32[8, 8], %3 "wk": f32[8, 8],
                     %4 "w2": f32[8, 8, 3, 3]) {
        %10 = convolution(%0, %1) {strides = [1, 1], pads_begin = [1, 1], pads_end = [1, 1], layout = nchw} : f32[2, 8, h, 4]
        %11 = group_norm(%10) {groups = 4, epsilon = 0.001, layout = nchw} : f32[2, 8, h, 4]
        %12 = unary(%11) {function = silu} : f32[2, 8, h, 4]
        %13 = transpose(%12) {permutation = [0, 2, 3, 1]} : f32[2, h, 4, 8]
        %14 = reshape(%13) {shape = [2, 4*h, 8]} : f32[2, 4*h, 8]
        %15 = matmul(%14, %2) : f32[2, 4*h, 8]
        %16 = matmul(%14, %3) : f32[2, 4*h, 8]
        %17 = attention(%15, %16, %14) {scale = 0.35} : f32[2, 4*h, 8]
        %18 = transpose(%17) {permutation = [0, 2, 1]} : f32[2, 8, 4*h]
        %19 = reshape(%18) {shape = [2, 8, h, 4]} : f32[2, 8, h, 4]
        %20 = binary(%19, %10) {function = add} : f32[2, 8, h, 4]
        %21 = convolution(%20, %4) {strides = [1, 1], pads_begin = [1, 1], pads_end = [1, 1], layout = nchw} : f32[2, 8, h, 4]
        return %21 "y"
      }
      """)
    for (index, id) in graph.order.enumerated() {
      graph.addSources([Source(name: "n\(index)", operatorName: graph[id].op.mnemonic)], to: id)
    }
    return graph
  }

  @Test func transposesStandAtTheBordersOnly() throws {
    var graph = try Self.block()
    let before = graph
    try Pipeline.standard().run(&graph)
    let transposes = graph.nodes.filter { if case .transpose = $0.op { true } else { false } }
    #expect(transposes.count == 2)
    #expect(transposes.first?.operands.first == graph.inputs.first)
    #expect(transposes.last?.results.first == graph.outputs.first)
    try assertSameResults(before, graph, symbols: ["h": 3], tolerance: 1e-5)
  }

  @Test func channelsFirstStaysWhereAskedFor() throws {
    var graph = try Self.block()
    let before = graph
    let options = PipelineOptions(usesChannelsLast: false)
    try Pipeline.standard(options).run(&graph, options: options)
    for node in graph.nodes {
      if case .convolution(let op) = node.op { #expect(op.layout == .channelsFirst) }
    }
    try assertSameResults(before, graph, symbols: ["h": 3], tolerance: 1e-5)
  }

  @Test(arguments: [PipelineOptions.Precision.bf16, .f16])
  func reducedPrecisionKeepsInterfacesAndAFewCasts(_ precision: PipelineOptions.Precision) throws {
    var graph = try Self.block()
    let before = graph
    let options = PipelineOptions(precision: precision)
    try Pipeline.standard(options).run(&graph, options: options)
    let types = [before, graph].map { version in version.inputs.map { version.type(of: $0) } }
    #expect(types[0] == types[1])
    let casts = graph.nodes.filter { if case .cast = $0.op { true } else { false } }
    // Five inputs and one output.
    #expect(casts.count == 6)
    try assertSameResults(before, graph, symbols: ["h": 3], tolerance: precision == .bf16 ? 6e-2 : 1e-2)
  }

  @Test func keptOperationsStayInF32() throws {
    var graph = try Self.block()
    let options = PipelineOptions(precision: .bf16, keepsF32: ["group_norm", "n11"])
    try Pipeline.standard(options).run(&graph, options: options)
    for node in graph.nodes {
      switch node.op {
      case .groupNorm: #expect(graph.type(of: node.results[0]).elementType == .f32)
      case .attention: #expect(graph.type(of: node.results[0]).elementType == .bf16)
      case .convolution:
        let isNamed = node.sources.contains { $0.name == "n11" }
        #expect(graph.type(of: node.results[0]).elementType == (isNamed ? .f32 : .bf16))
      default: break
      }
    }
  }

  @Test func runningTwiceChangesNothing() throws {
    var graph = try Self.block()
    try Pipeline.standard().run(&graph)
    let once = GraphPrinter.text(graph)
    try Pipeline.standard().run(&graph)
    #expect(GraphPrinter.text(graph) == once)
  }
}
