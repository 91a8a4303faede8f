import Foundation
import SwageTensor

/// RNN, GRU and LSTM layers, as ONNX defines them. Operands: x `[t, b, input]`, w `[d, g·h, input]`, r `[d, g·h, h]`,
/// bias `[d, 2·g·h]`, sequence lengths i32 `[b]`, initial h `[d, b, h]`, initial c `[d, b, h]`, peepholes `[d, 3·h]`,
/// scales of r `[d, g·h]`; those after r are optional. g is 1, 3 (order z r h) or 4 (order i o f c); d is 2 when
/// bidirectional, else 1. Results: y `[t, d, b, h]`, last h `[d, b, h]`, and for the LSTM last c.
///
/// Without w, x is the input's share of the gates, `[t, b, d·g·h]`. The LSTM takes r as i8, with its scales: at each step
/// the state of each sequence is quantised to u8 by its range, as `DynamicQuantizeLinear` does it, and the product is exact.
public struct Recurrent: OpDefinition {
  public enum Cell: String, Hashable, Sendable {
    case rnn, gru, lstm

    public var gates: Int {
      switch self {
      case .rnn: 1
      case .gru: 3
      case .lstm: 4
      }
    }
  }
  public enum Direction: String, Hashable, Sendable { case forward, reverse, bidirectional }

  public static let mnemonic = "recurrent"
  public var cell: Cell
  public var direction: Direction
  public var hiddenSize: Int
  /// Activations for each direction in ONNX's order (LSTM: f g h).
  public var activations: [Unary]
  /// Clips the input of activations; nil for none.
  public var clip: Double?
  /// Of the GRU: applies the reset gate after the product.
  public var linearBeforeReset: Bool
  /// Of the LSTM: couples input and forget gates.
  public var inputForget: Bool

  public init(
    cell: Cell, direction: Direction, hiddenSize: Int, activations: [Unary]? = nil, clip: Double? = nil,
    linearBeforeReset: Bool = false, inputForget: Bool = false
  ) {
    self.cell = cell
    self.direction = direction
    self.hiddenSize = hiddenSize
    self.activations =
      activations
      ?? (0..<(direction == .bidirectional ? 2 : 1)).flatMap { _ in Self.defaultActivations(cell) }
    self.clip = clip
    self.linearBeforeReset = linearBeforeReset
    self.inputForget = inputForget
  }

  public static func defaultActivations(_ cell: Cell) -> [Unary] {
    switch cell {
    case .rnn: [Unary(.tanh)]
    case .gru: [Unary(.sigmoid), Unary(.tanh)]
    case .lstm: [Unary(.sigmoid), Unary(.tanh), Unary(.tanh)]
    }
  }

  public var directionCount: Int { direction == .bidirectional ? 2 : 1 }

  public var attributes: AttributeList {
    var list = AttributeList().with("cell", cell).with("direction", direction).with("hidden", hiddenSize)
      .with("activations", .list(activations.map { .string(EpilogueText.unary($0)) }))
    if let clip { list = list.with("clip", .float(clip)) }
    return list.with("linear_before_reset", .bool(linearBeforeReset), unless: .bool(false))
      .with("input_forget", .bool(inputForget), unless: .bool(false))
  }
  public init(_ attributes: inout AttributeReader) throws {
    cell = try attributes.word("cell")
    direction = try attributes.word("direction")
    hiddenSize = try attributes.integer("hidden")
    activations = try attributes.strings("activations").map { try EpilogueText.parseUnary($0) }
    let clip = try attributes.float("clip", default: .nan)
    self.clip = clip.isNaN ? nil : clip
    linearBeforeReset = try attributes.bool("linear_before_reset", default: false)
    inputForget = try attributes.bool("input_forget", default: false)
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.require((3...9).contains(context.operands.count), "recurrent takes 3 to 9 operands")
    let (x, w, r) = (try context.type(0), context.optional(1), try context.type(2))
    let d = Dim(directionCount)
    let h = Dim(hiddenSize)
    let gh = Dim(cell.gates &* hiddenSize)
    try context.require(hiddenSize >= 1, "the hidden size is \(hiddenSize)")
    try context.require(
      activations.count == directionCount * Self.defaultActivations(cell).count, "\(activations.count) activations")
    let isQuantized = r.elementType == .i8 && x.elementType == .f32 && cell == .lstm
    try context.require(
      x.rank == 3 && w?.rank ?? 3 == 3 && r.rank == 3, "x, w and r have rank 3: \(x), \(w ?? x), \(r)")
    try context.require(
      x.elementType.isFloat && w?.elementType ?? x.elementType == x.elementType
        && (r.elementType == x.elementType || isQuantized), "\(x), \(w ?? x), \(r)")
    try context.require(isQuantized == (context.optional(8) != nil), "scales go with weights of i8, got \(r)")
    let (t, b) = (x.shape[0], x.shape[1])
    func expect(_ index: Int, _ shape: [Dim], _ what: String) throws {
      guard let type = context.optional(index) else { return }
      try context.require(type.rank == shape.count, "\(what) is \(type)")
      for (a, e) in zip(type.shape, shape) { try context.requireEqual(a, e, "\(what) \(type)") }
    }
    if w != nil {
      try expect(1, [d, gh, x.shape[2]], "w")
    } else {
      try expect(0, [t, b, d * gh], "the input's share")
    }
    try expect(2, [d, gh, h], "r")
    try expect(3, [d, gh * 2], "the bias")
    try expect(4, [b], "the lengths")
    try expect(5, [d, b, h], "the initial h")
    try expect(6, [d, b, h], "the initial c")
    try expect(7, [d, h * 3], "the peepholes")
    try expect(8, [d, gh], "the scales")
    let state = TensorType(x.elementType, [d, b, h])
    let y = TensorType(x.elementType, [t, d, b, h])
    return cell == .lstm ? [y, state, state] : [y, state]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    func values(_ index: Int) -> [Double]? { index < operands.count ? operands[index]?.doubles : nil }
    let x = operands[0]!
    let (steps, batch, input) = (x.shape[0], x.shape[1], x.shape[2])
    let h = hiddenSize
    let g = cell.gates
    let xv = x.doubles
    let (w, r) = (values(1), values(2)!)
    let scales = values(8)
    let bias = values(3) ?? [Double](repeating: 0, count: directionCount * 2 * g * h)
    let lengths = operands.count > 4 ? operands[4]?.integers : nil
    let zeroState = [Double](repeating: 0, count: directionCount * batch * h)
    var hidden = values(5) ?? zeroState
    var memory = values(6) ?? zeroState
    let peepholes = values(7)
    var y = [Double](repeating: 0, count: steps * directionCount * batch * h)
    let perDirection = activations.count / directionCount
    for d in 0..<directionCount {
      let functions = Array(activations[d * perDirection..<(d + 1) * perDirection])
      let runsBackwards = direction == .reverse || d == 1
      for b in 0..<batch {
        let length = lengths.map { min(max(Int($0[b]), 0), steps) } ?? steps
        let at = (d * batch + b) * h
        for step in 0..<length {
          let t = runsBackwards ? length - 1 - step : step
          let previous = Array(hidden[at..<at + h])
          let state = scales == nil ? nil : QuantizedState(previous)
          func product(_ gate: Int, _ unit: Int) -> (x: Double, h: Double) {
            let row = d * g * h + gate * h + unit
            var sx = bias[d * 2 * g * h + gate * h + unit]
            if let w {
              for i in 0..<input { sx += w[row * input + i] * xv[(t * batch + b) * input + i] }
            } else {
              sx += xv[(t * batch + b) * input + row]
            }
            var sh = bias[d * 2 * g * h + (g + gate) * h + unit]
            if let state, let scales {
              let sum = (0..<h).reduce(0) { $0 + r[row * h + $1] * state.centered[$1] }
              sh += Double(Float(sum) * (state.scale * Float(scales[row])))
            } else {
              for i in 0..<h { sh += r[row * h + i] * previous[i] }
            }
            return (sx, sh)
          }
          func activate(_ index: Int, _ value: Double) -> Double {
            functions[index].apply(clip.map { min(max(value, -$0), $0) } ?? value)
          }
          switch cell {
          case .rnn:
            for u in 0..<h {
              let p = product(0, u)
              hidden[at + u] = activate(0, p.x + p.h)
            }
          case .gru:
            let z = (0..<h).map { u in activate(0, product(0, u).x + product(0, u).h) }
            let reset = (0..<h).map { u in activate(0, product(1, u).x + product(1, u).h) }
            for u in 0..<h {
              let p = product(2, u)
              let recurrent: Double
              if linearBeforeReset {
                recurrent = reset[u] * p.h
              } else {
                let row = d * g * h + 2 * h + u
                recurrent =
                  (0..<h).reduce(bias[d * 2 * g * h + (g + 2) * h + u]) {
                    $0 + r[row * h + $1] * reset[$1] * previous[$1]
                  }
              }
              hidden[at + u] = (1 - z[u]) * activate(1, p.x + recurrent) + z[u] * previous[u]
            }
          case .lstm:
            for u in 0..<h {
              let old = memory[at + u]
              func peep(_ k: Int) -> Double { peepholes.map { $0[d * 3 * h + k * h + u] } ?? 0 }
              func sum(_ gate: Int) -> Double {
                let p = product(gate, u)
                return p.x + p.h
              }
              let i = activate(0, sum(0) + peep(0) * old)
              let f = inputForget ? 1 - i : activate(0, sum(2) + peep(2) * old)
              let c = f * old + i * activate(1, sum(3))
              let o = activate(0, sum(1) + peep(1) * c)
              memory[at + u] = c
              hidden[at + u] = o * functions[2].apply(c)
            }
          }
          for u in 0..<h { y[((t * directionCount + d) * batch + b) * h + u] = hidden[at + u] }
        }
      }
    }
    let type = x.elementType
    var results = [
      Tensor(type, [steps, directionCount, batch, h], doubles: y),
      Tensor(type, [directionCount, batch, h], doubles: hidden),
    ]
    if cell == .lstm { results.append(Tensor(type, [directionCount, batch, h], doubles: memory)) }
    return results
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let x = operands[0] else { return 0 }
    let input = operands[1] == nil ? 0 : x.shape[2]
    let perStep = (input + Dim(hiddenSize)) * Dim(2 &* cell.gates &* hiddenSize &* directionCount)
    return x.shape[0] * x.shape[1] * perStep
  }
}

/// A state as unsigned bytes, by the range of its elements and zero: ONNX's `DynamicQuantizeLinear`.
private struct QuantizedState {
  let scale: Float
  /// Less the zero point.
  let centered: [Double]

  init(_ state: [Double]) {
    let values = state.map { Float($0) }
    let (low, high) = (min(values.min() ?? 0, 0), max(values.max() ?? 0, 0))
    // Of a range that is next to nothing, no scale is left.
    let range = (high - low) / 255
    let scale = range == 0 ? 1 : range
    let zero = min(max(-low / scale, 0), 255).rounded(.toNearestOrEven)
    self.scale = scale
    centered = values.map { value in
      Double(min(max((value / scale).rounded(.toNearestOrEven) + zero, 0), 255) - zero)
    }
  }
}
