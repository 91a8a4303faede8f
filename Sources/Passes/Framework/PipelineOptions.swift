import SwageTensor

/// What the user can choose about the passes.
public struct PipelineOptions: Sendable {
  /// The element type of heavy arithmetic.
  public enum Precision: String, Sendable, CaseIterable {
    case f32, bf16, f16

    public var elementType: ElementType {
      switch self {
      case .f32: .f32
      case .bf16: .bf16
      case .f16: .f16
      }
    }
  }

  public var precision: Precision
  /// What stays in f32 under another precision: operations (`softmax`), functions (`gelu`), or nodes of the source.
  public var keepsF32: Set<String>
  /// Runs images with the channel axis last.
  public var usesChannelsLast: Bool
  public var foldBudget: FoldBudget

  public init(
    precision: Precision = .f32, keepsF32: Set<String> = [], usesChannelsLast: Bool = true,
    foldBudget: FoldBudget = FoldBudget()
  ) {
    self.precision = precision
    self.keepsF32 = keepsF32
    self.usesChannelsLast = usesChannelsLast
    self.foldBudget = foldBudget
  }
}

/// How much constant folding may cost.
public struct FoldBudget: Sendable {
  /// Bytes that all folded constants together may add; those of the model's constants, where they are more.
  public var totalBytes: Int
  /// Bytes of the results of one node.
  public var nodeBytes: Int
  /// Arithmetic of all folded nodes.
  public var flops: Int
  /// How far a node that only repeats its operands may grow beyond their bytes.
  public var expansionBytes: Int

  public init(
    totalBytes: Int = 64 << 20, nodeBytes: Int = 1 << 30, flops: Int = 2_000_000_000, expansionBytes: Int = 1 << 10
  ) {
    self.totalBytes = totalBytes
    self.nodeBytes = nodeBytes
    self.flops = flops
    self.expansionBytes = expansionBytes
  }
}
