import SwageTensor

/// A graph: of the model, or of a node's attribute (`If`, `Loop`, `Scan`), whose nodes may read values of the graphs
/// around it.
public struct ONNXGraph: Sendable {
  public var name: String
  /// In topological order.
  public var nodes: [ONNXNode]
  /// In file order, sparse ones (made dense) last; names are unique. One that an input also names is that input's
  /// default value.
  public var initializers: [ONNXTensor]
  public var inputs: [ONNXValueInfo]
  /// A value may be listed twice, and may be an input or initializer.
  public var outputs: [ONNXValueInfo]
  /// Types of intermediate values that the file declares; hints, at most one a name.
  public var valueInfo: [ONNXValueInfo]

  public init(
    name: String = "", nodes: [ONNXNode], initializers: [ONNXTensor] = [], inputs: [ONNXValueInfo] = [],
    outputs: [ONNXValueInfo] = [], valueInfo: [ONNXValueInfo] = []
  ) {
    self.name = name
    self.nodes = nodes
    self.initializers = initializers
    self.inputs = inputs
    self.outputs = outputs
    self.valueInfo = valueInfo
  }
}

public struct ONNXNode: Sendable {
  /// May be empty: names of nodes are optional in ONNX, and not always unique.
  public var name: String
  public var opType: String
  /// `""` is the default domain, `ai.onnx`.
  public var domain: String
  public var overload: String
  /// `""` where an optional input is absent.
  public var inputs: [String]
  /// `""` where an optional output is not wanted.
  public var outputs: [String]
  /// Names are unique.
  public var attributes: [ONNXAttribute]
  /// Position in the file's node list, which may differ from the sorted order.
  public var index: Int

  public init(
    name: String = "", opType: String, domain: String = "", overload: String = "", inputs: [String],
    outputs: [String], attributes: [ONNXAttribute] = [], index: Int = 0
  ) {
    self.name = name
    self.opType = opType
    self.domain = domain
    self.overload = overload
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.index = index
  }

  /// What messages and provenance call the node: its name, or `Conv#12` where it has none.
  public var label: String { name.isEmpty ? "\(opType)#\(index)" : name }

  public func attribute(_ name: String) -> ONNXAttributeValue? { attributes.first { $0.name == name }?.value }
}

public struct ONNXAttribute: Sendable {
  public var name: String
  public var value: ONNXAttributeValue

  public init(name: String, value: ONNXAttributeValue) {
    self.name = name
    self.value = value
  }
}

public enum ONNXAttributeValue: Sendable {
  case float(Float)
  case int(Int)
  case string(String)
  /// Sparse tensors arrive here made dense.
  case tensor(ONNXTensor)
  case graph(ONNXGraph)
  case type(ONNXType)
  case floats([Float])
  case ints([Int])
  case strings([String])
  case tensors([ONNXTensor])
  case graphs([ONNXGraph])
  case types([ONNXType])
  /// In a function's body: the value that the call gives the function's attribute of this name.
  case reference(String)

  /// What messages call the kind: `float`, `ints`, `graph`.
  public var kind: String {
    switch self {
    case .float: "float"
    case .int: "int"
    case .string: "string"
    case .tensor: "tensor"
    case .graph: "graph"
    case .type: "type"
    case .floats: "floats"
    case .ints: "ints"
    case .strings: "strings"
    case .tensors: "tensors"
    case .graphs: "graphs"
    case .types: "types"
    case .reference: "reference"
    }
  }
}

/// A constant of the file.
public struct ONNXTensor: Sendable {
  /// Elements, or nothing: the file then has the type only (its data's location is `weights`), and the
  /// elements come from a checkpoint, bound by name.
  public typealias Content = DecodedTensor.Content

  public var name: String
  public var elementType: ElementType
  public var shape: [Int]
  public var content: Content

  public init(name: String, elementType: ElementType, shape: [Int], content: Content) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.content = content
  }

  public init(name: String, tensor: Tensor) {
    self.init(name: name, elementType: tensor.elementType, shape: tensor.shape, content: .tensor(tensor))
  }

  /// The numbers, when the file has them.
  public var tensor: Tensor? { if case .tensor(let tensor) = content { tensor } else { nil } }
}
