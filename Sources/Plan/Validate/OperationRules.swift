import SwageTensor

/// What each operation asks of its operands and results.
enum OperationRules {
  /// The ids of operands, results, flops and bytes are known to be valid.
  static func check(_ instruction: Instruction, _ place: String, _ context: inout EntryValidator) {
    switch instruction.operation {
    case .kernel(let call): check(call, place, &context)
    case .library(.convolution(let call)): check(call, instruction, place, &context)
    case .library(.matmul(let call)): check(call, instruction, place, &context)
    case .device(let name, _, let sizes):
      if name.isEmpty { context.report(.names, place, "the device has no name") }
      for size in sizes where context.checkSizeID(size, place) { context.checkIsBound(size, place) }
    case .copy:
      guard checkArity(instruction, operands: 1, results: 1, place, &context), let operand = instruction.operands[0]
      else { return }
      checkSame(operand, instruction.results[0], place, &context)
    case .bindSymbols(let symbols):
      checkBinding(symbols, instruction, place, &context)
    case .conditional:
      checkCondition(instruction, place, &context)
    case .fail: break
    }
  }

  /// Checks what a block hands to the conditional that holds it. A block that ends in `fail` may hand out nothing.
  static func check(
    results block: Block, of instruction: Instruction, _ place: String, _ context: inout EntryValidator
  ) {
    if block.results.isEmpty, case .fail? = block.instructions.last?.operation { return }
    guard block.results.count == instruction.results.count else {
      context.report(
        .arity, place, "a block hands out \(block.results.count) values for \(instruction.results.count) results")
      return
    }
    for (inner, outer) in zip(block.results, instruction.results) {
      checkSame(inner, outer, place, &context)
    }
  }

  // MARK: - Operations

  private static func check(_ call: KernelCall, _ place: String, _ context: inout EntryValidator) {
    if !context.plan.modules.indices.contains(call.module) {
      context.report(.ids, place, "there is no module \(call.module)")
    }
    if !PlanValidator.isCIdentifier(call.function) {
      context.report(.native, place, "'\(call.function)' is no name for a C function")
    }
    for size in call.sizes + [call.range, call.grain] where context.checkSizeID(size, place) {
      context.checkIsBound(size, place)
    }
    for (name, size) in [("range", call.range), ("grain", call.grain)]
    where context.entry.sizes.indices.contains(size) {
      if let constant = context.entry.sizes[size].constant, constant < (name == "grain" ? 1 : 0) {
        context.report(.shapes, place, "the \(name) of the kernel is \(constant)")
      }
    }
  }

  private static func checkBinding(
    _ symbols: [SymbolID], _ instruction: Instruction, _ place: String, _ context: inout EntryValidator
  ) {
    guard checkArity(instruction, operands: 1, results: 0, place, &context), let operand = instruction.operands[0]
    else {
      return
    }
    let value = context.entry.values[operand]
    if !value.elementType.isInteger || value.elementType.bitWidth < 8 {
      context.report(.types, place, "symbols are read from integers, not from \(value.elementType.name)")
    }
    let count = elementCount(value, context.entry)
    if count.constant != symbols.count {
      context.report(.types, place, "\(symbols.count) symbols are read from \(count) elements")
    }
  }

  private static func checkCondition(_ instruction: Instruction, _ place: String, _ context: inout EntryValidator) {
    guard instruction.operands.count == 1, let operand = instruction.operands[0] else {
      context.report(.arity, place, "a conditional has one operand, not \(instruction.operands.count)")
      return
    }
    let value = context.entry.values[operand]
    if value.elementType != .bool || elementCount(value, context.entry).constant != 1 {
      context.report(.types, place, "the condition is not one bool")
    }
  }

  private static func check(
    _ call: ConvolutionCall, _ instruction: Instruction, _ place: String, _ context: inout EntryValidator
  ) {
    guard checkOperands(instruction, 2, call.hasBias, call.postOps, place, &context) else { return }
    for size in call.padsBegin + call.padsEnd where context.checkSizeID(size, place) {
      context.checkIsBound(size, place)
      if let pad = context.entry.sizes[size].constant, pad < 0 {
        context.report(.types, place, "a pad is \(pad)")
      }
    }
    let spatial = call.strides.count
    if [call.dilations.count, call.padsBegin.count, call.padsEnd.count].contains(where: { $0 != spatial }) {
      context.report(.arity, place, "strides, dilations and pads differ in number")
    }
    if !(call.strides + call.dilations + [call.groups]).allSatisfy({ $0 >= 1 }) {
      context.report(.types, place, "strides, dilations and groups must be positive")
    }
    let values = [instruction.operands[0], instruction.operands[1], instruction.results[0]].compactMap { $0 }
    for id in values where context.entry.values[id].shape.count != spatial + 2 {
      context.report(
        .types, place,
        "\(context.name(id)) has rank \(context.entry.values[id].shape.count), \(spatial + 2) is needed")
    }
  }

  private static func check(
    _ call: MatMulCall, _ instruction: Instruction, _ place: String, _ context: inout EntryValidator
  ) {
    guard checkOperands(instruction, 2, call.hasBias, call.postOps, place, &context),
      let a = instruction.operands[0], let b = instruction.operands[1]
    else { return }
    let entry = context.entry
    for id in [a, b] where entry.values[id].shape.isEmpty {
      context.report(.types, place, "\(context.name(id)) is a scalar")
    }
    guard let inner = contracted(entry.values[a].shape, transposed: call.transposeA, isLeft: true),
      let outer = contracted(entry.values[b].shape, transposed: call.transposeB, isLeft: false)
    else { return }
    if let difference = (entry.sizes[inner] - entry.sizes[outer]).constant, difference != 0 {
      context.report(
        .types, place, "rows of '\(entry.sizes[inner])' elements meet columns of '\(entry.sizes[outer])'")
    }
  }

  /// The axis that a product sums over; nil for scalars.
  private static func contracted(_ shape: [SizeID], transposed: Bool, isLeft: Bool) -> SizeID? {
    guard let last = shape.last else { return nil }
    return shape.count == 1 || transposed != isLeft ? last : shape[shape.count - 2]
  }

  // MARK: - Parts

  private static func checkArity(
    _ instruction: Instruction, operands: Int, results: Int, _ place: String, _ context: inout EntryValidator
  ) -> Bool {
    guard instruction.operands.count == operands, instruction.results.count == results,
      !instruction.operands.contains(nil)
    else {
      context.report(
        .arity, place,
        "\(instruction.operands.count) operands and \(instruction.results.count) results, not \(operands) and \(results)"
      )
      return false
    }
    return true
  }

  /// `fixed` operands, the bias, and those that post-ops name, all present; one result.
  private static func checkOperands(
    _ instruction: Instruction, _ fixed: Int, _ hasBias: Bool, _ postOps: [PostOp], _ place: String,
    _ context: inout EntryValidator
  ) -> Bool {
    let needed = fixed + (hasBias ? 1 : 0)
    let operands = instruction.operands
    guard operands.count >= needed, !operands.prefix(needed).contains(nil), instruction.results.count == 1 else {
      context.report(
        .arity, place,
        "\(operands.count) operands and \(instruction.results.count) results, not at least \(needed) and 1")
      return false
    }
    for case .combine(_, let operand) in postOps {
      guard operand >= needed, operand < operands.count, operands[operand] != nil else {
        context.report(.arity, place, "a post-op names operand \(operand), which is not there")
        return false
      }
    }
    return true
  }

  private static func elementCount(_ value: PlanValue, _ entry: EntryPoint) -> Dim {
    value.shape.reduce(1) { $0 * entry.sizes[$1] }
  }

  /// One element type, rank, and constant sizes.
  private static func checkSame(_ a: ValueID, _ b: ValueID, _ place: String, _ context: inout EntryValidator) {
    let entry = context.entry
    guard entry.values.indices.contains(a), entry.values.indices.contains(b) else { return }
    let (x, y) = (entry.values[a], entry.values[b])
    let isSame =
      x.elementType == y.elementType && x.shape.count == y.shape.count
      && zip(x.shape, y.shape).allSatisfy { left, right in
        guard let p = entry.sizes[left].constant, let q = entry.sizes[right].constant else { return true }
        return p == q
      }
    if !isSame { context.report(.types, place, "\(context.name(a)) and \(context.name(b)) differ in type") }
  }
}
