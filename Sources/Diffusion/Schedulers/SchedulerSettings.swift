import SwageTensor

/// What `scheduler_config.json` says, under diffusers' names. Keys that no scheduler knows are kept and have no effect.
public struct SchedulerSettings: Sendable {
  /// diffusers' `_class_name`.
  public var className: String
  public var values: [String: StrictJSON]
  /// The file that the settings come from, for messages.
  public var place: String

  public init(className: String, values: [String: StrictJSON] = [:], place: String = "scheduler_config.json") {
    self.className = className
    self.values = values
    self.place = place
  }

  /// Reads the file's bytes: a JSON object with a `_class_name`, where infinities may stand as Python writes them.
  public init(json bytes: [UInt8], place: String) throws(SchedulerError) {
    let document: StrictJSON
    do throws(StrictJSON.Fault) {
      document = try StrictJSON.parse(bytes, maximumDepth: 8, allowsNonFinite: true)
    } catch {
      throw .file(place: place, offset: error.offset, reason: error.reason)
    }
    guard let members = document.object else {
      throw .file(place: place, offset: nil, reason: "it is no JSON object")
    }
    guard let name = document["_class_name"]?.string else {
      throw .file(place: place, offset: nil, reason: "it has no text \"_class_name\"")
    }
    self.init(
      className: name, values: Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }), place: place)
  }

  /// The scheduler's kind; throws where swage has none of this class.
  public var kind: SchedulerKind {
    get throws(SchedulerError) {
      guard let kind = SchedulerKind(rawValue: className) else { throw .unknown(name: className, place: place) }
      return kind
    }
  }

  /// The settings as diffusers' Stable Diffusion pipelines (not SDXL's) correct old files: `steps_offset` 1, and samples
  /// are not clipped.
  public func correctedForStableDiffusion() -> SchedulerSettings {
    var result = self
    result.values["steps_offset"] = .integer(1)
    result.values["clip_sample"] = .bool(false)
    return result
  }

  /// The settings for another scheduler, as diffusers' `from_config` makes them: what the file says under names that
  /// the other one knows holds there too, the rest is the other's default.
  public func converted(to kind: SchedulerKind) -> SchedulerSettings {
    SchedulerSettings(className: kind.rawValue, values: values, place: place)
  }

  /// The settings for the scheduler that a user names.
  public func converted(to name: SchedulerName) -> SchedulerSettings {
    var result = converted(to: name.kind)
    result.values.merge(name.values) { $1 }
    return result
  }

  /// As `converted(to:)`, with the name as the user gave it: a `SchedulerName`, or diffusers' class name.
  public func converted(toName name: String) throws(SchedulerError) -> SchedulerSettings {
    if let name = SchedulerName(rawValue: name) { return converted(to: name) }
    if let kind = SchedulerKind(rawValue: name) { return converted(to: kind) }
    throw .unknown(name: name, place: "--scheduler")
  }
}
