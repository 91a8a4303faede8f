import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

/// Small ONNX models as values.
enum ImportModel {
  static func node(
    _ type: String, _ inputs: [String], _ outputs: [String], domain: String = "", name: String = "",
    _ attributes: [(String, ONNXAttributeValue)] = []
  ) -> ONNXNode {
    ONNXNode(
      name: name.isEmpty ? "\(type)_\(outputs.first ?? "")" : name, opType: type, domain: domain, inputs: inputs,
      outputs: outputs, attributes: attributes.map { ONNXAttribute(name: $0.0, value: $0.1) })
  }

  static func input(_ name: String, _ type: ElementType = .f32, _ shape: [ONNXDimension] = []) -> ONNXValueInfo {
    ONNXValueInfo(name: name, type: .tensor(type, shape: shape))
  }

  static func graph(
    _ inputs: [ONNXValueInfo] = [], _ nodes: [ONNXNode], _ outputs: [String], _ initializers: [ONNXTensor] = []
  ) -> ONNXGraph {
    ONNXGraph(
      name: "test", nodes: nodes, initializers: initializers, inputs: inputs,
      outputs: outputs.map { ONNXValueInfo(name: $0) })
  }

  static func model(
    opset: Int = 21, _ inputs: [ONNXValueInfo] = [], _ nodes: [ONNXNode], _ outputs: [String] = ["y"],
    _ initializers: [ONNXTensor] = [], functions: [ONNXFunction] = [], domains: [ONNXOpset] = []
  ) -> ONNXModel {
    ONNXModel(
      irVersion: 8, opsetImports: [ONNXOpset(domain: "", version: opset)] + domains,
      graph: graph(inputs, nodes, outputs, initializers), functions: functions)
  }

  static func floats(_ name: String, _ values: [Float], _ shape: [Int]? = nil) -> ONNXTensor {
    ONNXTensor(name: name, tensor: Tensor(floats: values, shape ?? [values.count]))
  }

  static func ints(_ name: String, _ values: [Int64], _ shape: [Int]? = nil) -> ONNXTensor {
    ONNXTensor(name: name, tensor: Tensor(.i64, shape ?? [values.count], integers: values))
  }

  static func iota(_ shape: Int...) -> Tensor {
    Tensor(floats: (0..<shape.reduce(1, *)).map { Float($0) }, shape)
  }

  static func scalar(_ value: Int64, _ type: ElementType = .i64) -> Tensor { Tensor(type, [], integers: [value]) }
  static func vector(_ values: Int64...) -> Tensor { Tensor(.i64, [values.count], integers: values) }

  /// Imports, verifies, and checks that the text form reads back to the same text.
  static func imported(_ model: ONNXModel, _ options: ImportOptions = ImportOptions()) throws -> Graph {
    let graph = try ONNXImporter.importModel(model, options: options)
    try GraphVerifier.verify(graph, after: "import")
    return graph
  }

  static func run(_ model: ONNXModel, _ inputs: [String: Tensor], _ options: ImportOptions = ImportOptions()) throws
    -> [String: Tensor]
  {
    try Evaluator.run(try imported(model, options), inputs: inputs)
  }

  /// The diagnostics of an import that must fail.
  static func faults(_ model: ONNXModel, _ options: ImportOptions = ImportOptions()) -> [Diagnostic] {
    do {
      _ = try ONNXImporter.importModel(model, options: options)
      return []
    } catch {
      return (error as? any SwageError)?.diagnostics ?? []
    }
  }

  static func operations(_ graph: Graph) -> [String] { graph.nodes.map(\.op.mnemonic) }
}
