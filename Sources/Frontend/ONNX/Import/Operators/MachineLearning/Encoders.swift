import SwageGraph
import SwageTensor

/// Operators that look their elements up in a list: `LabelEncoder`, `CategoryMapper`, `OneHotEncoder`.
enum EncoderOperators {
  static let table: [String: Handler] = [
    "LabelEncoder": labelEncoder, "CategoryMapper": categoryMapper, "OneHotEncoder": oneHotEncoder,
  ]

  /// One list of an encoder, a vector.
  private static func list(_ call: Call, _ prefix: String) throws -> Tensor? {
    var found: [Tensor] = []
    if let strings = try call.strings(prefix + "_strings"), !strings.isEmpty {
      found.append(Tensor(strings: strings, [strings.count]))
    }
    if let integers = try call.ints(prefix + "_int64s"), !integers.isEmpty {
      found.append(Tensor(.i64, [integers.count], integers: integers.map { Int64($0) }))
    }
    if let floats = try call.floats(prefix + "_floats"), !floats.isEmpty {
      found.append(Tensor(.f32, [floats.count], doubles: floats))
    }
    if let tensor = try tensor(call, prefix + "_tensor"), tensor.count > 0 {
      found.append(tensor.reshaped([tensor.count]))
    }
    try call.require(found.count <= 1, "several lists begin with \(prefix)")
    return found.first
  }

  /// The elements of an attribute that is a tensor of numbers or strings.
  private static func tensor(_ call: Call, _ name: String) throws -> Tensor? {
    guard case .tensor(let value)? = call.attribute(name) else { return nil }
    if let numbers = value.tensor { return numbers }
    throw NodeFault.invalid("attribute \(name) has no elements")
  }

  /// What elements become that are in no list.
  private static func fallback(_ call: Call, _ type: ElementType) throws -> Tensor {
    let integer = try call.int("default_int64", default: -1)
    let text = try call.string("default_string", default: "_Unused")
    let float = try call.float("default_float", default: -0.0)
    if let given = try tensor(call, "default_tensor") {
      try call.require(
        given.count == 1 && given.elementType == type, "default_tensor is \(given.type), not one \(type)")
      return given.reshaped([1])
    }
    if type == .string { return Tensor(strings: [text], [1]) }
    return type.isFloat ? Tensor(type, [1], doubles: [float]) : Tensor(type, [1], integers: [Int64(integer)])
  }

  /// The position of each element in `keys`, of the first of equal ones; the number of keys where it is not among them.
  private static func position(_ call: Call, _ x: ImportedValue, _ keys: Tensor) throws -> ImportedValue {
    let list = call.constant(keys)
    // Comparing with each takes too much memory for long lists.
    if keys.count > 256, !keys.elementType.isFloat {
      return try call.emit(.text(TextOp(.find, results: [TensorType(.i64, x.type.shape)])), [x, list])
    }
    let axis = x.type.rank
    var isKey = try call.binary(.equal, try call.reshape(x, x.type.shape + [1]), list)
    // In earlier versions NaN is equal to no key.
    if call.opset >= 4, keys.elementType.isFloat, keys.doubles.contains(where: \.isNaN) {
      let isMissing = try call.unary(.isNaN, try call.reshape(x, x.type.shape + [1]))
      isKey = try call.binary(.or, isKey, try call.binary(.and, isMissing, try call.unary(.isNaN, list)))
    }
    let op = ArgReduce(isMax: true, axis: axis, keepsAxis: false, selectsLast: false)
    let first = try call.emit(.argReduce(op), [try call.cast(isKey, to: .i32)])
    let isAny = try call.reduce(.max, isKey, axes: [axis], keeps: false)
    return try call.select(isAny, first, call.constant(Tensor(.i64, [], integers: [Int64(keys.count)])))
  }

  /// The values of elements that equal keys, else the default.
  private static func mapped(
    _ call: Call, _ x: ImportedValue, _ keys: Tensor, _ values: Tensor, _ fallback: Tensor
  ) throws -> ImportedValue {
    try call.require(keys.count == values.count, "\(keys.count) keys for \(values.count) values")
    try call.require(
      x.type.elementType == keys.elementType, "keys of \(keys.elementType.name) for elements of \(x.type)")
    let all = try call.emit(.concat(Concat(axis: 0)), [call.constant(values), call.constant(fallback)])
    return try call.emit(.gather(Gather(axis: 0)), [all, try position(call, x, keys)])
  }

  private static func labelEncoder(_ call: Call) throws -> [ImportedValue?] {
    if call.opset == 1 { return [try classes(call, "classes_strings")] }
    guard let keys = try list(call, "keys"), let values = try list(call, "values") else {
      throw NodeFault.invalid("it has no keys or no values")
    }
    return [try mapped(call, try call.input(0), keys, values, try fallback(call, values.elementType))]
  }

  private static func categoryMapper(_ call: Call) throws -> [ImportedValue?] {
    let numbers = try call.ints("cats_int64s") ?? []
    return [try classes(call, "cats_strings", numbers: numbers)]
  }

  /// From strings to their numbers, or back; without numbers these count from 0.
  private static func classes(_ call: Call, _ name: String, numbers given: [Int]? = nil) throws -> ImportedValue {
    let x = try call.input(0)
    let names = try call.strings(name) ?? []
    try call.require(!names.isEmpty, "\(name) is missing")
    let strings = Tensor(strings: names, [names.count])
    let numbers = (given ?? Array(names.indices)).map { Int64($0) }
    let integers = Tensor(.i64, [numbers.count], integers: numbers)
    // The default of the other direction has no meaning.
    return x.type.elementType == .string
      ? try mapped(call, x, strings, integers, try fallback(call, .i64))
      : try mapped(call, x, integers, strings, try fallback(call, .string))
  }

  /// For each category whether the element is it, f32 [..., categories]; elements of no category are zero everywhere, also
  /// where `zeros` is 0 and onnxruntime stops.
  private static func oneHotEncoder(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    _ = try call.flag("zeros", default: true)
    guard let categories = try list(call, "cats") else { throw NodeFault.invalid("it has no categories") }
    let elements = categories.elementType == .i64 ? try call.cast(try call.numbers(x), to: .i64) : x
    try call.require(
      elements.type.elementType == categories.elementType, "categories of \(categories.type) for elements of \(x.type)")
    let column = try call.reshape(elements, elements.type.shape + [1])
    return [try call.cast(try call.binary(.equal, column, call.constant(categories)), to: .f32)]
  }
}
