import SwageTensor

/// Reads settings for one kind of scheduler, with diffusers' defaults for those that the file lacks.
struct SettingsReader {
  let settings: SchedulerSettings
  let kind: SchedulerKind

  /// A fault of the setting `key`.
  func fault(_ key: String, _ why: String) -> SchedulerError {
    let value =
      switch settings.values[key] {
      case .null: "null"
      case .bool(let value): "\(value)"
      case .integer(let value): "\(value)"
      case .number(let value): "\(value)"
      case .string(let value): "\"\(value)\""
      case .array: "[…]"
      case .object: "{…}"
      case nil: "(default)"
      }
    return .option(key: key, value: value, kind: kind, place: settings.place, why: why)
  }

  /// Whether the file says something other than `null`.
  func has(_ key: String) -> Bool {
    switch settings.values[key] {
    case .null, nil: false
    default: true
    }
  }

  func isList(_ key: String) -> Bool { settings.values[key]?.array != nil }

  func bool(_ key: String, _ fallback: Bool) throws(SchedulerError) -> Bool {
    switch settings.values[key] {
    case nil: fallback
    case .bool(let value): value
    case .null: false
    default: throw fault(key, "it must be true or false")
    }
  }

  func integer(_ key: String, _ fallback: Int, in range: ClosedRange<Int>) throws(SchedulerError) -> Int {
    guard let value = settings.values[key] else { return fallback }
    guard let number = value.integer, range.contains(number) else {
      throw fault(key, "it must be an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func number(_ key: String, _ fallback: Double, in range: ClosedRange<Double>) throws(SchedulerError) -> Double {
    guard let value = settings.values[key] else { return fallback }
    guard let number = value.double, range.contains(number) else {
      throw fault(key, "it must be a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number that may be absent or `null`.
  func optionalNumber(_ key: String, in range: ClosedRange<Double>) throws(SchedulerError) -> Double? {
    has(key) ? try number(key, 0, in: range) : nil
  }

  /// One of the words of `Word`.
  func word<Word: RawRepresentable & CaseIterable>(
    _ key: String, _ fallback: Word
  ) throws(SchedulerError) -> Word where Word.RawValue == String {
    guard let value = settings.values[key] else { return fallback }
    guard let text = value.string, let word = Word(rawValue: text) else {
      throw fault(key, "it must be one of " + Word.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", "))
    }
    return word
  }

  /// A switch that must be off, as swage does not do what it asks for.
  func refuse(_ key: String, _ why: String) throws(SchedulerError) {
    switch settings.values[key] {
    case nil, .null, .bool(false): return
    default: throw fault(key, why)
    }
  }
}
