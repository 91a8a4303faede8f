import SwageKernel
import SwagePartition
import SwageTensor

/// The epilogue of a generated kernel: its operands' buffers, and what happens to a result before it is stored.
struct KernelEpilogue {
  private let steps: [Epilogue.Step]
  private let element: ElementType
  private let result: [Dim]
  private let operands: [(index: Int, buffer: KernelBuffer, shape: [Dim])]

  /// Declares the operands' buffers.
  init(_ epilogue: Epilogue, _ node: Node, in graph: Graph, result: [Dim], element: ElementType, _ k: KernelBuilder) {
    steps = epilogue.steps
    self.element = element
    self.result = result
    operands = EpilogueOperands.indices(epilogue).map { ($0, k.input(element), node.type($0, in: graph)?.shape ?? []) }
  }

  /// The node's operands that the epilogue reads, in the order of their buffers.
  var indices: [Int] { operands.map(\.index) }

  /// Buffers of the result's own shape: the result may be written over one of them.
  var sameShape: [KernelBuffer] { operands.filter { $0.shape == result }.map(\.buffer) }

  /// The step of a kernel that reads `first`, then the epilogue's operands, and writes the node's result, over one of those
  /// where it can, and `others`.
  func step(
    _ function: KernelFunction, reads first: [Recipe.Slot?], others: [Recipe.Slot] = [], label: String
  ) -> Recipe.Step {
    let shared = operands.firstIndex { $0.shape == result }
    return Recipe.Step(
      action: .kernel(function), reads: first + indices.map { .operand($0) }, writes: [.result(0)] + others,
      inPlace: shared.map { [InPlace(operand: first.count + $0, result: 0)] } ?? [], label: label)
  }

  /// What goes on along one line: `place` names all indices but the last, `first` the last one's start.
  func line(
    _ place: [Expression], from first: Expression, _ k: KernelBuilder
  ) -> (_ value: Expression, _ lane: Expression) -> Expression {
    let bases = operands.map { operand in
      let strides = k.broadcastStrides(operand.shape, to: result)
      return (k.let("base", offset(place + [first], strides)), strides.last ?? 0)
    }
    return { value, lane in
      var value = value
      for step in steps {
        switch step {
        case .unary(let unary): value = ElementwiseExpressions.unary(unary, value, element)
        case .binary(let function, let index):
          guard let own = operands.firstIndex(where: { $0.index == index }) else {
            preconditionFailure("epilogue operand \(index) was not declared")
          }
          let (base, stride) = bases[own]
          let other = k.load(operands[own].buffer, base + lane * stride)
          value = ElementwiseExpressions.binary(function, value, other, element)
        }
      }
      return value
    }
  }

  /// Stores one line of sums, `panels` whole panels from column `first` on of the line that starts at `line`, of `filters`
  /// columns in all.
  func store(
    _ sums: LocalArray, at start: Expression, panels: Expression, to y: KernelBuffer, line: Expression,
    from first: Expression, filters: Int, columns: Int, place: [Expression], _ k: KernelBuilder
  ) {
    let finish = self.line(place, from: first, k)
    let target = k.let("target", line + first)
    k.loop("p", to: panels) { p in
      let strip = k.let("strip", p * .i64(columns))
      let isWhole = filters % columns == 0
      let count = isWhole ? .i64(columns) : (.i64(filters) - first - strip).minimum(.i64(columns))
      k.loop("lane", to: isWhole ? count : k.let("lanes", count), isWhole ? .vector : .tail) { lane in
        k.store(y, target + strip + lane, finish(k.load(sums, start + strip + lane), strip + lane))
      }
    }
  }
}
