import SwageKernel
import SwagePartition
import SwageTensor

/// Layers with fewer sequences than threads: threads share the units of each step, and meet after it. A step is a pass of
/// the kernel; states go from one to the next through memory, in two places that take turns.
extension RecurrentKernels {
  /// Products and additions of a step below which threads are not made to meet: a judgement, not a measurement.
  private static let leastWork = 1 << 17
  /// The same where the number of sequences is not known.
  private static let leastWorkOfUnknown = 1 << 18

  /// Columns of a panel of the state's weights where this form is the better one.
  var panelWidthOfPasses: Int? {
    let work = gates * h * h * op.directionCount
    let isFew: Bool
    if let sequences = x.shape[1].constant {
      isFew = sequences * op.directionCount < threads && sequences * work >= Self.leastWork
    } else {
      isFew = op.directionCount < threads && work >= Self.leastWorkOfUnknown
    }
    // A GRU that multiplies after its reset gate would have to meet within a step.
    guard isFew, isProjected, buffers[4] == nil, x.shape[0] != 1, op.cell != .gru || op.linearBeforeReset else {
      return nil
    }
    return stateWeights?.tile?.columns ?? quantized?.tile.columns
  }

  /// Hidden states of two steps, and the memory of an LSTM: `[2?, directions, sequences, h]`.
  var sharedStates: [TensorType] {
    let shape: [Dim] = [Dim(op.directionCount), x.shape[1], Dim(h)]
    let hidden = TensorType(compute.elementType, [2] + shape)
    return op.cell == .lstm ? [hidden, TensorType(compute.elementType, shape)] : [hidden]
  }

  func passes(panelWidth: Int) -> KernelFunction {
    let outputs = outputs()
    let shared = sharedStates.map { k.output($0.elementType) }
    let (t, b) = (k.size(x.shape[0]), k.size(x.shape[1]))
    let groups = min(threads, (h + panelWidth - 1) / panelWidth)
    let directions = op.directionCount
    k.range = Dim(directions * groups)
    // The last pass hands out the last states.
    k.passes = x.shape[0] + 1
    let step = k.let("step", k.unit.divided(by: .i64(directions * groups)))
    let item = k.let("item", k.unit.remainder(by: .i64(directions * groups)))
    let direction = directions == 1 ? 0 : k.let("direction", item.divided(by: .i64(groups)))
    let group = directions == 1 ? item : k.let("group", item.remainder(by: .i64(groups)))
    let state = state(.share(group, of: groups, h: h, width: panelWidth, k))
    k.loop("first", to: b, step: mostRows) { first in
      let rows = k.let("rows", (b - first).minimum(.i64(mostRows)))
      let at = k.let("state", (direction * b + first) * .i64(h))
      let places = k.let("states", .i64(directions) * b * .i64(h))
      loadStates(state, rows, step, at, at + step.remainder(by: 2) * places, shared)
      k.if(step.lessThan(t)) {
        let time = time(step, of: t, direction)
        advance(state, rows, line: k.let("line", time * b + first), direction)
        let target = k.let(
          "target", ((time * .i64(directions) + direction) * b + first) * .i64(h) + state.part.firstUnit)
        let next = k.let("next", at + (step + 1).remainder(by: 2) * places + state.part.firstUnit)
        storeStates(state, rows, shared, hidden: next, memory: at + state.part.firstUnit)
        each(rows, state.part) { row, u, hidden, _ in
          k.store(outputs[0], target + row * .i64(h) + u, k.load(state.hidden, hidden))
        }
      } else: {
        storeStates(
          state, rows, Array(outputs.dropFirst()), hidden: at + state.part.firstUnit, memory: at + state.part.firstUnit)
      }
    }
    return k.finish()
  }

  /// All hidden states, and the memories of the part: the given ones before the first step.
  private func loadStates(
    _ state: State, _ rows: Expression, _ step: Expression, _ at: Expression, _ hidden: Expression,
    _ shared: [KernelBuffer]
  ) {
    let all = RecurrentPart.whole(h: h, columns: gateColumns)
    let zero = Expression.literal(0, compute)
    let memoryAt = at + state.part.firstUnit
    func load(hidden source: (Expression) -> Expression, memory sourceOfMemory: (Expression) -> Expression) {
      each(rows, all) { row, u, place, _ in k.store(state.hidden, place, source(row * .i64(h) + u)) }
      guard let memory = state.memory else { return }
      each(rows, state.part) { row, u, _, place in k.store(memory, place, sourceOfMemory(row * .i64(h) + u)) }
    }
    k.if(step.equal(0)) {
      load(hidden: { self.load(5, at + $0) ?? zero }, memory: { self.load(6, memoryAt + $0) ?? zero })
    } else: {
      load(hidden: { k.load(shared[0], hidden + $0) }, memory: { k.load(shared[1], memoryAt + $0) })
    }
  }

  /// The states of the part, to buffers of hidden states and, where there are two, of memories.
  private func storeStates(
    _ state: State, _ rows: Expression, _ targets: [KernelBuffer], hidden: Expression, memory: Expression
  ) {
    each(rows, state.part) { row, u, place, own in
      k.store(targets[0], hidden + row * .i64(h) + u, k.load(state.hidden, place))
      if let memories = state.memory, targets.count > 1 {
        k.store(targets[1], memory + row * .i64(h) + u, k.load(memories, own))
      }
    }
  }
}
