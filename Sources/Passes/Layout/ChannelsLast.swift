import SwageGraph
import SwageTensor

/// Lets convolutional networks run with the channel axis last, which is how vector units want it.
///
///     %2 = convolution(%0, %1) {…, layout = nchw} : f32[1, 8, 6, 6]
///     %3 = unary(%2) {function = relu} : f32[1, 8, 6, 6]
///     %5 = convolution(%3, %4) {…, layout = nchw} : f32[1, 8, 6, 6]
/// ->
///     %2 = transpose(%0) {permutation = [0, 2, 3, 1]} : f32[1, 6, 6, 3]
///     %3 = convolution(%2, %1) {…, layout = nhwc} : f32[1, 6, 6, 8]
///     %4 = unary(%3) {function = relu} : f32[1, 6, 6, 8]
///     %6 = convolution(%4, %5) {…, layout = nhwc} : f32[1, 6, 6, 8]
///     %7 = transpose(%6) {permutation = [0, 3, 1, 2]} : f32[1, 8, 6, 6]
///
/// One, two and three spatial axes alike. Weights keep their order: kernels pack them anyway.
///
/// Legal when
/// 1. the node computes the same on permuted axes: convolutions, pools, group norms and resizes; elementwise
///    operations, concatenations, pads, slices, softmax, reductions, running sums, gathers by a vector and
///    quantisation with their axes renamed (see `ChannelsLastForm`);
/// 2. operands that broadcast get all axes and are permuted too, constants when the model is compiled;
/// 3. each value that crosses between the layouts is transposed once, and only there.
///
/// Which nodes change sides is chosen so that transposes move the fewest bytes (see `LayoutChoice`); by that measure
/// the graph never gets worse.
/// Leaves alone: reshapes, products, attention and recurrent layers, which read and write channels-first; nodes with
/// nested graphs; convolutions whose epilogue reads other values.
public let channelsLast = Pass(name: "channels-last") { graph, context in
  var forms: [NodeID: ChannelsLastForm] = [:]
  var hasConvolution = false
  for node in graph.nodes {
    forms[node.id] = ChannelsLastForm.make(node, in: graph)
    if case .convolution = node.op { hasConvolution = true }
  }
  guard hasConvolution else { return }
  let chosen = LayoutChoice.channelsLastNodes(of: graph, forms: forms)
  guard !chosen.isEmpty else { return }
  var rewriter = LayoutRewriter()
  for id in graph.order where chosen.contains(id) {
    guard let form = forms[id] else { continue }
    guard context.begin("channels-last") else { break }
    try rewriter.rewrite(id, to: form, in: &graph)
  }
  graph.eraseDead(rewriter.created)
}

private struct LayoutRewriter {
  /// The channels-last version of values, where there is one.
  private var lastForm: [ValueID: ValueID] = [:]
  /// Transposes that may turn out to have no reader.
  private(set) var created: [NodeID] = []

  mutating func rewrite(_ id: NodeID, to form: ChannelsLastForm, in graph: inout Graph) throws {
    let node = graph[id]
    let axes = ImageAxes(rank: form.rank)
    var operands = node.operands
    for (index, role) in form.roles.enumerated() {
      guard let operand = node.operands[index] else { continue }
      switch role {
      case .image: operands[index] = try channelsLast(operand, axes, before: node, in: &graph)
      case .broadcast:
        let type = graph.type(of: operand)
        var full = operand
        if type.rank < form.rank {
          let ones = [Dim](repeating: 1, count: form.rank - type.rank)
          full = try insert(.reshape(Reshape(ones + type.shape)), operand, before: node, in: &graph)
        }
        operands[index] = try channelsLast(full, axes, before: node, in: &graph)
      case .same: break
      }
    }
    let old = node.results[0]
    let name = graph[old].name
    let isImage = form.resultIsImage
    let result = try graph.insert(
      form.op, operands, names: [name.isEmpty || !isImage ? name : name + ".nhwc"], sources: node.sources, before: id)[
        0]
    guard isImage else {
      graph.replaceUses(of: old, with: result)
      graph.erase(id)
      return
    }
    let back = try insert(.transpose(Transpose(axes.toFirst)), result, before: node, in: &graph)
    graph.replaceUses(of: old, with: back)
    lastForm[back] = result
    graph.erase(id)
  }

  private mutating func channelsLast(
    _ value: ValueID, _ axes: ImageAxes, before node: Node, in graph: inout Graph
  ) throws -> ValueID {
    if let known = lastForm[value] { return known }
    let moved = try insert(.transpose(Transpose(axes.toLast)), value, before: node, in: &graph)
    lastForm[value] = moved
    return moved
  }

  private mutating func insert(_ op: Op, _ operand: ValueID, before node: Node, in graph: inout Graph) throws -> ValueID
  {
    let value = try graph.insert(op, [operand], sources: node.sources, before: node.id)[0]
    if let producer = graph.producer(of: value) { created.append(producer.id) }
    return value
  }
}
