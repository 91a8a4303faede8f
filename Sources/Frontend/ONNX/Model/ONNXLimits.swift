import SwageTensor

/// What a model file may ask for. The defaults fit every model that people train; a file beyond them is refused
/// before it costs memory or time.
public struct ONNXLimits: Hashable, Sendable {
  public var protobuf: ProtobufScan.Limits = {
    var limits = ProtobufScan.Limits()
    // Models hold a message for every 15 to 30 bytes beside their weights.
    limits.bytesPerMessage = 8
    return limits
  }()
  /// Of all graphs and functions together.
  public var nodes = 1 << 20
  /// Nodes of the model with every function call replaced by the function's body.
  public var inlinedNodes = 1 << 20
  public var nameBytes = 1 << 16
  /// Of one sparse tensor made dense.
  public var denseBytes = 1 << 30
  /// Faults reported for one file.
  public var faults = 100

  public init() {}
}
