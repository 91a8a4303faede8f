import SwageGraph
import SwageTensor

/// Loops as exporters write them.
extension GraphGenerator {
  /// The body of a loop while it is written: what it adds throws where it is not valid.
  private struct Body {
    var graph = Graph(name: "body")
    let iteration: ValueID
    let more: ValueID

    init() {
      iteration = graph.addInput(name: "i", type: TensorType(.i64))
      more = graph.addInput(name: "more", type: TensorType(.bool))
    }

    mutating func add(_ op: Op, _ operands: [ValueID?], regions: [Graph] = []) throws -> ValueID {
      let source = Source(name: "step\(graph.nodeCount)", operatorName: "Inner")
      return try graph.append(op, operands, regions: regions, sources: [source])[0]
    }

    func type(_ value: ValueID) -> TensorType { graph.type(of: value) }
  }

  /// How a loop gets what it never changes: captured, carried and handed on by the body, or a constant inside.
  private enum Way: CaseIterable { case capture, carried, constant }

  /// A recurrent layer written out: a state, one element of a sequence at each step, weights.
  mutating func steps() {
    let element = floatType()
    let (t, b, d) = (random.within(1...4), random.chance(60) ? Dim(random.within(1...3)) : size(), random.within(1...5))
    guard let sequence = operand(TensorType(element, [Dim(t), b, Dim(d)])),
      let first = operand(TensorType(element, [b, Dim(d)])), let w = constant(TensorType(element, [Dim(d), Dim(d)])),
      let bias = constant(TensorType(element, [Dim(d)])),
      let trips = constant(Tensor(.i64, [], integers: [Int64(random.within(0...t))]))
    else { return }
    do {
      var body = Body()
      var operands: [ValueID?] = [trips, nil, first]
      let state = body.graph.addInput(name: "state", type: type(first))
      var kept: [ValueID] = []
      /// The value inside: an input, or a constant.
      func take(_ value: ValueID, _ name: String, _ way: Way) throws -> ValueID {
        if way == .constant, let tensor = tensors(value).first { return try body.graph.constant(tensor) }
        let inside = body.graph.addInput(name: name, type: type(value))
        operands.append(value)
        if way == .carried { kept.append(inside) }
        return inside
      }
      // Captures come last.
      let ways = (weights: random.pick(Way.allCases), bias: random.pick(Way.allCases))
      var weights = ways.weights == .carried ? try take(w, "w", .carried) : nil
      var shift = ways.bias == .carried ? try take(bias, "bias", .carried) : nil
      let inputs = try take(sequence, "sequence", .capture)
      if weights == nil { weights = try take(w, "w", ways.weights) }
      if shift == nil { shift = try take(bias, "bias", ways.bias) }

      let x = try body.add(.gather(Gather(axis: 0)), [inputs, body.iteration])
      let product = try body.add(.matmul(MatMul(transposeB: random.chance(30))), [state, weights])
      var next = try body.add(.binary(Binary(.add)), [try body.add(.binary(Binary(.add)), [x, product]), shift])
      next = try gate(&body, next, state)
      if random.chance(20) {
        next = try body.add(
          .if(If(results: [body.type(next)])), [body.more, next, state], regions: branches(body.type(next)))
      }
      // Stops where the data says so, or never.
      var more = body.more
      if random.chance(30) {
        let peak = try body.add(.reduce(Reduce(.max, axes: [0, 1], keepsAxes: false)), [next])
        let limit = try body.graph.constant(Tensor(element, [], doubles: [random.pick([0.25, 1, 8])]))
        more = try body.add(.binary(Binary(.less)), [peak, limit])
      }
      body.graph.addOutput(more, name: "more")
      body.graph.addOutput(next, name: "state")
      for (index, value) in kept.enumerated() { body.graph.addOutput(value, name: "kept\(index)") }
      let hasStack = random.chance(75)
      if hasStack { body.graph.addOutput(next, name: "stack") }
      let carried = 1 + kept.count
      var results = (0..<carried).map { type(operands[2 + $0] ?? first) }
      if hasStack { results.append(TensorType(element, [.symbol(freshSymbol())] + type(first).shape)) }
      append(.loop(Loop(carried: carried, results: results)), operands, regions: [body.graph])
    } catch { return }
  }

  /// Activations of the next state, some with a gate that keeps part of the old one.
  private mutating func gate(_ body: inout Body, _ sum: ValueID, _ state: ValueID) throws -> ValueID {
    switch random.below(5) {
    case 0: return try body.add(.unary(Unary(.relu)), [sum])
    case 1: return try body.add(.softmax(Softmax(axis: 1, isLog: false)), [sum])
    case 2: return try body.add(.layerNorm(LayerNorm(axis: 1, epsilon: epsilon(), isRMS: false)), [sum])
    case 3:
      let gate = try body.add(.unary(Unary(.sigmoid)), [sum])
      let change = try body.add(.binary(Binary(.sub)), [try body.add(.unary(Unary(.tanh)), [sum]), state])
      return try body.add(.binary(Binary(.add)), [state, try body.add(.binary(Binary(.mul)), [gate, change])])
    default: return try body.add(.unary(Unary(.tanh)), [sum])
    }
  }

  /// The new value, or the old one.
  private func branches(_ type: TensorType) -> [Graph] {
    (0..<2).map { branch in
      var graph = Graph(name: branch == 0 ? "then" : "else")
      let values = ["new", "old"].map { graph.addInput(name: $0, type: type) }
      graph.addOutput(values[branch], name: "r")
      return graph
    }
  }

  /// A carried value that is longer after each step: what was generated so far.
  mutating func growth() {
    guard let x = value(where: { $0.rank > 0 && $0.rank < 4 && !Self.packed.contains($0.elementType) }),
      let trips = constant(Tensor(.i64, [], integers: [Int64(random.below(4))]))
    else { return }
    let type = type(x)
    let part = TensorType(type.elementType, [1] + type.shape.dropFirst())
    guard let piece = operand(part) else { return }
    do {
      var body = Body()
      let length = Dim.symbol(freshSymbol())
      let soFar = body.graph.addInput(
        name: "so_far", type: TensorType(type.elementType, [length] + type.shape.dropFirst()))
      let added = body.graph.addInput(name: "piece", type: part)
      let isFirst = random.chance(30)
      let longer = try body.add(.concat(Concat(axis: 0)), isFirst ? [added, soFar] : [soFar, added])
      body.graph.addOutput(body.more, name: "more")
      body.graph.addOutput(longer, name: "so_far")
      let result = TensorType(type.elementType, [.symbol(freshSymbol())] + type.shape.dropFirst())
      append(.loop(Loop(carried: 1, results: [result])), [trips, nil, x, piece], regions: [body.graph])
    } catch { return }
  }
}
