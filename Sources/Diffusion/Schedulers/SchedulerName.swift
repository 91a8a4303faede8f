import SwageTensor

/// The names that a user chooses a scheduler by: a kind, and the settings that the name stands for. All other settings
/// come from the checkpoint, as in diffusers' `from_config`.
public enum SchedulerName: String, CaseIterable, Sendable {
  case ddim

  public var kind: SchedulerKind {
    switch self {
    case .ddim: .ddim
    }
  }

  /// The settings that the name stands for, over those of the checkpoint.
  var values: [String: StrictJSON] {
    switch self {
    case .ddim: [:]
    }
  }
}
