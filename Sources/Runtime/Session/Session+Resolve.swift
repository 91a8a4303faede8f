import COneDNN
import SwagePlan
import SwageTensor

extension Session {
  /// Makes everything ready whose sizes are known with this stage. Sizes are evaluated already.
  func resolve(stage: Int) throws {
    for buffer in schedule.stages[stage].buffers { try placeDynamic(buffer) }
    for value in schedule.stages[stage].values { resolveValue(value) }
    var scratchBytes = scratch?.byteCount ?? 0
    for position in schedule.stages[stage].positions {
      let step = stepOfPosition[position]
      try resolveOrNote(step)
      if let operation = stepStorage[step].operation {
        scratchBytes = max(scratchBytes, swage_dnn_scratch_bytes(operation))
      }
    }
    try growScratch(scratchBytes)
  }

  /// Resolves a step. A fault within a conditional is kept until the step is reached: its branch may not be taken.
  func resolveOrNote(_ step: Int) throws {
    do {
      if !checkFaults.isEmpty {
        for check in schedule.checksOfPosition[stepStorage[step].position] {
          if let fault = checkFaults[check] { throw fault }
        }
      }
      try resolve(step: step)
      if !faults.isEmpty { faults[step] = nil }
    } catch let fault as RuntimeError {
      stepStorage[step].kind = .unresolved
      if steps[step].depth == 0 { throw fault }
      faults[step] = fault
    }
  }

  private func resolveValue(_ id: ValueID) {
    let value = entryPoint.values[id]
    valueBytes[id] = -1
    var count = 1
    for size in value.shape {
      guard sizeIsValid[size], let product = Checked.multiply(count, sizeValues[size]) else { return }
      count = product
    }
    guard let bytes = value.elementType.byteCount(elements: count) else { return }
    switch value.location {
    case .weight(let index):
      let tensor = plan.weights[index].tensor
      guard bytes <= tensor.byteCount else { return }
      valuePointers[id] = tensor.storage.base + tensor.byteOffset
    case .input: break
    case .buffer(let buffer, let offset):
      if let offset, !sizeIsValid[offset] { return }
      let start = offset.map { sizeValues[$0] } ?? 0
      guard let end = Checked.add(start, bytes), end <= bufferBytes[buffer], let base = bufferBase(buffer) else {
        return
      }
      valuePointers[id] = base + start
    }
    valueBytes[id] = bytes
  }

  private func bufferBase(_ id: BufferID) -> UnsafeMutableRawPointer? {
    if case .dynamic = entryPoint.buffers[id].placement { return dynamics[id]?.base }
    return arenas[deviceOfBuffer[id] + 1].map { $0.base + arenaOffsets[id] }
  }

  /// Why a value has no bytes.
  func valueFault(_ id: ValueID, _ node: String) -> RuntimeError {
    let value = entryPoint.values[id]
    if let bad = value.shape.first(where: { !sizeIsValid[$0] }) { return sizeFault(bad, node) }
    if case .buffer(let buffer, let offset) = value.location {
      if let offset, !sizeIsValid[offset] { return sizeFault(offset, node) }
      let byteCount = entryPoint.buffers[buffer].byteCount
      if !sizeIsValid[byteCount] { return sizeFault(byteCount, node) }
      var bytes = value.elementType.bitWidth / 8
      for size in value.shape { bytes = Checked.multiply(bytes, sizeValues[size]) ?? .max }
      let end = Checked.add(bytes, offset.map { sizeValues[$0] } ?? 0) ?? .max
      return .outsideBuffer(value: value.name, end: end, bufferBytes: bufferBytes[buffer])
    }
    return .outsideBuffer(value: value.name, end: -1, bufferBytes: -1)
  }

  func requireSize(_ size: SizeID, _ node: String) throws -> Int {
    guard sizeIsValid[size] else { throw sizeFault(size, node) }
    return sizeValues[size]
  }

  private func resolve(step index: Int) throws {
    let step = stepStorage + index
    let instruction = flattened[step.pointee.position].instruction
    let buffers = step.pointee.buffers
    for (slot, operand) in instruction.operands.enumerated() {
      if let operand, valueBytes[operand] < 0 { throw valueFault(operand, instruction.place) }
      buffers[slot] = operand.flatMap { valuePointers[$0] }
    }
    for (slot, result) in instruction.results.enumerated() {
      if valueBytes[result] < 0 { throw valueFault(result, instruction.place) }
      buffers[instruction.operands.count + slot] = valuePointers[result]
    }
    switch instruction.operation {
    case .kernel(let call):
      for (slot, size) in call.sizes.enumerated() {
        step.pointee.sizes[slot] = Int64(try requireSize(size, instruction.place))
      }
      step.pointee.range = Int64(try requireSize(call.range, instruction.place))
      step.pointee.grain = Int64(try requireSize(call.grain, instruction.place))
      step.pointee.passes = 1
      if let passes = call.passes {
        step.pointee.passes = Int64(try requireSize(passes, instruction.place))
        // A kernel counts its units through all passes.
        if step.pointee.range.multipliedReportingOverflow(by: step.pointee.passes).overflow {
          throw RuntimeError.sizeOverflow(
            expression: entryPoint.sizes[passes].description, node: instruction.place)
        }
      }
      step.pointee.kind = .kernel
    case .library(let call):
      if case .convolution(let convolution) = call {
        for size in convolution.padsBegin + convolution.padsEnd { _ = try requireSize(size, instruction.place) }
      }
      guard let library = libraryCalls[step.pointee.position], instruction.results.count == 1 else {
        throw RuntimeError.unsupportedPlan(reason: "\(instruction.label): a library call has one result")
      }
      do throws(LibraryFault) {
        let operation = try library.operation(
          operands: instruction.operands.map { $0.map(argument) }, result: argument(instruction.results[0]),
          buffers: buffers, size: { self.sizeValues[$0] })
        step.pointee.operation = operation
        if let scratch, swage_dnn_scratch_bytes(operation) <= scratch.byteCount {
          swage_dnn_bind(operation, buffers, scratch.base)
        }
      } catch {
        throw RuntimeError.library(node: instruction.place, reason: error.reason)
      }
      step.pointee.kind = .library
    case .device, .loop, .copy, .bindSymbols, .conditional, .fail: break
    }
  }

  private func argument(_ id: ValueID) -> LibraryStep.Argument {
    let value = entryPoint.values[id]
    var constant: UnsafeRawPointer?
    if case .weight = value.location { constant = UnsafeRawPointer(valuePointers[id]) }
    return LibraryStep.Argument(
      elementType: value.elementType, sizes: value.shape.map { sizeValues[$0] }, constant: constant)
  }

  /// One scratch memory serves all library calls. When it grows, those that are ready are told.
  private func growScratch(_ byteCount: Int) throws {
    if let scratch, scratch.byteCount >= byteCount { return }
    guard library != nil else { return }
    try checkLimit(workingBytes - (scratch?.byteCount ?? 0) + byteCount)
    scratch = nil
    let memory = try HostMemory.allocate(byteCount: byteCount)
    scratch = memory
    for index in 0..<stepCount where stepStorage[index].kind == .library {
      if let operation = stepStorage[index].operation {
        swage_dnn_bind(operation, stepStorage[index].buffers, memory.base)
      }
    }
  }
}
