/// From which position to which each buffer of an entry point is in use, by the rules of `EntryPoint.flattened`.
public struct Lifetimes: Sendable {
  /// One for each buffer; nil where nothing touches it.
  public private(set) var buffers: [ClosedRange<Int>?]

  /// Ids that are out of range are passed over.
  public init(_ entry: EntryPoint) {
    buffers = Array(repeating: nil, count: entry.buffers.count)
    let flattened = entry.flattened
    for flat in flattened {
      let instruction = flat.instruction
      for case let operand? in instruction.operands { touch(operand, flat.position, entry) }
      for result in instruction.results {
        touch(result, flat.position, entry)
        touch(result, flat.end, entry)
      }
      if case .conditional(let then, let otherwise) = instruction.operation {
        for value in then.results { touch(value, flat.thenEnd, entry) }
        for value in otherwise.results { touch(value, flat.end, entry) }
      }
    }
    let end = max(flattened.count - 1, 0)
    for port in entry.outputs { touch(port.value, end, entry) }
    for value in entry.body.results { touch(value, end, entry) }
  }

  private mutating func touch(_ value: ValueID, _ position: Int, _ entry: EntryPoint) {
    guard entry.values.indices.contains(value), case .buffer(let buffer, _) = entry.values[value].location,
      buffers.indices.contains(buffer)
    else { return }
    let range = buffers[buffer] ?? position...position
    buffers[buffer] = min(range.lowerBound, position)...max(range.upperBound, position)
  }
}
