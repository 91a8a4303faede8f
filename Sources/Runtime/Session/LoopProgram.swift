import CRuntime
import Foundation
import SwagePlan
import SwageTensor

/// A loop that is ready to run: its body is a session of its own, bound anew for each iteration. Sizes may change from one
/// iteration to the next; where they do not, only addresses change.
///
/// Memory for carried values and stacks is kept for the next run.
final class LoopProgram: DeviceProgram {
  private let body: Session
  private let call: LoopCall
  private let node: String
  private let iteration = Tensor(zeros: .i64, [])
  private let condition = Tensor(zeros: .bool, [])
  /// Two places for each carried value: an iteration reads one and its result goes to the other.
  private var places: [[GrowingStorage]]
  private var stacks: [GrowingStorage]

  init(_ body: Session, _ call: LoopCall, node: String) {
    self.body = body
    self.call = call
    self.node = node
    places = (0..<call.carried).map { _ in [GrowingStorage(), GrowingStorage()] }
    stacks = (0..<max(body.outputs.count - 1 - call.carried, 0)).map { _ in GrowingStorage() }
  }

  func run(operands: [Tensor?], sizes: [Int]) throws -> [Tensor] {
    let limit = operands[0].map { Self.integer($0) } ?? .max
    var goesOn = operands[1].map { Self.flag($0) } ?? true
    var values = operands[2..<2 + call.carried].compactMap { $0 }
    let constant = operands[(2 + call.carried)...].compactMap { $0 }
    var parts = [Tensor?](repeating: nil, count: stacks.count)
    for index in stacks.indices { stacks[index].used = 0 }
    var count = 0
    while goesOn, count < limit {
      iteration.storage.base.storeBytes(of: Int64(count), as: Int64.self)
      condition.storage.base.storeBytes(of: goesOn ? 1 : 0, as: UInt8.self)
      try body.bind(ordered: [iteration, condition] + values + constant, parameters: sizes)
      try body.execute()
      goesOn = Self.flag(try output(0))
      for index in 0..<call.carried { values[index] = try places[index][count & 1].copy(try output(1 + index)) }
      for index in stacks.indices {
        let part = try output(1 + call.carried + index)
        if let first = parts[index], first.shape != part.shape {
          throw RuntimeError.failed(
            node: node, message: "iteration \(count) gives \(part.type) for a stack of \(first.type)")
        }
        if part.elementType.bitWidth < 8, part.count * part.elementType.bitWidth % 8 != 0 {
          throw RuntimeError.failed(node: node, message: "parts of \(part.type) do not fill whole bytes of a stack")
        }
        parts[index] = part
        try stacks[index].append(part)
      }
      count += 1
    }
    if count == 0, !stacks.isEmpty {
      // The sizes that a part would have, as far as they follow from what goes in.
      try? body.bind(ordered: [iteration, condition] + values + constant, parameters: sizes)
    }
    return values + (try stacks.indices.map { try stack($0, of: count, like: parts[$0]) })
  }

  /// An output of the body, in the body's memory.
  private func output(_ index: Int) throws -> Tensor {
    try body.view(of: body.entryPoint.outputs[index].value, for: node)
  }

  private func stack(_ index: Int, of count: Int, like part: Tensor?) throws -> Tensor {
    let value = body.entryPoint.values[body.entryPoint.outputs[1 + call.carried + index].value]
    let inner = part?.shape ?? value.shape.map { body.isBound && body.sizeIsValid[$0] ? body.sizeValues[$0] : 0 }
    let shape = [count] + inner
    guard let storage = stacks[index].storage ?? (count == 0 ? Storage(zeroed: 0) : nil),
      let tensor = Tensor(value.elementType, count == 0 ? [0] + inner : shape, storage: storage)
    else { throw RuntimeError.failed(node: node, message: "a stack of \(count) parts of \(inner) does not fit") }
    return tensor
  }

  private static func integer(_ tensor: Tensor) -> Int {
    Int(tensor.storage.base.loadUnaligned(fromByteOffset: tensor.byteOffset, as: Int64.self))
  }

  private static func flag(_ tensor: Tensor) -> Bool {
    tensor.storage.base.load(fromByteOffset: tensor.byteOffset, as: UInt8.self) != 0
  }
}

/// Memory that grows and is kept.
private struct GrowingStorage {
  private(set) var storage: Storage?
  var used = 0

  /// The tensor's elements, moved here.
  mutating func copy(_ tensor: Tensor) throws -> Tensor {
    used = 0
    try append(tensor)
    guard let storage, let copy = Tensor(tensor.elementType, tensor.shape, storage: storage) else {
      throw RuntimeError.noMemory(bytes: tensor.byteCount)
    }
    return copy
  }

  mutating func append(_ tensor: Tensor) throws {
    guard let needed = Checked.add(used, tensor.byteCount) else { throw RuntimeError.noMemory(bytes: tensor.byteCount) }
    if storage?.byteCount ?? -1 < needed {
      let larger = try HostMemory.allocate(byteCount: max(needed, (storage?.byteCount ?? 0) * 2))
      if let storage { memcpy(larger.base, storage.base, used) }
      storage = larger
    }
    if let storage {
      tensor.withBytes { bytes in _ = bytes.baseAddress.map { memcpy(storage.base + used, $0, bytes.count) } }
    }
    used = needed
  }
}
