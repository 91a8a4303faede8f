import SwageTensor

/// Sees every node that the reference evaluator runs, those of nested graphs too, and may change what it takes and gives:
/// for studies of rounding.
public protocol EvaluationObserver: AnyObject {
  func operands(of node: Node, _ operands: [Tensor?]) -> [Tensor?]
  /// `operands` are those that the node was evaluated with.
  func results(of node: Node, _ operands: [Tensor?], _ results: [Tensor]) -> [Tensor]
}
