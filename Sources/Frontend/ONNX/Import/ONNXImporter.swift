import SwageGraph
import SwageTensor

/// Translates ONNX models to the graph's operations.
public final class ONNXImporter {
  /// Versions of the default domain.
  public static let opsets = 1...28
  /// Versions of `ai.onnx.ml`.
  public static let machineLearningOpsets = 1...5

  /// Names of the operators that have a translation, sorted; for the default domain (`""`), `ai.onnx.ml` and
  /// `com.microsoft`.
  public static func operators(domain: String = "") -> [String] { OperatorTable.names(domain: domain) }

  let model: ONNXModel
  let options: ImportOptions
  var symbols = SymbolNames()
  var unsupported: [ImportError.Unsupported] = []
  /// Elements of the tensors that the file has no data for.
  var weights: [String: Tensor] = [:]
  /// Symbolic sizes of tensors so far.
  private var tensorSizes: Set<Dim> = []
  private var importedNodes = 0
  /// How often a seed was made for a node of this name.
  private var seeds: [String: UInt32] = [:]

  private init(_ model: ONNXModel, _ options: ImportOptions) {
    self.model = model
    self.options = options
  }

  /// Translates a model. Operators become sequences of core operations; shape arithmetic becomes expressions.
  ///
  /// Symbols of the file keep their names where these are legal; sizes that the file leaves open are named after the
  /// input and axis, and those that only data decides `u0`, `u1`, ….
  /// - Throws: `ImportError` with all nodes that have no translation at once, or the first node that is not valid;
  ///   faults of the checkpoint.
  public static func importModel(_ model: ONNXModel, options: ImportOptions = ImportOptions()) throws -> Graph {
    try ONNXImporter(model, options).run()
  }

  var sizes: SizeArithmetic {
    let fromData = symbols.fromData
    return SizeArithmetic(symbolBounds: { fromData.contains($0) ? .unknown : .size }, areSizes: tensorSizes)
  }

  func noteSizes(_ type: TensorType) {
    for size in type.shape where size.constant == nil { tensorSizes.insert(size) }
  }

  func label(_ node: ONNXNode) -> String {
    node.name.isEmpty ? "\(node.opType)_\(node.index)" : node.name
  }

  /// A seed for a node that has none: the 32-bit FNV-1a hash of its name, and another one where the name comes again.
  func freshSeed(for name: String) -> UInt32 {
    let hash = name.utf8.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
    let count = seeds[name, default: 0]
    seeds[name] = count &+ 1
    return hash &+ count &* 2_246_822_519
  }

  /// Counts a node against the limit.
  func charge() throws {
    importedNodes += 1
    if importedNodes > options.nodeLimit { throw ImportError.tooManyNodes(limit: options.nodeLimit) }
  }

  private func run() throws -> Graph {
    try checkOpsets()
    weights = try bindWeights()
    let name = options.entryName ?? (model.graph.name.isEmpty ? "main" : model.graph.name)
    let builder = RegionBuilder(name: name, parent: nil)
    var names = try importInitializers(model.graph)
    try addInputs(to: builder, &names)
    let context = FrameContext(
      opsets: Dictionary(model.opsetImports.map { ($0.domain, $0.version) }, uniquingKeysWith: { first, _ in first }),
      parameters: [:])
    var stack = [Frame(graph: model.graph, names: names, outer: nil, context: context)]
    var results: [ImportedValue] = []
    do {
      results = try importFrames(&stack, builder, depth: 0)
    } catch let divergence as Divergence {
      if unsupported.isEmpty {
        throw ImportError.divergentBranches(node: divergence.node, reason: divergence.reason)
      }
    } catch let error as ImportError {
      // What was found unsupported before is reported with the fault that ended the import.
      guard !unsupported.isEmpty else { throw error }
      throw DiagnosticList(ImportError.unsupported(unsupported).diagnostics + error.diagnostics)
    }
    if !unsupported.isEmpty { throw ImportError.unsupported(unsupported) }
    var seen: Set<String> = []
    for (info, value) in zip(model.graph.outputs, results) where seen.insert(info.name).inserted {
      try checkDeclared(info, value)
      builder.graph.objectTypes[info.name] = value.objectType.map { type in
        // The file decides whether a value that may be there is an optional.
        if case .optional(let inner) = type, let declared = info.type.flatMap({ ValueType($0) }) {
          if case .optional = declared { type } else { inner }
        } else {
          type
        }
      }
      builder.graph.addOutput(try builder.id(of: value), name: info.name)
    }
    return builder.graph
  }

  private func checkOpsets() throws {
    for (domain, supported) in [("", Self.opsets), ("ai.onnx.ml", Self.machineLearningOpsets)] {
      for entry in model.opsetImports where entry.domain == domain && !supported.contains(entry.version) {
        throw ImportError.opsetOutOfRange(domain: domain, version: entry.version, supported: supported)
      }
    }
  }

  /// What the file declares is a hint, but for the element type: other runtimes only warn where shapes differ.
  private func checkDeclared(_ info: ONNXValueInfo, _ value: ImportedValue) throws {
    let type = value.type
    guard case .tensor(let elementType, _) = info.type, value.objectType == nil else {
      guard let declared = info.type.flatMap({ ValueType($0) }), declared.joined(value.valueType) == nil else { return }
      throw ImportError.port(
        name: info.name, reason: "the file declares \(declared), the operators give \(value.valueType)",
        remedy: "check the model with `onnx.checker`")
    }
    if let elementType, elementType != type.elementType {
      throw ImportError.port(
        name: info.name, reason: "the file declares \(elementType.name), the operators give \(type)",
        remedy: "check the model with `onnx.checker`")
    }
  }
}

// MARK: - Inputs and initialisers

extension ONNXImporter {
  /// Values of a graph's initialisers by name.
  func importInitializers(_ graph: ONNXGraph) throws -> [String: ImportedValue] {
    var names: [String: ImportedValue] = [:]
    for initializer in graph.initializers {
      if keepsAsInput(initializer.name, in: graph) { continue }
      guard let tensor = initializer.tensor ?? weights[initializer.name] else {
        throw ImportError.missingWeights([initializer.name])
      }
      names[initializer.name] = ImportedValue(constant: tensor, name: initializer.name)
    }
    return names
  }

  private func keepsAsInput(_ name: String, in graph: ONNXGraph) -> Bool {
    options.keepsInitializerInputs && model.irVersion >= 4 && graph.inputs.contains { $0.name == name }
  }

  private func addInputs(to builder: RegionBuilder, _ names: inout [String: ImportedValue]) throws {
    var inputs: [(info: ONNXValueInfo, type: ElementType, shape: [ONNXDimension])] = []
    for info in model.graph.inputs where names[info.name] == nil {
      if let value = options.fixedInputs[info.name] {
        if case .tensor(let elementType?, let shape) = info.type,
          elementType != value.elementType
            || shape.map({ $0.count != value.shape.count }) ?? false
        {
          throw ImportError.port(
            name: info.name, reason: "its fixed value is \(value.type), the file declares another type",
            remedy: "give a value of the declared type")
        }
        names[info.name] = ImportedValue(constant: value, name: info.name)
        continue
      }
      guard case .tensor(let elementType?, var shape) = info.type else {
        guard let type = try objectType(info) else {
          throw ImportError.port(
            name: info.name, reason: "its type is \(Self.describe(info.type))",
            remedy: "plans take tensors, sequences, optionals and maps: export the model with such inputs")
        }
        names[info.name] = builder.addInput(name: info.name, type: TensorType(.object), objectType: type)
        builder.graph.objectTypes[info.name] = type
        continue
      }
      if shape == nil, case .tensor(_, .sizes(let sizes))? = options.inputTypes[info.name] {
        shape = sizes.map { _ in .unknown }
      }
      guard let rank = shape ?? options.shapes[info.name].map({ $0.map { _ in ONNXDimension.unknown } }) else {
        throw ImportError.port(
          name: info.name, reason: "not even its rank is known", remedy: "give its sizes with --shape \(info.name)=…")
      }
      inputs.append((info, elementType, rank))
    }
    symbols.reserve(
      inputs.flatMap { $0.shape.compactMap { if case .symbol(let text) = $0 { text } else { nil } } })
    let given = try bindShapes(inputs.map { ($0.info.name, $0.shape) })
    for input in inputs {
      let shape = input.shape.enumerated().map { axis, size -> Dim in
        if let fixed = options.shapes[input.info.name] { return Dim(fixed[axis]) }
        switch size {
        case .value(let value) where value > 0: return Dim(value)
        case .symbol(let text) where Self.isName(text):
          return given[text].map { Dim($0) } ?? .symbol(symbols.name(text))
        case .value, .symbol, .unknown: return .symbol(symbols.fresh("\(input.info.name)_d\(axis)"))
        }
      }
      names[input.info.name] = builder.addInput(name: input.info.name, type: TensorType(input.type, shape))
    }
  }

  /// What an input that is no tensor holds: as the file declares, and as the options say more of it.
  private func objectType(_ info: ONNXValueInfo) throws -> ValueType? {
    guard let declared = info.type.flatMap({ ValueType($0) }), !declared.isTensor else { return nil }
    guard let given = options.inputTypes[info.name] else { return declared }
    guard declared.joined(given) == declared || declared.joined(given) == given else {
      throw ImportError.port(
        name: info.name, reason: "the file declares \(declared), \(given) is given", remedy: "give the declared type")
    }
    return given
  }

  /// The values that `--shape` gives to the file's symbols.
  private func bindShapes(_ inputs: [(name: String, shape: [ONNXDimension])]) throws -> [String: Int] {
    var bound: [String: Int] = [:]
    for name in options.shapes.keys.sorted() {
      guard let sizes = options.shapes[name] else { continue }
      guard let input = inputs.first(where: { $0.name == name }) else {
        let all = inputs.map(\.name).joined(separator: ", ")
        throw ImportError.shapeFlag(input: name, reason: "the model has no such input; it has \(all)")
      }
      guard sizes.count == input.shape.count else {
        throw ImportError.shapeFlag(
          input: name, reason: "\(sizes.count) sizes for a tensor of rank \(input.shape.count)")
      }
      for (axis, (size, declared)) in zip(sizes, input.shape).enumerated() {
        guard size >= 0 else { throw ImportError.shapeFlag(input: name, reason: "size \(size) of axis \(axis)") }
        switch declared {
        case .value(let value) where value > 0 && value != size:
          throw ImportError.shapeFlag(input: name, reason: "axis \(axis) is \(value) in the model, not \(size)")
        case .symbol(let text) where Self.isName(text):
          if let other = bound.updateValue(size, forKey: text), other != size {
            throw ImportError.shapeFlag(input: name, reason: "axis \(axis) is \(text), which is \(other) elsewhere")
          }
        case .value, .symbol, .unknown: break
        }
      }
    }
    return bound
  }

  /// Some exporters write `?` for every size that they do not know.
  private static func isName(_ text: String) -> Bool { text.contains { $0.isLetter || $0.isNumber } }

  private static func describe(_ type: ONNXType?) -> String {
    switch type {
    case nil: "not given"
    case .tensor(let elementType, _): "a tensor of \(elementType?.name ?? "unknown elements")"
    case .sparseTensor: "a sparse tensor"
    case .sequence: "a sequence"
    case .optional: "an optional"
    case .map: "a map"
    case .opaque: "opaque"
    }
  }
}
