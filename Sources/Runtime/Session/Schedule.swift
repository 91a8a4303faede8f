import SwagePlan

/// When each size, value and step of an entry point becomes known. Stage 0 is when inputs are bound; every instruction
/// that gives symbols a value is a stage of its own, in the order of positions.
struct Schedule {
  struct Stage {
    var sizes: [SizeID] = []
    var checks: [Int] = []
    /// `.dynamic` buffers to allocate.
    var buffers: [BufferID] = []
    var values: [ValueID] = []
    /// Positions of kernels and library calls to make ready.
    var positions: [Int] = []
  }

  private(set) var stages: [Stage] = [Stage()]
  /// The stage that the instruction at a position ends with; 0 for none.
  private(set) var stageOfPosition: [Int]
  /// Whether all instructions that need a check lie within conditionals: it fails only where one of them is reached.
  private(set) var isGuarded: [Bool]
  /// The guarded checks that the instruction at a position needs.
  private(set) var checksOfPosition: [[Int]]
  /// Sizes that are lengths of something: never negative.
  private(set) var isLength: [Bool]
  /// Symbols that inputs bind, or the loop around a body.
  private(set) var isInputSymbol: [Bool]

  init(_ entry: EntryPoint, _ flattened: [FlatInstruction], symbolsOfSizes: [[SymbolID]]) throws {
    var symbolStage = [Int?](repeating: nil, count: entry.symbols.count)
    for port in entry.inputs {
      for size in entry.values[port.value].shape {
        guard let name = entry.sizes[size].symbolName, let id = entry.symbols.firstIndex(of: name) else { continue }
        symbolStage[id] = 0
      }
    }
    for symbol in entry.parameters { symbolStage[symbol] = 0 }
    stageOfPosition = [Int](repeating: 0, count: flattened.count)
    for flat in flattened {
      var defined = flat.instruction.defines.map(\.symbol)
      switch flat.instruction.operation {
      case .bindSymbols(let symbols): defined += symbols
      case .kernel, .library, .copy, .fail:
        guard defined.isEmpty else {
          throw RuntimeError.unsupportedPlan(reason: "\(flat.instruction.label) defines sizes that it cannot tell")
        }
      case .device, .loop, .conditional: break
      }
      if defined.isEmpty { continue }
      stageOfPosition[flat.position] = stages.count
      for symbol in defined { symbolStage[symbol] = stages.count }
      stages.append(Stage())
    }
    for (id, stage) in symbolStage.enumerated() where stage == nil {
      throw RuntimeError.symbolUnbound(symbol: entry.symbols[id])
    }

    isInputSymbol = symbolStage.map { $0 == 0 }

    let sizeStage = symbolsOfSizes.map { $0.map { symbolStage[$0] ?? 0 }.max() ?? 0 }
    for (size, stage) in sizeStage.enumerated() { stages[stage].sizes.append(size) }
    for (index, check) in entry.checks.enumerated() {
      stages[max(sizeStage[check.left], sizeStage[check.right])].checks.append(index)
    }
    var isLength = [Bool](repeating: false, count: entry.sizes.count)
    var bufferStage: [Int] = []
    for (id, buffer) in entry.buffers.enumerated() {
      let stage = sizeStage[buffer.byteCount]
      isLength[buffer.byteCount] = true
      bufferStage.append(stage)
      if case .dynamic = buffer.placement {
        stages[stage].buffers.append(id)
      } else if stage > 0 {
        throw RuntimeError.unsupportedPlan(reason: "buffer \(id) lies in the arena, its size depends on data")
      }
    }
    var valueStage: [Int] = []
    for (id, value) in entry.values.enumerated() {
      var stage = value.shape.map { sizeStage[$0] }.max() ?? 0
      for size in value.shape { isLength[size] = true }
      if case .buffer(let buffer, let offset) = value.location {
        stage = max(stage, bufferStage[buffer])
        if let offset {
          stage = max(stage, sizeStage[offset])
          isLength[offset] = true
        }
      }
      valueStage.append(stage)
      stages[stage].values.append(id)
    }
    for flat in flattened {
      var sizes: [SizeID] = []
      switch flat.instruction.operation {
      case .kernel(let call):
        sizes = call.allSizes
        isLength[call.range] = true
      case .library(.convolution(let call)): sizes = call.padsBegin + call.padsEnd
      case .library(.matmul): break
      case .device, .loop, .copy, .bindSymbols, .conditional, .fail: continue
      }
      let values = flat.instruction.operands.compactMap { $0 } + flat.instruction.results
      let stage = max(values.map { valueStage[$0] }.max() ?? 0, sizes.map { sizeStage[$0] }.max() ?? 0)
      stages[stage].positions.append(flat.position)
    }
    self.isLength = isLength

    var positionsOfSource: [String: [Int]] = [:]
    for flat in flattened {
      for source in flat.instruction.sources { positionsOfSource[source, default: []].append(flat.position) }
    }
    isGuarded = []
    checksOfPosition = [[Int]](repeating: [], count: flattened.count)
    for (index, check) in entry.checks.enumerated() {
      let positions = positionsOfSource[check.source] ?? []
      let guarded = !positions.isEmpty && positions.allSatisfy { flattened[$0].depth > 0 }
      isGuarded.append(guarded)
      if guarded { for position in positions { checksOfPosition[position].append(index) } }
    }
  }
}
