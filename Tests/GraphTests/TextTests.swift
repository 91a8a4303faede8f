import SwageGraph
import SwageTensor
import Testing

@Suite struct TextTests {
  private func roundTrip(_ graph: Graph, _ comment: Comment? = nil) throws -> Graph {
    var printer = GraphPrinter()
    let text = printer.print(graph)
    let read = try GraphParser.parse(text, resources: printer.resources)
    var again = GraphPrinter()
    #expect(again.print(read) == text, comment)
    return read
  }

  @Test func everyOperationRoundTrips() throws {
    var seen: Set<Int> = []
    for graph in try OpSamples.all() {
      try GraphVerifier.verify(graph, after: "building")
      let read = try roundTrip(graph)
      try GraphVerifier.verify(read, after: "reading")
      var (built, parsed): ([Op], [Op]) = ([], [])
      graph.forEachNode { built.append($1.op) }
      read.forEachNode { parsed.append($1.op) }
      #expect(built.count == parsed.count)
      for (a, b) in zip(built, parsed) {
        seen.insert(OpSamples.number(of: a))
        // NaN differs from itself.
        if case .unary(let unary) = a, unary.alpha.isNaN { continue }
        #expect(a == b)
      }
    }
    #expect(seen == Set(0..<OpSamples.caseCount), "an operation has no sample")
  }

  @Test(arguments: [16, 0]) func constantsOfStringsRoundTrip(_ limit: Int) throws {
    let odd: [[UInt8]] = [
      [], [0], [0xff, 0x22, 0x5c, 0x0a], Array("a\"b\\n\r\n\tç".utf8), Array("e\u{301}".utf8), [0xc3],
    ]
    for tensor in [Tensor(stringBytes: odd, [2, 3]), Tensor(strings: ["x"], []), Tensor(strings: [], [0])] {
      var graph = Graph(name: "constants")
      graph.addOutput(try graph.constant(tensor, name: "c"), name: "c")
      var printer = GraphPrinter(inlineLimit: limit)
      let text = printer.print(graph)
      let read = try GraphParser.parse(text, resources: printer.resources)
      #expect(read.constant(read.outputs[0])?.stringBytes == tensor.stringBytes)
      #expect(read.constant(read.outputs[0])?.shape == tensor.shape)
    }
  }

  @Test(arguments: ElementType.allCases.filter(\.isNumeric))
  func constantsOfEveryTypeRoundTrip(_ type: ElementType) throws {
    var values: [Double] = [0, 1, -1, 0.1, 2.5, -0.0, 1e30, -1e30, 1e-30, 7, 100]
    if type.isFloat { values += [.infinity, -.infinity, .nan] }
    let patterns = (0..<16).map { Int64(truncatingIfNeeded: 0x0102_0408_1020_4081 &* ($0 &* $0 &+ 1)) }
    var tensors = [Tensor(type, [values.count], doubles: values), Tensor(type, [], doubles: [1])]
    tensors.append(Tensor(zeros: type, [3, 0]))
    if type.isInteger { tensors.append(Tensor(type, [4, 4], integers: patterns)) }
    for tensor in tensors {
      for limit in [16, 0] {
        var graph = Graph(name: "constants")
        graph.addOutput(try graph.constant(tensor, name: "c"), name: "c")
        var printer = GraphPrinter(inlineLimit: limit)
        let text = printer.print(graph)
        #expect(printer.resources.count == (tensor.count > limit ? 1 : 0))
        let read = try GraphParser.parse(text, resources: printer.resources)
        var again = GraphPrinter(inlineLimit: limit)
        #expect(again.print(read) == text)
        let given = try #require(read.constant(read.outputs[0]))
        #expect(given.type == tensor.type)
        for (a, b) in zip(given.doubles, tensor.doubles) {
          #expect(a == b && a.sign == b.sign || a.isNaN && b.isNaN, "\(text)")
        }
        #expect(given.integers == tensor.integers)
      }
    }
  }

  @Test func hostileNamesRoundTrip() throws {
    let names = [
      "", " ", "a\"b", "back\\slash", "line\nbreak", "tab\t", "\u{0}", "\u{7f}\u{1b}[31m", "}", "){\"", "// comment",
      "ü中\u{1F600}", "e\u{301}", "%0", "return", "\\u{41}", "a, b", "(x)", "\r\n", "\u{85}\u{2028}",
    ]
    for name in names {
      var graph = Graph(name: name)
      let x = graph.addInput(name: name, type: TensorType(.f32, [2]))
      let sources = [Source(name: name, operatorName: name), Source(name: "n", operatorName: "Add")]
      let y = try graph.append(.unary(Unary(.relu)), [x], names: [name + "y"], sources: sources)[0]
      try graph.append(.fail(Fail(message: name, results: [])), [], sources: sources)
      try graph.append(.copy(Copy(to: name)), [y], sources: sources)
      graph.addOutput(y, name: name)
      let read = try roundTrip(graph, "\(name.debugDescription)")
      #expect(Array(read.name.utf8) == Array(name.utf8))
      #expect(Array(read[read.inputs[0]].name.utf8) == Array(name.utf8))
      #expect(read.outputNames == [name])
      #expect(Array(read.nodes).map(\.sources) == [sources, sources, sources])
      #expect(Array(read.nodes).map(\.op) == Array(graph.nodes).map(\.op))
    }
  }

  @Test func valuesAreNumberedInTheOrderOfTheText() throws {
    var graph = Graph(name: "g")
    let x = graph.addInput(name: "x", type: TensorType(.f32, [2]))
    let a = try graph.append(.unary(Unary(.exp)), [x], sources: OpSamples.source)[0]
    let b = try graph.append(.unary(Unary(.log)), [x], sources: OpSamples.source)[0]
    graph.replaceUses(of: a, with: b)
    graph.erase(graph.order[0])
    graph.addOutput(b, name: "y")
    #expect(
      GraphPrinter.text(graph, showsProvenance: false)
        == """
        graph "g" (%0 "x": f32[2]) {
          %1 = unary(%0) {function = log} : f32[2]
          return %1 "y"
        }

        """)
  }

  @Test func targetsRoundTrip() throws {
    let text = """
      graph "g" (%0 "x": f32[2]) {
        %1 = constant f32[1] [1.0] on cpu
        %2 = unary(%0) {function = exp} : f32[2] on reference from "n" (Exp)
        return %2 "y"
      }

      """
    let graph = try GraphParser.parse(text)
    #expect(Array(graph.nodes).map(\.target) == ["cpu", "reference"])
    #expect(GraphPrinter.text(graph) == text)
  }

  /// Text that is not a graph: the line at fault (the first is 1), and words that the message has.
  static let negatives: [(text: String, line: Int, words: String)] = [
    ("", 1, "expected graph"),
    ("// nothing\n\n", 3, "expected graph"),
    ("graph g () {\n  return\n}", 1, "expected \""),
    ("graph \"g\" (\n%0 \"x\": f33[2]) { return }", 2, "no element type f33"),
    ("graph \"g\" (%0 \"x\": f32[2 3]) { return }", 1, "2 3 is no size"),
    ("graph \"g\" (%0 \"x\": f32[9223372036854775808]) { return }", 1, "is no size"),
    ("graph \"g\" (%x \"x\": f32[2]) { return }", 1, "numbered"),
    ("graph \"g\" () {\n  return %7 \"y\"\n}", 2, "%7 is not defined"),
    ("graph \"g\" () {\n  return\n}\nmore", 4, "text after the graph"),
    ("graph \"g\" () {\n  return", 2, "expected"),
    ("graph \"g", 1, "no end"),
    ("graph \"\\u{110000}\" () { return }", 1, "broken escape"),
    ("graph \"\\u{zz}\" () { return }", 1, "broken escape"),
    (graph("%1 = frobnicate(%0) : f32[2]"), 2, "no operation frobnicate"),
    (graph("%1 = unary(%5) {function = exp} : f32[2]"), 2, "%5 is not defined"),
    (graph("%1 = unary(%0) {function = expp} : f32[2]"), 2, "cannot be expp"),
    (graph("%1 = unary(%0) : f32[2]"), 2, "attribute function"),
    (graph("%1 = unary(%0) {function = exp, function = log} : f32[2]"), 2, "stands twice"),
    (graph("%1 = unary(%0) {function = exp, other = 1} : f32[2]"), 2, "no attribute other"),
    (graph("%1 = unary(%0) {function = } : f32[2]"), 2, "attribute"),
    (graph("%1 = unary(%0) {function = exp} : f32[3]"), 2, "gives f32[2], not f32[3]"),
    (graph("%1 = unary(%0) {function = exp} : f64[2]"), 2, "gives f32[2], not f64[2]"),
    (graph("%1 = unary(%0) {function = not} : bool[2]"), 2, "takes bool"),
    (graph("%1, %2 = unary(%0) {function = exp} : f32[2], f32[2]"), 2, "gives 1 results, not 2"),
    (graph("unary(%0) {function = exp}"), 2, "gives 1 results, not 0"),
    (graph("%0 = unary(%0) {function = exp} : f32[2]"), 2, "%0 is defined twice"),
    (graph("%1 = unary(%0, %0) {function = exp} : f32[2]"), 2, "takes 1 to 1 operands"),
    (graph("%1 = unary(none) {function = exp} : f32[2]"), 2, "is missing"),
    (graph("%1 = constant f32[2] [1.0]"), 2, "1 values for f32[2]"),
    (graph("%1 = constant f32[h] [1.0]"), 2, "cannot be f32[h]"),
    (graph("%1 = constant string[1] [a]"), 2, "found a"),
    (graph("%1 = constant f32[1] [one]"), 2, "is no number"),
    (graph("%1 = constant i32[1] [1.5]"), 2, "is no integer"),
    (graph("%1 = constant u8[2] [1, 256]"), 2, "does not fit u8"),
    (graph("%1 = constant i4[2] [-9, 7]"), 2, "does not fit i4"),
    (graph("%1 = constant bool[1] [2]"), 2, "does not fit bool"),
    (graph("%1 = constant f32[100] resource 0"), 2, "no such resource"),
    (graph("%1 = constant f32[100] resource -1"), 2, "no such resource"),
    (graph("%1 = constant f32[4294967296, 4294967296] resource 0"), 2, "cannot be"),
    (graph("%1 = reshape(%0) {shape = 2} : f32[2]"), 2, "must be a list"),
    (graph("%1 = reshape(%0) {shape = [true]} : f32[2]"), 2, "must hold sizes"),
    (graph("%1 = transpose(%0) {permutation = [0.5]} : f32[2]"), 2, "must hold integers"),
    (graph("%1 = cast(%0) {to = f31} : f32[2]"), 2, "no element type f31"),
    (graph("%1 = softmax(%0) {axis = \"0\"} : f32[2]"), 2, "must be an integer"),
    (graph("%1 = softmax(%0) {axis = 0, log = 1} : f32[2]"), 2, "must be true or false"),
    (graph("%1 = layer_norm(%0) {axis = 0, epsilon = [1]} : f32[2]"), 2, "must be a number"),
    (graph("%1 = matmul(%0, %0) {epilogue = [\"frob\"]} : f32[2]"), 2, "no function frob"),
    (graph("%1 = matmul(%0, %0) {epilogue = [\"add:x\"]} : f32[2]"), 2, "no epilogue step"),
    (graph("%1 = matmul(%0, %0) {epilogue = [\"clip(a)\"]} : f32[2]"), 2, "no numbers"),
    (graph("%1 = fused(%0) : f32[2]"), 2, "one region"),
    (graph("%1 = constant"), 3, "element type"),
    ("graph \"two\nlines\" () {\n  return %1 \"y\"\n}", 3, "not defined"),
  ]

  /// A graph of one input whose second line is `line`.
  static func graph(_ line: String) -> String { "graph \"g\" (%0 \"x\": f32[2]) {\n  \(line)\n  return\n}" }

  @Test(arguments: negatives.indices)
  func brokenTextIsRefusedWithItsLine(_ index: Int) throws {
    let (text, line, words) = Self.negatives[index]
    do {
      _ = try GraphParser.parse(text)
      Issue.record("this was read:\n\(text)")
    } catch GraphError.text(let at, let message) {
      #expect(at == line, "\(message)\n\(text)")
      #expect(message.contains(words), "\(message)\n\(text)")
    }
  }

  @Test func depthIsLimited() throws {
    let lists = Self.graph("%1 = reshape(%0) {shape = " + String(repeating: "[", count: 100_000))
    #expect(throws: GraphError.self) { try GraphParser.parse(lists) }
    let open = "graph \"g\" (%0 \"x\": f32[]) { %1 = fused(%0) "
    #expect(throws: GraphError.self) { try GraphParser.parse(String(repeating: open, count: 10_000)) }
  }

  @Test func everyTruncationIsRefused() throws {
    let text = Array(GraphPrinter.text(try OpSamples.regions()).utf8)
    // The last byte is a line end.
    for length in 0..<text.count - 1 {
      #expect(throws: GraphError.self, "\(length) bytes") {
        try GraphParser.parse(String(decoding: text[..<length], as: UTF8.self))
      }
    }
  }

  /// Replaced bytes give an error or a graph that prints; never a crash.
  @Test func damagedTextDoesNotTrap() throws {
    var random = SplitMix(seed: 1)
    for graph in try OpSamples.all() {
      let text = Array(GraphPrinter.text(graph).utf8)
      for _ in 0..<300 {
        var damaged = text
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          let at = Int.random(in: damaged.indices, using: &random)
          damaged[at] = damaged[Int.random(in: damaged.indices, using: &random)]
        }
        guard let read = try? GraphParser.parse(String(decoding: damaged, as: UTF8.self)) else { continue }
        let printed = GraphPrinter.text(read)
        #expect(GraphPrinter.text(try GraphParser.parse(printed)) == printed)
      }
    }
  }
}
