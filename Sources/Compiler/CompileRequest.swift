import SwageGraph
import SwagePartition
import SwagePasses
import SwageTensor

/// What to compile and how.
public struct CompileRequest: Sendable {
  /// ONNX files, each of which becomes an entry point named after its file, or one checkpoint folder, whose parts do.
  /// Weights that are equal are stored once.
  public var models: [String]
  /// Safetensors files or shard indices for graphs without weights.
  public var weights: [String]
  /// Names of targets in order of preference.
  public var targets: [String]
  public var precision: PipelineOptions.Precision
  /// Sizes fixed for inputs, by name.
  public var shapes: [String: [Int]]
  /// Types of inputs whose declared type leaves something open, by name: sequences, optionals, tensors of unknown rank.
  public var inputTypes: [String: ValueType]
  /// Fills missing weights at random from this seed.
  public var syntheticSeed: UInt64?
  public var threads: Int
  /// For a checkpoint folder.
  public var checkpoint: CheckpointOptions
  /// Bound on rewrites over all passes; nil for none.
  public var maxRewrites: Int?
  /// The last pass to run; nil for all.
  public var stopAfter: String?
  /// Keeps the graph after every pass in the result.
  public var keepsGraphs: Bool
  /// Measures what the cost model otherwise decides; nil for none.
  public var tuner: (any KernelTuner)?
  /// Assigns nodes to targets at random instead of by cost: for tests.
  public var randomPlacementSeed: UInt64?

  public init(
    models: [String], weights: [String] = [], targets: [String] = ["cpu", "reference"],
    precision: PipelineOptions.Precision = .f32,
    shapes: [String: [Int]] = [:], inputTypes: [String: ValueType] = [:], syntheticSeed: UInt64? = nil,
    threads: Int = 1,
    checkpoint: CheckpointOptions = CheckpointOptions(),
    maxRewrites: Int? = nil,
    stopAfter: String? = nil, keepsGraphs: Bool = false, tuner: (any KernelTuner)? = nil,
    randomPlacementSeed: UInt64? = nil
  ) {
    self.models = models
    self.weights = weights
    self.targets = targets
    self.precision = precision
    self.shapes = shapes
    self.inputTypes = inputTypes
    self.syntheticSeed = syntheticSeed
    self.threads = threads
    self.checkpoint = checkpoint
    self.maxRewrites = maxRewrites
    self.stopAfter = stopAfter
    self.keepsGraphs = keepsGraphs
    self.tuner = tuner
    self.randomPlacementSeed = randomPlacementSeed
  }
}

extension CompileRequest {
  /// Flags that change the plan, in a fixed order: for its provenance.
  var flags: [String] {
    var flags = ["--target \(targets.joined(separator: ","))", "--precision \(precision.rawValue)"]
    for (name, sizes) in shapes.sorted(by: { $0.key < $1.key }) {
      flags.append("--shape \(name)=\(sizes.map(String.init).joined(separator: "x"))")
    }
    flags += checkpoint.flags
    if let syntheticSeed { flags.append("--synthetic-weights \(syntheticSeed)") }
    if let stopAfter { flags.append("--stop-after \(stopAfter)") }
    if tuner != nil { flags.append("--tune") }
    if let maxRewrites { flags.append("--max-rewrites \(maxRewrites)") }
    if let randomPlacementSeed { flags.append("--random-placement \(randomPlacementSeed)") }
    return flags
  }
}
