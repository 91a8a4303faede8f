import Foundation
import SwageTensor

/// The weights of one component of a checkpoint, found under the names that releases of diffusers and transformers have
/// given to the same tensor.
///
/// - Attention of a VAE: `to_q`, `to_k`, `to_v`, `to_out.0`; before diffusers 0.12 `query`, `key`, `value`, `proj_attn`.
/// - Text encoders: with and without the prefix `text_model.`.
/// - A matrix may be stored as the kernel of a 1x1 convolution, `[n, m, 1, 1]`, and the other way.
public struct ComponentWeights {
  private let component: String
  private let weights: WeightSet
  private var used: Set<String> = []
  private var missing: [WeightRequirement] = []
  private var mismatched: [WeightBindingError.Mismatch] = []

  public var files: [String] { weights.files }

  public init(component: String, weights: WeightSet) {
    self.component = component
    self.weights = weights
  }

  private static let attentionNames = [
    (".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn."),
  ]

  /// The tensors of a graph, under the graph's names. What lacks or does not fit is left out and kept for `check`.
  public mutating func bind(_ requirements: [WeightRequirement]) -> WeightSet {
    var found: [String: Tensor] = [:]
    for requirement in requirements {
      guard let name = candidates(requirement.name).first(where: { weights[$0] != nil }), let tensor = weights[name]
      else {
        missing.append(requirement)
        continue
      }
      used.insert(name)
      guard let fitting = Self.fit(tensor, requirement.type) else {
        mismatched.append(.init(requirement: requirement, found: tensor.type))
        continue
      }
      found[requirement.name] = fitting
    }
    return WeightSet(tensors: found, files: weights.files)
  }

  /// Throws `WeightBindingError` with all tensors that lacked, did not fit, or that no graph used. `unneeded` says which
  /// tensors the graphs leave out on purpose.
  public func check(allowMissing: Bool, unneeded: (String) -> Bool) throws {
    var error = WeightBindingError(files: weights.files)
    error.missing = allowMissing ? [] : missing
    error.mismatched = mismatched
    error.unused = weights.names.filter { !used.contains($0) && !Self.isBuffer($0) && !unneeded($0) }
    guard error.isEmpty else { throw error }
  }

  private func candidates(_ name: String) -> [String] {
    var names = [name]
    if component.hasPrefix("text_encoder") {
      let prefix = "text_model."
      names.append(name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : prefix + name)
    }
    if component.hasPrefix("vae") {
      for (new, old) in Self.attentionNames {
        for (from, to) in [(new, old), (old, new)] {
          guard let range = name.range(of: from) else { continue }
          names.append(name.replacingCharacters(in: range, with: to))
        }
      }
    }
    return names
  }

  /// The tensor in the type of the graph; nil where it is another one. Narrow floats are widened without loss.
  private static func fit(_ tensor: Tensor, _ type: TensorType) -> Tensor? {
    guard let shape = type.staticShape else { return nil }
    var tensor = tensor
    if tensor.shape != shape {
      // Only axes of size one at the end may come and go.
      let (short, long) = tensor.shape.count < shape.count ? (tensor.shape, shape) : (shape, tensor.shape)
      guard short.count == 2, long.count == 4, Array(long[..<2]) == short, long[2] == 1, long[3] == 1 else {
        return nil
      }
      tensor = tensor.reshaped(shape)
    }
    if tensor.elementType == type.elementType { return tensor }
    guard type.elementType == .f32, tensor.elementType == .f16 || tensor.elementType == .bf16 else { return nil }
    return Widening.toF32(tensor)
  }

  /// Tensors that old releases stored and no graph reads.
  private static func isBuffer(_ name: String) -> Bool {
    name.hasSuffix("position_ids") || name.hasSuffix("num_batches_tracked")
  }
}
