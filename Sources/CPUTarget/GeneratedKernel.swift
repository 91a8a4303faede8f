import SwageKernel

/// A kernel that computes (part of) a node, and which of the node's values its buffers are.
public struct GeneratedKernel: Sendable {
  /// A result that may be written over an operand of the same size.
  public struct Alias: Hashable, Sendable {
    /// Index in the node's operands.
    public var operand: Int
    /// Index in the node's results.
    public var result: Int
  }

  public var function: KernelFunction
  /// Indices in the node's operands, in the order of the buffers.
  public var operands: [Int]
  /// Indices in the node's results; their buffers follow the operands'.
  public var results: [Int]
  public var inPlace: [Alias]
}
