import SwageGraph
import SwageTensor

/// Layers with a recurrent state of `com.microsoft`.
enum ContributedState {
  static let table: [String: Handler] = [
    "LinearAttention": linear, "LinearAttentionGate": gate, "CausalConvWithState": convolution,
  ]

  private static func linear(_ call: Call) throws -> [ImportedValue?] {
    guard try call.int("state_window", default: 0) == 0 else { throw call.unsupported("state_window is set") }
    let attributes = call.attributes.filter { $0.key != "state_window" }
    return try call.standard("LinearAttention", opset: 27, attributes: attributes)
  }

  /// scale · softplus(a + bias) and sigmoid(b), in single precision.
  private static func gate(_ call: Call) throws -> [ImportedValue?] {
    let a = try call.input(0)
    let sum = try call.binary(.add, try call.cast(a, to: .f32), try call.cast(try call.input(1), to: .f32))
    let decay = try call.binary(.mul, try call.unary(.softplus, sum), try call.cast(try call.input(2), to: .f32))
    let beta = try call.optional(3).map { b in
      try call.cast(try call.unary(.sigmoid, try call.cast(b, to: .f32)), to: b.type.elementType)
    }
    return [try call.cast(decay, to: a.type.elementType), beta]
  }

  /// A depthwise convolution over what came before, or zeros, and the input.
  private static func convolution(_ call: Call) throws -> [ImportedValue?] {
    guard try call.int("ndim", default: 1) == 1 else { throw call.unsupported("ndim is not 1") }
    guard try call.int("state_window", default: 0) == 0 else { throw call.unsupported("state_window is set") }
    let isLast = try call.flag("channels_last")
    let dilation = try call.int("dilation", default: 1)
    let w = try call.input(1)
    func arranged(_ x: ImportedValue) throws -> ImportedValue {
      try call.require(x.type.rank == 3, "\(x.type) in a causal convolution")
      return isLast ? try call.transpose(x, [0, 2, 1]) : x
    }
    let x = try arranged(try call.input(0))
    guard w.type.rank == 3, let channels = w.type.shape[0].constant, let width = w.type.shape[2].constant,
      channels >= 1,
      (1...(1 << 16)).contains(width), (1...(1 << 16)).contains(dilation)
    else { throw call.unsupported("a kernel of \(w.type) with dilation \(dilation)") }
    let state = Dim((width - 1) * dilation)
    let length = x.type.shape[2]
    let all: ImportedValue
    if let past = call.optional(3) {
      all = try call.emit(.concat(Concat(axis: 2)), [try arranged(past), x])
      try call.require(all.type.shape[2] == length + state, "the past makes \(all.type) of \(x.type)")
    } else {
      all = try call.emit(.pad(Pad(mode: .constant, begins: [0, 0, state], ends: [0, 0, 0])), [x])
    }
    let op = Convolution(strides: [1], dilations: [dilation], padsBegin: [0], padsEnd: [0], groups: channels)
    var y = try call.emit(.convolution(op), [all, w])
    if let bias = call.optional(2) {
      y = try call.binary(.add, y, try ConvolutionOperators.perChannel(call, bias, rank: 3))
    }
    switch try call.string("activation", default: "none") {
    case "none": break
    case "silu", "swish": y = try call.unary(.silu, y)
    case let other: throw NodeFault.invalid("there is no activation \(other)")
    }
    let present = try MovementOperators.take(
      call, all, starts: [0, 0, length], sizes: [x.type.shape[0], x.type.shape[1], state])
    return try [y, present].map { isLast ? try call.transpose($0, [0, 2, 1]) : $0 }
  }
}
