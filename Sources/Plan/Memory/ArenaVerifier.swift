import SwageTensor

/// The memory of one device that an entry point needs.
public struct ArenaUse: Hashable, Sendable {
  public var device: String
  /// The end of the last buffer in the arena, bytes.
  public var byteCount: Int
  /// The most bytes of arena buffers that are in use at one position: no placement needs less.
  public var lowerBound: Int
}

/// What `ArenaVerifier` found.
public struct ArenaReport: Sendable {
  /// In the order in which devices first occur among the buffers.
  public var arenas: [ArenaUse]
  /// Values whose place is not proven because their size or offset is not known yet.
  public var unproven: Int
  /// Empty where the placement is sound.
  public var faults: [PlanFault]
}

/// Proves that values which are needed at the same time do not overlap in memory, and lie inside their buffers.
///
/// It believes nothing that the planner says but the places themselves: when a value is written and last read follows from
/// the instructions, not from `PlanBuffer.first` and `.last`. Overlap is allowed for a declared view and its source, for a
/// declared in-place result and the operand it replaces, when nothing reads the operand later, and for a block's result
/// that is computed right where the conditional's result belongs.
///
/// A value of a buffer that no instruction writes and that is no declared view reads whatever was last written to its
/// bytes: the results of several instructions, side by side.
///
/// All ids of the entry point must be valid.
public struct ArenaVerifier: Sendable {
  /// An instruction's result.
  private struct Definition {
    var value: ValueID
    var buffer: BufferID
    var start: Int
    /// A conditional's results are written until its end.
    var end: Int
    /// The operand that the result replaces.
    var inPlaceOperand: ValueID?
    /// What the blocks of a conditional move here.
    var moved: [ValueID] = []
    var place: String { "position \(start)" }
  }

  private struct Read {
    var value: ValueID
    var position: Int
  }

  private struct Extent {
    var offset: Int
    var end: Int

    func overlaps(_ other: Extent) -> Bool { offset < other.end && other.offset < end }
  }

  private let entry: EntryPoint
  private let weightByteCounts: [Int]
  private let devices: [String]
  private let deviceOfBuffer: [Int]
  private var definitions: [Definition] = []
  /// In order of position.
  private var reads: [Read] = []
  private var definitionOfValue: [Int?]
  private var definitionsOfBuffer: [[Int]]

  /// `weightByteCounts` has the size of each weight of the plan.
  public init(_ entry: EntryPoint, weightByteCounts: [Int]) {
    self.entry = entry
    self.weightByteCounts = weightByteCounts
    var devices: [String] = []
    deviceOfBuffer = entry.buffers.map { buffer in
      if let known = devices.firstIndex(of: buffer.device) { return known }
      devices.append(buffer.device)
      return devices.count - 1
    }
    self.devices = devices
    definitionOfValue = Array(repeating: nil, count: entry.values.count)
    definitionsOfBuffer = Array(repeating: [], count: entry.buffers.count)
    var position = 0
    collect(entry.body, &position)
    // Outputs outlive the last instruction.
    for port in entry.outputs { reads.append(Read(value: port.value, position: position)) }
    for value in entry.body.results { reads.append(Read(value: value, position: position)) }
    reads.sort { ($0.position, $0.value) < ($1.position, $1.value) }
    for (index, definition) in definitions.enumerated() {
      definitionOfValue[definition.value] = index
      definitionsOfBuffer[definition.buffer].append(index)
    }
    for buffer in definitionsOfBuffer.indices {
      definitionsOfBuffer[buffer].sort { definitions[$0].start < definitions[$1].start }
    }
  }

  /// Walks the instructions; `position` counts them as `EntryPoint.flattened` does.
  private mutating func collect(_ block: Block, _ position: inout Int) {
    for instruction in block.instructions {
      let start = position
      position += 1
      for case let operand? in instruction.operands { reads.append(Read(value: operand, position: start)) }
      var moved: [[ValueID]] = []
      if case .conditional(let then, let otherwise) = instruction.operation {
        for inner in [then, otherwise] {
          collect(inner, &position)
          moved.append(inner.results)
          for value in inner.results { reads.append(Read(value: value, position: position - 1)) }
        }
      }
      for (index, result) in instruction.results.enumerated() {
        guard case .buffer(let buffer, _) = entry.values[result].location else { continue }
        let replaced = instruction.inPlace.first { $0.result == index }.flatMap { instruction.operands[$0.operand] }
        definitions.append(
          Definition(
            value: result, buffer: buffer, start: start, end: position - 1, inPlaceOperand: replaced,
            moved: moved.compactMap { index < $0.count ? $0[index] : nil }))
      }
    }
  }

  /// Throws `PlanError.invalid` where `check` finds faults.
  @discardableResult
  public func verify(sizes: [Int?], offsets: [Int?]) throws(PlanError) -> ArenaReport {
    let report = check(sizes: sizes, offsets: offsets)
    guard report.faults.isEmpty else { throw .invalid(file: nil, faults: report.faults) }
    return report
  }

  public init(_ entry: EntryPoint, of plan: Plan) {
    self.init(entry, weightByteCounts: plan.weights.map(\.tensor.byteCount))
  }

  /// Checks what is known at compile time: constant sizes and fixed offsets.
  public static func checkStatic(_ entry: EntryPoint, of plan: Plan) -> ArenaReport {
    let offsets = entry.buffers.map { buffer -> Int? in
      if case .fixed(let offset) = buffer.placement { offset } else { nil }
    }
    return ArenaVerifier(entry, of: plan).check(sizes: entry.sizes.map(\.constant), offsets: offsets)
  }

  /// - Parameters:
  ///   - sizes: the value of each size of the entry point; nil where it is not known yet.
  ///   - offsets: where each buffer lies in its device's arena, in bytes; nil for dynamic buffers and those that are not
  ///     placed yet.
  public func check(sizes: [Int?], offsets: [Int?]) -> ArenaReport {
    var run = Run(verifier: self, sizes: sizes, offsets: offsets)
    run.checkExtents()
    run.findLastReads()
    run.checkOverlap()
    return run.report()
  }

  /// One check with given sizes and offsets.
  private struct Run {
    let verifier: ArenaVerifier
    let sizes: [Int?]
    let offsets: [Int?]
    /// Bytes from the start of the buffer, weight or input, one for each value.
    var extents: [Extent?]
    var lastRead: [Int]
    var unproven = 0
    var faults: [PlanFault] = []

    var entry: EntryPoint { verifier.entry }

    init(verifier: ArenaVerifier, sizes: [Int?], offsets: [Int?]) {
      self.verifier = verifier
      self.sizes = sizes
      self.offsets = offsets
      extents = Array(repeating: nil, count: verifier.entry.values.count)
      lastRead = verifier.definitions.map(\.end)
    }

    mutating func report(_ rule: PlanRule, _ place: String, _ detail: String) {
      guard faults.count < PlanValidator.maximumFaults else { return }
      faults.append(PlanFault(rule, "\(entry.name): \(place)", detail))
    }

    func name(_ value: ValueID) -> String { "\(value) '\(entry.values[value].name)'" }

    mutating func checkExtents() {
      let entry = self.entry
      for (id, value) in entry.values.enumerated() {
        switch value.location {
        case .buffer(let buffer, let offset):
          extents[id] = extent(of: value, offset: offset)
          checkIsWithin(id, sizes[entry.buffers[buffer].byteCount], "buffer \(buffer)")
        case .weight(let index):
          extents[id] = extent(of: value, offset: nil)
          checkIsWithin(id, verifier.weightByteCounts[index], "weight \(index)")
        case .input(let index):
          extents[id] = extent(of: value, offset: nil)
          let input = entry.inputs[index].value
          if input != id { checkIsWithin(id, extent(of: entry.values[input], offset: nil)?.end, "input \(index)") }
        }
      }
      for (id, value) in entry.values.enumerated() {
        guard let source = value.viewOf, let inner = extents[id], let outer = extents[source] else { continue }
        if inner.offset < outer.offset || inner.end > outer.end {
          report(.views, "value \(name(id))", "it shows bytes beyond value \(name(source))")
        }
      }
    }

    private mutating func checkIsWithin(_ id: ValueID, _ capacity: Int?, _ place: String) {
      guard let extent = extents[id], let capacity else {
        unproven += 1
        return
      }
      if extent.end > capacity {
        report(.locations, "value \(name(id))", "it ends at byte \(extent.end) of \(place), which has \(capacity)")
      }
    }

    private mutating func extent(of value: PlanValue, offset: SizeID?) -> Extent? {
      var shape: [Int] = []
      for size in value.shape {
        guard let size = sizes[size] else { return nil }
        shape.append(size)
      }
      var start = 0
      if let offset {
        guard let known = sizes[offset] else { return nil }
        start = known
      }
      guard start >= 0, let count = Checked.product(shape),
        let bytes = value.elementType.byteCount(elements: count), let end = Checked.add(start, bytes)
      else {
        report(.shapes, "value '\(value.name)'", "its size \(shape) at byte \(start) does not fit")
        return nil
      }
      return Extent(offset: start, end: end)
    }

    mutating func findLastReads() {
      for read in verifier.reads {
        for index in sources(of: read.value, before: read.position) {
          lastRead[index] = max(lastRead[index], read.position)
        }
      }
    }

    /// The definitions whose bytes a read of `value` at `position` sees.
    private mutating func sources(of value: ValueID, before position: Int) -> [Int] {
      var root = value
      while let source = entry.values[root].viewOf { root = source }
      if let definition = verifier.definitionOfValue[root] { return [definition] }
      guard case .buffer(let buffer, _) = entry.values[root].location else { return [] }
      let earlier = verifier.definitionsOfBuffer[buffer].filter { verifier.definitions[$0].start < position }
      guard let wanted = extents[root] else { return earlier }
      // From the latest write back, until all bytes are accounted for.
      var missing = wanted.end > wanted.offset ? [wanted] : []
      var found: [Int] = []
      for index in earlier.reversed() where !missing.isEmpty {
        guard let written = extents[verifier.definitions[index].value] else {
          found.append(index)
          missing = []
          break
        }
        guard missing.contains(where: { $0.overlaps(written) }) else { continue }
        found.append(index)
        missing = missing.flatMap { part in
          part.overlaps(written)
            ? [
              Extent(offset: part.offset, end: max(part.offset, written.offset)),
              Extent(offset: min(part.end, written.end), end: part.end),
            ].filter { $0.end > $0.offset } : [part]
        }
      }
      if let part = missing.first {
        report(
          .defined, "value \(name(root))",
          "bytes \(part.offset)..<\(part.end) of it are read at position \(position), and nothing wrote them")
      }
      return found
    }

    mutating func checkOverlap() {
      var arena: [[Int]] = Array(repeating: [], count: verifier.devices.count)
      for index in verifier.definitions.indices {
        let buffer = verifier.definitions[index].buffer
        if offsets[buffer] != nil { arena[verifier.deviceOfBuffer[buffer]].append(index) }
      }
      for definitions in arena { sweep(definitions, within: nil) }
      for (buffer, definitions) in verifier.definitionsOfBuffer.enumerated() where offsets[buffer] == nil {
        if definitions.count > 1 { sweep(definitions, within: buffer) }
        if entry.buffers[buffer].placement != .dynamic { unproven += definitions.count }
      }
    }

    /// Looks at definitions in the order in which they are written, beside those that are still needed.
    private mutating func sweep(_ indices: [Int], within buffer: BufferID?) {
      let sorted = indices.sorted { (verifier.definitions[$0].start, $0) < (verifier.definitions[$1].start, $1) }
      var live: [(index: Int, extent: Extent?)] = []
      for index in sorted {
        let definition = verifier.definitions[index]
        let extent = address(of: definition)
        if extent == nil { unproven += 1 }
        live.removeAll { lastRead[$0.index] < definition.start }
        for other in live {
          let earlier = verifier.definitions[other.index]
          if let a = other.extent, let b = extent, !a.overlaps(b) { continue }
          let isExact = extents[earlier.value] != nil && extents[definition.value] != nil
          if other.extent == nil || extent == nil || earlier.buffer == definition.buffer && !isExact {
            // Without numbers, only what begins at the same byte is known to overlap.
            guard earlier.buffer == definition.buffer, entry.startsTogether(earlier.value, definition.value) else {
              unproven += 1
              continue
            }
          }
          if isDeclared(definition, over: other.index) { continue }
          report(
            .overlap, definition.place,
            "value \(name(definition.value)) is written over value \(name(earlier.value)), "
              + "which is needed until position \(lastRead[other.index])")
        }
        live.append((index, extent))
      }
    }

    /// Bytes in the arena, or in a dynamic buffer. A value of unknown size takes its whole buffer.
    private mutating func address(of definition: Definition) -> Extent? {
      let start = offsets[definition.buffer] ?? 0
      let local =
        extents[definition.value]
        ?? sizes[entry.buffers[definition.buffer].byteCount].map { Extent(offset: 0, end: max(0, $0)) }
      guard let local else { return nil }
      guard start >= 0, let offset = Checked.add(start, local.offset), let end = Checked.add(start, local.end) else {
        report(.placement, "buffer \(definition.buffer)", "its end does not fit")
        return nil
      }
      return Extent(offset: offset, end: end)
    }

    private mutating func isDeclared(_ definition: Definition, over index: Int) -> Bool {
      let earlier = verifier.definitions[index]
      if let operand = definition.inPlaceOperand, lastRead[index] == definition.start,
        earlier.start < definition.start, entry.values[operand].buffer == definition.buffer,
        covers(operand, definition.value),
        sources(of: operand, before: definition.start).contains(index)
      {
        return true
      }
      // A block computes its result right where the conditional's result belongs.
      guard earlier.buffer == definition.buffer, definition.start <= earlier.end,
        covers(earlier.value, definition.value), covers(definition.value, earlier.value)
      else { return false }
      return earlier.moved.contains { moved in
        var root = moved
        while let source = entry.values[root].viewOf { root = source }
        return root == definition.value
      }
    }

    /// Whether both begin at the same byte and the second is not larger. Sizes that are not known are taken to fit: the
    /// check with numbers decides.
    private func covers(_ outer: ValueID, _ inner: ValueID) -> Bool {
      if let a = extents[outer], let b = extents[inner] { return a.offset == b.offset && b.end <= a.end }
      let left = (entry.byteCount(outer) - entry.byteCount(inner)).constant
      return entry.startsTogether(outer, inner) && (left ?? 0) >= 0
    }

    func report() -> ArenaReport {
      struct Change {
        var position: Int
        var bytes: Int
      }
      var changes: [[Change]] = Array(repeating: [], count: verifier.devices.count)
      var byteCounts = [Int](repeating: 0, count: verifier.devices.count)
      for (buffer, definitions) in verifier.definitionsOfBuffer.enumerated() {
        guard let offset = offsets[buffer], let size = sizes[entry.buffers[buffer].byteCount], size >= 0 else {
          continue
        }
        let device = verifier.deviceOfBuffer[buffer]
        byteCounts[device] = max(byteCounts[device], Checked.add(offset, size) ?? .max)
        guard let first = definitions.map({ verifier.definitions[$0].start }).min(),
          let last = definitions.map({ lastRead[$0] }).max()
        else { continue }
        changes[device].append(Change(position: first, bytes: size))
        changes[device].append(Change(position: last + 1, bytes: -size))
      }
      let arenas = verifier.devices.indices.map { device in
        let sorted = changes[device].sorted { ($0.position, $0.bytes) < ($1.position, $1.bytes) }
        var live = 0
        var peak = 0
        for change in sorted {
          live = Checked.add(live, change.bytes) ?? .max
          peak = max(peak, live)
        }
        return ArenaUse(device: verifier.devices[device], byteCount: byteCounts[device], lowerBound: peak)
      }
      return ArenaReport(arenas: arenas, unproven: unproven, faults: faults)
    }
  }
}

extension EntryPoint {
  /// Whether both values are at the same offset of their buffers, whatever the sizes are.
  fileprivate func startsTogether(_ a: ValueID, _ b: ValueID) -> Bool {
    guard case .buffer(_, let x) = values[a].location, case .buffer(_, let y) = values[b].location else {
      return false
    }
    return (x.map { sizes[$0] } ?? 0) == (y.map { sizes[$0] } ?? 0)
  }

  fileprivate func byteCount(_ value: ValueID) -> Dim {
    TensorType(values[value].elementType, values[value].shape.map { sizes[$0] }).byteCount
  }
}

extension PlanValue {
  fileprivate var buffer: BufferID? {
    if case .buffer(let buffer, _) = location { buffer } else { nil }
  }
}
