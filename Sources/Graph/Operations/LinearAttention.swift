import Foundation
import SwageTensor

/// Linear attention by its recurrence over time, as ONNX LinearAttention: a state `S[d, e]` per head of keys, with
///
///     S ← exp(decay) · S        (gated rules)
///     v ← beta · (v - Sᵀ · k)   (delta rules)
///     S ← S + k · vᵀ,  y = scale · Sᵀ · q
///
/// Operands: q `[b, t, queryHeads · d]`, k `[b, t, keyHeads · d]`, v `[b, t, keyHeads · e]`, state (optional)
/// `[b, keyHeads, d, e]`, decay `[b, t, keyHeads]` or `[b, t, keyHeads · d]` (gated rules only), beta `[b, t, keyHeads]`
/// or `[b, t, 1]` (delta rules only). Results: y `[b, t, queryHeads · e]`, and the state after the last step, of the
/// type of the one given, or of q. Head h of queries reads the state of head h · keyHeads / queryHeads of keys.
public struct LinearAttention: OpDefinition {
  public enum Rule: String, Hashable, Sendable, CaseIterable {
    case linear, gated, delta
    case gatedDelta = "gated_delta"

    public var hasDecay: Bool { self == .gated || self == .gatedDelta }
    public var hasBeta: Bool { self == .delta || self == .gatedDelta }
  }

  public static let mnemonic = "linear_attention"
  public var rule: Rule
  public var queryHeads: Int
  public var keyHeads: Int
  public var scale: Double

  public init(_ rule: Rule, queryHeads: Int, keyHeads: Int, scale: Double) {
    self.rule = rule
    self.queryHeads = queryHeads
    self.keyHeads = keyHeads
    self.scale = scale
  }

  public var attributes: AttributeList {
    AttributeList().with("rule", rule).with("query_heads", queryHeads).with("key_heads", keyHeads)
      .with("scale", .float(scale))
  }
  public init(_ attributes: inout AttributeReader) throws {
    rule = try attributes.word("rule")
    queryHeads = try attributes.integer("query_heads")
    keyHeads = try attributes.integer("key_heads")
    scale = try attributes.float("scale")
  }
  public var numericClass: NumericClass { .accumulating }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(3...6)
    let (q, k, v) = (try context.type(0), try context.type(1), try context.type(2))
    try context.require(
      keyHeads >= 1 && queryHeads >= keyHeads && queryHeads % keyHeads == 0,
      "\(queryHeads) heads of queries for \(keyHeads) of keys")
    let state = context.optional(3)
    let (decay, beta) = (context.optional(4), context.optional(5))
    for type in [q, k, v, decay, beta].compactMap({ $0 }) {
      try context.require(
        type.rank == 3 && type.elementType.isFloat && type.elementType == q.elementType,
        "linear attention of \(q), \(k), \(v) with \(type)")
      for axis in 0..<2 { try context.requireEqual(type.shape[axis], q.shape[axis], "axis \(axis) of \(type)") }
    }
    try context.require((decay != nil) == rule.hasDecay, "decay belongs to gated rules only")
    try context.require((beta != nil) == rule.hasBeta, "beta belongs to delta rules only")
    let (d, e) = try headSizes(k, v)
    try context.requireEqual(q.shape[2], d * Dim(queryHeads), "heads of \(q)")
    try context.requireEqual(k.shape[2], d * Dim(keyHeads), "heads of \(k)")
    try context.requireEqual(v.shape[2], e * Dim(keyHeads), "heads of \(v)")
    if let decay, decay.shape[2] != Dim(keyHeads) {
      try context.requireEqual(decay.shape[2], k.shape[2], "decay \(decay)")
    }
    if let beta, beta.shape[2] != 1 { try context.requireEqual(beta.shape[2], Dim(keyHeads), "beta \(beta)") }
    let shape = [q.shape[0], Dim(keyHeads), d, e]
    if let state {
      try context.require(state.rank == 4 && state.elementType.isFloat, "a state of \(state)")
      for (a, b) in zip(state.shape, shape) { try context.requireEqual(a, b, "state \(state)") }
    }
    return [
      TensorType(q.elementType, [q.shape[0], q.shape[1], e * Dim(queryHeads)]),
      TensorType(state?.elementType ?? q.elementType, shape),
    ]
  }

  /// Sizes of the heads of keys and of values.
  public func headSizes(_ k: TensorType, _ v: TensorType) throws -> (Dim, Dim) {
    guard k.rank == 3, v.rank == 3, keyHeads >= 1 else { throw TypeFault("heads of \(k) and \(v)") }
    return (k.shape[2].floorDivided(by: Dim(keyHeads)), v.shape[2].floorDivided(by: Dim(keyHeads)))
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let (q, k, v) = (operands[0]!, operands[1]!, operands[2]!)
    func optional(_ index: Int) -> Tensor? { index < operands.count ? operands[index] : nil }
    let (batch, steps) = (q.shape[0], q.shape[1])
    let (d, e) = (k.shape[2] / keyHeads, v.shape[2] / keyHeads)
    let (past, decay, beta) = (optional(3), optional(4), optional(5))
    let stateType = past?.elementType ?? q.elementType
    let (qv, kv, vv) = (q.doubles, k.doubles, v.doubles)
    let (decays, betas) = (decay?.doubles, beta?.doubles)
    let isPerHead = decay.map { $0.shape[2] == keyHeads } ?? true
    let isShared = beta.map { $0.shape[2] == 1 } ?? true
    var states = past?.doubles ?? [Double](repeating: 0, count: batch * keyHeads * d * e)
    var result = [Double](repeating: 0, count: batch * steps * queryHeads * e)
    let group = queryHeads / keyHeads
    for b in 0..<batch {
      for h in 0..<keyHeads {
        let state = (b * keyHeads + h) * d * e
        for t in 0..<steps {
          let row = b * steps + t
          let key = row * keyHeads * d + h * d
          if let decays {
            for i in 0..<d {
              let factor = exp(isPerHead ? decays[row * keyHeads + h] : decays[key + i])
              for j in 0..<e { states[state + i * e + j] *= factor }
            }
          }
          for j in 0..<e {
            var value = vv[row * keyHeads * e + h * e + j]
            if let betas {
              for i in 0..<d { value -= states[state + i * e + j] * kv[key + i] }
              value *= betas[isShared ? row : row * keyHeads + h]
            }
            for i in 0..<d { states[state + i * e + j] += kv[key + i] * value }
            for head in h * group..<(h + 1) * group {
              var sum = 0.0
              for i in 0..<d { sum += qv[(row * queryHeads + head) * d + i] * states[state + i * e + j] }
              result[(row * queryHeads + head) * e + j] = scale * sum
            }
          }
        }
      }
    }
    return [
      Tensor(q.elementType, [batch, steps, queryHeads * e], doubles: result),
      Tensor(stateType, [batch, keyHeads, d, e], doubles: states),
    ]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let k = operands[1], results.count == 2 else { return 0 }
    return k.elementCount * results[1].shape[3] * Dim(4 + 2 * (queryHeads / max(keyHeads, 1)))
  }
}
