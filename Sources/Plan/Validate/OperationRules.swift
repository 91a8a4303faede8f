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
    case .loop(let call): check(call, instruction, place, &context)
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
    for size in call.allSizes where context.checkSizeID(size, place) {
      context.checkIsBound(size, place)
    }
    var counts = [("range", call.range), ("grain", call.grain)]
    if let passes = call.passes { counts.append(("number of passes", passes)) }
    for (name, size) in counts where context.entry.sizes.indices.contains(size) {
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

  /// The sizes of what goes in and out are checked when the loop runs, as those of inputs are.
  private static func check(
    _ call: LoopCall, _ instruction: Instruction, _ place: String, _ context: inout EntryValidator
  ) {
    guard call.body >= 0, call.body < context.bodyIndex ?? context.plan.bodies.count else {
      context.report(.ids, place, "there is no body \(call.body) that it may repeat")
      return
    }
    let body = context.plan.bodies[call.body]
    let operands = instruction.operands
    for size in call.sizes where context.checkSizeID(size, place) { context.checkIsBound(size, place) }
    guard call.sizes.count == body.parameters.count else {
      context.report(.arity, place, "\(call.sizes.count) sizes for \(body.parameters.count) parameters")
      return
    }
    guard operands.count >= 2, !operands.dropFirst(2).contains(nil), body.inputs.count == operands.count,
      body.outputs.count == instruction.results.count + 1, call.carried >= 0, call.carried <= operands.count - 2,
      call.carried <= instruction.results.count
    else {
      context.report(
        .arity, place,
        "\(operands.count) operands, \(instruction.results.count) results and \(call.carried) carried values do not fit "
          + "a body of \(body.inputs.count) inputs and \(body.outputs.count) outputs")
      return
    }
    func inner(_ port: Port) -> (type: ElementType, rank: Int)? {
      guard body.values.indices.contains(port.value) else { return nil }
      return (body.values[port.value].elementType, body.values[port.value].shape.count)
    }
    func outer(_ id: ValueID) -> (type: ElementType, rank: Int) {
      (context.entry.values[id].elementType, context.entry.values[id].shape.count)
    }
    var pairs: [(found: (type: ElementType, rank: Int)?, wanted: (type: ElementType, rank: Int))] = []
    for (index, wanted) in [(0, (ElementType.i64, 0)), (1, (.bool, 0))] {
      if let operand = operands[index] { pairs.append((outer(operand), wanted)) }
      pairs.append((inner(body.inputs[index]), wanted))
    }
    pairs.append((inner(body.outputs[0]), (.bool, 0)))
    for (operand, port) in zip(operands.dropFirst(2), body.inputs.dropFirst(2)) {
      if let operand { pairs.append((inner(port), outer(operand))) }
    }
    for (index, (result, port)) in zip(instruction.results, body.outputs.dropFirst()).enumerated() {
      let (type, rank) = outer(result)
      pairs.append((inner(port), (type, index < call.carried ? rank : rank - 1)))
      if index < call.carried, let operand = operands[2 + index] { pairs.append((outer(operand), (type, rank))) }
    }
    if !pairs.allSatisfy({ $0.found?.type == $0.wanted.type && $0.found?.rank == $0.wanted.rank }) {
      context.report(.types, place, "types of the loop and of its body differ")
    }
  }

  private static func check(
    _ call: ConvolutionCall, _ instruction: Instruction, _ place: String, _ context: inout EntryValidator
  ) {
    guard checkOperands(instruction, 2, call.hasBias, call.postOps, place, &context) else { return }
    for size in call.padsBegin + call.padsEnd where context.checkSizeID(size, place) {
      context.checkIsBound(size, place)
      // A transposed convolution with a negative pad gives more than its input reaches: ONNX's output padding.
      if !call.isTransposed, let pad = context.entry.sizes[size].constant, pad < 0 {
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
