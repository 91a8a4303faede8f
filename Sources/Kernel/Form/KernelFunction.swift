import SwageTensor

/// A generated function at the level of loops, before it is printed for a compiler.
///
/// Its ABI is `swage_kernel`: `buffers` holds operands, then results; `sizes` the values of `sizes`; the function
/// computes the units `begin ..< end` of `0 ..< range`, in any order and on any thread.
public struct KernelFunction: Hashable, Sendable {
  public struct Parameter: Hashable, Sendable {
    public var buffer: KernelBuffer
    /// Buffers that may be the same memory: the kernel reads an element before it writes that element.
    public var mayAlias: [Int]
  }

  /// What it does, as an identifier; the symbol is made unique when functions are collected.
  public var name: String
  public var parameters: [Parameter]
  /// Expressions that are evaluated before the call; constants are literals in the body instead.
  public var sizes: [Dim]
  /// Number of units.
  public var range: Dim
  /// Units that one thread should get at least.
  public var grain: Dim
  /// How often the units are gone through, each pass after the one before: the function is called for the units
  /// `0 ..< passes·range`, and a unit sees what those of the passes before have written.
  public var passes: Dim
  /// Runs for each unit.
  public var body: [Statement]
}

extension KernelFunction: CustomStringConvertible {
  /// The text form, for people.
  public var description: String { KernelPrinter(dialect: .text).print(self, symbol: name) }
}
