@_exported import SwageGraph
@_exported import SwagePlan
import SwageTensor

/// A kind of device that takes nodes of a graph: what it can do, at which cost, and how it is told to.
///
/// Every target has the same parts. A fourth one is a new folder with a type like this, and a line in the compiler's
/// list.
public protocol Target: Sendable {
  /// The name on the command line and in plans: `cpu`, `reference`.
  var name: String { get }

  /// Whether the target runs `node`, and at which cost; or why not.
  func support(for node: Node, in graph: Graph) -> Support

  /// The ways to compute `node`, the cost model's first; fewer than two where there is no choice.
  func choices(for node: Node, in graph: Graph) -> [KernelChoice]

  /// A fresh lowering for one plan.
  func makeLowering(_ options: LoweringOptions) -> any Lowering
}

extension Target {
  public func choices(for node: Node, in graph: Graph) -> [KernelChoice] { [] }
}

public enum Support: Sendable {
  case yes(Cost)
  case no(Refusal)
}

/// Why a target does not take a node, in words with numbers: "kernel 11x11 exceeds 7x7".
public struct Refusal: Hashable, Sendable {
  public var reason: String
  public init(_ reason: String) { self.reason = reason }
}

/// What a node costs on a target, by a roofline: the larger of compute and memory time, and a fixed part.
public struct Cost: Hashable, Sendable {
  public var flops: Dim
  public var bytes: Dim
  /// Arithmetic operations per second the target reaches on this kind of node.
  public var flopsPerSecond: Double
  public var bytesPerSecond: Double
  /// Nanoseconds of each launch.
  public var launch: Double

  public init(flops: Dim, bytes: Dim, flopsPerSecond: Double, bytesPerSecond: Double, launch: Double) {
    self.flops = flops
    self.bytes = bytes
    self.flopsPerSecond = flopsPerSecond
    self.bytesPerSecond = bytesPerSecond
    self.launch = launch
  }

  /// Nanoseconds under a guess of the sizes; symbols without a guess count as 128.
  public func nanoseconds(_ hints: [String: Int]) -> Double {
    let compute = Self.estimate(flops, hints) / flopsPerSecond
    let memory = Self.estimate(bytes, hints) / bytesPerSecond
    return max(compute, memory) * 1e9 + launch
  }

  /// The value of a size under a guess of its symbols; 0 where it is negative.
  public static func estimate(_ size: Dim, _ hints: [String: Int]) -> Double {
    var values = hints
    for symbol in size.symbols where values[symbol] == nil { values[symbol] = 128 }
    return Double(max(size.evaluate(values) ?? 0, 0))
  }
}

public struct LoweringOptions: Sendable {
  public var threads: Int
  /// Guesses of sizes that stay symbols, for choices that depend on them.
  public var sizeHints: [String: Int]
  public var compilation: KernelCompilation
  /// What was chosen for nodes, by the text of their signatures; the cost model chooses for others.
  public var choices: [String: KernelChoice]

  public init(
    threads: Int, sizeHints: [String: Int] = [:], compilation: KernelCompilation = .kept,
    choices: [String: KernelChoice] = [:]
  ) {
    self.choices = choices
    self.threads = threads
    self.sizeHints = sizeHints
    self.compilation = compilation
  }
}

/// How generated kernels become native code.
public enum KernelCompilation: Hashable, Sendable {
  /// One by one, at the compiler's best; each is kept, and not compiled again.
  case kept
  /// All together, as hard as said (0 to 3), and kept nowhere: for many kernels that run a few times.
  case once(optimization: Int)
}

/// Turns the nodes that a target took into instructions.
public protocol Lowering: AnyObject {
  /// Emits the instructions of one node. The node's operands are values in this target's memory, or constants.
  func lower(_ node: Node, in graph: Graph, into builder: EntryPointBuilder) throws

  /// Called once after the last node of the last entry point: adds modules to the plan.
  func finish(_ plan: PlanBuilder) throws
}
