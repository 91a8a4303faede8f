import SwageTensor

/// A safetensors file, or an index of several, that must not be trusted.
public struct SafetensorsError: SwageError, Hashable {
  public enum Fault: Hashable, Sendable {
    case tooShort(bytes: Int)
    case headerLength(UInt64, fileSize: Int)
    case headerTooLong(UInt64, limit: Int)
    case headerStart(UInt8)
    case json(offset: Int, reason: String)
    /// The header is JSON, but not what a header is.
    case header(tensor: String?, reason: String)
    case name(tensor: String, reason: String)
    case elementType(tensor: String, name: String)
    case shape(tensor: String, reason: String)
    case offsets(tensor: String, reason: String)
    case size(tensor: String, expected: Int, found: Int)
    case overlap(tensor: String, other: String)
    /// Bytes that belong to no tensor.
    case hole(offset: Int, bytes: Int)
    case duplicateTensor(String, otherFile: String)
    case index(reason: String)
    case shardPath(String)
    case notInShard(tensor: String, shard: String)
    case notInIndex(tensor: String)
    case wrongShard(tensor: String, expected: String)
  }

  public var file: String
  public var fault: Fault

  public init(file: String, fault: Fault) {
    self.file = file
    self.fault = fault
  }

  public var diagnostics: [Diagnostic] {
    let save = "fetch or save the checkpoint again"
    var place = Diagnostic.Place(file: file)
    let (code, what, why): (String, String, String)
    var remedy = save
    switch fault {
    case .tooShort(let bytes):
      (code, what) = ("safetensors-truncated", "not a whole safetensors file")
      why = "it has \(bytes) bytes, the shortest has 10"
    case .headerLength(let length, let size):
      (code, what) = ("safetensors-header-length", "the header does not fit the file")
      why = "it should have \(length) bytes, in a file of \(size)"
    case .headerTooLong(let length, let limit):
      (code, what) = ("safetensors-header-length", "the header is too long")
      why = "\(length) bytes, the limit is \(limit)"
    case .headerStart(let byte):
      (code, what) = ("safetensors-header", "the header is not a JSON object")
      why = "it starts with byte \(byte), not with {"
      place.byteOffset = 8
    case .json(let offset, let reason):
      (code, what, why) = ("safetensors-json", "the header is malformed JSON", reason)
      place.byteOffset = offset
    case .header(let tensor, let reason):
      (code, what, why) = ("safetensors-header", "the header is malformed", reason)
      place.value = tensor
    case .name(let tensor, let reason):
      (code, what, why) = ("safetensors-name", "a tensor has a bad name", "it " + reason)
      place.value = tensor
    case .elementType(let tensor, let name):
      (code, what) = ("safetensors-element-type", "the tensor's element type is not supported")
      why = "its dtype is \(name)"
      place.value = tensor
      remedy = "convert the tensor to a type that swage knows"
    case .shape(let tensor, let reason):
      (code, what, why) = ("safetensors-shape", "the tensor's shape is not possible", reason)
      place.value = tensor
    case .offsets(let tensor, let reason):
      (code, what, why) = ("safetensors-offsets", "the tensor's place in the file is not possible", reason)
      place.value = tensor
    case .size(let tensor, let expected, let found):
      (code, what) = ("safetensors-size", "the tensor's bytes do not fit its shape")
      why = "\(found) bytes, \(expected) are needed"
      place.value = tensor
    case .overlap(let tensor, let other):
      (code, what, why) = ("safetensors-overlap", "two tensors share bytes", "the other is \(other)")
      place.value = tensor
    case .hole(let offset, let bytes):
      (code, what) = ("safetensors-hole", "bytes in the file belong to no tensor")
      why = "\(bytes) bytes: another format may hide there"
      place.byteOffset = offset
    case .duplicateTensor(let tensor, let other):
      (code, what, why) = ("safetensors-duplicate", "two files hold a tensor of one name", "the other is in \(other)")
      place.value = tensor
      remedy = "give only the files that belong together"
    case .index(let reason):
      (code, what, why) = ("safetensors-index", "the index is malformed", reason)
    case .shardPath(let path):
      (code, what) = ("safetensors-shard-path", "the index names a file outside of its folder")
      why = "the name is \"\(path)\""
    case .notInShard(let tensor, let shard):
      (code, what) = ("safetensors-index-tensor", "a tensor is not where the index says")
      why = "\(shard) does not hold it"
      place.value = tensor
    case .notInIndex(let tensor):
      (code, what) = ("safetensors-index-tensor", "a tensor is missing in the index")
      why = "its file holds it"
      place.value = tensor
    case .wrongShard(let tensor, let expected):
      (code, what) = ("safetensors-index-tensor", "a tensor is not where the index says")
      why = "the index says \(expected)"
      place.value = tensor
    }
    return [Diagnostic(code: code, what: what, place: place, why: why, remedy: remedy)]
  }
}
