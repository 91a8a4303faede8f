import SwageGraph
import SwageTensor

/// The labels that a classifier gives to its classes.
enum ClassLabels {
  case integers([Int])
  case strings([String])

  init(_ call: Call, integers name: String) throws {
    let integers = try call.ints(name) ?? []
    let strings = try call.strings("classlabels_strings") ?? []
    self = strings.isEmpty ? .integers(integers) : .strings(strings)
    try call.require(count > 0, "neither \(name) nor classlabels_strings is given")
  }

  var count: Int {
    switch self {
    case .integers(let labels): labels.count
    case .strings(let labels): labels.count
    }
  }

  /// Labels by index, i64 or string [rows].
  func pick(_ call: Call, _ indices: ImportedValue) throws -> ImportedValue {
    let table =
      switch self {
      case .integers(let labels): Tensor(.i64, [labels.count], integers: labels.map { Int64($0) })
      case .strings(let labels): Tensor(strings: labels, [labels.count])
      }
    return try call.emit(.gather(Gather(axis: 0)), [call.constant(table), indices])
  }

  /// Of two labels the second where the condition, bool [rows, 1], holds.
  func pick(_ call: Call, where condition: ImportedValue) throws -> ImportedValue {
    let index = try call.cast(try call.reshape(condition, [condition.type.shape[0]]), to: .i64)
    return try pick(call, index)
  }
}
