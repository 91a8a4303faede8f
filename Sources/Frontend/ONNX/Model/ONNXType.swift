import SwageTensor

/// A named value and the type that the file declares for it.
public struct ONNXValueInfo: Hashable, Sendable {
  public var name: String
  /// nil where the file leaves it out.
  public var type: ONNXType?

  public init(name: String, type: ONNXType? = nil) {
    self.name = name
    self.type = type
  }
}

public indirect enum ONNXType: Hashable, Sendable {
  /// The element type is nil where the file leaves it undefined, the shape where not even the rank is known.
  case tensor(ElementType?, shape: [ONNXDimension]?)
  case sparseTensor(ElementType?, shape: [ONNXDimension]?)
  case sequence(ONNXType)
  case optional(ONNXType)
  case map(key: ElementType, value: ONNXType)
  case opaque(domain: String, name: String)
}

public enum ONNXDimension: Hashable, Sendable {
  /// Not negative.
  case value(Int)
  /// Dimensions of one symbol are equal when the model runs. Any text, `batch size + 1` included: map it to a symbol
  /// name before use as `Dim.symbol`.
  case symbol(String)
  /// Neither value nor symbol, or -1, which some exporters write for it.
  case unknown
}
