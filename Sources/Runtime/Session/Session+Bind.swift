import CRuntime
import Foundation
import SwagePlan
import SwageTensor

extension Session {
  /// Checks the inputs and makes the next `execute` use them. They are kept and read in place, except those that are not
  /// aligned to 64 bytes. Zero sizes are legal.
  public func bind(_ tensors: [String: Tensor]) throws { try bind(values: tensors.mapValues { .tensor($0) }) }

  /// The same with inputs of every kind; an optional that is left out has no value.
  public func bind(values: [String: HostValue]) throws {
    try checkNames(values)
    objects.truncate(to: 0)
    let ordered = try entryPoint.inputs.map { port -> Tensor in
      let value = entryPoint.values[port.value]
      if let type = port.type { return objects.add(try object(values[port.name], type, port.name)) }
      guard let given = values[port.name] else {
        throw RuntimeError.missingInput(name: port.name, type: typeText(value))
      }
      guard let tensor = given.tensor else {
        throw RuntimeError.inputValue(name: port.name, reason: "it is \(given.kind), not \(typeText(value))")
      }
      guard tensor.elementType == value.elementType else {
        throw RuntimeError.inputElementType(
          name: port.name, expected: value.elementType, actual: tensor.elementType)
      }
      guard tensor.shape.count == value.shape.count else {
        throw RuntimeError.inputRank(name: port.name, expected: typeText(value), actual: tensor.shape)
      }
      return tensor
    }
    try bind(ordered: ordered)
  }

  /// Binds inputs in the order of the entry point's, of their element types and ranks, and values for its parameters.
  func bind(ordered: [Tensor], parameters: [Int] = []) throws {
    // What is there now outlives the next run: inputs, and in a loop's body what iterations before made.
    boundObjects = objects.count
    swage_set_threads(Int32(clamping: threads))
    let changed = try bindSymbols(ordered, parameters)
    if changed || !isBound {
      isBound = false
      for stage in isStageValid.indices { isStageValid[stage] = false }
      evaluateSizes(stage: 0)
    }
    try checkShapes(ordered)
    if !isBound {
      try checkRelations(stage: 0)
      try placeArenas()
    }
    for (index, tensor) in ordered.enumerated() { try bindInput(index, tensor) }
    if !isBound {
      try resolve(stage: 0)
      isStageValid[0] = true
      isBound = true
    } else {
      try refreshInputs()
    }
  }

  /// The value of an input that is no tensor. A value stands for an optional that has it.
  private func object(_ value: HostValue?, _ type: ValueType, _ name: String) throws -> HostValue {
    var value = value
    if case .optional = type {
      switch value {
      case .optional?: break
      default: value = .optional(value)
      }
    }
    guard let value else { throw RuntimeError.missingInput(name: name, type: type.description) }
    if let reason = type.mismatch(value) { throw RuntimeError.inputValue(name: name, reason: reason) }
    return value
  }

  private func checkNames(_ tensors: [String: HostValue]) throws {
    let known = Set(entryPoint.inputs.map(\.name))
    if let name = tensors.keys.filter({ !known.contains($0) }).min() {
      throw RuntimeError.unknownInput(name: name, expected: entryPoint.inputs.map(\.name))
    }
  }

  private func typeText(_ value: PlanValue) -> String {
    TensorType(value.elementType, value.shape.map { entryPoint.sizes[$0] }).description
  }

  /// Gives the symbols that inputs bear, and the parameters, their values. Returns whether one of them changed.
  private func bindSymbols(_ tensors: [Tensor], _ parameters: [Int]) throws -> Bool {
    var changed = false
    func set(_ symbol: SymbolID, _ value: Int) {
      if symbolValues[symbol] == value { return }
      symbolValues[symbol] = value
      changed = true
    }
    for (symbol, value) in zip(entryPoint.parameters, parameters) { set(symbol, value) }
    for axis in symbolAxes where axis.isFirst { set(axis.symbol, tensors[axis.input].shape[axis.axis]) }
    if changed { isBound = false }
    for axis in symbolAxes where !axis.isFirst {
      let value = tensors[axis.input].shape[axis.axis]
      guard value != symbolValues[axis.symbol] else { continue }
      let first = symbolAxes.first { $0.symbol == axis.symbol }
      // The sizes are no consistent set: the next binding starts anew.
      isBound = false
      throw RuntimeError.symbolConflict(
        symbol: entryPoint.symbols[axis.symbol], first: first.map { place($0) } ?? "its loop",
        firstValue: symbolValues[axis.symbol], second: place(axis), secondValue: value)
    }
    return changed
  }

  private func place(_ axis: SymbolAxis) -> String { "axis \(axis.axis) of \(entryPoint.inputs[axis.input].name)" }

  private func checkShapes(_ tensors: [Tensor]) throws {
    for (port, tensor) in zip(entryPoint.inputs, tensors) {
      for (axis, size) in entryPoint.values[port.value].shape.enumerated() {
        guard sizeIsValid[size] else {
          throw RuntimeError.sizeOverflow(expression: entryPoint.sizes[size].description, node: port.name)
        }
        guard sizeValues[size] == tensor.shape[axis] else {
          throw RuntimeError.inputShape(
            name: port.name, axis: axis, expected: entryPoint.sizes[size].description, value: sizeValues[size],
            actual: tensor.shape)
        }
      }
    }
  }

  private func bindInput(_ index: Int, _ tensor: Tensor) throws {
    var address = tensor.storage.base + tensor.byteOffset
    if Int(bitPattern: address) & 63 != 0 {
      if alignedInputs[index]?.byteCount ?? -1 < tensor.byteCount {
        alignedInputs[index] = try HostMemory.allocate(byteCount: tensor.byteCount)
      }
      if let copy = alignedInputs[index] {
        memcpy(copy.base, address, tensor.byteCount)
        address = copy.base
      }
    }
    boundInputs[index] = tensor
    for value in valuesOfInput[index] { valuePointers[value] = address }
  }

  /// Tells the steps that are ready the new addresses of the inputs.
  private func refreshInputs() throws {
    for steps in stepsOfInput {
      for step in steps where stepStorage[step].kind != .unresolved { try resolveOrNote(step) }
    }
  }

  // MARK: Sizes

  func evaluateSizes(stage: Int) {
    for size in schedule.stages[stage].sizes {
      if let value = program.evaluate(size, symbolValues) {
        sizeValues[size] = value
        sizeIsValid[size] = !(schedule.isLength[size] && value < 0)
      } else {
        sizeValues[size] = 0
        sizeIsValid[size] = false
      }
    }
  }

  /// The fault of a size that is not valid.
  func sizeFault(_ size: SizeID, _ node: String) -> RuntimeError {
    let expression = entryPoint.sizes[size].description
    return sizeValues[size] < 0
      ? .negativeSize(expression: expression, value: sizeValues[size], node: node)
      : .sizeOverflow(expression: expression, node: node)
  }

  func checkRelations(stage: Int) throws {
    for index in schedule.stages[stage].checks {
      if !checkFaults.isEmpty { checkFaults[index] = nil }
      let check = entryPoint.checks[index]
      let left = sizeValues[check.left]
      let right = sizeValues[check.right]
      var fault: RuntimeError?
      if let bad = [check.left, check.right].first(where: { !sizeIsValid[$0] }) {
        fault = sizeFault(bad, check.source)
      } else {
        let holds: Bool
        let words: String
        switch check.relation {
        case .equal: (holds, words) = (left == right, "equal to")
        case .broadcast: (holds, words) = (left == right || left == 1 || right == 1, "equal to, or one beside,")
        case .atMost: (holds, words) = (left <= right, "at most")
        }
        if !holds {
          fault = .sizeCheck(
            left: entryPoint.sizes[check.left].description, leftValue: left, relation: words,
            right: entryPoint.sizes[check.right].description, rightValue: right, node: check.source)
        }
      }
      guard let fault else { continue }
      // A branch that is not taken may have sizes that make no sense.
      if !schedule.isGuarded[index] { throw fault }
      checkFaults[index] = fault
    }
  }

  // MARK: Memory

  /// Puts the `.fixed` and `.arena` buffers of every device into one piece of memory each.
  private func placeArenas() throws {
    let symbols = (0..<entryPoint.symbols.count).map { symbolValues[$0] }
    let inputSymbols = symbols.indices.map { schedule.isInputSymbol[$0] ? symbols[$0] : 0 }
    for (id, buffer) in entryPoint.buffers.enumerated() {
      if case .dynamic = buffer.placement, dynamics[id] != nil { continue }
      bufferBytes[id] = sizeIsValid[buffer.byteCount] ? sizeValues[buffer.byteCount] : -1
    }
    if let index = layouts.firstIndex(where: { $0.symbols == inputSymbols }) {
      let layout = layouts.remove(at: index)
      layouts.insert(layout, at: 0)
    } else {
      layouts.insert(try layOut(inputSymbols), at: 0)
      if layouts.count > 16 { layouts.removeLast() }
    }
    arenaOffsets = layouts[0].offsets
    let needed = zip(layouts[0].byteCounts, arenas).map { max($0, $1?.byteCount ?? 0) }.reduce(0, +)
    try checkLimit(workingBytes - arenas.reduce(0) { $0 + ($1?.byteCount ?? 0) } + needed)
    for (index, byteCount) in layouts[0].byteCounts.enumerated()
    where byteCount > arenas[index]?.byteCount ?? 0 || arenas[index] == nil {
      arenas[index] = nil
      arenas[index] =
        index == 0
        ? try HostMemory.allocate(byteCount: byteCount) : try devices[index - 1].allocate(byteCount: byteCount)
    }
  }

  private func layOut(_ symbols: [Int]) throws -> (symbols: [Int], offsets: [Int], byteCounts: [Int]) {
    var offsets = [Int](repeating: 0, count: entryPoint.buffers.count)
    var known = [Int?](repeating: nil, count: entryPoint.buffers.count)
    var byteCounts: [Int] = []
    for arena in 0...devices.count {
      var ids: [BufferID] = []
      var requests: [ArenaRequest] = []
      for (id, buffer) in entryPoint.buffers.enumerated() where deviceOfBuffer[id] == arena - 1 {
        let bytes = max(bufferBytes[id], 0)
        switch buffer.placement {
        case .fixed(let offset):
          requests.append(ArenaRequest(byteCount: bytes, first: buffer.first, last: buffer.last, fixedOffset: offset))
        case .arena: requests.append(ArenaRequest(byteCount: bytes, first: buffer.first, last: buffer.last))
        case .dynamic: continue
        }
        ids.append(id)
      }
      guard let layout = ArenaLayout.place(requests) else {
        throw RuntimeError.memoryLimit(needed: .max, limit: memoryLimit)
      }
      byteCounts.append(layout.byteCount)
      for (id, offset) in zip(ids, layout.offsets) {
        offsets[id] = offset
        known[id] = offset
      }
    }
    let sizes = (0..<entryPoint.sizes.count).map { sizeIsValid[$0] && isInputSize($0) ? sizeValues[$0] : nil }
    _ = try verifier.verify(sizes: sizes, offsets: known)
    return (symbols, offsets, byteCounts)
  }

  private func isInputSize(_ size: SizeID) -> Bool {
    program.symbols[size].allSatisfy { schedule.isInputSymbol[$0] }
  }

  func checkLimit(_ needed: Int) throws {
    guard needed <= memoryLimit else { throw RuntimeError.memoryLimit(needed: needed, limit: memoryLimit) }
  }

  /// Makes room for a `.dynamic` buffer; memory only grows.
  func placeDynamic(_ id: BufferID) throws {
    let size = entryPoint.buffers[id].byteCount
    guard sizeIsValid[size] else {
      bufferBytes[id] = -1
      return
    }
    let byteCount = sizeValues[size]
    bufferBytes[id] = byteCount
    let present = dynamics[id]?.byteCount ?? -1
    guard present < byteCount else { return }
    // Some room to grow into: sizes that depend on data change from run to run.
    let wanted = present < 0 ? byteCount : Checked.add(byteCount, byteCount / 4) ?? byteCount
    try checkLimit(workingBytes - max(present, 0) + wanted)
    dynamics[id] = nil
    let device = deviceOfBuffer[id]
    dynamics[id] =
      device < 0
      ? try HostMemory.allocate(byteCount: wanted) : try devices[device].allocate(byteCount: wanted)
  }
}
