import SwageKernel
import SwagePartition
import SwageTensor

/// What one node becomes: instructions over its operands, its results, and values in between.
struct Recipe {
  /// A value that a step reads or writes.
  enum Slot: Hashable {
    /// `node.operands[i]`
    case operand(Int)
    /// `node.results[i]`
    case result(Int)
    /// `temporaries[i]`
    case temporary(Int)
    /// `weights[i]`
    case weight(Int)
  }

  enum Action {
    case kernel(KernelFunction)
    /// The attributes of the convolution; its epilogue stands in `postOps`.
    case convolution(Convolution, hasBias: Bool, postOps: [PostOp])
    case matmul(MatMulCall)
    /// Binds symbols to the elements of the first value read.
    case bindSymbols([String])
  }

  struct Step {
    var action: Action
    var reads: [Slot?]
    var writes: [Slot]
    /// Pairs of (index in `reads`, index in `writes`).
    var inPlace: [InPlace] = []
    /// Names the step in profiles, where a node has several.
    var label: String
    /// Whether the node's arithmetic counts here; other steps count none.
    var isMain = true
  }

  var temporaries: [TensorType] = []
  var weights: [(tensor: Tensor, name: String)] = []
  var steps: [Step] = []

  /// One kernel over the given operands and results of the node.
  static func kernel(
    _ function: KernelFunction, operands: [Int], results: [Int] = [0], inPlace: Bool = false, label: String
  ) -> Recipe {
    var recipe = Recipe()
    recipe.steps = [
      Step(
        action: .kernel(function), reads: operands.map { .operand($0) }, writes: results.map { .result($0) },
        inPlace: inPlace ? [InPlace(operand: 0, result: 0)] : [], label: label)
    ]
    return recipe
  }

  mutating func addTemporary(_ type: TensorType) -> Slot {
    temporaries.append(type)
    return .temporary(temporaries.count - 1)
  }

  mutating func addWeight(_ tensor: Tensor, name: String) -> Slot {
    weights.append((tensor, name))
    return .weight(weights.count - 1)
  }
}

/// The operand's type, where the type rule has made sure that it is there.
extension Node {
  func type(_ operand: Int, in graph: Graph) -> TensorType? {
    operand < operands.count ? operands[operand].map { graph.type(of: $0) } : nil
  }

  /// The tensor, where the operand is a constant.
  func constant(_ operand: Int, in graph: Graph) -> Tensor? {
    operand < operands.count ? operands[operand].flatMap { graph.constant($0) } : nil
  }
}
