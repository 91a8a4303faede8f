/// The schedulers that swage has, under diffusers' class names.
public enum SchedulerKind: String, CaseIterable, Sendable {
  case ddim = "DDIMScheduler"
}
