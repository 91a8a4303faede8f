import SwageGraph
import SwageTensor

// `FlexAttention` of the domain ai.onnx.preview: its graphs, which change scores and weights, become part of the graph
// around the node.
extension ONNXImporter {
  func importFlexAttention(_ call: Call, _ frame: Frame, depth: Int) throws -> [ImportedValue?] {
    let q = try call.input(0)
    var (k, v) = (try call.input(1), try call.input(2))
    try call.require(
      q.type.rank == 4 && k.type.rank == 4 && v.type.rank == 4, "attention of \(q.type), \(k.type), \(v.type)")
    guard let scale = try call.float("scale") ?? q.type.shape[3].constant.map({ 1 / Double($0).squareRoot() }) else {
      throw call.unsupported("the size of the heads of \(q.type) is not known", remedy: "give sizes with --shape")
    }
    let type = q.type.elementType
    let compute = try call.elementType("softmax_precision") ?? (type == .f64 ? .f64 : .f32)
    try call.require(compute.isFloat, "softmax_precision is \(compute.name)")
    k = try AttentionOperators.repeatHeads(call, k, to: q.type.shape[1])
    v = try AttentionOperators.repeatHeads(call, v, to: q.type.shape[1])
    func modified(_ value: ImportedValue, _ name: String) throws -> ImportedValue {
      guard call.attribute(name) != nil else { return value }
      let graph = try call.graph(name)
      guard graph.inputs.count == 1, graph.outputs.count == 1 else {
        throw NodeFault.invalid("\(name) takes \(graph.inputs.count) inputs and gives \(graph.outputs.count) results")
      }
      var inner = try makeFrame(graph, in: frame)
      inner.bind(graph.inputs[0].name, to: value)
      var stack = [inner]
      let result = try importFrames(&stack, call.builder, depth: depth + 1)[0]
      if !result.isPoison {
        try call.require(
          result.type.rank == 4 && result.type.elementType == compute, "\(name) makes \(result.type) of \(value.type)")
      }
      return result
    }
    if call.attributes["score_mod"] == nil, call.attributes["prob_mod"] == nil, compute == type {
      return [try call.emit(.attention(Attention(scale: scale)), [q, k, v])]
    }
    let product = try call.emit(
      .matmul(MatMul(transposeB: true)), [try call.cast(q, to: compute), try call.cast(k, to: compute)])
    let scores = try modified(try call.unary(.linear, product, alpha: scale), "score_mod")
    if scores.isPoison { return [.poison(name: "")] }
    let weights = try modified(try call.emit(.softmax(Softmax(axis: 3)), [scores]), "prob_mod")
    if weights.isPoison { return [.poison(name: "")] }
    let y = try call.emit(.matmul(MatMul()), [weights, try call.cast(v, to: compute)])
    return [try call.cast(y, to: type)]
  }
}
