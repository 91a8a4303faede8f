import SwageTensor

/// An ONNX model as plain values, checked: every name is NUL-free UTF-8 in Unicode NFC, every graph is in static
/// single assignment, its nodes are in topological order, every input they name is defined, and every element type
/// and shape is valid. Operators and their attributes are not looked at; that is the importer's part.
public struct ONNXModel: Sendable {
  public var irVersion: Int
  public var producerName: String
  public var producerVersion: String
  public var modelVersion: Int
  /// One entry a domain, in file order. The default domain is `""`, also where the file writes `ai.onnx`.
  public var opsetImports: [ONNXOpset]
  public var graph: ONNXGraph
  /// In file order. Neither directly nor through others does a function call itself.
  public var functions: [ONNXFunction]
  /// `metadata_props`, in file order.
  public var metadata: [ONNXMetadata]
  /// The files the model was read from: the model file first, then its external data files in order of first use.
  public var files: [String]

  public init(
    irVersion: Int, producerName: String = "", producerVersion: String = "", modelVersion: Int = 0,
    opsetImports: [ONNXOpset], graph: ONNXGraph, functions: [ONNXFunction] = [], metadata: [ONNXMetadata] = [],
    files: [String] = []
  ) {
    self.irVersion = irVersion
    self.producerName = producerName
    self.producerVersion = producerVersion
    self.modelVersion = modelVersion
    self.opsetImports = opsetImports
    self.graph = graph
    self.functions = functions
    self.metadata = metadata
    self.files = files
  }

  /// The version of `domain` the model is written for; nil where the model does not import it.
  public func opset(_ domain: String) -> Int? { opsetImports.first { $0.domain == domain }?.version }
}

/// A domain of operators at one version.
public struct ONNXOpset: Hashable, Sendable {
  /// `""` is the default domain, `ai.onnx`.
  public var domain: String
  public var version: Int

  public init(domain: String, version: Int) {
    self.domain = domain
    self.version = version
  }
}

public struct ONNXMetadata: Hashable, Sendable {
  public var key: String
  public var value: String

  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

/// A model-local function: a node whose (domain, op type, overload) equals its (domain, name, overload) calls it.
public struct ONNXFunction: Sendable {
  public var domain: String
  public var name: String
  public var overload: String
  public var inputs: [String]
  public var outputs: [String]
  /// Attribute parameters without a default.
  public var attributes: [String]
  /// Attribute parameters with their default.
  public var defaultAttributes: [ONNXAttribute]
  /// What the body is written for; domains it does not list are the model's.
  public var opsetImports: [ONNXOpset]
  /// In topological order.
  public var nodes: [ONNXNode]
  public var valueInfo: [ONNXValueInfo]

  public init(
    domain: String, name: String, overload: String = "", inputs: [String], outputs: [String],
    attributes: [String] = [], defaultAttributes: [ONNXAttribute] = [], opsetImports: [ONNXOpset] = [],
    nodes: [ONNXNode], valueInfo: [ONNXValueInfo] = []
  ) {
    self.domain = domain
    self.name = name
    self.overload = overload
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.defaultAttributes = defaultAttributes
    self.opsetImports = opsetImports
    self.nodes = nodes
    self.valueInfo = valueInfo
  }
}
