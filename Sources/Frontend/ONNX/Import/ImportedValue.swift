import SwageGraph
import SwageTensor

/// A value of the model under import. Constants and sizes become nodes only where something reads them as data.
final class ImportedValue {
  enum Content {
    case node(ValueID, RegionBuilder)
    case constant(Tensor)
    case sizes(KnownSizes)
    /// A sequence whose elements are known; a node only where something reads it as one.
    case sequence([ImportedValue])
    /// An optional that is known to have a value, or not.
    case optional(ImportedValue?)
    /// The result of a node that could not be translated.
    case poison
  }

  let content: Content
  let type: TensorType
  /// The name in the model; set once.
  var name: String
  let sources: [Source]
  /// What a value of type `object` holds.
  let objectType: ValueType?
  /// Every element is this number: kept for `NonZero(ConstantOfShape(…))`, the older way to write a range.
  var splat: Double?
  /// The elements as expressions, where they are known.
  private(set) lazy var known: KnownSizes? =
    switch content {
    case .sizes(let sizes): sizes
    case .constant(let tensor): KnownSizes(tensor)
    case .node, .sequence, .optional, .poison: nil
    }

  init(
    _ content: Content, type: TensorType, name: String = "", sources: [Source], objectType: ValueType? = nil
  ) {
    self.objectType = objectType
    self.content = content
    self.type = type
    self.name = name
    self.sources = sources
  }

  convenience init(constant tensor: Tensor, name: String = "", sources: [Source] = []) {
    self.init(.constant(tensor), type: tensor.type, name: name, sources: sources)
  }

  /// Sizes that are all constants become a constant.
  convenience init(_ sizes: KnownSizes, _ type: ElementType, sources: [Source]) {
    if let tensor = sizes.tensor(type) {
      self.init(constant: tensor, sources: sources)
    } else {
      self.init(.sizes(sizes), type: TensorType(type, sizes: sizes.shape), sources: sources)
    }
  }

  /// A value that is no tensor.
  convenience init(_ content: Content, object type: ValueType, name: String = "", sources: [Source]) {
    self.init(content, type: TensorType(.object), name: name, sources: sources, objectType: type)
  }

  /// What the value is, as far as sizes are numbers.
  var valueType: ValueType {
    objectType ?? .tensor(type.elementType, .sizes(type.shape.map(\.constant)))
  }

  static func poison(name: String) -> ImportedValue {
    ImportedValue(.poison, type: TensorType(.f32), name: name, sources: [])
  }

  var isPoison: Bool { if case .poison = content { true } else { false } }

  var tensor: Tensor? { if case .constant(let tensor) = content { tensor } else { nil } }
}
