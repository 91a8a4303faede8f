import SwageTensor

/// What the user decides about an import.
public struct ImportOptions: Sendable {
  /// Sizes of inputs by name (`--shape`); all sizes of an input are given, and its symbols take these values everywhere.
  public var shapes: [String: [Int]]
  /// Types of inputs by name, which fill in what the file leaves open: the rank of a tensor, of a sequence's elements.
  public var inputTypes: [String: ValueType]
  /// Elements of the tensors that the file has no data for.
  public var weights: WeightSet?
  /// The graph's name; the model's own where nil.
  public var entryName: String?
  /// Fills tensors that have no data with numbers of this seed, scaled so that activations stay of order one.
  public var syntheticSeed: UInt64?
  /// Keeps initialisers that are also inputs as inputs, instead of taking them as constants.
  public var keepsInitializerInputs: Bool
  /// Values of inputs that are fixed when the model is imported: these become constants. Sizes, axes and the like that
  /// a model takes as inputs decide its shapes.
  public var fixedInputs: [String: Tensor]
  /// Nodes that may be imported, with those of inlined functions and repeated branches.
  public var nodeLimit: Int

  public init(
    shapes: [String: [Int]] = [:], inputTypes: [String: ValueType] = [:], weights: WeightSet? = nil,
    entryName: String? = nil, syntheticSeed: UInt64? = nil,
    keepsInitializerInputs: Bool = false, fixedInputs: [String: Tensor] = [:], nodeLimit: Int = 1_000_000
  ) {
    self.shapes = shapes
    self.inputTypes = inputTypes
    self.weights = weights
    self.entryName = entryName
    self.syntheticSeed = syntheticSeed
    self.keepsInitializerInputs = keepsInitializerInputs
    self.fixedInputs = fixedInputs
    self.nodeLimit = nodeLimit
  }
}
