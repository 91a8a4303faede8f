import SwageTensor

/// The tensors of a checkpoint by name.
public struct WeightSet: Sendable {
  private let tensors: [String: Tensor]
  /// Sorted.
  public let names: [String]
  /// The files it was read from, in the order given.
  public let files: [String]

  public init(tensors: [String: Tensor], files: [String] = []) {
    self.tensors = tensors
    names = tensors.keys.sorted()
    self.files = files
  }

  public subscript(name: String) -> Tensor? { tensors[name] }
}

/// A tensor that a graph needs from a checkpoint.
public struct WeightRequirement: Hashable, Sendable {
  public var name: String
  /// The shape must be free of symbols.
  public var type: TensorType

  public init(_ name: String, _ type: TensorType) {
    self.name = name
    self.type = type
  }
}

extension WeightSet {
  /// The tensors for `requirements`, in their order. With `allowConversion`, f16 and bf16 tensors are widened, without
  /// loss, where f32 is needed: large ones when they are read.
  ///
  /// Throws `WeightBindingError` with every tensor that is missing, of another type or shape, or not used
  /// (unless `allowUnused`).
  public func bind(
    _ requirements: [WeightRequirement], allowConversion: Bool = false, allowUnused: Bool = false
  ) throws(WeightBindingError) -> [Tensor] {
    var error = WeightBindingError(files: files)
    var found: [(tensor: Tensor, widen: Bool)] = []
    for requirement in requirements {
      guard let tensor = tensors[requirement.name] else {
        error.missing.append(requirement)
        continue
      }
      let isNarrow = tensor.elementType == .f16 || tensor.elementType == .bf16
      let widen = allowConversion && isNarrow && requirement.type.elementType == .f32
      guard requirement.type.staticShape == tensor.shape, widen || requirement.type.elementType == tensor.elementType
      else {
        error.mismatched.append(.init(requirement: requirement, found: tensor.type))
        continue
      }
      found.append((tensor, widen))
    }
    if !allowUnused {
      let wanted = Set(requirements.map(\.name))
      error.unused = names.filter { !wanted.contains($0) }
    }
    guard error.isEmpty else { throw error }
    return found.map { $0.widen ? Widening.toF32($0.tensor) : $0.tensor }
  }
}

/// A checkpoint that does not fit a graph.
public struct WeightBindingError: SwageError, Hashable {
  public struct Mismatch: Hashable, Sendable {
    public var requirement: WeightRequirement
    public var found: TensorType
  }

  public var files: [String]
  /// In the graph's order.
  public var missing: [WeightRequirement] = []
  /// In the graph's order.
  public var mismatched: [Mismatch] = []
  /// Sorted.
  public var unused: [String] = []

  var isEmpty: Bool { missing.isEmpty && mismatched.isEmpty && unused.isEmpty }

  public var diagnostics: [Diagnostic] {
    let place = { (name: String) in Diagnostic.Place(file: files.joined(separator: ", "), value: name) }
    let missing = self.missing.map {
      Diagnostic(
        code: "weights-missing", what: "the checkpoint lacks a tensor that the graph needs", place: place($0.name),
        why: "the graph needs \($0.type)", remedy: "give all files of the checkpoint that the graph was made for")
    }
    let mismatched = self.mismatched.map {
      Diagnostic(
        code: "weights-type", what: "a tensor of the checkpoint is not what the graph needs",
        place: place($0.requirement.name),
        why: "the graph needs \($0.requirement.type), the checkpoint has \($0.found)",
        remedy: "give the checkpoint that the graph was made for")
    }
    let unused = self.unused.map {
      Diagnostic(
        code: "weights-unused", what: "the graph does not use a tensor of the checkpoint", place: place($0),
        remedy: "give the graph that the checkpoint was made for, or leave the file out")
    }
    return missing + mismatched + unused
  }
}

/// Exact conversion of narrow floats.
enum Widening {
  static func toF32(_ tensor: Tensor) -> Tensor {
    let recipe = StorageRecipe("f32", sources: [tensor]) { fill($0, from: tensor) }
    if tensor.byteCount >= Tensor.smallestDeferred, let later = Tensor(.f32, tensor.shape, recipe: recipe) {
      return later
    }
    var result = Tensor(zeros: .f32, tensor.shape)
    result.withMutableBytes { fill($0, from: tensor) }
    return result
  }

  private static func fill(_ target: UnsafeMutableRawBufferPointer, from tensor: Tensor) {
    let isHalf = tensor.elementType == .f16
    tensor.withBytes { source in
      for index in 0..<tensor.count {
        let bits = source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
        let value = isHalf ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16)
        target.storeBytes(of: value, toByteOffset: index * 4, as: Float.self)
      }
    }
  }
}
