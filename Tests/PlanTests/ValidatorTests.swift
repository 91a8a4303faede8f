import SwagePlan
import SwageTensor
import Testing

/// A valid plan with one thing wrong.
struct Breakage: Sendable, CustomTestStringConvertible {
  var rule: PlanRule
  var what: String
  var apply: @Sendable (inout Plan) -> Void

  var testDescription: String { "\(rule.rawValue): \(what)" }

  init(_ rule: PlanRule, _ what: String, _ apply: @escaping @Sendable (inout Plan) -> Void) {
    self.rule = rule
    self.what = what
    self.apply = apply
  }

  /// A fault in the first entry point.
  static func entry(
    _ rule: PlanRule, _ what: String, _ apply: @escaping @Sendable (inout EntryPoint) -> Void
  ) -> Breakage {
    Breakage(rule, what) { apply(&$0.entryPoints[0]) }
  }

  /// A fault in the body's instruction with the given label.
  static func instruction(
    _ rule: PlanRule, _ label: String, _ what: String, _ apply: @escaping @Sendable (inout Instruction) -> Void
  ) -> Breakage {
    Breakage(rule, "\(label): \(what)") { plan in
      let index = plan.entryPoints[0].body.instructions.firstIndex { $0.label == label } ?? 0
      apply(&plan.entryPoints[0].body.instructions[index])
    }
  }

  static let all: [Breakage] = [
    .init(.names, "two entry points of one name") { $0.entryPoints[1].name = "main" },
    .init(.names, "entry point without a name") { $0.entryPoints[1].name = "" },
    .init(.names, "two modules of one name") { $0.modules[1].name = "kernels" },
    .init(.names, "module name with a path") { $0.modules[1].name = "../kernels" },
    .init(.names, "two attachments of one name") { $0.attachments[1].name = "tokenizer/merges.txt" },
    .init(.attachments, "without a name") { $0.attachments[0].name = "" },
    .init(.attachments, "outside of its folder") { $0.attachments[0].name = "tokenizer/../../merges.txt" },
    .init(.attachments, "absolute name") { $0.attachments[0].name = "/merges.txt" },
    .init(.attachments, "name with a space") { $0.attachments[0].name = "merges .txt" },
    .init(.attachments, "too many") { plan in
      plan.attachments += (0...PlanAttachment.maximumCount).map { PlanAttachment(name: "a\($0)", bytes: []) }
    },
    .init(.attachments, "too large") { plan in
      let bytes = [UInt8](repeating: 0, count: PlanAttachment.maximumTotalBytes / 4)
      plan.attachments += (0..<5).map { PlanAttachment(name: "a\($0)", bytes: bytes) }
    },
    .init(.names, "feature without a name") { $0.host?.features.append("") },
    .entry(.names, "two inputs of one name") { $0.inputs[1].name = "x" },
    .entry(.names, "two outputs of one name") { $0.outputs[1].name = "y" },
    .entry(.names, "two symbols of one name") { $0.symbols[1] = "n" },
    .entry(.names, "a symbol that cannot be written") { $0.symbols[1] = "min" },
    .entry(.names, "device without a name") { $0.buffers[0].device = "" },
    .entry(.ids, "shape") { $0.values[0].shape[0] = 9999 },
    .entry(.ids, "negative shape") { $0.values[0].shape[0] = -1 },
    .entry(.ids, "weight") { $0.values[3].location = .weight(7) },
    .entry(.ids, "buffer") { $0.values[5].location = .buffer(-1, offset: nil) },
    .entry(.ids, "offset") { $0.values[5].location = .buffer(0, offset: 9999) },
    .entry(.ids, "input") { $0.values[0].location = .input(3) },
    .entry(.ids, "view") { $0.values[6].viewOf = 9999 },
    .entry(.ids, "buffer size") { $0.buffers[0].byteCount = 9999 },
    .entry(.ids, "check") { $0.checks[0].left = 9999 },
    .entry(.ids, "port") { $0.outputs[0].value = 9999 },
    .entry(.ids, "body result") { $0.body.results = [9999] },
    .instruction(.ids, "relu", "operand") { $0.operands[0] = 9999 },
    .instruction(.ids, "relu", "result") { $0.results[0] = -1 },
    .instruction(.ids, "relu", "flops") { $0.flops = 9999 },
    .instruction(.ids, "relu", "module") {
      $0.operation = .kernel(KernelCall(module: 2, function: "f", sizes: [], range: 0, grain: 0))
    },
    .instruction(.ids, "relu", "kernel size") {
      $0.operation = .kernel(KernelCall(module: 0, function: "f", sizes: [9999], range: 0, grain: 0))
    },
    .instruction(.ids, "bind k", "symbol") { $0.operation = .bindSymbols([7]) },
    .instruction(.ids, "nonzero", "axis") { $0.defines[0].axis = 2 },
    .instruction(.ids, "nonzero", "result") { $0.defines[0].result = 1 },
    .instruction(.ids, "conv+bias+clip", "pad") { instruction in
      guard case .library(.convolution(var call)) = instruction.operation else { return }
      call.padsEnd[0] = 9999
      instruction.operation = .library(.convolution(call))
    },
    .entry(.sizes, "undeclared symbol") { $0.sizes.append(.symbol("other")) },
    .entry(.sizes, "too large for its text form") { $0.sizes.append(.symbol("n") * Dim(.max)) },
    .entry(.shapes, "negative axis") { entry in
      entry.sizes.append(-4)
      entry.values[0].shape[1] = entry.sizes.count - 1
    },
    .entry(.shapes, "bytes beyond an Int") { entry in
      entry.sizes.append(Dim(1 << 59))
      entry.values[3].shape[0] = entry.sizes.count - 1
    },
    .entry(.shapes, "grain of zero") { entry in
      let zero = entry.sizes.firstIndex(of: 0) ?? 0
      entry.body.instructions[1].operation = .kernel(
        KernelCall(module: 0, function: "f", sizes: [], range: zero, grain: zero))
    },
    .init(.nesting, "65 conditionals inside each other") { plan in
      var entry = plan.entryPoints[0]
      for _ in 0..<65 {
        let inner = Instruction(
          operation: .conditional(then: entry.body, else: Block()), operands: [1], results: [], label: "if", flops: 0,
          bytes: 0)
        entry.body = Block(instructions: [inner])
      }
      plan.entryPoints[0] = entry
    },
    .entry(.locations, "object that is a weight") { $0.values[3].elementType = .object },
    .entry(.locations, "larger than its weight") { $0.values[4].location = .weight(3) },
    .entry(.locations, "before its buffer") { entry in
      entry.sizes.append(-64)
      entry.values[5].location = .buffer(0, offset: entry.sizes.count - 1)
    },
    .init(.locations, "beyond its buffer") { plan in
      plan.entryPoints[1].sizes.append(64)
      plan.entryPoints[1].values[2].location = .buffer(0, offset: plan.entryPoints[1].sizes.count - 1)
    },
    .entry(.locations, "beyond its input") { entry in
      entry.values.append(PlanValue(name: "v", elementType: .f64, shape: entry.values[0].shape, location: .input(1)))
      entry.values[entry.values.count - 1].shape = entry.values[3].shape
    },
    .entry(.inputs, "port in a buffer") { $0.inputs[0].value = 5 },
    .entry(.inputs, "ports swapped") { $0.inputs.swapAt(0, 1) },
    .instruction(.results, "matmul+swish", "written twice") { $0.results = [5] },
    .instruction(.results, "matmul+swish", "into a weight") { $0.results = [4] },
    .instruction(.results, "matmul+swish", "into an input") { $0.results = [0] },
    .instruction(.defined, "relu", "operand of a later instruction") { $0.operands[0] = 8 },
    .instruction(.defined, "matmul+swish", "operand from inside a block") { $0.operands[0] = 11 },
    .entry(.defined, "output that nothing writes") { $0.body.instructions = [] },
    .instruction(.defined, "if", "result of the other block") { instruction in
      guard case .conditional(let then, var otherwise) = instruction.operation else { return }
      otherwise.results = then.results
      instruction.operation = .conditional(then: then, else: otherwise)
    },
    .entry(.views, "result") { $0.values[5].viewOf = 7 },
    .entry(.views, "of itself") { $0.values[6].viewOf = 6 },
    .entry(.views, "elsewhere") { $0.values[6].viewOf = 0 },
    .init(.views, "of more than the value has") { plan in
      // The value is made as small as the view was, and the view as large as the value was.
      let (whole, view) = (plan.entryPoints[1].values[3].shape, plan.entryPoints[1].values[4].shape)
      plan.entryPoints[1].values[3].shape = view
      plan.entryPoints[1].values[4].shape = whole
      plan.entryPoints[1].values[5].shape = whole
      plan.entryPoints[1].buffers[2].byteCount = plan.entryPoints[1].buffers[1].byteCount
    },
    .instruction(.symbols, "bind k", "twice") { $0.operation = .bindSymbols([0]) },
    .entry(.symbols, "never bound") { $0.symbols.append("unused") },
    .entry(.symbols, "used before it is bound") { entry in
      let bind = entry.body.instructions.firstIndex { $0.label == "bind k" } ?? 0
      entry.body.instructions.append(entry.body.instructions.remove(at: bind))
    },
    .instruction(.symbols, "nonzero", "not defined") { $0.defines = [] },
    .instruction(.arity, "bind k", "no operand") { $0.operands = [] },
    .instruction(.arity, "bind k", "a result") { $0.results = [8] },
    .instruction(.arity, "if", "no condition") { $0.operands = [] },
    .instruction(.arity, "if", "blocks without results") { $0.operation = .conditional(then: Block(), else: Block()) },
    .instruction(.arity, "conv+bias+clip", "no bias") { $0.operands[2] = nil },
    .instruction(.arity, "conv+bias+clip", "no post-op operand") { $0.operands.removeLast() },
    .instruction(.arity, "conv+bias+clip", "strides") { instruction in
      guard case .library(.convolution(var call)) = instruction.operation else { return }
      call.strides.append(1)
      instruction.operation = .library(.convolution(call))
    },
    .instruction(.arity, "matmul+swish", "one operand") { $0.operands = [7] },
    .instruction(.types, "bind k", "from floats") { $0.operands = [4] },
    .instruction(.types, "bind k", "from too many elements") { $0.operation = .bindSymbols([1, 2]) },
    .instruction(.types, "if", "condition of integers") { $0.operands = [2] },
    .instruction(.types, "if", "block results of another type") { instruction in
      guard case .conditional(let then, var otherwise) = instruction.operation else { return }
      otherwise.results = [2]
      instruction.operation = .conditional(then: then, else: otherwise)
    },
    .instruction(.types, "conv+bias+clip", "rank") { $0.operands[1] = 4 },
    .instruction(.types, "conv+bias+clip", "stride of zero") { instruction in
      guard case .library(.convolution(var call)) = instruction.operation else { return }
      call.strides[0] = 0
      instruction.operation = .library(.convolution(call))
    },
    .instruction(.types, "matmul+swish", "inner sizes") { $0.operands[1] = 4 },
    .instruction(.inPlace, "relu", "operand") { $0.inPlace = [InPlace(operand: 5, result: 0)] },
    .instruction(.inPlace, "relu", "absent operand") { $0.inPlace = [InPlace(operand: 1, result: 0)] },
    .instruction(.inPlace, "matmul+swish", "other buffer") { $0.inPlace = [InPlace(operand: 0, result: 0)] },
    .init(.native, "no machine") { $0.host = nil },
    .init(.native, "empty image") { $0.modules[0].image = Storage(zeroed: 0) },
    .instruction(.native, "relu", "function name") {
      $0.operation = .kernel(KernelCall(module: 0, function: "f g", sizes: [], range: 0, grain: 0))
    },
    .init(.placement, "offset that is not aligned") { $0.entryPoints[1].buffers[0].placement = .fixed(offset: 32) },
    .init(.placement, "negative offset") { $0.entryPoints[1].buffers[0].placement = .fixed(offset: -64) },
    .init(.placement, "end beyond an Int") {
      $0.entryPoints[1].buffers[0].placement = .fixed(offset: .max - 63)
    },
    .entry(.placement, "fixed offset, open size") { $0.buffers[0].placement = .fixed(offset: 0) },
    .entry(.placement, "placed before its size is known") { $0.buffers[2].placement = .arena },
    .entry(.placement, "negative size") { entry in
      entry.sizes.append(-1)
      entry.buffers[0].byteCount = entry.sizes.count - 1
    },
    .entry(.lifetimes, "begins late") { $0.buffers[0].first += 1 },
    .entry(.lifetimes, "ends early") { $0.buffers[0].last -= 1 },
    .entry(.lifetimes, "ends before it begins") { $0.buffers[0].last = -1 },
    .init(.overlap, "two live buffers") { $0.entryPoints[1].buffers[1].placement = .fixed(offset: 512) },
    .instruction(.overlap, "relu", "in place without saying so") { $0.inPlace = [] },
  ]
}

@Suite struct ValidatorTests {
  @Test func samplesAreValid() throws {
    #expect(PlanValidator.faults(in: SamplePlans.rich()) == [])
    #expect(PlanValidator.faults(in: SamplePlans.small()) == [])
    try PlanValidator.validate(SamplePlans.rich())
  }

  @Test(arguments: Breakage.all) func brokenRulesAreFound(_ breakage: Breakage) {
    var plan = SamplePlans.rich()
    breakage.apply(&plan)
    let faults = PlanValidator.faults(in: plan)
    #expect(faults.contains { $0.rule == breakage.rule }, "\(faults)")
    #expect(throws: PlanError.self) { try PlanValidator.validate(plan) }
  }

  @Test func everyRuleHasACase() {
    #expect(Set(Breakage.all.map(\.rule)) == Set(PlanRule.allCases))
  }

  @Test func allFaultsAreListedWithPlaces() {
    var plan = SamplePlans.rich()
    plan.entryPoints[0].inputs[1].name = "x"
    plan.entryPoints[1].buffers[0].last = 0
    let faults = PlanValidator.faults(in: plan)
    #expect(faults.map(\.rule) == [.names, .lifetimes])
    #expect(faults.map(\.place) == ["main", "tail: buffer 0"])
    let diagnostics = PlanError.invalid(file: "p", faults: faults).diagnostics
    #expect(diagnostics.map(\.code) == ["plan-invalid", "plan-invalid"])
    #expect(diagnostics.allSatisfy { $0.fault == .input })
    #expect(PlanError.invalid(file: nil, faults: faults).diagnostics.allSatisfy { $0.fault == .bug })
  }

  @Test func hostileListsOfFaultsAreCut() {
    var plan = SamplePlans.small()
    for _ in 0..<5000 { plan.entryPoints[0].values.append(plan.entryPoints[0].values[2]) }
    for index in 3..<5003 { plan.entryPoints[0].values[index].shape = [77] }
    #expect(PlanValidator.faults(in: plan).count == PlanValidator.maximumFaults)
  }

  @Test func blocksMayBindTheSameSymbolEach() {
    var b = EntryBuilder("main", symbols: ["k"])
    let flag = b.input("flag", .bool, [])
    let index = b.input("index", .i64, [1])
    let k = Dim.symbol("k")
    let y = b.value("y", .f32, [k], .dynamic)
    var then = b.open()
    then.emit(.bindSymbols([0]), [index], [], "bind")
    let a = then.value("a", .f32, [k], .dynamic)
    then.emit(.device(name: "reference", payload: ""), [index], [a], "a")
    var other = b.open(after: then)
    other.emit(.bindSymbols([0]), [index], [], "bind")
    let c = other.value("c", .f32, [k], .dynamic)
    other.emit(.device(name: "reference", payload: ""), [index], [c], "c")
    let blocks = (Block(instructions: then.block, results: [a]), Block(instructions: other.block, results: [c]))
    b.close(other)
    b.emit(
      .conditional(then: blocks.0, else: blocks.1), [flag], [y], "if",
      defines: [SymbolDefinition(symbol: 0, result: 0, axis: 0)])
    b.output("y", y)
    let plan = Plan(provenance: Provenance(toolVersion: "1"), entryPoints: [b.finish()])
    #expect(PlanValidator.faults(in: plan) == [])
  }
}
