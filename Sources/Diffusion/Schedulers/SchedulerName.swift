import SwageTensor

/// The names that a user chooses a scheduler by: a kind, and the settings that the name stands for. All other settings
/// come from the checkpoint, as in diffusers' `from_config`.
public enum SchedulerName: String, CaseIterable, Sendable {
  case ddim, pndm, lms
  case lmsKarras = "lms-karras"
  case euler
  case eulerKarras = "euler-karras"
  case eulerAncestral = "euler-ancestral"
  case dpm = "dpm++"
  case dpmKarras = "dpm++-karras"
  case dpmSDE = "dpm++-sde"
  case dpmSDEKarras = "dpm++-sde-karras"
  case uniPC = "unipc"
  case uniPCKarras = "unipc-karras"
  case lcm

  public var kind: SchedulerKind {
    switch self {
    case .ddim: .ddim
    case .pndm: .pndm
    case .lms, .lmsKarras: .lms
    case .euler, .eulerKarras: .euler
    case .eulerAncestral: .eulerAncestral
    case .dpm, .dpmKarras, .dpmSDE, .dpmSDEKarras: .dpmSolver
    case .uniPC, .uniPCKarras: .uniPC
    case .lcm: .lcm
    }
  }

  /// The settings that the name stands for, over those of the checkpoint.
  var values: [String: StrictJSON] {
    switch self {
    case .ddim, .pndm, .eulerAncestral, .lcm: [:]
    case .lms, .euler, .uniPC: ["use_karras_sigmas": .bool(false)]
    case .lmsKarras, .eulerKarras, .uniPCKarras: Self.karras
    case .dpm: ["use_karras_sigmas": .bool(false), "algorithm_type": .string("dpmsolver++")]
    case .dpmKarras: Self.karras.merging(["algorithm_type": .string("dpmsolver++")]) { $1 }
    case .dpmSDE: ["use_karras_sigmas": .bool(false), "algorithm_type": .string("sde-dpmsolver++")]
    case .dpmSDEKarras: Self.karras.merging(["algorithm_type": .string("sde-dpmsolver++")]) { $1 }
    }
  }

  private static let karras: [String: StrictJSON] = [
    "use_karras_sigmas": .bool(true), "use_exponential_sigmas": .bool(false), "use_beta_sigmas": .bool(false),
  ]
}
