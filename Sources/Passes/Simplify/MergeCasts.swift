import SwageGraph
import SwageTensor

/// Casts to the type that a value has, and casts through a type that holds every value of the first.
///
///     %1 = cast(%0) {to = f32} : f32[4]
///     %2 = cast(%1) {to = i64} : i64[4]
/// ->
///     %2 = cast(%0) {to = i64} : i64[4]
///
/// (with %0 : f16[4])
///
/// Legal when the first cast loses nothing: the middle type holds each value of the first type.
/// Leaves alone: casts through a narrower type, which round.
public let mergeCasts = RewriteRule(name: "merge-casts") { node, graph in
  guard case .cast(let outer) = node.op else { return nil }
  if let same = Patch.forward(node, to: node.operands[0], in: graph) { return same }
  guard let inner = graph.producer(of: node.operands[0]), case .cast(let middle) = inner.op,
    let value = inner.operands[0], graph.type(of: value).elementType.isHeld(by: middle.to)
  else { return nil }
  if let same = Patch.forward(node, to: value, in: graph) { return same }
  return try Patch.swap(node, for: .cast(outer), [value], covering: [inner], in: graph)
}

extension ElementType {
  /// Whether `other` has every value of this type.
  func isHeld(by other: ElementType) -> Bool {
    if self == other { return true }
    guard let own = range, let wide = other.range else { return false }
    return own.digits <= wide.digits && own.exponent <= wide.exponent && (!own.isSigned || wide.isSigned)
      && (!isFloat || other.isFloat)
  }

  /// Binary digits, the largest exponent, and whether there are negative values; nil for types left alone.
  private var range: (digits: Int, exponent: Int, isSigned: Bool)? {
    switch self {
    case .bool: (1, 1, false)
    case .u2, .u4, .u8, .u16, .u32, .u64: (bitWidth, bitWidth, false)
    case .i2, .i4, .i8, .i16, .i32, .i64: (bitWidth - 1, bitWidth - 1, true)
    case .f16: (11, 15, true)
    case .bf16: (8, 127, true)
    case .f32: (24, 127, true)
    case .f64: (53, 1023, true)
    case .string, .object, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0, .f4e2m1: nil
    }
  }
}
