import CRuntime
import SwagePlan

/// What the interpreter executes: a plain record, so that the loop touches no reference count and no dictionary.
struct Step {
  enum Kind: UInt8 {
    /// Its sizes are not known yet, or have no meaning.
    case unresolved
    case kernel
    case library
    /// Bytes from value `operand` to value `result` in host memory.
    case copy
    /// Goes to `jump` where the bool value `operand` is false.
    case branch
    /// The end of a conditional's block: moves its results and goes to `jump`.
    case finish
    case device
    /// A copy that a device takes part in.
    case deviceCopy
    case bindSymbols
    case fail
  }

  var kind: Kind
  /// In `EntryPoint.flattened`.
  var position: Int
  /// Index in the session's table for this kind.
  var detail = 0
  var jump = 0
  var operand = 0
  var result = 0
  var kernel: swage_kernel?
  var buffers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  var sizes: UnsafeMutablePointer<Int64>
  var range: Int64 = 0
  var grain: Int64 = 0
  var passes: Int64 = 1
  var operation: OpaquePointer?
}

/// A step, for people and hooks.
public struct StepInfo: Sendable {
  /// Index in `EntryPoint.flattened`.
  public var position: Int
  /// How many conditionals hold it.
  public var depth: Int
  /// `kernel`, `library`, `copy`, `conditional`, `loop`, `device`, `bind`, `fail`.
  public var kind: String
  public var label: String
  /// The source nodes it came from.
  public var sources: [String]
}

/// Called by the interpreter after each step. The loop is compiled once for each type of hook.
public protocol StepHook {
  mutating func afterStep(_ step: Int)
}

/// Does nothing: the plain run.
public struct NoHook: StepHook {
  public init() {}
  @inline(__always)
  public mutating func afterStep(_ step: Int) {}
}
