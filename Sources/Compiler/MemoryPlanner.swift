import SwagePlan
import SwageTensor

/// Gives every buffer of an entry point its lifetime and its place.
///
/// 1. A result is written over an operand where the target allows it and the operand dies there.
/// 2. Buffers of constant size get fixed offsets in the arena of their device; those whose sizes follow from the inputs
///    are placed by the runtime with the same algorithm; the rest are allocated when their size is known.
enum MemoryPlanner {
  static func plan(_ entry: EntryPoint) -> EntryPoint {
    var entry = entry
    shareBuffers(&entry)
    dropUnusedBuffers(&entry)
    place(&entry)
    return entry
  }

  // MARK: - In place

  private static func shareBuffers(_ entry: inout EntryPoint) {
    var lifetimes = Lifetimes(entry).buffers
    var owner = Array(entry.buffers.indices)
    func root(_ buffer: BufferID) -> BufferID {
      var buffer = buffer
      while owner[buffer] != buffer { buffer = owner[buffer] }
      return buffer
    }
    func buffer(_ value: ValueID) -> BufferID? {
      if case .buffer(let id, nil) = entry.values[value].location { return root(id) }
      return nil
    }
    // What a block or the entry point hands on is read after its last instruction.
    var handedOn = Set(entry.outputs.compactMap { buffer($0.value) })
    for flat in entry.flattened {
      guard case .conditional(let then, let otherwise) = flat.instruction.operation else { continue }
      handedOn.formUnion((then.results + otherwise.results).compactMap { buffer($0) })
    }
    var kept: [Int: [InPlace]] = [:]
    for flat in entry.flattened where !flat.instruction.inPlace.isEmpty {
      var taken: Set<BufferID> = []
      for pair in flat.instruction.inPlace {
        let instruction = flat.instruction
        guard let operand = instruction.operands[pair.operand], let from = buffer(operand),
          let to = buffer(instruction.results[pair.result]), from != to, !taken.contains(from),
          !handedOn.contains(from),
          let old = lifetimes[from], let new = lifetimes[to], old.upperBound == flat.position,
          new.lowerBound == flat.position, entry.buffers[from].byteCount == entry.buffers[to].byteCount,
          entry.buffers[from].device == entry.buffers[to].device
        else { continue }
        let others = instruction.operands.enumerated().filter { $0.offset != pair.operand }
        guard !others.contains(where: { $0.element.flatMap { buffer($0) } == from }) else { continue }
        taken.insert(from)
        owner[to] = from
        if handedOn.contains(to) { handedOn.insert(from) }
        lifetimes[from] = old.lowerBound...new.upperBound
        kept[flat.position, default: []].append(pair)
      }
    }
    for index in entry.values.indices {
      if case .buffer(let id, let offset) = entry.values[index].location {
        entry.values[index].location = .buffer(root(id), offset: offset)
      }
    }
    var position = 0
    entry.body = keepPairs(entry.body, kept, &position)
    for index in entry.buffers.indices {
      guard owner[index] == index, let range = lifetimes[index] else { continue }
      entry.buffers[index].first = range.lowerBound
      entry.buffers[index].last = range.upperBound
    }
  }

  /// Leaves each instruction those in-place pairs that were used.
  private static func keepPairs(_ block: Block, _ kept: [Int: [InPlace]], _ position: inout Int) -> Block {
    var block = block
    for index in block.instructions.indices {
      block.instructions[index].inPlace = kept[position] ?? []
      position += 1
      if case .conditional(let then, let otherwise) = block.instructions[index].operation {
        let first = keepPairs(then, kept, &position)
        let second = keepPairs(otherwise, kept, &position)
        block.instructions[index].operation = .conditional(then: first, else: second)
      }
    }
    return block
  }

  private static func dropUnusedBuffers(_ entry: inout EntryPoint) {
    var used: Set<BufferID> = []
    for value in entry.values { if case .buffer(let id, _) = value.location { used.insert(id) } }
    var renamed: [BufferID: BufferID] = [:]
    var buffers: [PlanBuffer] = []
    for index in entry.buffers.indices where used.contains(index) {
      renamed[index] = buffers.count
      buffers.append(entry.buffers[index])
    }
    entry.buffers = buffers
    for index in entry.values.indices {
      if case .buffer(let id, let offset) = entry.values[index].location, let new = renamed[id] {
        entry.values[index].location = .buffer(new, offset: offset)
      }
    }
  }

  // MARK: - Placement

  private static func place(_ entry: inout EntryPoint) {
    let inputSymbols = Set(
      entry.inputs.flatMap { port in entry.values[port.value].shape.compactMap { entry.sizes[$0].symbolName } }
        + entry.parameters.map { entry.symbols[$0] })
    for index in entry.buffers.indices {
      let symbols = entry.sizes[entry.buffers[index].byteCount].symbols
      entry.buffers[index].placement = symbols.allSatisfy(inputSymbols.contains) ? .arena : .dynamic
    }
    for device in Set(entry.buffers.map(\.device)).sorted() {
      let fixed = entry.buffers.indices.filter {
        entry.buffers[$0].device == device && entry.sizes[entry.buffers[$0].byteCount].constant != nil
      }
      let requests = fixed.map { index in
        let buffer = entry.buffers[index]
        return ArenaRequest(
          byteCount: entry.sizes[buffer.byteCount].constant ?? 0, first: buffer.first, last: buffer.last)
      }
      guard let layout = ArenaLayout.place(requests) else { continue }
      for (index, offset) in zip(fixed, layout.offsets) { entry.buffers[index].placement = .fixed(offset: offset) }
    }
  }
}
