import COneDNN
import CRuntime
import Foundation
import SwagePlan
import SwageTensor

extension Session {
  /// Binds the inputs, runs, and returns copies of the outputs.
  public func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
    try bind(inputs)
    try execute()
    return try results()
  }

  /// The same with inputs and outputs of every kind.
  public func run(values: [String: HostValue]) throws -> [String: HostValue] {
    try bind(values: values)
    try execute()
    return try resultValues()
  }

  /// Runs what is bound.
  public func execute() throws {
    var hook = NoHook()
    try execute(&hook)
  }

  /// Runs what is bound, telling `hook` of each step.
  public func execute<H: StepHook>(_ hook: inout H) throws {
    guard isBound else { throw RuntimeError.notBound }
    objects.truncate(to: boundObjects)
    swage_set_threads(Int32(clamping: threads))
    let steps = stepStorage
    let count = stepCount
    var index = 0
    while index < count {
      let step = steps + index
      var next = index + 1
      switch step.pointee.kind {
      case .kernel:
        swage_launch(
          step.pointee.kernel, step.pointee.buffers, step.pointee.sizes, step.pointee.range, step.pointee.grain,
          step.pointee.passes)
      case .library:
        let status = swage_dnn_execute(step.pointee.operation)
        if status != 0 { throw libraryFault(index, status) }
      case .copy:
        if let from = valuePointers[step.pointee.operand], let to = valuePointers[step.pointee.result] {
          memmove(to, from, max(valueBytes[step.pointee.result], 0))
        }
      case .branch:
        if valuePointers[step.pointee.operand]?.load(as: UInt8.self) == 0 { next = step.pointee.jump }
      case .finish:
        try finish(ends[step.pointee.detail], step.pointee.position)
        next = step.pointee.jump
      case .device, .deviceCopy, .bindSymbols, .fail, .unresolved: try executeOther(index)
      }
      hook.afterStep(index)
      index = next
    }
  }

  /// Copies of the outputs of the last `execute`.
  public func results() throws -> [String: Tensor] {
    var results: [String: Tensor] = [:]
    for port in entryPoint.outputs {
      if let type = port.type { throw RuntimeError.outputValue(name: port.name, type: type.description) }
      results[port.name] = try copy(of: port.value)
    }
    return results
  }

  /// Copies of the outputs of the last `execute`, of every kind.
  public func resultValues() throws -> [String: HostValue] {
    var results: [String: HostValue] = [:]
    for port in entryPoint.outputs {
      let tensor = try copy(of: port.value)
      guard let type = port.type else {
        results[port.name] = .tensor(tensor)
        continue
      }
      guard let value = objects.value(tensor) else {
        throw RuntimeError.unsupportedPlan(reason: "output \(port.name) is no value of the run")
      }
      // A value stands for an optional that has it.
      switch (type, value) {
      case (.optional, .optional): results[port.name] = value
      case (.optional, _): results[port.name] = .optional(value)
      case (_, .optional(let inner?)): results[port.name] = inner
      default: results[port.name] = value
      }
    }
    return results
  }

  /// A copy of a value as it is now; nil where it has no bytes at present. For hooks that look at intermediate values.
  public func tensor(of value: ValueID) -> Tensor? {
    entryPoint.values.indices.contains(value) && isBound ? try? copy(of: value) : nil
  }

  private func copy(of id: ValueID) throws -> Tensor {
    let value = entryPoint.values[id]
    guard valueBytes[id] >= 0, let source = valuePointers[id] else { throw valueFault(id, value.name) }
    let storage = try HostMemory.allocate(byteCount: valueBytes[id])
    if let device = device(of: id) {
      try device.copy(from: source, to: storage.base, byteCount: valueBytes[id], direction: .fromDevice)
    } else {
      memcpy(storage.base, source, valueBytes[id])
    }
    guard let tensor = Tensor(value.elementType, value.shape.map { sizeValues[$0] }, storage: storage) else {
      throw valueFault(id, value.name)
    }
    // Where several elements share a byte, bits behind the last one are zero.
    let used = tensor.elementType.bitWidth < 8 ? tensor.count * tensor.elementType.bitWidth % 8 : 0
    if used > 0 {
      let last = storage.base.assumingMemoryBound(to: UInt8.self) + (tensor.byteCount - 1)
      last.pointee &= (1 << UInt8(used)) - 1
    }
    return tensor
  }

  private func device(of id: ValueID) -> (any Device)? {
    guard case .buffer(let buffer, _) = entryPoint.values[id].location, deviceOfBuffer[buffer] >= 0 else { return nil }
    return devices[deviceOfBuffer[buffer]]
  }

  private func libraryFault(_ step: Int, _ status: Int32) -> RuntimeError {
    .library(node: flattened[stepStorage[step].position].instruction.place, reason: "status \(status) of a run")
  }

  // MARK: Steps that are not on the fast path

  private func executeOther(_ index: Int) throws {
    let position = stepStorage[index].position
    let instruction = flattened[position].instruction
    switch stepStorage[index].kind {
    case .kernel, .library, .copy, .branch, .finish: break
    case .unresolved:
      throw faults[index]
        ?? RuntimeError.unsupportedPlan(reason: "\(instruction.place) uses sizes that are not known yet")
    case .fail:
      if case .fail(let message) = instruction.operation {
        throw RuntimeError.failed(node: instruction.place, message: message)
      }
    case .deviceCopy: try copyBetween(stepStorage[index].operand, stepStorage[index].result)
    case .bindSymbols:
      if case .bindSymbols(let symbols) = instruction.operation {
        try bindSymbols(symbols, from: stepStorage[index].operand, instruction, position)
      }
    case .device: try runDevice(instruction, index, position)
    }
  }

  private func copyBetween(_ operand: ValueID, _ result: ValueID) throws {
    guard valueBytes[result] >= 0, valueBytes[operand] == valueBytes[result], let from = valuePointers[operand],
      let to = valuePointers[result]
    else { throw valueFault(result, entryPoint.values[result].name) }
    let byteCount = valueBytes[result]
    switch (device(of: operand), device(of: result)) {
    case (nil, nil): memmove(to, from, byteCount)
    case (nil, let target?): try target.copy(from: from, to: to, byteCount: byteCount, direction: .toDevice)
    case (let source?, nil): try source.copy(from: from, to: to, byteCount: byteCount, direction: .fromDevice)
    case (let source?, let target?):
      if source.name == target.name {
        try source.copy(from: from, to: to, byteCount: byteCount, direction: .within)
      } else {
        let middle = try HostMemory.allocate(byteCount: byteCount)
        try source.copy(from: from, to: middle.base, byteCount: byteCount, direction: .fromDevice)
        try target.copy(from: middle.base, to: to, byteCount: byteCount, direction: .toDevice)
      }
    }
  }

  private func bindSymbols(
    _ symbols: [SymbolID], from operand: ValueID, _ instruction: Instruction, _ position: Int
  ) throws {
    let value = entryPoint.values[operand]
    let width = value.elementType == .i64 ? 8 : 4
    guard value.elementType == .i64 || value.elementType == .i32, valueBytes[operand] == symbols.count * width,
      let base = valuePointers[operand]
    else {
      throw RuntimeError.unsupportedPlan(
        reason: "\(instruction.place): sizes are not in an integer tensor of their number")
    }
    var changed = false
    for (index, symbol) in symbols.enumerated() {
      let number =
        width == 8
        ? Int(base.load(fromByteOffset: index * 8, as: Int64.self))
        : Int(base.load(fromByteOffset: index * 4, as: Int32.self))
      define(symbol, number, &changed)
    }
    try enter(stage: schedule.stageOfPosition[position], changed: changed)
  }

  /// Values that come from data may be negative; where one becomes a length, that is a fault of the length.
  private func define(_ symbol: SymbolID, _ value: Int, _ changed: inout Bool) {
    if symbolValues[symbol] != value {
      symbolValues[symbol] = value
      changed = true
    }
  }

  /// Works out what depends on sizes that have just become known; nothing where they are those of the last run.
  private func enter(stage: Int, changed: Bool) throws {
    if isStageValid[stage], !changed { return }
    for later in stage..<isStageValid.count { isStageValid[later] = false }
    evaluateSizes(stage: stage)
    try checkRelations(stage: stage)
    try resolve(stage: stage)
    isStageValid[stage] = true
  }

  private func finish(_ end: BlockEnd, _ position: Int) throws {
    if !end.defines.isEmpty {
      let instruction = flattened[position].instruction
      var changed = false
      for define in end.defines {
        let shape = entryPoint.values[define.value].shape
        guard shape.indices.contains(define.axis) else {
          throw RuntimeError.unsupportedPlan(reason: "\(instruction.place) defines a size by an axis that is not there")
        }
        self.define(define.symbol, try requireSize(shape[define.axis], instruction.place), &changed)
      }
      try enter(stage: end.stage, changed: changed)
    }
    for move in end.moves where valuePointers[move.from] != valuePointers[move.to] || valueBytes[move.to] < 0 {
      try copyBetween(move.from, move.to)
    }
  }

  private func runDevice(_ instruction: Instruction, _ index: Int, _ position: Int) throws {
    guard let program = programs[position] else { return }
    let (name, sizes) =
      switch instruction.operation {
      case .device(let name, _, let sizes): (name, sizes)
      case .loop(let call): ("loop", call.sizes)
      case .kernel, .library, .copy, .bindSymbols, .conditional, .fail: ("", [])
      }
    let operands = try instruction.operands.map { try $0.map { try view(of: $0, for: instruction.place) } }
    let tensors = try program.run(operands: operands, sizes: sizes.map { try requireSize($0, instruction.place) })
    deviceNanoseconds[index] += program.lastDeviceNanoseconds ?? 0
    guard tensors.count == instruction.results.count else {
      throw RuntimeError.deviceResult(
        device: name, node: instruction.place,
        reason: "\(tensors.count) results, the instruction has \(instruction.results.count)")
    }
    for (result, tensor) in zip(instruction.results, tensors) {
      let value = entryPoint.values[result]
      guard tensor.elementType == value.elementType, tensor.shape.count == value.shape.count else {
        throw RuntimeError.deviceResult(
          device: name, node: instruction.place,
          reason: "\(tensor.type) where \(value.elementType.name) of rank \(value.shape.count) is planned")
      }
    }
    if !instruction.defines.isEmpty {
      var changed = false
      for define in instruction.defines {
        guard tensors.indices.contains(define.result), tensors[define.result].shape.indices.contains(define.axis) else {
          throw RuntimeError.unsupportedPlan(reason: "\(instruction.place) defines a size by an axis that is not there")
        }
        self.define(define.symbol, tensors[define.result].shape[define.axis], &changed)
      }
      try enter(stage: schedule.stageOfPosition[position], changed: changed)
    }
    for (result, tensor) in zip(instruction.results, tensors) {
      let shape = entryPoint.values[result].shape
      guard valueBytes[result] >= 0, let target = valuePointers[result] else {
        throw valueFault(result, instruction.place)
      }
      guard zip(shape, tensor.shape).allSatisfy({ sizeValues[$0] == $1 }), tensor.byteCount == valueBytes[result] else {
        throw RuntimeError.deviceResult(
          device: name, node: instruction.place,
          reason: "sizes \(tensor.shape) where \(shape.map { sizeValues[$0] }) is planned")
      }
      try tensor.withBytes { bytes in
        guard let source = bytes.baseAddress else { return }
        if let device = device(of: result) {
          try device.copy(from: source, to: target, byteCount: bytes.count, direction: .toDevice)
        } else {
          memmove(target, source, bytes.count)
        }
      }
    }
  }

  /// A value as a tensor over the planned memory; through a copy where its memory is not the host's.
  func view(of id: ValueID, for node: String) throws -> Tensor {
    let value = entryPoint.values[id]
    guard valueBytes[id] >= 0, let base = valuePointers[id] else { throw valueFault(id, node) }
    if device(of: id) != nil { return try copy(of: id) }
    // The session owns the memory, and outlives the device's use of it.
    let storage = Storage(base: base, byteCount: max(valueBytes[id], 1)) {}
    guard let tensor = Tensor(value.elementType, value.shape.map { sizeValues[$0] }, storage: storage) else {
      throw valueFault(id, node)
    }
    return tensor
  }
}
