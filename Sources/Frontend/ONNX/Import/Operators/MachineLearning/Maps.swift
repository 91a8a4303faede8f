import SwageGraph
import SwageTensor

/// Operators that make maps, or take them apart.
enum MapOperators {
  static let table: [String: Handler] = [
    "ZipMap": zipMap, "DictVectorizer": dictVectorizer, "CastMap": castMap,
  ]

  /// The words or numbers of one of two attributes.
  private static func keys(_ call: Call, strings: String, numbers: String) throws -> Tensor {
    let words = try call.strings(strings).flatMap { $0.isEmpty ? nil : $0 }
    let integers = try call.ints(numbers).flatMap { $0.isEmpty ? nil : $0 }
    switch (words, integers) {
    case (let words?, nil): return Tensor(strings: words, [words.count])
    case (nil, let integers?): return Tensor(.i64, [integers.count], integers: integers.map { Int64($0) })
    default: throw NodeFault.invalid("it has not one of \(strings) and \(numbers)")
    }
  }

  private static func zipMap(_ call: Call) throws -> [ImportedValue?] {
    let labels = try keys(call, strings: "classlabels_strings", numbers: "classlabels_int64s")
    var scores = try call.input(0)
    if scores.type.rank == 1 { scores = try call.reshape(scores, [1] + scores.type.shape) }
    try call.require(
      scores.type.rank == 2 && scores.type.elementType.isNumeric, "scores are \(scores.type), not [n, classes]")
    if let classes = scores.type.shape[1].constant {
      try call.require(classes == labels.count, "\(labels.count) labels for \(classes) classes")
    }
    let type = ValueType.map(key: labels.elementType, value: scores.type.elementType)
    return [
      try call.emit(.object(ObjectOp(.zipMap)), [call.constant(labels), scores], objectType: .sequence(type))
    ]
  }

  private static func map(_ call: Call) throws -> (key: ElementType, value: ElementType) {
    guard case .map(let key, let value)? = try call.input(0).objectType else {
      throw NodeFault.invalid("its input is \(try call.input(0).valueType), not a map")
    }
    return (key, value)
  }

  private static func dictVectorizer(_ call: Call) throws -> [ImportedValue?] {
    let (key, value) = try map(call)
    let words = try keys(call, strings: "string_vocabulary", numbers: "int64_vocabulary")
    try call.require(words.elementType == key, "a vocabulary of \(words.elementType.name) for keys of \(key.name)")
    let op = ObjectOp(.lookUp, result: TensorType(value, sizes: [1, words.count]))
    return [try call.emit(.object(op), [call.constant(words), try call.input(0)])]
  }

  private static func castMap(_ call: Call) throws -> [ImportedValue?] {
    let (key, _) = try map(call)
    try call.require(key == .i64, "its keys are \(key.name), not i64")
    let type: ElementType
    switch try call.string("cast_to", default: "TO_FLOAT") {
    case "TO_FLOAT": type = .f32
    case "TO_INT64": type = .i64
    case "TO_STRING": type = .string
    case let other: throw NodeFault.invalid("there is no cast_to \(other)")
    }
    let width: Dim
    let size = try call.int("max_map", default: 1)
    switch try call.string("map_form", default: "DENSE") {
    case "DENSE": width = .symbol(call.importer.symbols.freshSize())
    case "SPARSE":
      try call.require((1...1 << 30).contains(size), "max_map is \(size)")
      width = Dim(size)
    case let other: throw NodeFault.invalid("there is no map_form \(other)")
    }
    return [try call.emit(.object(ObjectOp(.castMap, result: TensorType(type, [1, width]))), [try call.input(0)])]
  }
}
