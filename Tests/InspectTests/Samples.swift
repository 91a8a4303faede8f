import SwageGraph
import SwageInspect
import SwageTensor

/// Text that no writer may let through as it is.
let hostile = "</script><img src=x onerror=alert(1)>\"'\\ &amp; \n\t\u{1}\u{2028} @DATA@ é"

/// Graphs of the tests.
enum Sample {
  /// conv → relu → add with a skip, a small and a large constant, a symbolic batch.
  static func chain(name: String = "chain", node: String = "conv1") throws -> Graph {
    var graph = Graph(name: name)
    let x = graph.addInput(name: "x", type: TensorType(.f32, [.symbol("n"), 2, 4, 4]))
    let weights = try graph.constant(
      Tensor(floats: (0..<36).map { Float($0) / 36 }, [2, 2, 3, 3]), name: "w",
      sources: [Source(name: "w", operatorName: "initializer")])
    let scale = try graph.constant(Tensor(scalar: 2), name: "two")
    let convolved = try graph.append(
      .convolution(
        Convolution(
          strides: [1, 1], dilations: [1, 1], padsBegin: [1, 1], padsEnd: [1, 1], groups: 1)), [x, weights],
      names: [node], sources: [Source(name: node, operatorName: "Conv")])[0]
    let active = try graph.append(
      .unary(Unary(.relu)), [convolved], sources: [Source(name: "relu1", operatorName: "Relu")])[0]
    let scaled = try graph.append(
      .binary(Binary(.mul)), [active, scale], sources: [Source(name: "scale1", operatorName: "Mul")])[0]
    let sum = try graph.append(
      .binary(Binary(.add)), [scaled, x], sources: [Source(name: "skip", operatorName: "Add")])[0]
    graph.addOutput(sum, name: "y")
    return graph
  }

  /// A fused node with a body, which only the domain `swage` can say.
  static func fused() throws -> Graph {
    let type = TensorType(.f32, [.symbol("n"), 8])
    var body = Graph(name: "body")
    let a = body.addInput(name: "a", type: type)
    let silu = try body.append(.unary(Unary(.silu)), [a])[0]
    body.addOutput(try body.append(.binary(Binary(.mul)), [silu, a])[0], name: "out")
    var graph = Graph(name: "fused")
    let x = graph.addInput(name: "x", type: type)
    graph.addOutput(
      try graph.append(
        .fused(Fused()), [x], regions: [body],
        sources: [Source(name: "act", operatorName: "Sigmoid"), Source(name: "gate", operatorName: "Mul")])[0],
      name: "y")
    return graph
  }

  /// Both branches read a value from outside; one hands it through.
  static func conditional() throws -> Graph {
    let type = TensorType(.f32, [4])
    func branch(_ name: String, negates: Bool) throws -> Graph {
      var graph = Graph(name: name)
      let a = graph.addInput(name: "a", type: type)
      graph.addOutput(negates ? try graph.append(.unary(Unary(.neg)), [a])[0] : a, name: "out")
      return graph
    }
    var graph = Graph(name: "conditional")
    let flag = graph.addInput(name: "flag", type: TensorType(.bool))
    let x = graph.addInput(name: "x", type: type)
    let y = try graph.append(
      .if(If(results: [type])), [flag, x],
      regions: [try branch("then", negates: true), try branch("else", negates: false)])[0]
    graph.addOutput(y, name: "y")
    return graph
  }

  /// Names of every kind hold `hostile`.
  static func hostileGraph() throws -> Graph {
    var graph = try chain(name: hostile, node: hostile)
    let input = graph.addInput(name: hostile + "2", type: TensorType(.f32, [1]))
    let negated = try graph.append(
      .unary(Unary(.neg)), [input], names: [hostile], sources: [Source(name: hostile, operatorName: hostile)])[0]
    graph.addOutput(negated, name: hostile + "3")
    if let node = graph.producer(of: negated) { graph.setTarget(hostile, of: node.id) }
    return graph
  }

  static func stage(_ name: String, _ graph: Graph) -> InspectedStage { InspectedStage(name: name, graph: graph) }
}
