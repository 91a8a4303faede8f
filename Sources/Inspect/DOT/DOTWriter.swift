import SwageGraph
import SwageTensor

/// A graph in the language of Graphviz: `dot -Tsvg`.
///
/// Fill shows the kind of work, shape and line the target; nested graphs are clusters; edges carry types. Constants
/// with more than eight elements show their type alone.
public struct DOTWriter {
  private var text = ""
  private var graphCount = 0
  private let targets: [String]

  public static func text(_ graph: Graph) -> String {
    var writer = DOTWriter(targets: targets(of: graph))
    writer.text = """
      digraph \(quoted(graph.name)) {
        graph [rankdir=TB, fontname="Helvetica", fontsize=11, nodesep=0.25, ranksep=0.35]
        node [shape=box, style="filled,rounded", fontname="Helvetica", fontsize=10, margin="0.12,0.06"]
        edge [fontname="Helvetica", fontsize=8, color="#71717a", fontcolor="#52525b", arrowsize=0.6]

      """
    writer.write(graph, indent: "  ")
    return writer.text + "}\n"
  }

  private init(targets: [String]) { self.targets = targets }

  private static func targets(of graph: Graph) -> [String] {
    var names: Set<String> = []
    graph.forEachNode { _, node in if let target = node.target { names.insert(target) } }
    return names.sorted()
  }

  private mutating func line(_ indent: String, _ words: String) { text += indent + words + "\n" }

  /// Writes the nodes and edges of one graph; returns the names of its inputs.
  @discardableResult
  private mutating func write(_ graph: Graph, indent: String) -> [String] {
    let prefix = "g\(graphCount)"
    graphCount += 1
    var names: [ValueID: String] = [:]
    var inputs: [String] = []
    for (index, input) in graph.inputs.enumerated() {
      let name = "\(prefix)i\(index)"
      names[input] = name
      inputs.append(name)
      let label = [graph[input].name, graph.type(of: input).description]
      line(indent, "\(name) [shape=ellipse, fillcolor=\"#fafafa\", color=\"#3f3f46\", label=\(Self.label(label))]")
    }
    for (index, node) in graph.nodes.enumerated() {
      let name = "\(prefix)n\(index)"
      for result in node.results { names[result] = name }
      line(indent, "\(name) [\(attributes(of: node, in: graph))]")
      for (position, operand) in node.operands.enumerated() {
        guard let operand, let producer = names[operand] else { continue }
        let type = graph.type(of: operand).description
        let isConstant = graph.constant(operand) != nil
        let style = isConstant ? ", style=dashed" : ""
        line(
          indent,
          "\(producer) -> \(name) [label=\(Self.label([type])), tooltip=\(Self.label(["operand \(position)"]))\(style)]"
        )
      }
      for (position, region) in node.regions.enumerated() {
        line(indent, "subgraph cluster_\(name)_\(position) {")
        let title = node.regions.count > 1 ? "\(region.name) (\(position))" : region.name
        line(indent, "  label=\(Self.label([title])); style=\"rounded,dashed\"; color=\"#a1a1aa\"")
        let heads = write(region, indent: indent + "  ")
        line(indent, "}")
        for head in heads.prefix(1) { line(indent, "\(name) -> \(head) [style=dotted, arrowhead=none]") }
      }
    }
    for (index, (output, outputName)) in zip(graph.outputs, graph.outputNames).enumerated() {
      let name = "\(prefix)o\(index)"
      let type = graph.type(of: output).description
      line(
        indent,
        "\(name) [shape=ellipse, fillcolor=\"#fafafa\", color=\"#3f3f46\", label=\(Self.label([outputName, type]))]")
      if let producer = names[output] { line(indent, "\(producer) -> \(name) [label=\(Self.label([type]))]") }
    }
    return inputs
  }

  private func attributes(of node: Node, in graph: Graph) -> String {
    let colors = NodeKind(node.op).colors
    var lines = [NodeTitle.text(node.op)]
    var shape = "box"
    if case .constant(let constant) = node.op {
      shape = "note"
      let name = node.results.first.map { graph[$0].name } ?? ""
      lines = name.isEmpty ? [] : [name]
      lines.append(constant.value.type.description)
      if constant.value.count <= 8 { lines.append(AttributeText.preview(constant.value)) }
    } else {
      if !node.regions.isEmpty { shape = "box3d" }
      if let source = node.sources.first {
        lines.append(source.name + (node.sources.count > 1 ? " +\(node.sources.count - 1)" : ""))
      }
    }
    var result = "label=\(Self.label(lines))"
    if let target = node.target, let place = targets.firstIndex(of: target) {
      result = "label=\(Self.label(lines + ["on \(target)"]))"
      if place > 0 { result += ", penwidth=\(1 + min(place, 3))" }
      if shape == "box" { shape = ["box", "component", "hexagon", "octagon"][min(place, 3)] }
    }
    let tooltip = node.op.definition.attributes.items.map { "\($0.name) = \(AttributeText.text($0.value))" }
    let facts = tooltip + (node.sources.isEmpty ? [] : ["from " + AttributeText.text(node.sources)])
    return result + ", shape=\(shape), fillcolor=\"\(colors.fill)\", color=\"\(colors.line)\", "
      + "tooltip=\(Self.label(facts))"
  }

  /// Lines of a label as one quoted string.
  static func label(_ lines: [String]) -> String {
    "\"" + lines.map { escaped($0) }.joined(separator: "\\n") + "\""
  }

  private static func quoted(_ text: String) -> String { label([text]) }

  /// Graphviz reads backslash escapes and HTML entities in strings; control characters would make an SVG invalid.
  private static func escaped(_ text: String) -> String {
    var result = ""
    var length = 0
    for scalar in text.unicodeScalars {
      length += 1
      if length > 240 { return result + "…" }
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "&": result += "&amp;"
      case "\n": result += "\\\\n"
      default:
        let isControl = scalar.value < 32 || (127...159).contains(scalar.value)
        let isNoncharacter = scalar.value & 0xfffe == 0xfffe
        if isControl || isNoncharacter {
          result += "\\\\u{\(String(scalar.value, radix: 16))}"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }
}
