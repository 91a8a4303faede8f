import SwageGraph
import SwageInspect
import SwageTensor

/// Builds random graphs that are valid by construction: each node is evaluated when it is added, and left out where the
/// operation refuses what it is given. The same seed and number give the same graph.
///
/// The choice is weighted to what breaks compilers: rank 0 and empty axes, mixed widths, broadcasting, outputs that are
/// also intermediates, inputs or constants, layouts around convolutions, patterns that passes look for, and sizes that
/// are symbols or depend on data.
struct GraphGenerator {
  /// The inputs at one assignment of sizes, and every value so far.
  struct Run {
    var context: EvaluationContext
    var inputs: [String: Tensor] = [:]
    var values: [ValueID: Tensor] = [:]
  }

  static let floats: [ElementType] = [.f32, .f64, .f16, .bf16]
  static let integers: [ElementType] = [.i8, .i16, .i32, .i64, .u8, .u16, .u32, .u64]
  static let packed: [ElementType] = [
    .u4, .i4, .u2, .i2, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f4e2m1, .f8e8m0,
  ]
  static let maximumCount = 1500
  static let maximumFlops = 120_000

  var random: FuzzRandom
  var graph: Graph
  var runs: [Run]
  let symbols: [String]
  let mood: FuzzMood
  /// The element type that most values of the graph have.
  let mainType: ElementType
  /// Only operations that one ONNX operator equals.
  let isPortable: Bool
  private(set) var pool: [ValueID] = []
  private var nextSymbol = 0

  static func make(seed: UInt64, index: Int, isPortable: Bool? = nil) throws -> FuzzCase {
    var generator = GraphGenerator(seed: seed, index: index, isPortable: isPortable)
    return try generator.build()
  }

  private init(seed: UInt64, index: Int, isPortable: Bool?) {
    var random = FuzzRandom(seed: seed, stream: UInt64(index))
    let portable = random.chance(35)
    self.isPortable = isPortable ?? portable
    mainType = random.chance(65) ? .f32 : random.pick([.f64, .f16, .bf16, .f32, .i32, .i64])
    mood = random.chance(60) ? .calm : random.chance(60) ? .special : .wild
    symbols = random.chance(35) ? Array(["h", "w", "n"].prefix(1 + random.below(3))) : []
    var first: [String: Int] = [:]
    var second: [String: Int] = [:]
    for symbol in symbols {
      first[symbol] = random.pick([1, 2, 3, 4, 5, 7])
      second[symbol] = random.pick([0, 1, 2, 3, 4, 6, 8])
    }
    runs = [Run(context: EvaluationContext(symbols: first))]
    if !symbols.isEmpty { runs.append(Run(context: EvaluationContext(symbols: second))) }
    graph = Graph(name: "fuzz_\(seed)_\(index)")
    self.random = random
  }

  // MARK: - The graph

  private mutating func build() throws -> FuzzCase {
    let target = random.chance(30) ? random.within(1...4) : random.within(4...26)
    begin()
    var nodes = 0
    var attempts = 0
    while nodes < target, attempts < target * 4 {
      attempts += 1
      let before = graph.nodes.reduce(0) { $0 + (Self.isConstant($1) ? 0 : 1) }
      step()
      nodes += graph.nodes.reduce(0) { $0 + (Self.isConstant($1) ? 0 : 1) } - before
    }
    addOutputs()
    let expected = runs.map { run in graph.outputs.compactMap { run.values[$0] } }
    return FuzzCase(graph: graph, runs: runs.map(\.inputs), expected: expected)
  }

  private mutating func begin() {
    for symbol in symbols {
      // Every symbol stands bare in some input.
      var dims = shape()
      if dims.isEmpty { dims = [1] }
      dims[random.below(dims.count)] = .symbol(symbol)
      let type = random.chance(80) ? mainType : elementType()
      if input(type, dims) == nil { _ = input(type, [.symbol(symbol)]) }
    }
    if symbols.isEmpty || random.chance(50) { _ = input(mainType, shape()) }
  }

  private mutating func addOutputs() {
    var chosen: [ValueID] = []
    if let last = pool.last { chosen.append(last) }
    for value in pool where graph.users(of: value).isEmpty && !chosen.contains(value) && random.chance(50) {
      chosen.append(value)
    }
    if random.chance(30), let value = random.pick(optional: pool) { chosen.append(value) }
    if random.chance(12), let value = random.pick(optional: graph.inputs) { chosen.append(value) }
    if random.chance(8), let value = random.pick(optional: chosen) { chosen.append(value) }
    if random.chance(6), let value = random.pick(optional: constants()) { chosen.append(value) }
    for (index, value) in chosen.prefix(6).enumerated() { graph.addOutput(value, name: "out\(index)") }
  }

  private func constants() -> [ValueID] {
    graph.nodes.filter { Self.isConstant($0) }.flatMap(\.results)
  }

  private static func isConstant(_ node: Node) -> Bool { if case .constant = node.op { true } else { false } }

  // MARK: - Values

  func type(_ value: ValueID) -> TensorType { graph.type(of: value) }

  /// The smallest size that a dimension has in any run; nil where it overflows.
  func least(_ size: Dim) -> Int { runs.map { size.evaluate($0.context.symbols) ?? 0 }.min() ?? 0 }

  func shapes(_ dims: [Dim]) -> [[Int]]? {
    var result: [[Int]] = []
    for run in runs {
      let sizes = dims.compactMap { $0.evaluate(run.context.symbols) }
      guard sizes.count == dims.count, sizes.allSatisfy({ $0 >= 0 }),
        let count = Checked.product(sizes), count <= Self.maximumCount
      else { return nil }
      result.append(sizes)
    }
    return result
  }

  mutating func elementType() -> ElementType {
    random.chance(60) ? mainType : random.pick(Self.floats + Self.integers + [.bool, .f32, .i64])
  }

  mutating func floatType() -> ElementType {
    mainType.isFloat && random.chance(80) ? mainType : random.chance(70) ? .f32 : random.pick(Self.floats)
  }

  mutating func size() -> Dim {
    if !symbols.isEmpty, random.chance(30) { return .symbol(random.pick(symbols)) }
    return Dim(random.chance(6) ? 0 : random.chance(20) ? 1 : random.within(2...6))
  }

  mutating func shape() -> [Dim] {
    let rank = random.chance(10) ? 0 : random.pick([1, 2, 2, 3, 3, 4, 4, 4, 5])
    return (0..<rank).map { _ in size() }
  }

  /// A recent value is likelier, so that chains form.
  mutating func value(where condition: (TensorType) -> Bool) -> ValueID? {
    let fitting = pool.filter { condition(graph.type(of: $0)) }
    guard !fitting.isEmpty else { return nil }
    if random.chance(60) { return fitting[max(0, fitting.count - 1 - random.below(min(fitting.count, 3)))] }
    return random.pick(fitting)
  }

  mutating func anyValue() -> ValueID? {
    value { $0.elementType.bitWidth >= 8 && !Self.packed.contains($0.elementType) }
  }

  /// A float value, made up where there is none.
  mutating func floatValue(rank: ClosedRange<Int> = 0...8) -> ValueID? {
    if random.chance(92), let found = value(where: { Self.floats.contains($0.elementType) && rank.contains($0.rank) }) {
      return found
    }
    let dims = (0..<min(random.within(rank), 4)).map { _ in size() }
    return input(floatType(), rank.contains(dims.count) ? dims : (0..<rank.lowerBound).map { _ in size() })
  }

  /// A new input. Symbols must be those of inputs.
  mutating func input(_ type: ElementType, _ dims: [Dim], _ content: FuzzContent = .any) -> ValueID? {
    guard dims.flatMap(\.symbols).allSatisfy(symbols.contains), let sizes = shapes(dims) else { return nil }
    let name = "x\(graph.inputs.count)"
    let id = graph.addInput(name: name, type: TensorType(type, dims))
    for index in runs.indices {
      let tensor = random.tensor(type, sizes[index], content, mood: mood)
      runs[index].inputs[name] = tensor
      runs[index].values[id] = tensor
    }
    if case .any = content { pool.append(id) }
    return id
  }

  /// A constant of random elements.
  mutating func constant(_ type: ElementType, _ sizes: [Int], _ content: FuzzContent = .any) -> ValueID? {
    constant(random.tensor(type, sizes, content, mood: mood == .wild ? .special : mood))
  }

  /// A constant of a type whose sizes are known.
  mutating func constant(_ type: TensorType) -> ValueID? {
    type.staticShape.flatMap { constant(type.elementType, $0) }
  }

  mutating func constant(_ tensor: Tensor) -> ValueID? {
    guard let id = try? graph.constant(tensor, name: "c\(graph.nodeCount)") else { return nil }
    for index in runs.indices { runs[index].values[id] = tensor }
    return id
  }

  mutating func scalar(_ value: Double, _ type: ElementType) -> ValueID? {
    constant(Tensor(type, random.chance(70) ? [] : [1], doubles: [value]))
  }

  /// A value of this type: one that exists, a constant, or a new input.
  mutating func operand(_ type: TensorType, _ content: FuzzContent = .any) -> ValueID? {
    if case .any = content, random.chance(35), let found = value(where: { $0 == type }) { return found }
    if let sizes = type.staticShape, random.chance(55), sizes.reduce(1, *) <= Self.maximumCount {
      return constant(type.elementType, sizes, content)
    }
    if let made = input(type.elementType, type.shape, content) { return made }
    // Sizes that data decides: repeat a scalar.
    guard let one = constant(type.elementType, [], content) else { return nil }
    return append(.broadcast(Broadcast(type.shape)), [one])?.first
  }

  mutating func freshSymbol() -> String {
    nextSymbol += 1
    return "s\(nextSymbol)"
  }

  // MARK: - Nodes

  /// Adds a node, or nothing where it is not valid for every run, too large, or gives little but NaN.
  @discardableResult
  mutating func append(_ op: Op, _ operands: [ValueID?], regions: [Graph] = [], keepsNaN: Bool = false) -> [ValueID]? {
    let saved = (graph, runs)
    let number = graph.nodeCount
    do {
      let results = try graph.append(
        op, operands, regions: regions, names: ["v\(number)", "v\(number)b", "v\(number)c"],
        sources: [Source(name: "n\(number)", operatorName: op.mnemonic)])
      guard let id = graph.order.last else { return nil }
      let node = graph[id]
      if isPortable, !ONNXWriter.isStandard(node, in: graph) { throw TypeFault("no operator of ONNX") }
      for index in runs.indices {
        guard (graph.flops(of: node).evaluate(runs[index].context.symbols) ?? 0) <= Self.maximumFlops else {
          throw TypeFault("too much arithmetic")
        }
        let operands = node.operands.map { $0.flatMap { runs[index].values[$0] } }
        let check = DefinedArithmetic(isPortable: isPortable)
        var context = EvaluationContext(
          symbols: runs[index].context.symbols, objects: runs[index].context.objects, observer: check)
        let tensors = try Evaluator.evaluate(node, in: graph, operands, &context)
        if let fault = check.fault { throw fault }
        runs[index].context = context
        for (result, tensor) in zip(results, tensors) {
          guard tensor.count <= Self.maximumCount else { throw TypeFault("too large") }
          guard agrees(graph.type(of: result), tensor, runs[index].context) else { throw TypeFault("other sizes") }
          if !keepsNaN, mood != .wild, tensor.elementType.isFloat, index == 0 {
            let bad = tensor.doubles.reduce(0) { $0 + ($1.isFinite ? 0 : 1) }
            guard bad * 2 <= tensor.count || random.chance(5) else { throw TypeFault("not finite") }
          }
          runs[index].values[result] = tensor
        }
      }
      pool += results
      return results
    } catch {
      (graph, runs) = saved
      return nil
    }
  }

  private func agrees(_ type: TensorType, _ tensor: Tensor, _ context: EvaluationContext) -> Bool {
    type.elementType == tensor.elementType && type.shape.count == tensor.shape.count
      && zip(type.shape, tensor.shape).allSatisfy { $0.evaluate(context.symbols) == $1 }
  }

  /// The only result of a node.
  mutating func node(_ op: Op, _ operands: [ValueID?]) -> ValueID? { append(op, operands)?.first }

  /// Elements of a value in each run.
  func tensors(_ value: ValueID) -> [Tensor] { runs.compactMap { $0.values[value] } }

  private mutating func step() {
    switch random.below(100) {
    case ..<16: unary()
    case ..<30: binary()
    case ..<33: select()
    case ..<38: cast()
    case ..<56: movement()
    case ..<63: indexed()
    case ..<71: reduction()
    case ..<79: product()
    case ..<83: other()
    case ..<87: control()
    case ..<89: text()
    default: pattern()
    }
  }
}
