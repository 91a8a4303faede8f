import CRuntime
import SwageKernel
import SwagePartition
import SwageTensor

/// The processor the compiler runs on: the library's convolutions and products, and kernels that are generated and
/// compiled for it.
public struct CPUTarget: Target {
  public let name = "cpu"
  /// Threads that a run will have: estimates divide by them.
  public let threads: Int

  public init(threads: Int = Int(swage_cpu_count())) { self.threads = max(threads, 1) }

  public func support(for node: Node, in graph: Graph) -> Support {
    switch NodeRecipe.make(node, in: graph, threads: threads) {
    case .refused(let reason): .no(Refusal(reason))
    case .recipe(let recipe): .yes(CPUCost.estimate(recipe, node, in: graph, threads: threads))
    }
  }

  public func choices(for node: Node, in graph: Graph) -> [KernelChoice] {
    ProductWays(node, in: graph, threads: threads)?.choices ?? []
  }

  public func makeLowering(_ options: LoweringOptions) -> any Lowering { CPULowering(threads: threads, options) }

  /// Whether an epilogue step costs nothing of its own on `node`: as bias or post-op of the library, or inside the
  /// generated kernel. Steps that do not are computed by one more kernel.
  public static func canFuse(_ step: Epilogue.Step, into node: Node, in graph: Graph) -> Bool {
    guard let type = node.operands.first.flatMap({ $0 }).map({ graph.type(of: $0).elementType }) else { return false }
    return type != .f16 && (PostOps.takes(step) || !LibraryRecipe.takes(type))
  }
}

/// A roofline of one core, coarse on purpose: it decides between targets, not between kernels. The numbers are of the
/// order that AVX-512 and AVX2 servers of 2018 to 2025 reach in swage's own kernels.
enum CPUCost {
  /// Products in registers, f32; bf16 counts double.
  static let productFlops = 6e10
  /// Generated loops.
  static let kernelFlops = 8e9
  /// Memory, one core.
  static let bytes = 8e9
  /// Nanoseconds to start an instruction on all threads.
  static let launch = 1500.0

  static func estimate(_ recipe: Recipe, _ node: Node, in graph: Graph, threads: Int) -> Cost {
    let hasProducts = recipe.steps.contains { step in
      switch step.action {
      case .convolution, .matmul: true
      case .kernel(let function): !function.body.flatMap(\.products).isEmpty
      case .bindSymbols: false
      }
    }
    let isHalf = node.type(0, in: graph)?.elementType == .bf16
    let flops = (hasProducts ? productFlops * (isHalf ? 2 : 1) : kernelFlops) * Double(threads)
    return Cost(
      flops: graph.flops(of: node), bytes: graph.bytes(of: node), flopsPerSecond: flops,
      bytesPerSecond: bytes * Double(threads), launch: launch * Double(recipe.steps.count))
  }
}
