/// The schedulers that swage has, under diffusers' class names.
public enum SchedulerKind: String, CaseIterable, Sendable {
  case ddim = "DDIMScheduler"
  case pndm = "PNDMScheduler"
  case lms = "LMSDiscreteScheduler"
  case euler = "EulerDiscreteScheduler"
  case eulerAncestral = "EulerAncestralDiscreteScheduler"
  case dpmSolver = "DPMSolverMultistepScheduler"
  case uniPC = "UniPCMultistepScheduler"
  case lcm = "LCMScheduler"
}
