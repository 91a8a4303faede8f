import CRuntime
import SwageKernel
import SwagePartition
import SwageTensor

/// Emits the instructions of CPU nodes; their kernels become one native module.
final class CPULowering: Lowering {
  private var library = KernelLibrary()
  private var module: Int?
  private let threads: Int
  private let options: LoweringOptions

  init(threads: Int, _ options: LoweringOptions) {
    self.threads = threads
    self.options = options
  }

  func lower(_ node: Node, in graph: Graph, into builder: EntryPointBuilder) throws {
    if let recipe = measured(node, in: graph) { return emit(recipe, node, in: graph, into: builder) }
    switch NodeRecipe.make(node, in: graph, threads: threads) {
    case .refused(let reason):
      throw CPUTargetError.notLowered(op: node.op.mnemonic, reason: reason, sources: node.sources)
    case .recipe(let recipe): emit(recipe, node, in: graph, into: builder)
    }
  }

  /// What measurement chose for the node; nil where the cost model decides.
  private func measured(_ node: Node, in graph: Graph) -> Recipe? {
    guard !options.choices.isEmpty, let ways = ProductWays(node, in: graph, threads: threads),
      let signature = try? NodeSignature(node, in: graph)
    else { return nil }
    return options.choices[signature.text].flatMap { ways.recipe($0) }
  }

  private func emit(_ recipe: Recipe, _ node: Node, in graph: Graph, into builder: EntryPointBuilder) {
    let weights = recipe.weights.map { builder.weight($0.tensor, name: $0.name) }
    let temporaries = recipe.temporaries.map { builder.temporary($0) }
    // Values of sizes that a step binds come after it.
    let results = builder.defineResults(of: node, in: graph)

    func value(_ slot: Recipe.Slot) -> PlanValueID? {
      switch slot {
      // Asked for one by one: constants that no step reads stay out of the plan.
      case .operand(let index): node.operands[index].map { builder.value($0) }
      case .result(let index): results[index]
      case .temporary(let index): temporaries[index]
      case .weight(let index): weights[index]
      }
    }
    func type(_ slot: Recipe.Slot) -> TensorType? {
      switch slot {
      case .operand(let index): node.type(index, in: graph)
      case .result(let index): graph.type(of: node.results[index])
      case .temporary(let index): recipe.temporaries[index]
      case .weight(let index): recipe.weights[index].tensor.type
      }
    }

    for step in recipe.steps {
      let operation: Operation
      switch step.action {
      case .kernel(let function): operation = .kernel(call(function, builder))
      case .convolution(let op, let hasBias, let postOps):
        operation = .library(
          .convolution(
            ConvolutionCall(
              strides: op.strides, dilations: op.dilations, padsBegin: op.padsBegin.map { builder.size($0) },
              padsEnd: op.padsEnd.map { builder.size($0) }, groups: op.groups,
              channelsLast: op.layout == .channelsLast, isTransposed: op.isTransposed, hasBias: hasBias,
              postOps: postOps)))
      case .matmul(let call): operation = .library(.matmul(call))
      case .bindSymbols(let names): operation = .bindSymbols(names.map { builder.symbol($0) })
      }
      let touched = Set(step.reads.compactMap { $0 } + step.writes)
      let bytes =
        recipe.steps.count == 1
        ? graph.bytes(of: node) : touched.reduce(0) { $0 + (type($1)?.byteCount ?? 0) }
      builder.emit(
        operation, operands: step.reads.map { $0.flatMap(value) }, results: step.writes.compactMap(value),
        label: step.label, sources: node.sources, flops: step.isMain ? graph.flops(of: node) : 0, bytes: bytes,
        inPlace: step.inPlace)
    }
  }

  private func call(_ function: KernelFunction, _ builder: EntryPointBuilder) -> KernelCall {
    let index = module ?? builder.plan.reserveModule()
    module = index
    return KernelCall(
      module: index, function: library.add(function), sizes: function.sizes.map { builder.size($0) },
      range: builder.size(function.range), grain: builder.size(function.grain),
      passes: function.passes == 1 ? nil : builder.size(function.passes))
  }

  func finish(_ plan: PlanBuilder) throws {
    guard let module else { return }
    let object = try NativeCompiler.compile(library, NativeCompiler.Options(compilation: options.compilation))
    let image = Storage(zeroed: object.image.count)
    object.image.withUnsafeBytes { image.base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    plan.host = HostRequirement(architecture: object.architecture, features: object.features)
    plan.add(NativeModule(name: "kernels", image: image, source: object.source), at: module)
  }
}

public enum CPUTargetError: SwageError {
  /// A node was assigned here that the target does not take.
  case notLowered(op: String, reason: String, sources: [Source])

  public var diagnostics: [Diagnostic] {
    switch self {
    case .notLowered(let op, let reason, let sources):
      [
        Diagnostic(
          fault: .bug, code: "cpu-not-lowered", what: "\(op) was assigned to the CPU, which does not take it",
          place: .init(node: sources.map { "\($0.name) (\($0.operatorName))" }.joined(separator: ", ")), why: reason,
          remedy: "report this with the model; --target cpu,reference goes around it")
      ]
    }
  }
}
