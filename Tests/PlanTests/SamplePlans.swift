import SwagePlan
import SwageTensor

/// Plans made by hand.
enum SamplePlans {
  /// y = relu(x + w), without native code: 16 floats.
  static func small() -> Plan {
    let weights = [PlanWeight(name: "w", tensor: Tensor(floats: (0..<16).map { Float($0) }, [16]))]
    let entry = EntryPoint(
      name: "main", sizes: [16, 64, 128],
      values: [
        PlanValue(name: "x", elementType: .f32, shape: [0], location: .input(0)),
        PlanValue(name: "w", elementType: .f32, shape: [0], location: .weight(0)),
        PlanValue(name: "y", elementType: .f32, shape: [0], location: .buffer(0, offset: nil)),
      ], buffers: [PlanBuffer(byteCount: 1, placement: .fixed(offset: 0), first: 0, last: 0)],
      inputs: [Port(name: "x", value: 0)], outputs: [Port(name: "y", value: 2)],
      body: Block(instructions: [
        Instruction(
          operation: .device(name: "reference", payload: "y = relu(x + w)"), operands: [0, 1], results: [2],
          label: "add+relu", sources: ["add", "relu"], flops: 0, bytes: 2)
      ]))
    return Plan(
      provenance: Provenance(
        toolVersion: "0.1.0", sources: [.init(name: "m.onnx", sha256: String(repeating: "ab", count: 32))],
        flags: ["--target", "cpu"]),
      weights: weights, entryPoints: [entry])
  }

  static func named(_ name: String) -> Plan {
    switch name {
    case "small": small()
    case "looping": looping()
    default: rich()
    }
  }

  /// A loop that carries `x` and stacks what it was after each iteration, around a loop that carries it alone.
  static func looping() -> Plan {
    let t = Dim.symbol("t")
    func step(_ name: String, calling body: Int?) -> EntryPoint {
      var b = EntryBuilder(name, symbols: ["k"])
      let iteration = b.input("0", .i64, [])
      let more = b.input("1", .bool, [])
      let x = b.input("2", .f32, [k])
      let next = b.value("next", .f32, [k], .arena)
      if let body {
        let call = LoopCall(body: body, carried: 1, sizes: [b.size(k)])
        b.emit(.loop(call), [iteration, nil, x], [next], "inner loop")
      } else {
        b.emit(.device(name: "reference", payload: "next = x + x"), [x], [next], "double")
      }
      b.output("0", more)
      b.output("1", next)
      if body != nil { b.output("2", next) }
      b.entry.parameters = [0]
      return b.finish()
    }
    var b = EntryBuilder("main", symbols: ["k", "t"])
    let trips = b.input("trips", .i64, [])
    let go = b.input("go", .bool, [])
    let x = b.input("x", .f32, [k])
    let y = b.value("y", .f32, [k], .arena)
    let stack = b.value("stack", .f32, [t, k], .dynamic)
    b.emit(
      .loop(LoopCall(body: 1, carried: 1, sizes: [b.size(k)])), [trips, go, x], [y, stack], "loop", sources: ["Loop_3"],
      defines: [SymbolDefinition(symbol: 1, result: 1, axis: 0)])
    b.output("y", y)
    b.output("stack", stack)
    return Plan(
      provenance: Provenance(toolVersion: "0.1.0"), entryPoints: [b.finish()],
      bodies: [step("main.loop2", calling: nil), step("main.loop1", calling: 0)])
  }

  // Sizes of the rich plan.
  private static let n = Dim.symbol("n")
  private static let k = Dim.symbol("k")
  private static let m = Dim.symbol("m")

  /// Every kind of operation, location, placement and field; two entry points that share weights.
  static func rich() -> Plan {
    let floats = (0..<144).map { Float($0) * 0.5 - 3 }
    let weights = [
      PlanWeight(name: "conv.weight", tensor: Tensor(floats: floats, [16, 1, 3, 3])),
      PlanWeight(name: "conv.bias", tensor: Tensor(floats: Array(floats.prefix(16)), [16])),
      PlanWeight(name: "conv.weight.again", tensor: Tensor(floats: floats, [144])),
      PlanWeight(name: "axes é", tensor: Tensor(.i64, [2], integers: [1, -1])),
      PlanWeight(name: "empty", tensor: Tensor(zeros: .f16, [0, 4])),
      PlanWeight(name: "nibbles", tensor: Tensor(.i4, [3], integers: [-8, 7, 1])),
      PlanWeight(name: "words", tensor: Tensor(stringBytes: [[], [0xff, 0], Array("é".utf8)], [3, 1])),
    ]
    return Plan(
      provenance: Provenance(
        toolVersion: "0.1.0",
        sources: [
          .init(name: "model.onnx", sha256: String(repeating: "0f", count: 32)),
          .init(name: "weights.safetensors", sha256: String(repeating: "e1", count: 32)),
        ], flags: ["--precision", "bf16", ""], syntheticWeightsSeed: 0),
      host: HostRequirement(architecture: "x86_64", features: ["avx2", "avx512f"]), weights: weights,
      modules: [
        module("kernels", bytes: 5000, source: "void f(void) {}\n"), module("more-kernels", bytes: 64, source: ""),
      ],
      entryPoints: [main(), tail()],
      attachments: [
        PlanAttachment(name: "tokenizer/merges.txt", bytes: Array("é n</w>\n".utf8)),
        PlanAttachment(name: "empty", bytes: []),
        PlanAttachment(name: "tokenizer/vocab.json", bytes: (0..<1000).map { UInt8(truncatingIfNeeded: $0) }),
      ])
  }

  static func module(_ name: String, bytes: Int, source: String) -> NativeModule {
    let image = Storage(zeroed: bytes)
    for index in 0..<bytes {
      image.base.storeBytes(of: UInt8(truncatingIfNeeded: index &* 31), toByteOffset: index, as: UInt8.self)
    }
    return NativeModule(name: name, image: image, source: source)
  }

  private static func main() -> EntryPoint {
    var b = EntryBuilder("main", symbols: ["n", "k", "m"])
    let x = b.input("x", .f32, [n, 1, 8, 8])
    let wide = b.input("flag", .bool, [])
    let index = b.input("index", .i64, [1])
    let weight = b.weight(0, .f32, [16, 1, 3, 3])
    let bias = b.weight(1, .f32, [16])

    let conv = b.value("conv", .f32, [n, 16, 8, 8], .arena)
    b.emit(
      .library(
        .convolution(
          ConvolutionCall(
            strides: [1, 1], dilations: [1, 1], padsBegin: [b.size(1), b.size(0)], padsEnd: [b.size(1), b.size(1)],
            groups: 1, channelsLast: false, isTransposed: false, hasBias: true,
            postOps: [
              .combine(.add, operand: 3), .function(.clip, alpha: -0.0, beta: 6), .combine(.maximum, operand: 3),
            ]))),
      [x, weight, bias, bias], [conv], "conv+bias+clip", sources: ["Conv_0", "Clip_1"], flops: n * 18432)
    let flat = b.view("flat", of: conv, .f32, [n, 1024])
    let relu = b.inPlace("relu", over: flat, .f32, [n, 1024])
    b.emit(
      .kernel(
        KernelCall(
          module: 1, function: "relu_0", sizes: [b.size(n), b.size(n * 1024)], range: b.size(n * 1024),
          grain: b.size(4096), passes: b.size(n + 1))),
      [flat, nil], [relu], "relu", inPlace: [InPlace(operand: 0, result: 0)])

    b.emit(.bindSymbols([1]), [index], [], "bind k")
    let square = b.value("square", .f32, [n, n], .arena)
    b.emit(
      .library(
        .matmul(
          MatMulCall(
            transposeA: false, transposeB: true, hasBias: false,
            postOps: [.function(.swish, alpha: 1.5, beta: 0)]))), [relu, relu], [square], "matmul+swish")
    let rows = b.value("rows", .f32, [m, 4], .dynamic, byteCount: k * 16)
    b.emit(
      .device(name: "reference", payload: "nonzero\n\"quoted\"", sizes: [0]), [square], [rows], "nonzero",
      defines: [SymbolDefinition(symbol: 2, result: 0, axis: 0)])

    let choice = b.value("choice", .f32, [m, 4], .dynamic)
    var then = b.open()
    let copied = then.value("copied", .f32, [m, 4], .dynamic)
    then.emit(.copy, [rows], [copied], "copy")
    let inner = then.value("inner", .f32, [m, 4], .dynamic)
    let innerThen = Block(instructions: [], results: [copied])
    let innerElse = Block(
      instructions: [then.instruction(.fail(message: "no way on"), [], [], "fail")], results: [],
      checks: [SizeCheck(left: then.size(m), relation: .atMost, right: then.size(k), source: "Inner")])
    then.emit(.conditional(then: innerThen, else: innerElse), [wide], [inner], "if")
    var other = b.open(after: then)
    let negated = other.value("negated", .f32, [m, 4], .dynamic)
    other.emit(
      .kernel(KernelCall(module: 0, function: "neg", sizes: [], range: other.size(m * 4), grain: other.size(1))),
      [rows], [negated], "neg")
    let thenBlock = Block(
      instructions: then.block, results: [inner],
      checks: [SizeCheck(left: then.size(m), relation: .broadcast, right: then.size(4), source: "Then")])
    let elseBlock = Block(instructions: other.block, results: [negated])
    b.close(other)
    b.emit(.conditional(then: thenBlock, else: elseBlock), [wide], [choice], "if", sources: ["If_7"])
    b.entry.checks = [
      SizeCheck(left: b.size(n), relation: .atMost, right: b.size(64), source: "Conv_0"),
      SizeCheck(left: b.size(Dim.maximum(n, 2).floorDivided(by: 2)), relation: .equal, right: b.size(1), source: ""),
    ]
    b.output("y", choice)
    b.output("passed through", x)
    b.output("relu", relu)
    return b.finish()
  }

  private static func tail() -> EntryPoint {
    var b = EntryBuilder("tail", symbols: [])
    let x = b.input("x", .f32, [144])
    let w = b.weight(2, .f32, [144])
    let sum = b.value("sum", .f32, [144], .fixed(offset: 0))
    let call = { (b: inout EntryBuilder) in
      Operation.kernel(KernelCall(module: 0, function: "add", sizes: [], range: b.size(144), grain: b.size(1)))
    }
    b.emit(call(&b), [x, w], [sum], "add")
    let next = b.value("next", .f32, [144], .fixed(offset: 576))
    b.emit(call(&b), [sum, w], [next], "add")
    let head = b.view("head", of: next, .f32, [100])
    let last = b.value("last", .f32, [100], .fixed(offset: 0))
    b.emit(.copy, [head], [last], "copy")
    b.output("last", last)
    return b.finish()
  }
}

/// Builds entry points for tests.
struct EntryBuilder {
  var entry: EntryPoint
  var block: [Instruction] = []

  init(_ name: String, symbols: [String]) { entry = EntryPoint(name: name, symbols: symbols) }

  mutating func size(_ size: Dim) -> SizeID {
    if let known = entry.sizes.firstIndex(of: size) { return known }
    entry.sizes.append(size)
    return entry.sizes.count - 1
  }

  mutating func add(
    _ name: String, _ type: ElementType, _ shape: [Dim], _ location: PlanValue.Location, viewOf: ValueID? = nil
  ) -> ValueID {
    entry.values.append(
      PlanValue(name: name, elementType: type, shape: shape.map { size($0) }, location: location, viewOf: viewOf))
    return entry.values.count - 1
  }

  mutating func input(_ name: String, _ type: ElementType, _ shape: [Dim]) -> ValueID {
    let id = add(name, type, shape, .input(entry.inputs.count))
    entry.inputs.append(Port(name: name, value: id))
    return id
  }

  mutating func weight(_ index: Int, _ type: ElementType, _ shape: [Dim]) -> ValueID {
    add("weight \(index)", type, shape, .weight(index))
  }

  mutating func output(_ name: String, _ value: ValueID) { entry.outputs.append(Port(name: name, value: value)) }

  /// A value in a buffer of its own.
  mutating func value(
    _ name: String, _ type: ElementType, _ shape: [Dim], _ placement: PlanBuffer.Placement, byteCount: Dim? = nil
  ) -> ValueID {
    let bytes = size(byteCount ?? TensorType(type, shape).byteCount)
    entry.buffers.append(PlanBuffer(byteCount: bytes, placement: placement, first: 0, last: 0))
    return add(name, type, shape, .buffer(entry.buffers.count - 1, offset: nil))
  }

  mutating func view(_ name: String, of value: ValueID, _ type: ElementType, _ shape: [Dim]) -> ValueID {
    add(name, type, shape, entry.values[value].location, viewOf: value)
  }

  /// A value in the place of another one.
  mutating func inPlace(_ name: String, over value: ValueID, _ type: ElementType, _ shape: [Dim]) -> ValueID {
    add(name, type, shape, entry.values[value].location)
  }

  mutating func instruction(
    _ operation: SwagePlan.Operation, _ operands: [ValueID?], _ results: [ValueID], _ label: String,
    sources: [String] = [], defines: [SymbolDefinition] = [], flops: Dim = 0, inPlace: [InPlace] = []
  ) -> Instruction {
    Instruction(
      operation: operation, operands: operands, results: results, defines: defines, label: label, sources: sources,
      flops: size(flops), bytes: size(0), inPlace: inPlace)
  }

  mutating func emit(
    _ operation: SwagePlan.Operation, _ operands: [ValueID?], _ results: [ValueID], _ label: String,
    sources: [String] = [], defines: [SymbolDefinition] = [], flops: Dim = 0, inPlace: [InPlace] = []
  ) {
    block.append(
      instruction(
        operation, operands, results, label, sources: sources, defines: defines, flops: flops, inPlace: inPlace))
  }

  /// A builder for a nested block, over the lists of this one or of the block built before.
  func open(after previous: EntryBuilder? = nil) -> EntryBuilder {
    var inner = previous ?? self
    inner.block = []
    return inner
  }

  mutating func close(_ inner: EntryBuilder) { entry = inner.entry }

  /// Fills in the body and the positions of buffers.
  mutating func finish() -> EntryPoint {
    entry.body = Block(instructions: block)
    for (id, range) in Lifetimes(entry).buffers.enumerated() {
      guard let range else { continue }
      entry.buffers[id].first = range.lowerBound
      entry.buffers[id].last = range.upperBound
    }
    return entry
  }
}
