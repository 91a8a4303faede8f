extension HostRequirement {
  /// Throws `PlanError.otherArchitecture` or `.missingFeatures` where a machine cannot run the code. `features` are those
  /// that were found on the machine, by the kernel's names.
  public func check(architecture: String, features: some Sequence<String>) throws(PlanError) {
    guard self.architecture == architecture else {
      throw .otherArchitecture(plan: self.architecture, machine: architecture)
    }
    let found = Set(features)
    let missing = self.features.filter { !found.contains($0) }
    guard missing.isEmpty else { throw .missingFeatures(missing) }
  }
}
