import SwageGraph
import SwageTensor

/// Operators that pick and join features.
enum FeatureOperators {
  static let table: [String: Handler] = [
    "ArrayFeatureExtractor": arrayFeatureExtractor, "FeatureVectorizer": featureVectorizer,
  ]

  /// Picks from the last axis; a vector counts as one row.
  private static func arrayFeatureExtractor(_ call: Call) throws -> [ImportedValue?] {
    let (x, indices) = (try call.input(0), try call.input(1))
    try call.require(x.type.rank >= 1, "its input is a scalar")
    let rows = x.type.rank == 1 ? try call.reshape(x, [1] + x.type.shape) : x
    let flat = try call.reshape(indices, [indices.type.elementCount])
    return [try call.emit(.gather(Gather(axis: rows.type.rank - 1)), [rows, flat])]
  }

  /// Joins features as f32, each input cut or filled with zeros to its declared size.
  private static func featureVectorizer(_ call: Call) throws -> [ImportedValue?] {
    let inputs = try call.allInputs()
    let declared = try call.ints("inputdimensions") ?? []
    try call.require(
      declared.count == inputs.count && declared.allSatisfy { $0 >= 0 && $0 < 1 << 31 },
      "inputdimensions are \(declared.prefix(16)) for \(inputs.count) inputs")
    var parts: [ImportedValue] = []
    for (input, size) in zip(inputs, declared) {
      let x = try call.cast(try call.numbers(input), to: .f32)
      try call.require(x.type.rank >= 1, "an input is a scalar")
      let count = x.type.rank == 1 ? x.type.shape[0] : x.type.shape[1...].reduce(1, *)
      let rows = x.type.rank == 1 ? 1 : x.type.shape[0]
      let matrix = try call.reshape(x, [rows, count])
      let kept = Dim.minimum(count, Dim(size))
      var part = matrix
      if kept != count { part = try call.emit(.slice(Slice(starts: [0, 0], sizes: [rows, kept])), [part]) }
      if kept != Dim(size) {
        let op = Pad(mode: .constant, begins: [0, 0], ends: [0, Dim(size) - kept])
        part = try call.emit(.pad(op), [part, call.scalar(0, .f32)])
      }
      parts.append(part)
    }
    return [try call.columns(parts)]
  }
}
