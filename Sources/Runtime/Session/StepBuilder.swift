import SwagePlan

/// The end of a conditional: which values go where.
struct BlockEnd {
  var moves: [(from: ValueID, to: ValueID)]
  /// Symbols, and the value and axis they are read from.
  var defines: [(symbol: SymbolID, value: ValueID, axis: Int)]
  var stage: Int
}

/// Turns the nested instructions of an entry point into a flat list of steps with jumps.
struct StepBuilder {
  private(set) var steps: [Step] = []
  private(set) var infos: [StepInfo] = []
  private(set) var ends: [BlockEnd] = []
  /// The step of each position.
  private(set) var stepOfPosition: [Int] = []

  private let stageOfPosition: [Int]
  private let isOnDevice: (ValueID) -> Bool
  private var depth = 0
  /// Pointers and sizes of all steps; each step has a part of them.
  private let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let numbers: UnsafeMutablePointer<Int64>
  private var usedPointers = 0
  private var usedNumbers = 0

  static func needed(_ flattened: [FlatInstruction]) -> (pointers: Int, numbers: Int) {
    var pointers = 1
    var numbers = 1
    for flat in flattened {
      pointers += flat.instruction.operands.count + flat.instruction.results.count
      if case .kernel(let call) = flat.instruction.operation { numbers += call.sizes.count }
    }
    return (pointers, numbers)
  }

  init(
    stageOfPosition: [Int], pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>,
    numbers: UnsafeMutablePointer<Int64>, isOnDevice: @escaping (ValueID) -> Bool
  ) {
    self.stageOfPosition = stageOfPosition
    self.pointers = pointers
    self.numbers = numbers
    self.isOnDevice = isOnDevice
  }

  mutating func build(_ block: Block) throws {
    for instruction in block.instructions {
      let position = stepOfPosition.count
      stepOfPosition.append(steps.count)
      var step = Step(
        kind: .unresolved, position: position, buffers: pointers + usedPointers, sizes: numbers + usedNumbers)
      usedPointers += instruction.operands.count + instruction.results.count
      switch instruction.operation {
      case .kernel(let call):
        usedNumbers += call.sizes.count
        append(step, "kernel", instruction)
      case .library: append(step, "library", instruction)
      case .device:
        step.kind = .device
        append(step, "device", instruction)
      case .copy:
        guard case .some(.some(let operand)) = instruction.operands.first, let result = instruction.results.first
        else { throw RuntimeError.unsupportedPlan(reason: "\(instruction.label): a copy without operand or result") }
        step.kind = isOnDevice(operand) || isOnDevice(result) ? .deviceCopy : .copy
        step.operand = operand
        step.result = result
        append(step, "copy", instruction)
      case .bindSymbols:
        guard case .some(.some(let operand)) = instruction.operands.first else {
          throw RuntimeError.unsupportedPlan(reason: "\(instruction.label): sizes are bound without an operand")
        }
        step.kind = .bindSymbols
        step.operand = operand
        append(step, "bind", instruction)
      case .loop:
        step.kind = .device
        append(step, "loop", instruction)
      case .fail:
        step.kind = .fail
        append(step, "fail", instruction)
      case .conditional(let then, let otherwise):
        guard case .some(.some(let operand)) = instruction.operands.first else {
          throw RuntimeError.unsupportedPlan(reason: "\(instruction.label): a conditional without condition")
        }
        step.kind = .branch
        step.operand = operand
        let branch = steps.count
        append(step, "conditional", instruction)
        let first = try buildBlock(then, of: instruction, position)
        steps[branch].jump = steps.count
        let second = try buildBlock(otherwise, of: instruction, position)
        steps[first].jump = steps.count
        steps[second].jump = steps.count
      }
    }
  }

  /// Returns the step that ends the block.
  private mutating func buildBlock(_ block: Block, of instruction: Instruction, _ position: Int) throws -> Int {
    depth += 1
    try build(block)
    depth -= 1
    var moves: [(from: ValueID, to: ValueID)] = []
    // A block that ends in a failure has no results, and its end is never reached.
    if block.results.count == instruction.results.count {
      for (from, to) in zip(block.results, instruction.results) { moves.append((from, to)) }
    }
    var defines: [(symbol: SymbolID, value: ValueID, axis: Int)] = []
    for define in instruction.defines where define.result < block.results.count {
      defines.append((define.symbol, block.results[define.result], define.axis))
    }
    var step = Step(
      kind: .finish, position: position, buffers: pointers + usedPointers, sizes: numbers + usedNumbers)
    step.detail = ends.count
    ends.append(BlockEnd(moves: moves, defines: defines, stage: stageOfPosition[position]))
    append(step, "conditional", instruction)
    return steps.count - 1
  }

  private mutating func append(_ step: Step, _ kind: String, _ instruction: Instruction) {
    steps.append(step)
    infos.append(
      StepInfo(
        position: step.position, depth: depth, kind: kind, label: instruction.label, sources: instruction.sources))
  }
}
