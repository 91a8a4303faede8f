import SwageGraph
import SwageTensor

/// Layers of models with a recurrent state in place of attention: opset 27.
enum StateOperators {
  static let table: [String: Handler] = ["CausalConvWithState": causalConvolution, "LinearAttention": linearAttention]

  /// A depthwise convolution over what came before (zeros at first) and the input.
  private static func causalConvolution(_ call: Call) throws -> [ImportedValue?] {
    let (x, w) = (try call.input(0), try call.input(1))
    try call.require(x.type.rank == 3 && w.type.rank == 3, "a convolution of \(x.type) with \(w.type)")
    guard let channels = w.type.shape[0].constant, let width = w.type.shape[2].constant, width >= 1 else {
      throw call.unsupported("the sizes of the kernel \(w.type) are not known", remedy: "give sizes with --shape")
    }
    let length = x.type.shape[2]
    let padded =
      if let past = call.optional(3) {
        try call.emit(.concat(Concat(axis: 2)), [past, x])
      } else {
        try call.emit(
          .pad(Pad(mode: .constant, begins: [0, 0, Dim(width - 1)], ends: [0, 0, 0])),
          [x, call.scalar(0, x.type.elementType)])
      }
    try call.require(padded.type.shape[2] == length + Dim(width - 1), "the past makes \(padded.type) of \(x.type)")
    let op = Convolution(strides: [1], dilations: [1], padsBegin: [0], padsEnd: [0], groups: channels)
    var y = try call.emit(.convolution(op), [padded, w])
    if let bias = call.optional(2) {
      y = try call.binary(.add, y, try ConvolutionOperators.perChannel(call, bias, rank: 3))
    }
    switch try call.string("activation", default: "none") {
    case "none": break
    case "silu", "swish": y = try call.unary(.silu, y)
    case let other: throw NodeFault.invalid("there is no activation \(other)")
    }
    let present = try MovementOperators.take(
      call, padded, starts: [0, 0, length], sizes: [x.type.shape[0], x.type.shape[1], Dim(width - 1)])
    return [y, present]
  }

  private static func linearAttention(_ call: Call) throws -> [ImportedValue?] {
    _ = call.attribute("chunk_size")
    let name = try call.string("update_rule", default: "gated_delta")
    guard let rule = LinearAttention.Rule(rawValue: name) else { throw NodeFault.invalid("there is no rule \(name)") }
    guard let queryHeads = try call.int("q_num_heads"), let keyHeads = try call.int("kv_num_heads"), queryHeads >= 1,
      keyHeads >= 1
    else { throw NodeFault.invalid("q_num_heads or kv_num_heads is missing") }
    let q = try call.input(0)
    try call.require(q.type.rank == 3, "queries of \(q.type)")
    var scale = try call.float("scale", default: 0)
    if scale == 0 {
      guard let size = q.type.shape[2].constant, size >= queryHeads else {
        throw call.unsupported("the size of the heads of \(q.type) is not known", remedy: "give sizes with --shape")
      }
      scale = 1 / Double(size / queryHeads).squareRoot()
    }
    let op = LinearAttention(rule, queryHeads: queryHeads, keyHeads: keyHeads, scale: scale)
    return try call.emitAll(
      .linearAttention(op),
      [q, try call.input(1), try call.input(2), call.optional(3), call.optional(4), call.optional(5)])
  }
}
