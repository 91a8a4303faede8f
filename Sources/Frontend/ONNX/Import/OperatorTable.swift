/// What one operator becomes: its results, nil where one is not supported.
typealias Handler = @Sendable (Call) throws -> [ImportedValue?]

/// All operators that have a translation, each in the file of its family.
enum OperatorTable {
  private static let standard: [String: Handler] = merged([
    MathOperators.table, LogicalOperators.table, ShapeOperators.table, MovementOperators.table, IndexOperators.table,
    GeneratorOperators.table, ReductionOperators.table, LinearOperators.table, ConvolutionOperators.table,
    PoolingOperators.table, NormalizationOperators.table, ResizeOperators.table, RecurrentOperators.table,
    QuantizationOperators.table, AttentionOperators.table, SpectralOperators.table, GridOperators.table,
    SequenceOperators.table, OptionalOperators.table, StringOperators.table, TfIdfOperators.table,
    LossOperators.table, RandomOperators.table, StateOperators.table,
    DetectionOperators.table, UniqueOperators.table, RegionOperators.table, DeformableOperators.table,
    UnpoolingOperators.table,
  ])

  private static let microsoft: [String: Handler] = merged([
    ContributedOperators.table, ContributedLinear.table, ContributedExperts.table, ContributedNormalization.table,
    ContributedAttention.table,
    ContributedRotary.table, ContributedGroupQuery.table, ContributedQuantization.table,
    ContributedQuantizedProducts.table, ContributedBlockQuantization.table, ContributedPadding.table,
    ContributedPositions.table, ContributedMovement.table, ContributedState.table,
  ])

  private static let machineLearning: [String: Handler] = merged(MachineLearningOperators.tables)

  private static func merged(_ tables: [[String: Handler]]) -> [String: Handler] {
    tables.reduce(into: [:]) { all, table in all.merge(table) { first, _ in first } }
  }

  static func handler(domain: String, _ operatorName: String) -> Handler? {
    switch domain {
    case "": standard[operatorName]
    case "com.microsoft": microsoft[operatorName]
    case "com.microsoft.nchwc": ChannelBlockOperators.table[operatorName]
    case "com.ms.internal.nhwc": ChannelsLastOperators.table[operatorName]
    case "ai.onnx.preview.training": TrainingOperators.table[operatorName]
    case "ai.onnx.ml": machineLearning[operatorName]
    default: nil
    }
  }

  static func knows(_ node: ONNXNode) -> Bool {
    node.domain.isEmpty && ["If", "Loop", "Scan", "SequenceMap"].contains(node.opType)
      || node.domain == "ai.onnx.preview" && node.opType == "FlexAttention"
      || handler(domain: node.domain, node.opType) != nil
  }

  static func names(domain: String) -> [String] {
    switch domain {
    case "": (Array(standard.keys) + ["If", "Loop", "Scan", "SequenceMap"]).sorted()
    case "com.microsoft": microsoft.keys.sorted()
    case "com.microsoft.nchwc": ChannelBlockOperators.table.keys.sorted()
    case "com.ms.internal.nhwc": ChannelsLastOperators.table.keys.sorted()
    case "ai.onnx.preview.training": TrainingOperators.table.keys.sorted()
    case "ai.onnx.preview": ["FlexAttention"]
    case "ai.onnx.ml": machineLearning.keys.sorted()
    default: []
    }
  }
}
