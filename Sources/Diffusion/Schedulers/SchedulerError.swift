import SwageTensor

/// Scheduler settings that give no scheduler.
public enum SchedulerError: SwageError, Hashable {
  /// The settings file is not JSON, or not an object.
  case file(place: String, offset: Int?, reason: String)
  /// Swage has no scheduler of this class or name.
  case unknown(name: String, place: String)
  /// A setting with a value that swage cannot use.
  case option(key: String, value: String, kind: SchedulerKind, place: String, why: String)
  /// A number of steps that the settings do not allow.
  case steps(Int, kind: SchedulerKind, why: String)

  public var diagnostics: [Diagnostic] {
    switch self {
    case .file(let place, let offset, let reason):
      [
        Diagnostic(
          code: "scheduler-file", what: "the scheduler's settings cannot be read",
          place: Diagnostic.Place(file: place, byteOffset: offset), why: reason,
          remedy: "fetch scheduler_config.json again")
      ]
    case .unknown(let name, let place):
      [
        Diagnostic(
          code: "scheduler-unknown", what: "there is no scheduler \"\(name)\"", place: Diagnostic.Place(file: place),
          why: "swage has " + SchedulerKind.allCases.map(\.rawValue).joined(separator: ", "),
          remedy: "choose one with --scheduler: " + SchedulerName.allCases.map(\.rawValue).joined(separator: ", "))
      ]
    case .option(let key, let value, let kind, let place, let why):
      [
        Diagnostic(
          code: "scheduler-option", what: "\(kind.rawValue) cannot use the setting \(key) = \(value)",
          place: Diagnostic.Place(file: place), why: why, remedy: "change the setting, or choose another --scheduler")
      ]
    case .steps(let steps, let kind, let why):
      [
        Diagnostic(
          fault: .usage, code: "scheduler-steps", what: "\(kind.rawValue) cannot take \(steps) steps",
          place: Diagnostic.Place(flag: "--steps"), why: why, remedy: "choose another number of steps")
      ]
    }
  }
}
