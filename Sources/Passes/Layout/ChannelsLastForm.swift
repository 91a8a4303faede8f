import SwageGraph
import SwageTensor

/// How a node works on tensors whose channel axis is last.
struct ChannelsLastForm {
  enum Role {
    /// An image: taken in the other layout.
    case image
    /// Broadcasts to the result: given all axes and permuted, which costs nothing for constants.
    case broadcast
    /// The same in both layouts.
    case same
  }

  let op: Op
  let roles: [Role]
  /// Whether the result changes layout too; a reduction to `[n, c]` gives the same in both.
  let resultIsImage: Bool
  let rank: Int

  /// nil where the node has no such form.
  static func make(_ node: Node, in graph: Graph) -> ChannelsLastForm? {
    guard node.results.count == 1, let first = node.operands.first, let x = first else { return nil }
    let result = graph.type(of: node.results[0])
    let rank = graph.type(of: x).rank
    let axes = ImageAxes(rank: rank)
    var roles = node.operands.map { _ in Role.same }
    var isImage = true

    switch node.op {
    case .unary, .cast, .binary, .select, .broadcast:
      guard result.rank >= 3 else { return nil }
      return elementwise(node, in: graph)
    default: break
    }
    guard rank >= 3 else { return nil }
    roles[0] = .image
    let moved: Op
    switch node.op {
    case .convolution(var op):
      let hasOperands = op.epilogue.steps.contains { if case .binary = $0 { true } else { false } }
      guard op.layout == .channelsFirst, !hasOperands else { return nil }
      op.layout = .channelsLast
      moved = .convolution(op)
    case .pool(var op):
      guard op.layout == .channelsFirst else { return nil }
      op.layout = .channelsLast
      moved = .pool(op)
    case .groupNorm(var op):
      guard op.layout == .channelsFirst else { return nil }
      op.layout = .channelsLast
      moved = .groupNorm(op)
    case .resize(var op):
      op.sizes = axes.permuted(op.sizes)
      op.scales = op.scales.map { axes.permuted($0) }
      moved = .resize(op)
    case .concat(var op):
      roles = roles.map { _ in .image }
      op.axis = axes.moved(op.axis)
      moved = .concat(op)
    case .pad(var op):
      op.begins = axes.permuted(op.begins)
      op.ends = axes.permuted(op.ends)
      moved = .pad(op)
    case .slice(let op):
      moved = .slice(
        Slice(starts: axes.permuted(op.starts), sizes: axes.permuted(op.sizes), steps: axes.permuted(op.steps)))
    case .softmax(var op):
      op.axis = axes.moved(op.axis)
      moved = .softmax(op)
    case .cumulative(var op):
      op.axis = axes.moved(op.axis)
      moved = .cumulative(op)
    case .reduce(var op):
      isImage = op.keepsAxes
      guard isImage || axes.keepsOrder(without: op.axes) else { return nil }
      op.axes = op.axes.map(axes.moved).sorted()
      moved = .reduce(op)
    case .argReduce(var op):
      isImage = op.keepsAxis
      guard isImage || axes.keepsOrder(without: [op.axis]) else { return nil }
      op.axis = axes.moved(op.axis)
      moved = .argReduce(op)
    case .gather(var op):
      guard let indices = node.operands[1], graph.type(of: indices).rank == 1 else { return nil }
      op.axis = axes.moved(op.axis)
      moved = .gather(op)
    case .quantizeLinear(var op):
      guard op.blockSize == 0 else { return nil }
      op.axis = axes.moved(op.axis)
      moved = .quantizeLinear(op)
    case .dequantizeLinear(var op):
      guard op.blockSize == 0 else { return nil }
      op.axis = axes.moved(op.axis)
      moved = .dequantizeLinear(op)
    case .unary, .cast, .binary, .select, .broadcast: return nil
    case .constant,
      .bitcast,
      .fused,
      .reshape,
      .transpose,
      .iota,
      .random,
      .sizes,
      .bindSymbols,
      .gatherElements,
      .gatherND,
      .scatterElements,
      .scatterND,
      .nonZero,
      .nonMaxSuppression,
      .topK,
      .sliceOrder,
      .determinant,
      .layerNorm,
      .matmul,
      .recurrent,
      .attention,
      .linearAttention,
      .treeEnsemble,
      .pairwiseCoupling,
      .if,
      .loop,
      .copy,
      .fail,
      .object,
      .text,
      .ngramCount:
      return nil
    }
    return ChannelsLastForm(op: moved, roles: roles, resultIsImage: isImage, rank: rank)
  }

  private static func elementwise(_ node: Node, in graph: Graph) -> ChannelsLastForm? {
    let result = graph.type(of: node.results[0])
    var op = node.op
    if case .broadcast(let broadcast) = node.op {
      op = .broadcast(Broadcast(ImageAxes(rank: result.rank).permuted(broadcast.shape)))
    }
    var roles: [Role] = []
    for operand in node.operands {
      guard let operand else { return nil }
      let shape = graph.type(of: operand).shape
      if shape.allSatisfy({ $0 == 1 }) {
        roles.append(.same)
      } else if shape.count < result.rank || graph.constant(operand) != nil {
        roles.append(.broadcast)
      } else {
        roles.append(.image)
      }
    }
    return ChannelsLastForm(op: op, roles: roles, resultIsImage: true, rank: result.rank)
  }
}

extension ImageAxes {
  /// Whether the axes that are left stand in one order in both layouts.
  fileprivate func keepsOrder(without axes: [Int]) -> Bool {
    let left = (0..<rank).filter { !axes.contains($0) }.map(moved)
    return left == left.sorted()
  }
}
