import SwageTensor

/// Checks one entry point: first the lists, then the instructions in order.
struct EntryValidator {
  let plan: Plan
  let entry: EntryPoint
  /// Where the entry stands among the plan's bodies; nil for entry points.
  let bodyIndex: Int?
  var faults: [PlanFault] = []

  /// Ids of the symbols that each size needs.
  private var symbolsOfSize: [[SymbolID]] = []
  private var symbolIsBound: [Bool]
  private var symbolWasBound: [Bool]
  private var valueIsDefined: [Bool]
  private var valueIsResult: [Bool]
  /// Whether an instruction has written to the buffer.
  private var bufferIsWritten: [Bool]
  /// The value at the start of each chain of views; nil where the chain has no start.
  private var rootOfView: [ValueID?]
  /// What the current block has defined, to be forgotten at its end.
  private var scope: [Scoped] = []
  private var position = 0

  private enum Scoped {
    case symbol(SymbolID)
    case value(ValueID)
    case buffer(BufferID)
  }

  init(plan: Plan, entry: EntryPoint, bodyIndex: Int?) {
    self.plan = plan
    self.entry = entry
    self.bodyIndex = bodyIndex
    symbolIsBound = Array(repeating: false, count: entry.symbols.count)
    symbolWasBound = symbolIsBound
    valueIsDefined = Array(repeating: false, count: entry.values.count)
    valueIsResult = valueIsDefined
    bufferIsWritten = Array(repeating: false, count: entry.buffers.count)
    rootOfView = Array(repeating: nil, count: entry.values.count)
  }

  mutating func run() {
    checkNames()
    checkSizes()
    checkIDs()
    guard faults.isEmpty else { return }
    checkBuffers()
    checkValues()
    checkInputs()
    guard faults.isEmpty else { return }
    markResults(entry.body)
    check(entry.body)
    checkOutputs()
    checkLifetimes()
  }

  // MARK: - Reporting

  mutating func report(_ rule: PlanRule, _ place: String, _ detail: String) {
    guard faults.count < PlanValidator.maximumFaults else { return }
    faults.append(PlanFault(rule, place.isEmpty ? entry.name : "\(entry.name): \(place)", detail))
  }

  func name(_ value: ValueID) -> String { "value \(value) '\(entry.values[value].name)'" }

  // MARK: - Lists

  private mutating func checkNames() {
    PlanValidator.checkNames(entry.symbols, "symbol", entry.name, &faults)
    PlanValidator.checkNames(entry.inputs.map(\.name), "input", entry.name, &faults)
    PlanValidator.checkNames(entry.outputs.map(\.name), "output", entry.name, &faults)
    for symbol in entry.symbols where !symbol.isEmpty && !Dim.isSymbolName(symbol) {
      report(.names, "", "symbol '\(symbol)' is no name for one")
    }
  }

  private mutating func checkSizes() {
    var idOfSymbol: [String: SymbolID] = [:]
    for (id, symbol) in entry.symbols.enumerated() where idOfSymbol[symbol] == nil { idOfSymbol[symbol] = id }
    symbolsOfSize.reserveCapacity(entry.sizes.count)
    for (id, size) in entry.sizes.enumerated() {
      var symbols: [SymbolID] = []
      if size.constant == nil {
        for symbol in size.symbols {
          if let known = idOfSymbol[symbol] {
            symbols.append(known)
          } else {
            report(.sizes, "size \(id)", "'\(size)' needs symbol '\(symbol)', which is not declared")
          }
        }
      }
      symbolsOfSize.append(symbols)
      if SizeText.parse(size.description) != size {
        report(.sizes, "size \(id)", "'\(size)' does not survive its text form, or is too large")
      }
    }
  }

  /// Every id outside of instructions; theirs are checked where they occur.
  private mutating func checkIDs() {
    func size(_ id: SizeID) -> Bool { entry.sizes.indices.contains(id) }
    func value(_ id: ValueID) -> Bool { entry.values.indices.contains(id) }
    for (id, item) in entry.values.enumerated() {
      for axis in item.shape where !size(axis) { report(.ids, "value \(id)", "there is no size \(axis)") }
      switch item.location {
      case .weight(let index):
        if !plan.weights.indices.contains(index) { report(.ids, "value \(id)", "there is no weight \(index)") }
      case .buffer(let index, let offset):
        if !entry.buffers.indices.contains(index) { report(.ids, "value \(id)", "there is no buffer \(index)") }
        if let offset, !size(offset) { report(.ids, "value \(id)", "there is no size \(offset)") }
      case .input(let index):
        if !entry.inputs.indices.contains(index) { report(.ids, "value \(id)", "there is no input \(index)") }
      }
      if let source = item.viewOf, !value(source) { report(.ids, "value \(id)", "there is no value \(source)") }
    }
    for (id, buffer) in entry.buffers.enumerated() where !size(buffer.byteCount) {
      report(.ids, "buffer \(id)", "there is no size \(buffer.byteCount)")
    }
    checkIDs(entry.checks, "checks")
    checkIDs(entry.body.checks, "checks")
    for port in entry.inputs + entry.outputs where !value(port.value) {
      report(.ids, "port '\(port.name)'", "there is no value \(port.value)")
    }
    for result in entry.body.results where !value(result) { report(.ids, "body", "there is no value \(result)") }
    if bodyIndex == nil, !entry.parameters.isEmpty { report(.symbols, "", "only the body of a loop has parameters") }
    if Set(entry.parameters).count != entry.parameters.count { report(.symbols, "", "a parameter stands there twice") }
    for symbol in entry.parameters where !entry.symbols.indices.contains(symbol) {
      report(.ids, "parameters", "there is no symbol \(symbol)")
    }
  }

  private mutating func checkIDs(_ checks: [SizeCheck], _ place: String) {
    for size in checks.flatMap({ [$0.left, $0.right] }) { _ = checkSizeID(size, place) }
  }

  private mutating func checkBuffers() {
    for (id, buffer) in entry.buffers.enumerated() {
      let place = "buffer \(id)"
      let size = entry.sizes[buffer.byteCount]
      if let constant = size.constant, constant < 0 { report(.placement, place, "its size is \(constant)") }
      if buffer.device.isEmpty { report(.names, place, "its device has no name") }
      if buffer.first < 0 || buffer.last < buffer.first {
        report(.lifetimes, place, "it is in use from \(buffer.first) to \(buffer.last)")
      }
      guard case .fixed(let offset) = buffer.placement else { continue }
      if offset < 0 || offset % ArenaLayout.alignment != 0 {
        report(.placement, place, "its offset \(offset) is not a multiple of \(ArenaLayout.alignment)")
      }
      if size.constant == nil {
        report(.placement, place, "its offset is fixed and its size '\(size)' is not")
      } else if Checked.add(offset, size.constant ?? 0) == nil {
        report(.placement, place, "its end does not fit")
      }
    }
  }

  private mutating func checkValues() {
    for port in entry.inputs + entry.outputs {
      let value = entry.values[port.value]
      guard (value.elementType == .object) == (port.type != nil), port.type == nil || value.shape.isEmpty else {
        report(.types, "port '\(port.name)'", "its value is no object, or the type of what it holds is missing")
        continue
      }
    }
    for (id, value) in entry.values.enumerated() {
      let type = value.elementType
      let constants = value.shape.map { entry.sizes[$0].constant }
      if constants.contains(where: { ($0 ?? 0) < 0 }) { report(.shapes, name(id), "an axis has a negative size") }
      var bytes: Int?
      if !constants.contains(nil) {
        bytes = Checked.product(constants.compactMap { $0 }).flatMap { type.byteCount(elements: $0) }
        if bytes == nil { report(.shapes, name(id), "its size in bytes does not fit") }
      }
      switch value.location {
      case .weight(let index):
        if type == .object { report(.locations, name(id), "an object exists in a run only") }
        checkIsWithin(id, Dim(plan.weights[index].tensor.byteCount), "weight '\(plan.weights[index].name)'", value)
      case .buffer(let buffer, let offset):
        checkFits(id, bytes, buffer, offset)
      case .input:
        break
      }
      checkView(id)
    }
  }

  /// What can be said at compile time; `ArenaVerifier` proves the rest when sizes are known.
  private mutating func checkFits(_ id: ValueID, _ bytes: Int?, _ buffer: BufferID, _ offset: SizeID?) {
    let start = offset.map { entry.sizes[$0].constant } ?? 0
    if let start, start < 0 { report(.locations, name(id), "it begins \(-max(start, -.max)) bytes before its buffer") }
    guard let bytes, let start, let capacity = entry.sizes[entry.buffers[buffer].byteCount].constant else { return }
    if Checked.add(start, bytes).map({ $0 > capacity }) ?? true {
      report(
        .locations, name(id), "\(bytes) bytes from byte \(start) do not fit buffer \(buffer) of \(capacity) bytes")
    }
  }

  private mutating func checkView(_ id: ValueID) {
    guard entry.values[id].viewOf != nil else {
      rootOfView[id] = id
      return
    }
    var root = id
    var steps = 0
    while let source = entry.values[root].viewOf {
      root = source
      steps += 1
      if steps > entry.values.count {
        report(.views, name(id), "its chain of views has no start")
        return
      }
    }
    rootOfView[id] = root
    let isSame =
      switch (entry.values[id].location, entry.values[root].location) {
      case (.weight(let a), .weight(let b)), (.input(let a), .input(let b)): a == b
      case (.buffer(let a, _), .buffer(let b, _)): a == b
      default: false
      }
    if !isSame { report(.views, name(id), "it lies elsewhere than \(name(root)), which it shows") }
  }

  private mutating func checkInputs() {
    for symbol in entry.parameters {
      symbolIsBound[symbol] = true
      symbolWasBound[symbol] = true
    }
    for (index, port) in entry.inputs.enumerated() {
      guard case .input(index) = entry.values[port.value].location else {
        report(.inputs, "input '\(port.name)'", "\(name(port.value)) is not the caller's memory \(index)")
        continue
      }
      if entry.values[port.value].viewOf != nil {
        report(.inputs, "input '\(port.name)'", "\(name(port.value)) is a view")
      }
      for size in entry.values[port.value].shape {
        guard let symbol = entry.sizes[size].symbolName, let id = entry.symbols.firstIndex(of: symbol) else { continue }
        symbolIsBound[id] = true
        symbolWasBound[id] = true
      }
    }
    for port in entry.inputs { checkShapeIsBound(port.value, "input '\(port.name)'") }
    for (id, buffer) in entry.buffers.enumerated() where buffer.placement == .arena && !isBound(buffer.byteCount) {
      report(.placement, "buffer \(id)", "it is placed before its size '\(entry.sizes[buffer.byteCount])' is known")
    }
    for (id, value) in entry.values.enumerated() {
      guard case .input(let index) = value.location else { continue }
      checkIsWithin(
        id, byteCount(entry.values[entry.inputs[index].value]), "input '\(entry.inputs[index].name)'", value)
    }
  }

  /// `ArenaVerifier` proves the rest when sizes are known.
  private mutating func checkIsWithin(_ id: ValueID, _ available: Dim, _ place: String, _ value: PlanValue) {
    let left = (available - byteCount(value)).constant
    if let left, left < 0 {
      report(.locations, name(id), "\(byteCount(value)) bytes do not fit \(place) of \(available) bytes")
    }
  }

  private func byteCount(_ value: PlanValue) -> Dim {
    TensorType(value.elementType, value.shape.map { entry.sizes[$0] }).byteCount
  }

  // MARK: - Symbols

  func isBound(_ size: SizeID) -> Bool { symbolsOfSize[size].allSatisfy { symbolIsBound[$0] } }

  mutating func checkIsBound(_ size: SizeID, _ place: String) {
    for symbol in symbolsOfSize[size] where !symbolIsBound[symbol] {
      report(.symbols, place, "size '\(entry.sizes[size])' is used before symbol '\(entry.symbols[symbol])' is bound")
    }
  }

  mutating func checkShapeIsBound(_ value: ValueID, _ place: String) {
    for size in entry.values[value].shape { checkIsBound(size, place) }
    if case .buffer(let buffer, let offset) = entry.values[value].location {
      checkIsBound(entry.buffers[buffer].byteCount, place)
      if let offset { checkIsBound(offset, place) }
    }
  }

  /// False, with a fault, where there is no such size.
  mutating func checkSizeID(_ size: SizeID, _ place: String) -> Bool {
    if entry.sizes.indices.contains(size) { return true }
    report(.ids, place, "there is no size \(size)")
    return false
  }

  private mutating func bind(_ symbol: SymbolID, _ place: String) {
    guard entry.symbols.indices.contains(symbol) else {
      report(.ids, place, "there is no symbol \(symbol)")
      return
    }
    if symbolIsBound[symbol] {
      report(.symbols, place, "symbol '\(entry.symbols[symbol])' is bound a second time")
      return
    }
    symbolIsBound[symbol] = true
    symbolWasBound[symbol] = true
    scope.append(.symbol(symbol))
  }

  // MARK: - Instructions

  /// Finds values that two instructions write, and the ones that any instruction writes.
  private mutating func markResults(_ block: Block) {
    for instruction in block.instructions {
      for result in instruction.results where entry.values.indices.contains(result) {
        if valueIsResult[result] {
          report(.results, name(result), "more than one instruction writes it")
        }
        valueIsResult[result] = true
        if entry.values[result].viewOf != nil { report(.views, name(result), "an instruction writes it") }
        guard case .buffer = entry.values[result].location else {
          report(.results, name(result), "an instruction writes it, and it is not in a buffer")
          continue
        }
      }
      if case .conditional(let then, let otherwise) = instruction.operation {
        markResults(then)
        markResults(otherwise)
      }
    }
  }

  private mutating func check(_ block: Block) {
    for instruction in block.instructions {
      let place = "\(position) \(instruction.label)"
      position += 1
      guard checkIDs(instruction, place) else {
        skipNested(instruction)
        continue
      }
      for case let operand? in instruction.operands {
        checkIsDefined(operand, place)
        checkShapeIsBound(operand, place)
      }
      OperationRules.check(instruction, place, &self)
      if case .conditional(let then, let otherwise) = instruction.operation {
        checkInner(then, instruction, place)
        checkInner(otherwise, instruction, place)
      }
      if case .bindSymbols(let symbols) = instruction.operation {
        for symbol in symbols { bind(symbol, place) }
      }
      for definition in instruction.defines {
        guard instruction.results.indices.contains(definition.result),
          entry.values[instruction.results[definition.result]].shape.indices.contains(definition.axis)
        else {
          report(.ids, place, "there is no axis \(definition.axis) of result \(definition.result)")
          continue
        }
        bind(definition.symbol, place)
      }
      for result in instruction.results {
        checkShapeIsBound(result, place)
        define(result)
      }
      checkIsBound(instruction.flops, place)
      checkIsBound(instruction.bytes, place)
      checkInPlace(instruction, place)
    }
  }

  private mutating func skipNested(_ instruction: Instruction) {
    guard case .conditional(let then, let otherwise) = instruction.operation else { return }
    for inner in then.instructions + otherwise.instructions {
      position += 1
      skipNested(inner)
    }
  }

  private mutating func checkInner(_ block: Block, _ instruction: Instruction, _ place: String) {
    let mark = scope.count
    checkIDs(block.checks, place)
    check(block)
    OperationRules.check(results: block, of: instruction, place, &self)
    for result in block.results where entry.values.indices.contains(result) {
      checkIsDefined(result, place)
      checkShapeIsBound(result, place)
    }
    while scope.count > mark, let last = scope.popLast() {
      switch last {
      case .symbol(let symbol): symbolIsBound[symbol] = false
      case .value(let value): valueIsDefined[value] = false
      case .buffer(let buffer): bufferIsWritten[buffer] = false
      }
    }
  }

  private mutating func checkIDs(_ instruction: Instruction, _ place: String) -> Bool {
    var isValid = true
    for case let operand? in instruction.operands where !entry.values.indices.contains(operand) {
      report(.ids, place, "there is no value \(operand)")
      isValid = false
    }
    for result in instruction.results where !entry.values.indices.contains(result) {
      report(.ids, place, "there is no value \(result)")
      isValid = false
    }
    for size in [instruction.flops, instruction.bytes] where !checkSizeID(size, place) { isValid = false }
    if case .conditional(let then, let otherwise) = instruction.operation {
      for result in then.results + otherwise.results where !entry.values.indices.contains(result) {
        report(.ids, place, "there is no value \(result)")
        isValid = false
      }
    }
    return isValid
  }

  private mutating func define(_ value: ValueID) {
    if !valueIsDefined[value] {
      valueIsDefined[value] = true
      scope.append(.value(value))
    }
    if case .buffer(let buffer, _) = entry.values[value].location, !bufferIsWritten[buffer] {
      bufferIsWritten[buffer] = true
      scope.append(.buffer(buffer))
    }
  }

  private mutating func checkIsDefined(_ value: ValueID, _ place: String) {
    let root = rootOfView[value] ?? value
    let isDefined =
      switch entry.values[root].location {
      case .weight, .input: true
      case .buffer(let buffer, _): valueIsResult[root] ? valueIsDefined[root] : bufferIsWritten[buffer]
      }
    if !isDefined { report(.defined, place, "\(name(value)) is used before anything writes it") }
  }

  private mutating func checkInPlace(_ instruction: Instruction, _ place: String) {
    for pair in instruction.inPlace {
      guard instruction.results.indices.contains(pair.result), instruction.operands.indices.contains(pair.operand),
        let operand = instruction.operands[pair.operand]
      else {
        report(.inPlace, place, "there is no operand \(pair.operand), or no result \(pair.result)")
        continue
      }
      guard case .buffer(let a, _) = entry.values[operand].location,
        case .buffer(let b, _) = entry.values[instruction.results[pair.result]].location, a == b
      else {
        report(
          .inPlace, place, "\(name(operand)) and \(name(instruction.results[pair.result])) are not in the same buffer")
        continue
      }
    }
  }

  // MARK: - The end

  private mutating func checkOutputs() {
    for port in entry.outputs {
      checkIsDefined(port.value, "output '\(port.name)'")
      checkShapeIsBound(port.value, "output '\(port.name)'")
    }
    for value in entry.body.results { checkIsDefined(value, "body") }
    for (id, symbol) in entry.symbols.enumerated() where !symbolWasBound[id] {
      report(.symbols, "", "symbol '\(symbol)' is never bound")
    }
  }

  private mutating func checkLifetimes() {
    for (id, range) in Lifetimes(entry).buffers.enumerated() {
      guard let range else { continue }
      let buffer = entry.buffers[id]
      if buffer.first > range.lowerBound || buffer.last < range.upperBound {
        report(
          .lifetimes, "buffer \(id)",
          "it is said to be in use from \(buffer.first) to \(buffer.last), and is from \(range.lowerBound) to \(range.upperBound)"
        )
      }
    }
  }
}
