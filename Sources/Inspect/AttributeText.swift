import SwageGraph
import SwageTensor

/// Attributes and constants in words, as people read them.
enum AttributeText {
  static func text(_ value: AttributeValue) -> String {
    switch value {
    case .integer(let value): "\(value)"
    case .float(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .string(let value), .word(let value): value
    case .list(let values): "[\(values.map(text).joined(separator: ", "))]"
    case .dimension(let value): value.description
    }
  }

  /// The first elements: `[0.5, -1.0, …]`; a scalar is its value. Reads no more of the tensor than it shows.
  static func preview(_ tensor: Tensor, limit: Int = 8) -> String {
    let shown = min(tensor.count, limit)
    guard let head = Tensor(tensor.elementType, [shown], storage: tensor.storage, byteOffset: tensor.byteOffset) else {
      return ""
    }
    let texts: [String]
    switch tensor.elementType {
    case .f32: texts = head.floats.map { "\($0)" }
    case .u64: texts = head.integers.map { "\(UInt64(bitPattern: $0))" }
    case .string: texts = head.stringBytes.map { GraphPrinter.quoted($0) }
    case .bool: texts = head.integers.map { $0 == 0 ? "false" : "true" }
    case .f64, .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0, .f4e2m1:
      texts = head.doubles.map { "\($0)" }
    case .u8, .i8, .u16, .i16, .i32, .i64, .u32, .u4, .i4, .u2, .i2, .object: texts = head.integers.map { "\($0)" }
    }
    if tensor.shape.isEmpty { return texts.first ?? "" }
    return "[" + texts.joined(separator: ", ") + (tensor.count > shown ? ", …" : "") + "]"
  }

  /// `conv1 (Conv), bn1 (BatchNormalization)`
  static func text(_ sources: [Source]) -> String {
    sources.map { "\($0.name) (\($0.operatorName))" }.joined(separator: ", ")
  }
}
