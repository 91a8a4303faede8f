import SwageGraph
import SwageTensor

extension GraphGenerator {
  mutating func control() {
    switch random.below(10) {
    case ..<5: conditional()
    case ..<7: loop()
    case ..<9: steps()
    default: growth()
    }
  }

  /// A few nodes on floats or integers that keep the type.
  private mutating func fill(_ graph: inout Graph, _ values: [ValueID], count: Int) throws -> ValueID? {
    guard var last = values.last else { return nil }
    for index in 0..<count {
      let type = graph.type(of: last)
      let source = [Source(name: "\(graph.name)\(index)", operatorName: "Inner")]
      guard type.elementType != .bool else {
        last = try graph.append(.unary(Unary(.not)), [last], sources: source)[0]
        continue
      }
      let others = values.filter { graph.type(of: $0) == type }
      if random.chance(40) {
        let other = random.pick(others)
        last = try graph.append(.binary(Binary(random.pick([.add, .sub, .max]))), [last, other], sources: source)[0]
      } else if random.chance(30) {
        let one = try graph.constant(Tensor(type.elementType, [], doubles: [2]))
        last = try graph.append(.binary(Binary(random.pick([.add, .mul, .min]))), [last, one], sources: source)[0]
      } else {
        last = try graph.append(.unary(Unary(random.pick([.neg, .abs, .relu, .sign]))), [last], sources: source)[0]
      }
    }
    return last
  }

  private mutating func conditional() {
    guard let condition = random.chance(40) ? constant(.bool, []) : operand(TensorType(.bool)),
      let x = anyValue(), let y = random.chance(50) ? operand(type(x)) : anyValue()
    else { return }
    let types = [type(x), type(y)]
    var regions: [Graph] = []
    var results: [TensorType] = []
    let differs = random.chance(25) && !isPortable && types[0].rank > 0
    for branch in 0..<2 {
      var region = Graph(name: branch == 0 ? "then" : "else")
      let inputs = [region.addInput(name: "a", type: types[0]), region.addInput(name: "b", type: types[1])]
      guard var value = try? fill(&region, [inputs[1], inputs[0]], count: random.below(3)) else { return }
      if differs, branch == 1 {
        guard
          let joined = try? region.append(
            .concat(Concat(axis: 0)), [value, value], sources: [Source(name: "join", operatorName: "Inner")])
        else { return }
        value = joined[0]
      }
      region.addOutput(value, name: "r")
      if branch == 0 { results = [region.type(of: value)] }
      regions.append(region)
    }
    if differs { results[0].shape[0] = .symbol(freshSymbol()) }
    append(.if(If(results: results)), [condition, x, y], regions: regions)
  }

  private mutating func loop() {
    guard
      let x = value(where: { Self.floats.contains($0.elementType) || $0.elementType == .i64 || $0.elementType == .i32 })
    else { return }
    let type = type(x)
    let trips = random.below(4)
    var region = Graph(name: "body")
    let iteration = region.addInput(name: "i", type: TensorType(.i64))
    let more = region.addInput(name: "more", type: TensorType(.bool))
    let carried = region.addInput(name: "carried", type: type)
    let capture = region.addInput(name: "capture", type: type)
    let source = [Source(name: "body", operatorName: "Inner")]
    do {
      guard var value = try fill(&region, [capture, carried], count: random.within(1...2)) else { return }
      if random.chance(40) {
        let number = try region.append(.cast(Cast(to: type.elementType)), [iteration], sources: source)[0]
        value = try region.append(.binary(Binary(.add)), [value, number], sources: source)[0]
      }
      region.addOutput(more, name: "more")
      region.addOutput(value, name: "carried")
      let hasStack = random.chance(60)
      if hasStack { region.addOutput(value, name: "stack") }
      guard let count = constant(Tensor(.i64, [], integers: [Int64(trips)])),
        let condition = constant(Tensor(.bool, [], integers: [random.chance(90) ? 1 : 0]))
      else { return }
      let results = [type] + (hasStack ? [TensorType(type.elementType, [.symbol(freshSymbol())] + type.shape)] : [])
      append(
        .loop(Loop(carried: 1, results: results)), [count, random.chance(30) ? nil : condition, x, operand(type)],
        regions: [region])
    } catch { return }
  }
}
