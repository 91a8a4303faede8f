import SwageKernel
import SwagePartition
import SwageTensor

/// RNN, GRU and LSTM layers. The input's share of the gates is one matrix product over all steps where there are many;
/// then one kernel goes through the steps: a unit is a few sequences in one direction, whose state stays on the stack.
///
/// Constant weights are repacked, so that the gates of neighbouring units lie side by side.
struct RecurrentKernels {
  /// The state and the gates of one sequence live on the stack.
  static let largestState = 4096

  static func make(_ op: Recurrent, _ node: Node, in graph: Graph) -> Recipe? {
    guard let x = node.type(0, in: graph), op.hiddenSize <= largestState, op.hiddenSize > 0,
      node.type(8, in: graph) == nil || node.constant(2, in: graph) != nil
    else { return nil }
    var recipe = Recipe()
    let kernels = RecurrentKernels(op, node, graph, x, &recipe)
    let (function, reads) = kernels.function()
    recipe.steps.append(
      .init(
        action: .kernel(function), reads: reads, writes: node.results.indices.map { .result($0) },
        label: op.cell.rawValue))
    return recipe
  }

  private let op: Recurrent
  private let node: Node
  private let graph: Graph
  private let x: TensorType
  private let element: ElementType
  private let compute: ScalarType
  private let k: KernelBuilder
  private var reads: [Recipe.Slot?] = []
  private var buffers: [Int: KernelBuffer] = [:]
  /// Whether operand 0 of the kernel holds the input's share of the gates instead of the input.
  private let isProjected: Bool
  private let packedWidth: Int
  /// Operands that hold repacked weights.
  private var packed: Set<Int> = []
  /// Where the state's weights are bytes.
  private var quantized: QuantizedRecurrence?

  private var h: Int { op.hiddenSize }
  private var gates: Int { op.cell.gates }

  private init(_ op: Recurrent, _ node: Node, _ graph: Graph, _ x: TensorType, _ recipe: inout Recipe) {
    self.op = op
    self.node = node
    self.graph = graph
    self.x = x
    element = x.elementType
    compute = element.computeType
    let isSingle = x.shape[1] == 1 || (node.type(4, in: graph) != nil)
    packedWidth = isSingle && op.hiddenSize >= 128 ? 128 : 64
    k = KernelBuilder("\(op.cell.rawValue)_\(element.name)")
    let columns = op.directionCount * op.cell.gates * op.hiddenSize
    let sequences = (x.shape[0] * x.shape[1]).constant
    let isLong = sequences.map { $0 > 4 } ?? true
    let given = node.constant(1, in: graph)
    let isGiven = node.operands[1] == nil
    isProjected = isGiven || (given != nil && isLong && (x.elementType == .f32 || x.elementType == .bf16))
    if isGiven {
      declare(0, .operand(0))
    } else if let w = given, isProjected {
      let flat = recipe.addWeight(w.reshaped([columns, w.shape[2]]), name: Self.name(node, 1, graph))
      let shares = recipe.addTemporary(TensorType(element, [x.shape[0], x.shape[1], Dim(columns)]))
      recipe.steps.append(
        .init(
          action: .matmul(MatMulCall(transposeA: false, transposeB: true, hasBias: false, postOps: [])),
          reads: [.operand(0), flat], writes: [shares], label: "\(op.cell.rawValue) (input)", isMain: false))
      declare(0, shares)
    } else {
      declare(0, .operand(0))
      declareWeights(1, &recipe)
    }
    if let r = node.constant(2, in: graph), node.type(8, in: graph) != nil {
      quantized = QuantizedRecurrence(r, op, k, name: Self.name(node, 2, graph), &recipe, &reads)
    } else {
      declareWeights(2, &recipe)
    }
    for index in 3..<9 where node.type(index, in: graph) != nil { declare(index, .operand(index)) }
  }

  private static func name(_ node: Node, _ operand: Int, _ graph: Graph) -> String {
    node.operands[operand].map { graph[$0].name } ?? ""
  }

  private mutating func declare(_ index: Int, _ slot: Recipe.Slot) {
    let type = index == 4 ? .i32 : element
    buffers[index] = k.input(type)
    reads.append(slot)
  }

  private mutating func declareWeights(_ index: Int, _ recipe: inout Recipe) {
    if let tensor = node.constant(index, in: graph) {
      packed.insert(index)
      declare(index, recipe.addWeight(pack(tensor), name: Self.name(node, index, graph) + " packed"))
    } else {
      declare(index, .operand(index))
    }
  }

  /// `[d, gates·h, p]` to `[d, gates, blocks, p, width]`; the last block of a gate may be narrower.
  private func pack(_ tensor: Tensor) -> Tensor {
    let depth = tensor.shape[2]
    let size = tensor.elementType.bitWidth / 8
    var result = Tensor(zeros: tensor.elementType, [op.directionCount, gates, h * depth])
    tensor.withBytes { source in
      result.withMutableBytes { target in
        var position = 0
        for gate in 0..<op.directionCount * gates {
          for start in stride(from: 0, to: h, by: packedWidth) {
            let width = min(packedWidth, h - start)
            for p in 0..<depth {
              for lane in 0..<width {
                let from = ((gate * h + start + lane) * depth + p) * size
                for byte in 0..<size { target[position + byte] = source[from + byte] }
                position += size
              }
            }
          }
        }
      }
    }
    return result
  }

  private func load(_ operand: Int, _ index: Expression) -> Expression? { buffers[operand].map { k.load($0, index) } }

  // MARK: - The kernel

  /// What one sequence keeps on the stack.
  private struct State {
    var sequence: Expression
    var hidden: LocalArray
    var memory: LocalArray?
    var sums: LocalArray
    /// Of the GRU: what the candidate gets from the state, and the state after the reset gate.
    var recurrent: LocalArray?
    var reset: LocalArray?
  }

  /// Sequences that a unit computes at the same time, so that weights are read once for all of them.
  private var rows: Int {
    // Sequences of different lengths go their own way.
    guard buffers[4] == nil else { return 1 }
    return x.shape[1].constant.map { max(1, min($0, 4)) } ?? 4
  }

  private func function() -> (KernelFunction, [Recipe.Slot?]) {
    let outputs = node.results.map { _ in k.output(element) }
    let blocks = x.shape[1].ceilDivided(by: Dim(rows))
    let perStep = Dim(rows * gates * h * (h + (isProjected ? 0 : 256)))
    k.split(blocks * Dim(op.directionCount), work: x.shape[0] * perStep)
    let (b, n) = (k.size(x.shape[1]), k.size(blocks))
    let direction = op.directionCount == 1 ? 0 : k.let("direction", k.unit.divided(by: n))
    let first = k.let(
      "first", (op.directionCount == 1 ? k.unit : k.unit.remainder(by: n)) * .i64(rows))
    if rows == 1 {
      sequences([first], outputs, direction)
    } else if x.shape[1].constant.map({ $0 % rows == 0 }) ?? false {
      sequences((0..<rows).map { k.let("sequence", first + .i64($0)) }, outputs, direction)
    } else {
      k.if((first + .i64(rows)).lessOrEqual(b)) {
        sequences((0..<rows).map { k.let("sequence", first + .i64($0)) }, outputs, direction)
      } else: {
        k.loop("sequence", from: first, to: b) { sequences([$0], outputs, direction) }
      }
    }
    return (k.finish(), reads)
  }

  /// All steps of a few sequences.
  private func sequences(_ sequences: [Expression], _ outputs: [KernelBuffer], _ direction: Expression) {
    let (t, b) = (k.size(x.shape[0]), k.size(x.shape[1]))
    let directions = Expression.i64(op.directionCount)
    let zero = Expression.literal(0, compute)
    let states = sequences.map { sequence in
      State(
        sequence: sequence, hidden: k.array("hidden", compute, count: h),
        memory: op.cell == .lstm ? k.array("memory", compute, count: h) : nil,
        sums: k.array("gates", compute, count: gates * h),
        recurrent: op.cell == .gru ? k.array("recurrent", compute, count: h) : nil,
        reset: op.cell == .gru && !op.linearBeforeReset ? k.array("reset", compute, count: h) : nil)
    }
    func place(_ state: State) -> Expression { k.let("state", (direction * b + state.sequence) * .i64(h)) }
    for state in states {
      let at = place(state)
      k.loop("u", to: .i64(h), .vector) { u in
        k.store(state.hidden, u, load(5, at + u) ?? zero)
        if let memory = state.memory { k.store(memory, u, load(6, at + u) ?? zero) }
      }
    }
    var steps = t
    if let lengths = buffers[4] {
      steps = k.let("steps", k.load(lengths, states[0].sequence).cast(.i64).maximum(0).minimum(t))
    }
    k.loop("step", to: steps) { step in
      let backward = k.let("backward", steps - 1 - step)
      let time: Expression =
        switch op.direction {
        case .forward: step
        case .reverse: backward
        case .bidirectional: k.let("time", .choose(direction.equal(1), backward, step))
        }
      startGates(states, time: time, b: b, direction: direction)
      quantized?.add(states.map(\.hidden), to: states.map(\.sums), direction, k) { load(8, $0) ?? 1 }
      for gate in 0..<(quantized == nil ? gates : 0) {
        let isCandidate = op.cell == .gru && gate == 2
        if isCandidate && !op.linearBeforeReset { continue }
        let targets = states.map { isCandidate ? $0.recurrent ?? $0.sums : $0.sums }
        product(2, gate, direction, depth: .i64(h), into: targets, at: isCandidate ? 0 : gate * h) { row, p in
          k.load(states[row].hidden, p)
        }
      }
      switch op.cell {
      case .rnn:
        for state in states {
          k.loop("u", to: .i64(h), .vector) { u in
            k.store(state.hidden, u, activate(0, k.load(state.sums, u), direction))
          }
        }
      case .gru: gru(states, direction)
      case .lstm: for state in states { lstm(state, direction) }
      }
      for state in states {
        let target = k.let("target", ((time * directions + direction) * b + state.sequence) * .i64(h))
        k.loop("u", to: .i64(h), .vector) { k.store(outputs[0], target + $0, k.load(state.hidden, $0)) }
      }
    }
    for state in states {
      if buffers[4] != nil {
        k.loop("time", from: steps, to: t) { time in
          let target = k.let("target", ((time * directions + direction) * b + state.sequence) * .i64(h))
          k.loop("u", to: .i64(h), .vector) { k.store(outputs[0], target + $0, zero) }
        }
      }
      let at = place(state)
      k.loop("u", to: .i64(h), .vector) { u in
        k.store(outputs[1], at + u, k.load(state.hidden, u))
        if let memory = state.memory, outputs.count > 2 { k.store(outputs[2], at + u, k.load(memory, u)) }
      }
    }
  }

  /// Biases and the input's share.
  private func startGates(_ states: [State], time: Expression, b: Expression, direction: Expression) {
    let columns = gates * h
    let bias = k.let("bias", direction * .i64(columns * 2))
    // The candidate's recurrent share keeps its own bias.
    let joined = op.cell == .gru ? 2 * h : columns
    var rows: [Expression] = []
    for state in states {
      let row = k.let("row", time * b + state.sequence)
      rows.append(row)
      let share = k.let("share", row * .i64(op.directionCount * columns) + direction * .i64(columns))
      func start(_ u: Expression, withRecurrentBias: Bool) -> Expression {
        var value: Expression = isProjected ? load(0, share + u) ?? .literal(0, compute) : .literal(0, compute)
        if let own = load(3, bias + u) { value = value + own }
        if withRecurrentBias, let other = load(3, bias + .i64(columns) + u) { value = value + other }
        return value
      }
      k.loop("u", to: .i64(joined), .vector) { k.store(state.sums, $0, start($0, withRecurrentBias: true)) }
      if let recurrent = state.recurrent {
        k.loop("u", to: .i64(h), .vector) { u in
          k.store(state.sums, u + .i64(joined), start(u + .i64(joined), withRecurrentBias: false))
          k.store(recurrent, u, load(3, bias + .i64(columns + joined) + u) ?? .literal(0, compute))
        }
      }
    }
    guard !isProjected else { return }
    let n = k.size(x.shape[2])
    for gate in 0..<gates {
      product(1, gate, direction, depth: n, into: states.map(\.sums), at: gate * h) { row, p in
        load(0, rows[row] * n + p) ?? .literal(0, compute)
      }
    }
  }

  /// Adds one gate's weights times a vector to `target[at ..< at + h]`, for each target.
  private func product(
    _ operand: Int, _ gate: Int, _ direction: Expression, depth: Expression, into targets: [LocalArray], at: Int,
    _ vector: (_ row: Int, _ p: Expression) -> Expression
  ) {
    guard let weights = buffers[operand] else { return }
    let isPacked = packed.contains(operand)
    let matrix = k.let("matrix", (direction * .i64(gates) + .i64(gate)) * .i64(h) * depth)
    func block(_ start: Expression, _ width: Int) {
      let parts = targets.map { _ in k.array("part", compute, count: width) }
      k.loop("lane", to: .i64(width), .vector) { lane in
        for (part, target) in zip(parts, targets) {
          k.store(part, lane, k.load(target, start + .i64(at) + lane))
        }
      }
      k.loop("p", to: depth) { p in
        let factors = targets.indices.map { k.let("factor", vector($0, p)) }
        let line = k.let("line", matrix + start * depth + (isPacked ? p * .i64(width) : p))
        k.loop("lane", to: .i64(width), .vector) { lane in
          let weight = k.let("weight", k.load(weights, line + (isPacked ? lane : lane * depth)))
          for (part, factor) in zip(parts, factors) { k.store(part, lane, k.load(part, lane) + factor * weight) }
        }
      }
      k.loop("lane", to: .i64(width), .vector) { lane in
        for (part, target) in zip(parts, targets) {
          k.store(target, start + .i64(at) + lane, k.load(part, lane))
        }
      }
    }
    // Blocks of one width follow each other; the last one of a gate may be narrower.
    let full = h / packedWidth * packedWidth
    if full > 0 { k.loop("unit_block", to: .i64(full), step: packedWidth) { block($0, packedWidth) } }
    if full < h { block(.i64(full), h - full) }
  }

  // MARK: - Cells

  private func activate(_ index: Int, _ value: Expression, _ direction: Expression, clips: Bool = true) -> Expression {
    var value = value
    if clips, let clip = op.clip {
      value = ElementwiseExpressions.unary(Unary(.clip, alpha: -clip, beta: clip), value, element)
    }
    let count = op.activations.count / op.directionCount
    let first = ElementwiseExpressions.unary(op.activations[index], value, element)
    guard op.directionCount == 2, op.activations[index] != op.activations[count + index] else { return first }
    let second = ElementwiseExpressions.unary(op.activations[count + index], value, element)
    return .choose(direction.equal(1), second, first)
  }

  private func gru(_ states: [State], _ direction: Expression) {
    if !op.linearBeforeReset {
      for state in states {
        guard let reset = state.reset else { continue }
        k.loop("u", to: .i64(h), .vector) { u in
          let gate = activate(0, k.load(state.sums, u + .i64(h)), direction)
          k.store(reset, u, gate * k.load(state.hidden, u))
        }
      }
      product(2, 2, direction, depth: .i64(h), into: states.map { $0.recurrent ?? $0.sums }, at: 0) { row, p in
        k.load(states[row].reset ?? states[row].hidden, p)
      }
    }
    for state in states {
      k.loop("u", to: .i64(h), .vector) { u in
        let update = k.let("update", activate(0, k.load(state.sums, u), direction))
        var share = k.load(state.recurrent ?? state.sums, u)
        if op.linearBeforeReset { share = activate(0, k.load(state.sums, u + .i64(h)), direction) * share }
        let candidate = k.let("candidate", activate(1, k.load(state.sums, u + .i64(2 * h)) + share, direction))
        k.store(state.hidden, u, (.literal(1, compute) - update) * candidate + update * k.load(state.hidden, u))
      }
    }
  }

  private func lstm(_ state: State, _ direction: Expression) {
    guard let memory = state.memory else { return }
    let peepholes = k.let("peepholes", direction * .i64(3 * h))
    k.loop("u", to: .i64(h), .vector) { u in
      func sum(_ gate: Int) -> Expression { k.load(state.sums, u + .i64(gate * h)) }
      func peeking(_ gate: Int, _ value: Expression) -> Expression {
        load(7, peepholes + .i64(gate * h) + u).map { sum(gate) + $0 * value } ?? sum(gate)
      }
      let old = k.let("old", k.load(memory, u))
      let input = k.let("input", activate(0, peeking(0, old), direction))
      let forget = k.let(
        "forget", op.inputForget ? .literal(1, compute) - input : activate(0, peeking(2, old), direction))
      let cell = k.let("cell", forget * old + input * activate(1, sum(3), direction))
      let output = k.let("output", activate(0, peeking(1, cell), direction))
      k.store(memory, u, cell)
      k.store(state.hidden, u, output * activate(2, cell, direction, clips: false))
    }
  }
}
