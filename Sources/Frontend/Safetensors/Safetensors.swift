import Foundation
import SwageTensor

/// Reads checkpoints in the safetensors format.
public enum Safetensors {
  /// Whether the path names an index of shards: `.safetensors.index.json`, or `.safetensors.index.fp16.json`.
  static func isIndex(_ path: String) -> Bool {
    guard path.hasSuffix(".json"), let range = path.range(of: ".safetensors.index.", options: .backwards) else {
      return false
    }
    return !path[range.upperBound...].contains("/")
  }

  /// Loads `.safetensors` files, and indices of shards (`.safetensors.index.json`) with all the files they name. Tensors
  /// view the mapped files and may be unaligned; nothing is read until it is used.
  ///
  /// Throws `FileError` or `SafetensorsError`.
  public static func load(paths: [String]) throws -> WeightSet {
    var origins: [String: String] = [:]
    var tensors: [String: Tensor] = [:]
    var files: [String] = []
    for path in paths {
      let parts = isIndex(path) ? try shards(index: path) : [try SafetensorsFile(path: path)]
      if isIndex(path) { files.append(path) }
      for part in parts {
        files.append(part.path)
        for (name, tensor) in part.tensors {
          if let other = origins.updateValue(part.path, forKey: name) {
            throw SafetensorsError(file: part.path, fault: .duplicateTensor(name, otherFile: other))
          }
          tensors[name] = tensor
        }
      }
    }
    return WeightSet(tensors: tensors, files: files)
  }

  private static func shards(index path: String) throws -> [SafetensorsFile] {
    func fault(_ fault: SafetensorsError.Fault) -> SafetensorsError { SafetensorsError(file: path, fault: fault) }
    let file = try MappedFile(path: path)
    guard file.byteCount <= SafetensorsFile.maximumHeader else {
      throw fault(.headerTooLong(UInt64(file.byteCount), limit: SafetensorsFile.maximumHeader))
    }
    let json: StrictJSON
    do {
      json = try file.withBytes { try StrictJSON.parse($0, maximumDepth: 16) }
    } catch let error as StrictJSON.Fault {
      throw fault(.json(offset: error.offset, reason: error.reason))
    }
    guard let map = json["weight_map"]?.object else { throw fault(.index(reason: "weight_map is missing")) }
    var expected: [String: String] = [:]
    for (tensor, shard) in map {
      guard let shard = shard.string else { throw fault(.index(reason: "the file of \(tensor) is not text")) }
      guard isFileName(shard) else { throw fault(.shardPath(shard)) }
      expected[tensor] = shard
    }
    let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
    var parts: [SafetensorsFile] = []
    for shard in Set(expected.values).sorted() {
      let part = try SafetensorsFile(path: folder + shard)
      for (name, _) in part.tensors {
        guard let wanted = expected[name] else {
          throw SafetensorsError(file: part.path, fault: .notInIndex(tensor: name))
        }
        guard wanted == shard else {
          throw SafetensorsError(file: part.path, fault: .wrongShard(tensor: name, expected: wanted))
        }
      }
      let held = Set(part.tensors.map(\.name))
      if let missing = expected.filter({ $0.value == shard && !held.contains($0.key) }).keys.min() {
        throw fault(.notInShard(tensor: missing, shard: shard))
      }
      parts.append(part)
    }
    return parts
  }

  /// A plain name in the index's folder.
  private static func isFileName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == 0 || $0 == 47 || $0 == 92 }
  }
}
