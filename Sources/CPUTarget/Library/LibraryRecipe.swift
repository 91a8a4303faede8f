import SwageKernel
import SwagePartition
import SwageTensor

/// Convolutions and products as calls of the library. Epilogue steps become its bias and post-ops as far as it has
/// them; one elementwise kernel does the rest.
enum LibraryRecipe {
  /// Element types that the library computes in itself; f16 goes through f32.
  static func takes(_ type: ElementType) -> Bool { type == .f32 || type == .bf16 || type == .f16 }

  static func make(_ op: Convolution, _ node: Node, in graph: Graph) -> Recipe? {
    guard let x = node.type(0, in: graph), (3...5).contains(x.rank) else { return nil }
    let result = graph.type(of: node.results[0])
    let channelAxis = op.layout.channelAxis(rank: x.rank)
    // Channels first, the library multiplies matrices and applies functions but `relu` to one element after the other: 64
    // filters of one point over 40x40 and SiLU take 0.32 ms so, 0.05 ms with a kernel of our own behind.
    let isProduct = op.layout == .channelsFirst && op.groups == 1
    // oneDNN 2.6 takes a factor for each channel as one for all, where a transposed convolution gives one position.
    return make(
      node, in: graph, op.epilogue, biasAxis: channelAxis, combines: !op.isTransposed,
      takes: { !isProduct || $0.function == .relu }, name: "conv", result
    ) { hasBias, postOps in
      .convolution(op, hasBias: hasBias, postOps: postOps)
    }
  }

  static func make(_ op: MatMul, _ node: Node, in graph: Graph) -> Recipe? {
    let result = graph.type(of: node.results[0])
    guard result.rank <= 8 else { return nil }
    return make(node, in: graph, op.epilogue, biasAxis: result.rank - 1, name: "matmul", result) { hasBias, postOps in
      .matmul(
        MatMulCall(transposeA: op.transposeA, transposeB: op.transposeB, hasBias: hasBias, postOps: postOps))
    }
  }

  private static func make(
    _ node: Node, in graph: Graph, _ epilogue: Epilogue, biasAxis: Int, combines: Bool = true,
    takes: (Unary) -> Bool = { _ in true }, name: String,
    _ result: TensorType,
    _ call: (Bool, [PostOp]) -> Recipe.Action
  ) -> Recipe? {
    var recipe = Recipe()
    let resultType = result
    let throughF32 = result.elementType == .f16
    var converted: [Int: Recipe.Slot] = [:]
    var reads: [Recipe.Slot?] = []

    /// The operand in the type that the library is given.
    func slot(_ operand: Int) -> Recipe.Slot? {
      guard throughF32, let type = node.type(operand, in: graph) else { return .operand(operand) }
      if let known = converted[operand] { return known }
      let slot: Recipe.Slot
      if let tensor = node.constant(operand, in: graph) {
        slot = recipe.addWeight(
          Tensor(.f32, tensor.shape, doubles: tensor.doubles), name: Self.name(node, operand, graph) + " f32")
      } else {
        guard let function = castKernel(type, to: .f32) else { return nil }
        slot = recipe.addTemporary(TensorType(.f32, type.shape))
        recipe.steps.append(
          .init(
            action: .kernel(function), reads: [.operand(operand)], writes: [slot], label: "\(name) (to f32)",
            isMain: false))
      }
      converted[operand] = slot
      return slot
    }

    /// The functions as post-ops behind others: a linear one that occurs again becomes products and sums with numbers.
    func unique(_ functions: [PostOp], after postOps: [PostOp]) -> [PostOp]? {
      var result: [PostOp] = []
      for case .function(let function, let alpha, let beta) in functions {
        if !PostOps.repeats(function, in: postOps + result) {
          result.append(.function(function, alpha: alpha, beta: beta))
          continue
        }
        guard function == .linear else { return nil }
        let type: ElementType = throughF32 ? .f32 : resultType.elementType
        for (combination, number) in [(PostOp.Combination.multiply, alpha), (.add, beta)]
        where combination == .multiply || number != 0 {
          reads.append(recipe.addWeight(Tensor(scalar: Double(number), type), name: "number"))
          result.append(.combine(combination, operand: reads.count - 1))
        }
      }
      return postOps.count + result.count <= PostOps.limit ? result : nil
    }

    guard let first = slot(0), let second = slot(1) else { return nil }
    reads = [first, second]
    var steps = epilogue.steps[...]
    var label = name
    var hasBias = false
    if case .binary(.add, let operand) = steps.first,
      let bias = bias(operand, node, in: graph, axis: biasAxis, result, throughF32: throughF32, &recipe)
    {
      reads.append(bias)
      hasBias = true
      label += "+bias"
      steps = steps.dropFirst()
    }
    var postOps: [PostOp] = []
    loop: while let step = steps.first {
      switch step {
      case .unary(let unary):
        guard takes(unary), let functions = PostOps.functions(unary), let added = unique(functions, after: postOps)
        else {
          break loop
        }
        postOps += added
        label += "+\(unary.function.rawValue)"
      case .binary(let function, let operand):
        guard combines, let combination = PostOps.combination(function), postOps.count < PostOps.limit,
          let other = slot(operand)
        else { break loop }
        reads.append(other)
        postOps.append(.combine(combination, operand: reads.count - 1))
        label += "+\(function.rawValue)"
      }
      steps = steps.dropFirst()
    }
    let isLast = steps.isEmpty && !throughF32
    let type = TensorType(throughF32 ? .f32 : result.elementType, result.shape)
    let target = isLast ? Recipe.Slot.result(0) : recipe.addTemporary(type)
    // A sum with a tensor of the result's own shape can be computed over it.
    var inPlace: [InPlace] = []
    for case .combine(.add, let operand) in postOps {
      if case .operand(let index)? = reads[operand], isLast, node.type(index, in: graph) == result {
        inPlace = [InPlace(operand: operand, result: 0)]
        break
      }
    }
    recipe.steps.append(
      .init(
        action: call(hasBias, postOps), reads: reads, writes: [target], inPlace: inPlace, label: label))
    if isLast { return recipe }
    return addRest(Array(steps), of: node, in: graph, from: target, type, result, name, &recipe) ? recipe : nil
  }

  private static func name(_ node: Node, _ operand: Int, _ graph: Graph) -> String {
    node.operands[operand].map { graph[$0].name } ?? ""
  }

  /// The operand as a bias of the library, a vector along the result's channels; nil where it has another shape.
  private static func bias(
    _ operand: Int, _ node: Node, in graph: Graph, axis: Int, _ result: TensorType, throughF32: Bool,
    _ recipe: inout Recipe
  ) -> Recipe.Slot? {
    guard let type = node.type(operand, in: graph), let count = result.shape[axis].constant else { return nil }
    let own = axis - (result.rank - type.rank)
    guard own >= 0, type.shape[own] == Dim(count), type.elementCount == Dim(count) else { return nil }
    if let tensor = node.constant(operand, in: graph) {
      let flat = tensor.reshaped([count])
      return recipe.addWeight(
        throughF32 ? Tensor(.f32, [count], doubles: flat.doubles) : flat, name: name(node, operand, graph))
    }
    return type.rank == 1 && !throughF32 ? .operand(operand) : nil
  }

  private static func castKernel(_ type: TensorType, to element: ElementType) -> KernelFunction? {
    var graph = Graph(name: "cast")
    let x = graph.addInput(name: "x", type: type)
    guard (try? graph.append(.cast(Cast(to: element)), [x])) != nil, let id = graph.order.last else { return nil }
    return ElementwiseKernels.make(graph[id], in: graph)?.first?.function
  }

  /// Adds an elementwise kernel for the steps that are left, and for the way back to the result's type.
  private static func addRest(
    _ steps: [Epilogue.Step], of node: Node, in graph: Graph, from source: Recipe.Slot, _ type: TensorType,
    _ result: TensorType, _ name: String, _ recipe: inout Recipe
  ) -> Bool {
    let operands = EpilogueOperands.indices(Epilogue(steps))
    var body = Graph(name: "epilogue")
    var outer = Graph(name: "rest")
    var inner: [Int: GraphValueID] = [:]
    var outerInputs: [GraphValueID] = [outer.addInput(name: "x", type: type)]
    var value = body.addInput(name: "x", type: type)
    for operand in operands {
      guard let own = node.type(operand, in: graph) else { return false }
      inner[operand] = body.addInput(name: "operand\(operand)", type: own)
      outerInputs.append(outer.addInput(name: "operand\(operand)", type: own))
    }
    do {
      for step in steps {
        switch step {
        case .unary(let unary): value = try body.append(.unary(unary), [value])[0]
        case .binary(let function, let operand):
          guard var other = inner[operand] else { return false }
          if body.type(of: other).elementType != type.elementType {
            other = try body.append(.cast(Cast(to: type.elementType)), [other])[0]
          }
          value = try body.append(.binary(Binary(function)), [value, other])[0]
        }
      }
      if type.elementType != result.elementType {
        value = try body.append(.cast(Cast(to: result.elementType)), [value])[0]
      }
      body.addOutput(value, name: "y")
      try outer.append(.fused(Fused()), outerInputs, regions: [body])
    } catch { return false }
    guard let id = outer.order.last, let kernels = ElementwiseKernels.make(outer[id], in: outer), kernels.count == 1,
      let kernel = kernels.first
    else { return false }
    let slots = [source] + operands.map { Recipe.Slot.operand($0) }
    recipe.steps.append(
      .init(
        action: .kernel(kernel.function), reads: kernel.operands.map { slots[$0] }, writes: [.result(0)],
        inPlace: kernel.inPlace.map {
          InPlace(operand: kernel.operands.firstIndex(of: $0.operand) ?? 0, result: $0.result)
        },
        label: EpilogueOperands.label(name + " (rest)", Epilogue(steps)), isMain: false))
    return true
  }
}
