import SwageTensor

/// Writes a graph in its text form, which `GraphParser` reads back.
///
///     graph "digits" (%0 "image": f32[batch, 1, 8, 8]) {
///       %1 "w" = constant f32[2] [0.5, -1.0]
///       %2 = convolution(%0, %1) {strides = [1, 1], ...} : f32[batch, 16, 8, 8] from "conv1" (Conv)
///       return %2 "logits"
///     }
public struct GraphPrinter {
  /// Constants with more elements print as `resource N` and are collected in `resources`.
  public var inlineLimit: Int
  public private(set) var resources: [Tensor] = []
  /// Leaves out sources and value names: for golden tests of one rewrite.
  public var showsProvenance: Bool
  /// Writes values by name, or by the source node that they come from, instead of by number: two versions of a graph
  /// then agree on the lines that a rewrite left alone. `GraphParser` does not read this form.
  public var namesValues = false

  public init(inlineLimit: Int = 16, showsProvenance: Bool = true) {
    self.inlineLimit = inlineLimit
    self.showsProvenance = showsProvenance
  }

  public static func text(_ graph: Graph, inlineLimit: Int = 16, showsProvenance: Bool = true) -> String {
    var printer = GraphPrinter(inlineLimit: inlineLimit, showsProvenance: showsProvenance)
    return printer.print(graph)
  }

  public mutating func print(_ graph: Graph) -> String { print(graph, indent: "") + "\n" }

  private mutating func print(_ graph: Graph, indent: String) -> String {
    // Values are numbered in the order of the text, so that ids of erased nodes leave no trace.
    var numbers: [ValueID: Int] = [:]
    let names = namesValues ? Self.names(of: graph) : [:]
    func number(_ value: ValueID) -> String {
      if let name = names[value] { return "%" + name }
      if let known = numbers[value] { return "%\(known)" }
      numbers[value] = numbers.count
      return "%\(numbers.count - 1)"
    }
    func definition(_ value: ValueID) -> String {
      let name = graph[value].name
      return number(value) + (name.isEmpty || !showsProvenance || namesValues ? "" : " " + Self.quoted(name))
    }
    let inputs = graph.inputs.map {
      "\(number($0)) \(Self.quoted(graph[$0].name)): \(graph.type(of: $0))"
    }
    var text = "graph \(Self.quoted(graph.name)) (\(inputs.joined(separator: ", "))) {\n"
    for node in graph.nodes {
      text += indent + "  "
      if !node.results.isEmpty { text += node.results.map(definition).joined(separator: ", ") + " = " }
      text += node.op.mnemonic
      if case .constant(let constant) = node.op {
        text += " " + self.constant(constant.value)
      } else {
        text += "(" + node.operands.map { $0.map(number) ?? "none" }.joined(separator: ", ") + ")"
        let attributes = node.op.definition.attributes.items
        if !attributes.isEmpty {
          text += " {" + attributes.map { "\($0.name) = \(Self.text($0.value))" }.joined(separator: ", ") + "}"
        }
        for region in node.regions { text += " " + print(region, indent: indent + "  ") }
        if !node.results.isEmpty {
          text += " : " + node.results.map { graph.type(of: $0).description }.joined(separator: ", ")
        }
      }
      if let target = node.target { text += " on \(target)" }
      if showsProvenance, !node.sources.isEmpty {
        text +=
          " from "
          + node.sources.map { "\(Self.quoted($0.name)) (\(Self.word($0.operatorName)))" }.joined(separator: ", ")
      }
      text += "\n"
    }
    let outputs = zip(graph.outputs, graph.outputNames).map { "\(number($0)) \(Self.quoted($1))" }
    return text + indent + "  return" + (outputs.isEmpty ? "" : " " + outputs.joined(separator: ", ")) + "\n"
      + indent + "}"
  }

  /// A name for each value: its own, or the source node's with the operation's; a number tells namesakes apart.
  private static func names(of graph: Graph) -> [ValueID: String] {
    var names: [ValueID: String] = [:]
    var seen: [String: Int] = [:]
    func assign(_ value: ValueID, _ fallback: () -> String) {
      let own = graph[value].name
      let base = own.isEmpty ? fallback() : own
      let count = seen[base, default: 0] + 1
      seen[base] = count
      names[value] = count == 1 ? base : "\(base)'\(count)"
    }
    for value in graph.inputs { assign(value) { "input" } }
    for node in graph.nodes {
      for value in node.results {
        assign(value) { (node.sources.first.map { $0.name + "." } ?? "") + node.op.mnemonic }
      }
    }
    return names
  }

  private mutating func constant(_ tensor: Tensor) -> String {
    let head = "\(tensor.type)"
    guard tensor.count <= inlineLimit else {
      resources.append(tensor)
      return "\(head) resource \(resources.count - 1)"
    }
    let values: [String]
    switch tensor.elementType {
    case .f32: values = tensor.floats.map { Self.text(float: $0) }
    case .f64, .f16, .bf16, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz, .f8e8m0, .f4e2m1:
      values = tensor.doubles.map { Self.text(double: $0) }
    case .string: values = tensor.stringBytes.map { Self.quoted($0) }
    case .u64: values = tensor.integers.map { String(UInt64(bitPattern: $0)) }
    default: values = tensor.integers.map(String.init)
    }
    return "\(head) [\(values.joined(separator: ", "))]"
  }

  private static func text(float value: Float) -> String { value.isNaN ? "nan" : "\(value)" }
  static func text(double value: Double) -> String { value.isNaN ? "nan" : "\(value)" }

  static func text(_ value: AttributeValue) -> String {
    switch value {
    case .integer(let value): "\(value)"
    case .float(let value): text(double: value)
    case .bool(let value): "\(value)"
    case .string(let value): quoted(value)
    case .word(let value): value
    case .list(let values): "[\(values.map(text).joined(separator: ", "))]"
    case .dimension(let value): value.description
    }
  }

  /// The text itself where it is one word, else quoted: operator names come from files.
  private static func word(_ text: String) -> String {
    !text.isEmpty && text.utf8.allSatisfy(GraphLexer.isWord) ? text : quoted(text)
  }

  /// Bytes in quotes, which `GraphLexer.bytes` reads back: those that are not UTF-8 as `\\xHH`.
  public static func quoted(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return quoted(text) }
    let digits = Array("0123456789abcdef".utf8)
    var result: [UInt8] = [UInt8(ascii: "\"")]
    for byte in bytes {
      if byte >= 32, byte < 127, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
        result.append(byte)
      } else {
        result += Array("\\x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self) + "\""
  }

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      default:
        if scalar.value < 32 || scalar.value == 127 {
          result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}
