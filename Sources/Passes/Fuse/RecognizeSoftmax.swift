import SwageGraph
import SwageTensor

/// Softmax from its parts.
///
///     %1 = reduce(%0) {function = max, axes = [k], keep = true}
///     %2 = binary(%0, %1) {function = sub}
///     %3 = unary(%2) {function = exp}
///     %4 = reduce(%3) {function = sum, axes = [k], keep = true}
///     %5 = binary(%3, %4) {function = div}
///     ->
///     %5 = softmax(%0) {axis = k}
///
/// Legal when: 1. both reductions run along the same single axis and keep it; 2. the maximum is that of the value it is
/// subtracted from. The form without a maximum is left alone: it overflows where the recognised one would not.
public let recognizeSoftmax = Pass(name: "recognize-softmax", rules: [softmaxFromParts])

let softmaxFromParts = RewriteRule(name: "softmax") { node, graph in
  guard case .binary(let divide) = node.op, divide.function == .div,
    let exponential = graph.unary(node.operands[0]), exponential.unary.function == .exp,
    let sum = graph.producer(of: node.operands[1]), case .reduce(let sumReduce) = sum.op, sumReduce.function == .sum,
    sumReduce.axes.count == 1, sumReduce.keepsAxes, sum.operands[0] == node.operands[0],
    let shift = graph.producer(of: exponential.operand), case .binary(let subtract) = shift.op,
    subtract.function == .sub, let x = shift.operands[0],
    let peak = graph.producer(of: shift.operands[1]), case .reduce(let maxReduce) = peak.op,
    maxReduce.function == .max, maxReduce.axes == sumReduce.axes, maxReduce.keepsAxes, peak.operands[0] == x
  else { return nil }
  return try Patch.swap(
    node, for: .softmax(Softmax(axis: sumReduce.axes[0])), [x], covering: [exponential.node, sum, shift, peak],
    in: graph)
}
