import Foundation
import SwageTensor

/// Finds the weight files of a part: `diffusion_pytorch_model.safetensors` or `model.safetensors`, whole, in shards with an
/// index, and in variants (`diffusion_pytorch_model.fp16.safetensors`).
enum WeightFiles {
  static let stems = ["diffusion_pytorch_model", "model"]
  private static let wholeSuffix = ".safetensors"
  private static let indexSuffix = ".safetensors.index.json"

  /// The files to load for `variant`. Without one: the full weights where there are any, else those of the only variant.
  /// Empty where the part has no weights at all.
  /// - Throws: `DiffusersError.weights` where the choice is not clear, or there is no such variant.
  static func find(folder: String, part: String, variant: String?) throws -> [String] {
    let place = folder + "/" + part
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []).sorted()
    var byVariant: [String?: [String]] = [:]
    for name in names {
      guard let found = parse(name) else { continue }
      // An index stands for its shards; a whole file beside one is the same once more.
      byVariant[found.variant, default: []].append(name)
    }
    let chosen: String?
    if let variant {
      chosen = variant
    } else if byVariant[String?.none] != nil || byVariant.isEmpty {
      chosen = nil
    } else {
      chosen = byVariant.count == 1 ? byVariant.keys.first ?? nil : nil
    }
    guard let files = byVariant[chosen] else {
      if byVariant.isEmpty, variant == nil { return [] }
      throw DiffusersError.weights(
        folder: folder, part: part, variant: variant, found: byVariant.values.flatMap { $0 }.sorted())
    }
    let file = files.first { $0.hasSuffix(wholeSuffix) } ?? files[0]
    return [place + "/" + file]
  }

  /// `fp16-00001-of-00002`
  private static func isShard(_ word: String) -> Bool {
    let parts = word.split(separator: "-").suffix(3)
    guard parts.count == 3, let first = parts.first, let last = parts.last else { return false }
    return parts.dropFirst().first == "of" && [first, last].allSatisfy { $0.allSatisfy(\.isNumber) }
  }

  /// Shards are left out: their index names them.
  private static func parse(_ name: String) -> (variant: String?, isIndex: Bool)? {
    for stem in stems where name.hasPrefix(stem + ".") {
      let rest = name.dropFirst(stem.count)
      if rest == wholeSuffix { return (nil, false) }
      if rest == indexSuffix { return (nil, true) }
      // `.fp16.safetensors`, `.safetensors.index.fp16.json` (diffusers), `.fp16.safetensors.index.json`
      let words = rest.dropFirst().split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      if words.count == 2, words[1] == "safetensors" { return isShard(words[0]) ? nil : (words[0], false) }
      if words.count == 4, words[0] == "safetensors", words[1] == "index", words[3] == "json" {
        return (words[2], true)
      }
      if words.count == 4, Array(words[1...]) == ["safetensors", "index", "json"] { return (words[0], true) }
    }
    return nil
  }
}
