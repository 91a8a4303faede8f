import SwageKernel
import SwagePartition
import SwageTensor

/// RNN, GRU and LSTM layers. The input's share of the gates is one matrix product over all steps where there are many;
/// then one kernel goes through the steps: a piece of work is a few sequences in one direction, whose state stays on the
/// stack, so that weights are read once for all of them. Fewer sequences than threads are computed in passes instead
/// (`RecurrentKernels+Passes`).
struct RecurrentKernels {
  /// The state and the gates of a sequence live on the stack.
  static let largestState = 4096

  static func make(_ op: Recurrent, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    guard let x = node.type(0, in: graph), op.hiddenSize <= largestState, op.hiddenSize > 0,
      node.type(8, in: graph) == nil || node.constant(2, in: graph) != nil
    else { return nil }
    var recipe = Recipe()
    let kernels = RecurrentKernels(op, node, graph, x, threads, &recipe)
    guard kernels.stateWeights != nil || kernels.quantized != nil else { return nil }
    var writes: [Recipe.Slot] = node.results.indices.map { .result($0) }
    let function: KernelFunction
    if let panelWidth = kernels.panelWidthOfPasses {
      writes += kernels.sharedStates.map { recipe.addTemporary($0) }
      function = kernels.passes(panelWidth: panelWidth)
    } else {
      function = kernels.function()
    }
    recipe.steps.append(
      .init(action: .kernel(function), reads: kernels.reads, writes: writes, label: op.cell.rawValue))
    return recipe
  }

  let op: Recurrent
  private let node: Node
  let x: TensorType
  let element: ElementType
  let compute: ScalarType
  let threads: Int
  let k: KernelBuilder
  private var reads: [Recipe.Slot?] = []
  var buffers: [Int: KernelBuffer] = [:]
  /// Whether operand 0 of the kernel holds the input's share of the gates instead of the input.
  let isProjected: Bool
  /// Weights of the input, and of the state.
  private var inputWeights: RecurrentWeights?
  var stateWeights: RecurrentWeights?
  /// Where the state's weights are bytes.
  var quantized: QuantizedRecurrence?
  /// Columns of one gate's sums, and of all.
  let gateColumns: Int
  var width: Int { gates * gateColumns }

  var h: Int { op.hiddenSize }
  var gates: Int { op.cell.gates }

  private init(
    _ op: Recurrent, _ node: Node, _ graph: Graph, _ x: TensorType, _ threads: Int, _ recipe: inout Recipe
  ) {
    self.op = op
    self.node = node
    self.x = x
    self.threads = threads
    element = x.elementType
    compute = element.computeType
    gateColumns = RecurrentWeights.columns(op.hiddenSize, compute)
    k = KernelBuilder("\(op.cell.rawValue)_\(element.name)")
    let columns = op.directionCount * op.cell.gates * op.hiddenSize
    let isLong = (x.shape[0] * x.shape[1]).constant.map { $0 > 4 } ?? true
    let given = node.constant(1, in: graph)
    let isGiven = node.operands[1] == nil
    isProjected = isGiven || (given != nil && isLong && (element == .f32 || element == .bf16))
    if let w = given, isProjected, !isGiven {
      let flat = recipe.addWeight(w.reshaped([columns, w.shape[2]]), name: Self.name(node, 1, graph))
      let shares = recipe.addTemporary(TensorType(element, [x.shape[0], x.shape[1], Dim(columns)]))
      recipe.steps.append(
        .init(
          action: .matmul(MatMulCall(transposeA: false, transposeB: true, hasBias: false, postOps: [])),
          reads: [.operand(0), flat], writes: [shares], label: "\(op.cell.rawValue) (input)", isMain: false))
      declare(0, shares)
    } else {
      declare(0, .operand(0))
    }
    if !isProjected { inputWeights = weights(1, depth: x.shape[2], of: element, in: graph, &recipe) }
    if let r = node.constant(2, in: graph), node.type(8, in: graph) != nil {
      quantized = QuantizedRecurrence(r, op, k, name: Self.name(node, 2, graph), &recipe, &reads)
    } else {
      stateWeights = weights(2, depth: Dim(h), of: compute.elementType, in: graph, &recipe)
    }
    for index in 3..<9 where node.type(index, in: graph) != nil { declare(index, .operand(index)) }
  }

  private static func name(_ node: Node, _ operand: Int, _ graph: Graph) -> String {
    node.operands[operand].map { graph[$0].name } ?? ""
  }

  private mutating func declare(_ index: Int, _ slot: Recipe.Slot) {
    buffers[index] = k.input(index == 4 ? .i32 : element)
    reads.append(slot)
  }

  /// The matrix at an operand, for rows of elements of `left`.
  private mutating func weights(
    _ index: Int, depth: Dim, of left: ElementType, in graph: Graph, _ recipe: inout Recipe
  ) -> RecurrentWeights {
    if left == compute.elementType, let tensor = node.constant(index, in: graph),
      let panels = RecurrentWeights(
        tensor, gates: gates, h: h, sums: compute, k, name: Self.name(node, index, graph), &recipe, &reads)
    {
      return panels
    }
    let buffer = k.input(element)
    reads.append(.operand(index))
    return RecurrentWeights(buffer, gates: gates, h: h, depth: k.size(depth))
  }

  func load(_ operand: Int, _ index: Expression) -> Expression? { buffers[operand].map { k.load($0, index) } }

  // MARK: - The kernel

  /// What the sequences of a piece have on the stack.
  struct State {
    /// The units that the piece computes.
    var part: RecurrentPart
    /// Of all units, `[row][gateColumns]`.
    var hidden: LocalArray
    /// The following are of the part: `[row][column]`.
    var memory: LocalArray?
    /// `[row][gate][column]`
    var sums: LocalArray
    /// Of the GRU: what the candidate gets from the state, and the state after the reset gate.
    var recurrent: LocalArray?
    var reset: LocalArray?
  }

  func state(_ part: RecurrentPart) -> State {
    let line = mostRows * part.columns
    return State(
      part: part, hidden: k.array("hidden", compute, count: mostRows * gateColumns),
      memory: op.cell == .lstm ? k.array("memory", compute, count: line) : nil,
      sums: k.array("gates", compute, count: gates * line),
      recurrent: op.cell == .gru ? k.array("recurrent", compute, count: line) : nil,
      reset: op.cell == .gru && !op.linearBeforeReset ? k.array("reset", compute, count: line) : nil)
  }

  /// Sequences of a piece, at most: as many as a tile of products has rows. Those of different lengths go their own way.
  var mostRows: Int {
    guard buffers[4] == nil else { return 1 }
    let most = max(1, min(12, (64 << 10) / width))
    return x.shape[1].constant.map { max(1, min($0, most)) } ?? most
  }

  func outputs() -> [KernelBuffer] { node.results.map { _ in k.output(element) } }

  private func function() -> KernelFunction {
    let outputs = outputs()
    let b = k.size(x.shape[1])
    let directions = op.directionCount
    // As many pieces for each thread.
    let shares = max(1, threads / directions)
    let even = b.ceilDivided(by: mostRows).ceilDivided(by: shares) * .i64(shares)
    let most = k.blockSize("most", b, largest: mostRows, step: 1, blocks: even.minimum(b).maximum(1))
    let blocks = k.let("blocks", b.ceilDivided(by: most))
    let state = state(.whole(h: h, columns: gateColumns))
    let perStep = Dim(gates * h * (h + (isProjected ? 0 : 256)))
    k.share(
      blocks * .i64(directions), units: threads * 4, work: x.shape[0] * x.shape[1] * perStep * Dim(directions)
    ) { item in
      let direction = directions == 1 ? 0 : k.let("direction", item.divided(by: blocks))
      let first = k.let("first", (directions == 1 ? item : item.remainder(by: blocks)) * most)
      let rows = k.let("rows", (b - first).minimum(most))
      sequences(state, first, rows, outputs, direction)
    }
    return k.finish()
  }

  /// Calls `body` for every unit of every sequence of a piece: `u` counts from the first unit of the part, `hidden` is the
  /// place of the unit's hidden state, `place` that in what the piece has of its part.
  func each(
    _ rows: Expression, _ part: RecurrentPart,
    _ body: (_ row: Expression, _ u: Expression, _ hidden: Expression, _ place: Expression) -> Void
  ) {
    k.loop("row", to: rows) { row in
      k.loop("u", to: part.unitCount, part.columns < 64 ? .tail : .vector) { u in
        body(row, u, row * .i64(gateColumns) + part.firstUnit + u, row * .i64(part.columns) + u)
      }
    }
  }

  /// Where the sums of a gate of a unit are.
  private func sum(_ state: State, _ gate: Int, _ row: Expression, _ u: Expression) -> Expression {
    k.load(state.sums, row * .i64(gates * state.part.columns) + .i64(gate * state.part.columns) + u)
  }

  /// A state, or zero below the smallest normal number: gates that are shut leave such states, and products of them take a
  /// hundred times as long. What they would add is far below the rounding of any sum.
  private func normal(_ value: Expression) -> Expression {
    let least = Expression.float(
      compute == .f64 ? .leastNormalMagnitude : Double(Float.leastNormalMagnitude), compute)
    let value = k.let("value", value)
    return .choose(
      value.lessThan(least).and((-value).lessThan(least)), .literal(0, compute), value)
  }

  /// All steps of a few sequences.
  private func sequences(
    _ state: State, _ first: Expression, _ rows: Expression, _ outputs: [KernelBuffer], _ direction: Expression
  ) {
    let (t, b) = (k.size(x.shape[0]), k.size(x.shape[1]))
    let directions = Expression.i64(op.directionCount)
    let zero = Expression.literal(0, compute)
    let at = k.let("state", (direction * b + first) * .i64(h))
    each(rows, state.part) { row, u, hidden, place in
      let from = at + row * .i64(h) + u
      k.store(state.hidden, hidden, load(5, from) ?? zero)
      if let memory = state.memory { k.store(memory, place, load(6, from) ?? zero) }
    }
    var steps = t
    if let lengths = buffers[4] {
      steps = k.let("steps", k.load(lengths, first).cast(.i64).maximum(0).minimum(t))
    }
    k.loop("step", to: steps) { step in
      let time = time(step, of: steps, direction)
      let line = k.let("line", time * b + first)
      if let inputWeights, let source = buffers[0] {
        let n = k.size(x.shape[2])
        inputWeights.multiply(
          .buffer(source, line * n), stride: n, rows: rows, gates: 0..<gates, state.part, direction: direction,
          to: state.sums, width: width, accumulates: false, k)
      }
      advance(state, rows, line: line, direction)
      let target = k.let("target", ((time * directions + direction) * b + first) * .i64(h))
      each(rows, state.part) { row, u, hidden, _ in
        k.store(outputs[0], target + row * .i64(h) + u, k.load(state.hidden, hidden))
      }
    }
    if buffers[4] != nil {
      k.loop("time", from: steps, to: t) { time in
        let target = k.let("target", ((time * directions + direction) * b + first) * .i64(h))
        k.loop("u", to: .i64(h), .vector) { k.store(outputs[0], target + $0, zero) }
      }
    }
    each(rows, state.part) { row, u, hidden, place in
      let to = at + row * .i64(h) + u
      k.store(outputs[1], to, k.load(state.hidden, hidden))
      if let memory = state.memory, outputs.count > 2 { k.store(outputs[2], to, k.load(memory, place)) }
    }
  }

  /// The line of the input that a step reads.
  func time(_ step: Expression, of steps: Expression, _ direction: Expression) -> Expression {
    let backward = steps - 1 - step
    return switch op.direction {
    case .forward: step
    case .reverse: k.let("time", backward)
    case .bidirectional: k.let("time", .choose(direction.equal(1), backward, step))
    }
  }

  /// One step of a part: its hidden states and memories become the new ones. Sums hold the input's share of the gates
  /// unless that is given. `line` is the first sequence's line of the step.
  func advance(_ state: State, _ rows: Expression, line: Expression, _ direction: Expression) {
    let columns = state.part.columns
    quantized?.multiply(
      state.hidden, stride: gateColumns, rows: rows, most: mostRows, state.part, to: state.sums, direction,
      accumulates: !isProjected, k
    ) { load(8, $0) ?? .literal(1, compute) }
    // The candidate of a GRU gets its share apart.
    let own = 0..<(op.cell == .gru ? 2 : gates)
    multiply(state.hidden, state, rows, gates: own, direction, to: state.sums, gates * columns, !isProjected)
    if let recurrent = state.recurrent, op.linearBeforeReset {
      multiply(state.hidden, state, rows, gates: 2..<3, direction, to: recurrent, columns, false)
    }
    let start = start(line: line, state.part, direction)
    switch op.cell {
    case .rnn:
      each(rows, state.part) { row, u, hidden, _ in
        let value = activate(0, plus(sum(state, 0, row, u), start(0, row, u, .both)), direction)
        k.store(state.hidden, hidden, normal(value))
      }
    case .gru: gru(state, rows, direction, start)
    case .lstm: lstm(state, rows, direction, start)
    }
  }

  /// `vectors` are of all units, `[row][gateColumns]`.
  private func multiply(
    _ vectors: LocalArray, _ state: State, _ rows: Expression, gates: Range<Int>, _ direction: Expression,
    to sums: LocalArray, _ width: Int, _ accumulates: Bool
  ) {
    stateWeights?.multiply(
      .array(vectors, 0), stride: .i64(gateColumns), rows: rows, gates: gates, state.part, direction: direction,
      to: sums, width: width, accumulates: accumulates, k)
  }

  private enum Biases { case input, state, both }
  /// What a gate of a unit gets beside products: biases, and with the input's the input's share where that is given.
  private typealias Start = (_ gate: Int, _ row: Expression, _ u: Expression, _ biases: Biases) -> Expression?

  /// `line` is the first sequence's line of the step.
  private func start(line: Expression, _ part: RecurrentPart, _ direction: Expression) -> Start {
    let columns = gates * h
    let bias = k.let("bias", direction * .i64(columns * 2))
    let share = k.let("share", line * .i64(op.directionCount * columns) + direction * .i64(columns))
    return { gate, row, u, biases in
      let place = Expression.i64(gate * h) + part.firstUnit + u
      var parts: [Expression?] = []
      if biases != .state {
        if isProjected { parts.append(load(0, share + row * .i64(op.directionCount * columns) + place)) }
        parts.append(load(3, bias + place))
      }
      if biases != .input { parts.append(load(3, bias + .i64(columns) + place)) }
      return parts.compactMap(\.self).reduce(nil) { sum, part in sum.map { $0 + part } ?? part }
    }
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

  /// A gate's sum, which starts with `start`.
  private func plus(_ sum: Expression, _ start: Expression?) -> Expression { start.map { $0 + sum } ?? sum }

  private func gru(_ state: State, _ rows: Expression, _ direction: Expression, _ start: Start) {
    guard let recurrent = state.recurrent else { return }
    func gate(_ gate: Int, _ row: Expression, _ u: Expression) -> Expression {
      activate(0, plus(sum(state, gate, row, u), start(gate, row, u, .both)), direction)
    }
    if let reset = state.reset {
      each(rows, state.part) { row, u, hidden, place in
        k.store(reset, place, normal(gate(1, row, u) * k.load(state.hidden, hidden)))
      }
      multiply(reset, state, rows, gates: 2..<3, direction, to: recurrent, state.part.columns, false)
    }
    each(rows, state.part) { row, u, hidden, place in
      let update = k.let("update", gate(0, row, u))
      var share = plus(k.load(recurrent, place), start(2, row, u, .state))
      if op.linearBeforeReset { share = gate(1, row, u) * share }
      var own = start(2, row, u, .input)
      if !isProjected { own = plus(sum(state, 2, row, u), own) }
      let candidate = k.let("candidate", activate(1, plus(share, own), direction))
      let new = (.literal(1, compute) - update) * candidate + update * k.load(state.hidden, hidden)
      k.store(state.hidden, hidden, normal(new))
    }
  }

  private func lstm(_ state: State, _ rows: Expression, _ direction: Expression, _ start: Start) {
    guard let memory = state.memory else { return }
    let peepholes = k.let("peepholes", direction * .i64(3 * h) + state.part.firstUnit)
    each(rows, state.part) { row, u, hidden, place in
      func total(_ gate: Int) -> Expression { plus(sum(state, gate, row, u), start(gate, row, u, .both)) }
      func peeking(_ gate: Int, _ value: Expression) -> Expression {
        load(7, peepholes + .i64(gate * h) + u).map { total(gate) + $0 * value } ?? total(gate)
      }
      let old = k.let("old", k.load(memory, place))
      let input = k.let("input", activate(0, peeking(0, old), direction))
      let forget = k.let(
        "forget", op.inputForget ? .literal(1, compute) - input : activate(0, peeking(2, old), direction))
      let cell = k.let("cell", normal(forget * old + input * activate(1, total(3), direction)))
      let output = k.let("output", activate(0, peeking(1, cell), direction))
      k.store(memory, place, cell)
      k.store(state.hidden, hidden, normal(output * activate(2, cell, direction, clips: false)))
    }
  }
}
