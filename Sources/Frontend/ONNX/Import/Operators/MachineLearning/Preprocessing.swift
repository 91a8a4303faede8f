import SwageGraph
import SwageTensor

/// Elementwise operators over features: `Scaler`, `Normalizer`, `Imputer`, `Binarizer`.
enum PreprocessingOperators {
  static let table: [String: Handler] = [
    "Scaler": scaler, "Normalizer": normalizer, "Imputer": imputer, "Binarizer": binarizer,
  ]

  /// (x - offset) · scale as f32; f64 is rounded at the end.
  private static func scaler(_ call: Call) throws -> [ImportedValue?] {
    let given = try call.numbers(try call.input(0))
    let (offset, scale) = (try call.floats("offset") ?? [], try call.floats("scale") ?? [])
    try call.require(
      !scale.isEmpty && offset.count == scale.count, "\(scale.count) scales and \(offset.count) offsets")
    let type: ElementType = given.type.elementType == .f64 ? .f64 : .f32
    let x = try call.cast(given, to: type)
    let moved = try call.binary(.sub, x, try perFeature(call, offset, x, type))
    return [try call.cast(try call.binary(.mul, moved, try perFeature(call, scale, x, type)), to: .f32)]
  }

  /// One number for all features, or one for each.
  private static func perFeature(
    _ call: Call, _ values: [Double], _ x: ImportedValue, _ type: ElementType
  ) throws -> ImportedValue {
    if values.count == 1 { return call.scalar(values[0], type) }
    try call.require(
      (1...2).contains(x.type.rank) && x.type.shape[x.type.rank - 1].constant.map { $0 == values.count } ?? true,
      "\(values.count) numbers for features of \(x.type)")
    return call.constant(values, type)
  }

  /// Rows divided by their largest element, by their sum of magnitudes, or by their length; zeros stay.
  private static func normalizer(_ call: Call) throws -> [ImportedValue?] {
    let given = try call.numbers(try call.input(0))
    try call.require((1...2).contains(given.type.rank), "its input is \(given.type), not rows of features")
    let x = try call.cast(given, to: .f32)
    let axes = [x.type.rank - 1]
    func guarded(_ size: ImportedValue) throws -> ImportedValue {
      try call.select(try call.binary(.equal, size, 0), call.scalar(1, .f32), size)
    }
    switch try call.string("norm", default: "MAX") {
    case "MAX":
      let lowest = call.scalar(-Double(Float.greatestFiniteMagnitude), .f32)
      let numbers = try call.select(try call.unary(.isNaN, x), lowest, x)
      return [try call.binary(.div, x, try guarded(try call.reduce(.max, numbers, axes: axes, keeps: true)))]
    case "L1":
      return [try call.binary(.div, x, try guarded(try call.reduce(.l1, x, axes: axes, keeps: true)))]
    case "L2":
      // From the squares, as these overflow before the elements do.
      let squares = try call.unary(.square, x)
      let sum = try call.reduce(.sum, squares, axes: axes, keeps: true)
      let size = try call.unary(.sqrt, try call.binary(.div, squares, try guarded(sum)))
      let signed = try call.select(try call.binary(.less, x, 0), try call.unary(.neg, size), size)
      return [try call.select(try call.binary(.equal, sum, 0), x, signed)]
    case let other: throw NodeFault.invalid("norm is \(other)")
    }
  }

  /// Elements that equal one value, which may be NaN, become another.
  private static func imputer(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.numbers(try call.input(0))
    let type = x.type.elementType
    let floats = try call.floats("imputed_value_floats") ?? []
    let integers = try call.ints("imputed_value_int64s") ?? []
    let replacedFloat = try call.float("replaced_value_float", default: 0)
    let replacedInteger = try call.int("replaced_value_int64", default: 0)
    let count = type.isFloat ? floats.count : integers.count
    try call.require(count > 0, "no values to impute into \(type.name) are given")
    func number(_ values: [Int]) -> ImportedValue {
      call.constant(Tensor(type, values.count == 1 ? [] : [values.count], integers: values.map { Int64($0) }))
    }
    let isUsedPerFeature = count > 1 && x.type.rank > 0 && x.type.shape[x.type.rank - 1].constant ?? count == count
    let used = isUsedPerFeature ? count : 1
    let values: ImportedValue
    let matches: ImportedValue
    if type.isFloat {
      values = call.constant(Array(floats.prefix(used)), type, shape: used == 1 ? [] : nil)
      matches =
        replacedFloat.isNaN ? try call.unary(.isNaN, x) : try call.binary(.equal, x, call.scalar(replacedFloat, type))
    } else {
      values = number(Array(integers.prefix(used)))
      matches = try call.binary(.equal, x, number([replacedInteger]))
    }
    return [try call.select(matches, values, x)]
  }

  private static func binarizer(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.numbers(try call.input(0))
    let type = x.type.elementType
    let threshold = try call.float("threshold", default: 0)
    let compared = type.isFloat ? x : try call.cast(x, to: .f64)
    let above = try call.binary(.greater, compared, call.scalar(threshold, compared.type.elementType))
    return [try call.cast(above, to: type)]
  }
}
