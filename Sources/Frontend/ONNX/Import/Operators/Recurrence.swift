import SwageGraph
import SwageTensor

/// RNN, GRU and LSTM.
enum RecurrentOperators {
  static let table: [String: Handler] = [
    "RNN": { try recurrent($0, .rnn) }, "GRU": { try recurrent($0, .gru) }, "LSTM": { try recurrent($0, .lstm) },
  ]

  private static func recurrent(_ call: Call, _ cell: Recurrent.Cell) throws -> [ImportedValue?] {
    let (x, w, r) = (try call.input(0), try call.input(1), try call.input(2))
    try call.require(x.type.rank == 3 && w.type.rank == 3 && r.type.rank == 3, "\(x.type), \(w.type), \(r.type)")
    return try layer(call, cell, x: x, w: w, r: r, scales: nil)
  }

  /// The layer that a call describes, of these operands and the call's from the bias on.
  static func layer(
    _ call: Call, _ cell: Recurrent.Cell, x given: ImportedValue, w: ImportedValue?, r: ImportedValue,
    scales: ImportedValue?
  ) throws -> [ImportedValue?] {
    var x = given
    let name = try call.string("direction", default: "forward")
    guard let direction = Recurrent.Direction(rawValue: name) else {
      throw NodeFault.invalid("there is no direction \(name)")
    }
    guard let hidden = try call.int("hidden_size") ?? r.type.shape[2].constant, hidden >= 1, hidden <= 1 << 24 else {
      throw NodeFault.invalid("hidden_size is missing")
    }
    let isBatchFirst = try call.flag("layout")
    if isBatchFirst { x = try call.transpose(x, [1, 0, 2]) }
    func state(_ index: Int) throws -> ImportedValue? {
      guard let value = call.optional(index) else { return nil }
      try call.require(value.type.rank == 3, "input \(index) is \(value.type)")
      return isBatchFirst ? try call.transpose(value, [1, 0, 2]) : value
    }
    let directions = direction == .bidirectional ? 2 : 1
    let op = Recurrent(
      cell: cell, direction: direction, hiddenSize: hidden,
      activations: try activations(call, count: directions * Recurrent.defaultActivations(cell).count),
      clip: try call.float("clip"), linearBeforeReset: try call.flag("linear_before_reset"),
      inputForget: try call.flag("input_forget"))
    let isLSTM = cell == .lstm
    let results = try call.emitAll(
      .recurrent(op),
      [
        x, w, r, call.optional(3), try call.optional(4).map { try call.cast($0, to: .i32) }, try state(5),
        isLSTM ? try state(6) : nil, isLSTM ? call.optional(7) : nil,
      ] + (scales.map { [$0] } ?? []))
    guard isBatchFirst else { return results }
    return try results.enumerated().map { index, value in
      try call.transpose(value, index == 0 ? [2, 0, 1, 3] : [1, 0, 2])
    }
  }

  /// The named activations with their parameters; nil for the defaults.
  private static func activations(_ call: Call, count: Int) throws -> [Unary]? {
    guard let names = try call.strings("activations"), !names.isEmpty else { return nil }
    try call.require(names.count == count, "\(names.count) activations, not \(count)")
    // Parameters are listed for those functions that have one, in order.
    var alphas = try call.floats("activation_alpha") ?? []
    var betas = try call.floats("activation_beta") ?? []
    func next(_ values: inout [Double]) -> Double? { values.isEmpty ? nil : values.removeFirst() }
    return try names.map { name in
      switch name.lowercased() {
      case "relu": return Unary(.relu)
      case "tanh": return Unary(.tanh)
      case "sigmoid": return Unary(.sigmoid)
      case "softsign": return Unary(.softsign)
      case "softplus": return Unary(.softplus)
      case "affine": return Unary(.linear, alpha: next(&alphas) ?? 1, beta: next(&betas) ?? 0)
      case "leakyrelu": return Unary(.leakyRelu, alpha: next(&alphas) ?? 0.01)
      case "thresholdedrelu": return Unary(.thresholdedRelu, alpha: next(&alphas) ?? 1)
      case "hardsigmoid": return Unary(.hardSigmoid, alpha: next(&alphas) ?? 0.2, beta: next(&betas) ?? 0.5)
      case "elu": return Unary(.elu, alpha: next(&alphas) ?? 1)
      default: throw call.unsupported("the activation \(name)")
      }
    }
  }
}
