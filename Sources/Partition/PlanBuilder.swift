import SwageTensor

/// Collects what entry points of a plan share: weights and native modules.
public final class PlanBuilder {
  public private(set) var weights: [PlanWeight] = []
  public private(set) var modules: [NativeModule] = []
  public var host: HostRequirement?
  private var weightIndex: [Constant: Int] = [:]
  private var reservedModules = 0

  public init() {}

  /// The index of a weight; equal tensors are stored once.
  public func weight(_ tensor: Tensor, name: String) -> Int {
    let key = Constant(tensor)
    if let known = weightIndex[key] { return known }
    weightIndex[key] = weights.count
    weights.append(PlanWeight(name: name.isEmpty ? "constant_\(weights.count)" : name, tensor: tensor))
    return weights.count - 1
  }

  /// The index that the next module will have; the caller adds it in `finish`.
  public func reserveModule() -> Int {
    reservedModules += 1
    return reservedModules - 1
  }

  /// Adds a module at an index reserved before. Modules are added in the order of their reservations.
  public func add(_ module: NativeModule, at index: Int) {
    precondition(index == modules.count, "modules are added in order")
    modules.append(module)
  }
}

/// Graph and plan both name values; code that sees both says which.
public typealias GraphValueID = SwageGraph.ValueID
public typealias PlanValueID = SwagePlan.ValueID
