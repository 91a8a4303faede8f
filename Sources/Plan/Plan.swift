import SwageTensor

/// A compiled model: what the compiler writes and the runtime runs. The two share this type, and nothing else but
/// `SwageTensor`.
///
/// Ids are indices into the arrays of the plan or of an entry point. `PlanReader` checks every one of them, so that the
/// runtime may assume a valid plan.
public struct Plan: Sendable {
  public var provenance: Provenance
  /// What the native modules were compiled for; nil when there are none.
  public var host: HostRequirement?
  /// Constant tensors, shared by all entry points.
  public var weights: [PlanWeight]
  public var modules: [NativeModule]
  public var entryPoints: [EntryPoint]
  /// What loops repeat. A body calls only bodies before it.
  public var bodies: [EntryPoint]
  /// Small files that programs around the model need: settings, vocabularies.
  public var attachments: [PlanAttachment]

  public init(
    provenance: Provenance, host: HostRequirement? = nil, weights: [PlanWeight] = [], modules: [NativeModule] = [],
    entryPoints: [EntryPoint] = [], bodies: [EntryPoint] = [], attachments: [PlanAttachment] = []
  ) {
    self.provenance = provenance
    self.host = host
    self.weights = weights
    self.modules = modules
    self.entryPoints = entryPoints
    self.bodies = bodies
    self.attachments = attachments
  }
}

/// Where a plan came from.
public struct Provenance: Hashable, Sendable {
  public struct Source: Hashable, Sendable {
    /// Base name of the file: plans must not depend on where their sources lay.
    public var name: String
    /// SHA-256 of the content, lower-case hexadecimal.
    public var sha256: String

    public init(name: String, sha256: String) {
      self.name = name
      self.sha256 = sha256
    }
  }

  public var toolVersion: String
  public var sources: [Source]
  /// Command-line flags that changed the result, in canonical order.
  public var flags: [String]
  /// Set when weights are random: the plan is for timing only.
  public var syntheticWeightsSeed: UInt64?

  public init(toolVersion: String, sources: [Source] = [], flags: [String] = [], syntheticWeightsSeed: UInt64? = nil) {
    self.toolVersion = toolVersion
    self.sources = sources
    self.flags = flags
    self.syntheticWeightsSeed = syntheticWeightsSeed
  }
}

/// The machine that native code was compiled for.
public struct HostRequirement: Hashable, Sendable {
  /// `x86_64` or `aarch64`.
  public var architecture: String
  /// Instruction-set extensions the code uses, by the kernel's names: `avx512f`, `amx_bf16`.
  public var features: [String]

  public init(architecture: String, features: [String]) {
    self.architecture = architecture
    self.features = features
  }
}

/// A constant tensor in the plan's weight segment.
public struct PlanWeight: Sendable {
  /// The initialiser's name, or the source node's where a pass computed it.
  public var name: String
  public var tensor: Tensor

  public init(name: String, tensor: Tensor) {
    self.name = name
    self.tensor = tensor
  }
}

/// Code of this machine, an ELF shared object. Its functions have the type `swage_kernel` of `CRuntime.h`.
public struct NativeModule: Sendable {
  public var name: String
  public var image: Storage
  /// The source text the image was compiled from, for people to read; empty where it was left out.
  public var source: String

  public init(name: String, image: Storage, source: String = "") {
    self.name = name
    self.image = image
    self.source = source
  }
}

public typealias SymbolID = Int
public typealias SizeID = Int
public typealias ValueID = Int
public typealias BufferID = Int

/// One runnable function of a plan.
public struct EntryPoint: Sendable {
  public var name: String
  /// Sizes unknown at compile time. Each is bound by an input's dimension, or by an instruction that `defines` it.
  public var symbols: [String]
  /// Expressions over `symbols`; evaluated when their symbols are bound.
  public var sizes: [Dim]
  public var values: [PlanValue]
  public var buffers: [PlanBuffer]
  /// What must hold between sizes before an instruction may touch memory; checked when their symbols are bound.
  public var checks: [SizeCheck]
  public var inputs: [Port]
  public var outputs: [Port]
  public var body: Block
  /// Of a loop's body: symbols that the loop gives values to.
  public var parameters: [SymbolID]

  public init(
    name: String, symbols: [String] = [], sizes: [Dim] = [], values: [PlanValue] = [],
    buffers: [PlanBuffer] = [], checks: [SizeCheck] = [], inputs: [Port] = [], outputs: [Port] = [],
    body: Block = Block(), parameters: [SymbolID] = []
  ) {
    self.name = name
    self.symbols = symbols
    self.sizes = sizes
    self.values = values
    self.buffers = buffers
    self.checks = checks
    self.inputs = inputs
    self.outputs = outputs
    self.body = body
    self.parameters = parameters
  }
}

/// A relation between two sizes that the type rules took for granted.
public struct SizeCheck: Hashable, Sendable {
  public enum Relation: UInt32, Hashable, Sendable, CaseIterable {
    case equal = 0
    /// Equal, or one of the two is one.
    case broadcast = 1
    /// The left size is at most the right one.
    case atMost = 2
  }

  public var left: SizeID
  public var relation: Relation
  public var right: SizeID
  /// The source node that needs it.
  public var source: String

  public init(left: SizeID, relation: Relation, right: SizeID, source: String) {
    self.left = left
    self.relation = relation
    self.right = right
    self.source = source
  }
}

/// A named input or output of an entry point.
public struct Port: Hashable, Sendable {
  public var name: String
  public var value: ValueID
  /// What a port that is no tensor holds; its value is then a scalar of type `object`.
  public var type: ValueType?

  public init(name: String, value: ValueID, type: ValueType? = nil) {
    self.name = name
    self.value = value
    self.type = type
  }
}

public struct PlanValue: Sendable {
  public enum Location: Hashable, Sendable {
    case weight(Int)
    /// Bytes from the start of a buffer.
    case buffer(BufferID, offset: SizeID?)
    /// The caller's memory, bound for each run.
    case input(Int)
  }

  /// The name of the value in the source graph.
  public var name: String
  public var elementType: ElementType
  public var shape: [SizeID]
  /// Several values may share a location: views, and results computed in place.
  public var location: Location
  /// Set where no instruction writes the value: it shows bytes of this other one (a reshape, a slice of leading rows).
  public var viewOf: ValueID?

  public init(
    name: String, elementType: ElementType, shape: [SizeID], location: Location, viewOf: ValueID? = nil
  ) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.location = location
    self.viewOf = viewOf
  }
}

/// A piece of working memory. Positions count instructions in the order in which `EntryPoint.flattened` lists them.
public struct PlanBuffer: Hashable, Sendable {
  public enum Placement: Hashable, Sendable {
    /// In the arena, at an offset fixed by the compiler: the size is a constant.
    case fixed(offset: Int)
    /// In the arena, placed when the inputs' sizes are known.
    case arena
    /// Allocated when its size becomes known in the middle of a run; the memory is kept for the next run.
    case dynamic
  }

  public var byteCount: SizeID
  public var placement: Placement
  /// Position of the first instruction that writes it.
  public var first: Int
  /// Position of the last instruction that touches it; outputs live until the end.
  public var last: Int
  /// The device whose memory it is in: `cpu`, `reference`.
  public var device: String

  public init(byteCount: SizeID, placement: Placement, first: Int, last: Int, device: String = "cpu") {
    self.byteCount = byteCount
    self.placement = placement
    self.first = first
    self.last = last
    self.device = device
  }
}

public struct Block: Sendable {
  public var instructions: [Instruction]
  /// What the block hands to the instruction that holds it.
  public var results: [ValueID]
  /// What must hold when a nested block runs: checked on entry, those on later symbols once these are bound. The checks
  /// of an entry point's body stand in `EntryPoint.checks`.
  public var checks: [SizeCheck]

  public init(instructions: [Instruction] = [], results: [ValueID] = [], checks: [SizeCheck] = []) {
    self.instructions = instructions
    self.results = results
    self.checks = checks
  }
}

public struct Instruction: Sendable {
  public var operation: Operation
  /// nil where an optional operand is absent.
  public var operands: [ValueID?]
  public var results: [ValueID]
  /// Symbols that are known once this instruction has run.
  public var defines: [SymbolDefinition]
  /// What a person reads in a profile: `conv+bias+relu`, `fused(add, mul)`.
  public var label: String
  /// Names of the source nodes it came from, through every rewrite.
  public var sources: [String]
  /// Floating-point operations, and bytes read and written at least once.
  public var flops: SizeID
  public var bytes: SizeID
  /// Results that are written over an operand: pairs of (operand index, result index).
  public var inPlace: [InPlace]

  public init(
    operation: Operation, operands: [ValueID?], results: [ValueID], defines: [SymbolDefinition] = [], label: String,
    sources: [String] = [], flops: SizeID, bytes: SizeID, inPlace: [InPlace] = []
  ) {
    self.operation = operation
    self.operands = operands
    self.results = results
    self.defines = defines
    self.label = label
    self.sources = sources
    self.flops = flops
    self.bytes = bytes
    self.inPlace = inPlace
  }
}

public struct InPlace: Hashable, Sendable {
  public var operand: Int
  public var result: Int

  public init(operand: Int, result: Int) {
    self.operand = operand
    self.result = result
  }
}

/// The size of `axis` of the instruction's result `result` becomes the symbol's value.
public struct SymbolDefinition: Hashable, Sendable {
  public var symbol: SymbolID
  public var result: Int
  public var axis: Int

  public init(symbol: SymbolID, result: Int, axis: Int) {
    self.symbol = symbol
    self.result = result
    self.axis = axis
  }
}

public enum Operation: Sendable {
  /// A generated kernel in a native module.
  case kernel(KernelCall)
  /// A routine of the CPU library.
  case library(LibraryCall)
  /// Work for a device that understands `payload`: the reference device takes a graph in text form.
  /// `sizes` are evaluated before each run and handed to it.
  case device(name: String, payload: String, sizes: [SizeID] = [])
  /// Copies operand 0 to result 0, between devices where they differ.
  case copy
  /// Reads the integer tensor operand 0 and binds one symbol to each of its elements.
  case bindSymbols([SymbolID])
  /// Runs one of two blocks, by the bool scalar operand 0, and moves its results to the instruction's results.
  case conditional(then: Block, else: Block)
  /// Runs a body again and again.
  case loop(LoopCall)
  /// Ends the run with an error: the branch that led here has no meaning for the values given.
  case fail(message: String)
}

/// A loop. Operands: the most iterations (i64 scalar, optional), whether to begin (bool scalar, optional), `carried` values,
/// then what every iteration reads. Results: the carried values after the last iteration, then values stacked along a new
/// first axis, one part from each iteration.
///
/// The body's inputs are the iteration's number (i64 scalar), the condition (bool scalar), the carried values and what
/// every iteration reads; its outputs are the condition for another iteration, the carried values, and the parts.
public struct LoopCall: Hashable, Sendable {
  /// Index in the plan's bodies.
  public var body: Int
  public var carried: Int
  /// Values of the body's parameters.
  public var sizes: [SizeID]

  public init(body: Int, carried: Int, sizes: [SizeID] = []) {
    self.body = body
    self.carried = carried
    self.sizes = sizes
  }
}

public struct KernelCall: Hashable, Sendable {
  public var module: Int
  public var function: String
  /// Passed to the function in this order.
  public var sizes: [SizeID]
  /// Independent units of work; the pool splits `0..<range` among threads.
  public var range: SizeID
  /// Units that one thread should get at least, so that small work stays on one thread.
  public var grain: SizeID
  /// How often the units are gone through, one pass after the other: pass `p` is the units `p·range ..< (p + 1)·range` of
  /// the function, and sees what all units of the passes before have written. nil: once.
  public var passes: SizeID?

  public init(
    module: Int, function: String, sizes: [SizeID], range: SizeID, grain: SizeID, passes: SizeID? = nil
  ) {
    self.module = module
    self.function = function
    self.sizes = sizes
    self.range = range
    self.grain = grain
    self.passes = passes
  }

  /// All sizes that the call needs.
  public var allSizes: [SizeID] { sizes + [range, grain] + (passes.map { [$0] } ?? []) }
}
