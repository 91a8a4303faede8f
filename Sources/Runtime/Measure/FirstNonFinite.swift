import SwagePlan
import SwageTensor

/// A value of a run with a NaN or an infinity in it.
public struct NonFiniteValue: Hashable, Sendable {
  /// The input, or the instruction that made it.
  public var node: String
  /// The source nodes of the instruction; empty for an input.
  public var sources: [String]
  public var isInput: Bool
  /// Elements that are NaN, that are infinite, and all.
  public var nans: Int
  public var infinities: Int
  public var count: Int

  public init(node: String, sources: [String], isInput: Bool, nans: Int, infinities: Int, count: Int) {
    self.node = node
    self.sources = sources
    self.isInput = isInput
    self.nans = nans
    self.infinities = infinities
    self.count = count
  }
}

extension Session {
  /// Runs what is bound once more, and finds the first value that is not finite, in the order of execution: the inputs,
  /// then what each instruction gives. Values whose only fault are elements of minus infinity count last: masks of
  /// attention are made of them. nil where all is finite. Slow: every intermediate value is copied.
  public func firstNonFinite() throws -> NonFiniteValue? {
    guard isBound else { throw RuntimeError.notBound }
    for (port, tensor) in zip(inputs, boundInputs) {
      guard let tensor, let fault = FiniteCheck(tensor) else { continue }
      return NonFiniteValue(
        node: port.name, sources: [], isInput: true, nans: fault.nans, infinities: fault.infinities,
        count: tensor.count)
    }
    var hook = FiniteHook(session: self)
    try execute(&hook)
    return hook.found ?? hook.masked
  }
}

private struct FiniteHook: StepHook {
  let session: Session
  var found: NonFiniteValue?
  var masked: NonFiniteValue?

  mutating func afterStep(_ step: Int) {
    guard found == nil else { return }
    let instruction = session.flattened[session.steps[step].position].instruction
    for result in instruction.results {
      guard let tensor = session.tensor(of: result), let fault = FiniteCheck(tensor) else { continue }
      let value = NonFiniteValue(
        node: instruction.label, sources: instruction.sources, isInput: false, nans: fault.nans,
        infinities: fault.infinities, count: tensor.count)
      if !fault.isMask {
        found = value
        return
      }
      if masked == nil { masked = value }
    }
  }
}

/// What is wrong with a float tensor; nil where nothing is.
private struct FiniteCheck {
  var nans = 0
  var infinities = 0
  /// Nothing but minus infinity.
  var isMask = true

  init?(_ tensor: Tensor) {
    guard tensor.elementType.isFloat else { return nil }
    for value in tensor.floats where !value.isFinite {
      if value.isNaN { nans += 1 } else { infinities += 1 }
      if value != -.infinity { isMask = false }
    }
    if nans + infinities == 0 { return nil }
  }
}
