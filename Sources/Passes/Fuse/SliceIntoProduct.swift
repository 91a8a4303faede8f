import SwageGraph
import SwageTensor

/// Parts of a product's columns as products of their own, so that what follows each part becomes its epilogue.
///
///     %1 = matmul(%0, %w) : f32[2, 8, 256]
///     %2 = binary(%1, %b) {function = add}
///     %3 = slice(%2) {starts = [0, 0, 0], sizes = [2, 8, 128]}
/// ->
///     %4 = slice(%w) {starts = [0, 0], sizes = [16, 128]}
///     %5 = slice(%b) {starts = [0], sizes = [128]}
///     %6 = matmul(%0, %4) : f32[2, 8, 128]
///     %3 = binary(%6, %5) {function = add}
///
/// Legal when the slice takes a run of the last axis and everything of the others, and the product's second operand is a
/// constant of two axes. A sum with a constant along the last axis may stand between.
/// Leaves alone: products that something else reads, whose parts overlap in total, or are narrower than 64 columns; products
/// with an epilogue.
public let splitProducts = Pass(name: "split-products", rules: [sliceIntoProduct])

let sliceIntoProduct = RewriteRule(name: "slice-into-product") { node, graph in
  guard case .slice = node.op, let value = node.operands[0], let part = columnRun(node, in: graph),
    areParts(of: value, in: graph), var producer = graph.producer(of: value)
  else { return nil }
  var covered = [producer]
  var bias: ValueID?
  if case .binary(let sum) = producer.op, sum.function == .add {
    let type = graph.type(of: value)
    guard
      let index = producer.operands.firstIndex(where: { isColumnVector($0, of: type, in: graph) }),
      let product = graph.soleProducer(of: producer.operands[1 - index])
    else { return nil }
    bias = producer.operands[index]
    producer = product
    covered.append(product)
  }
  guard case .matmul(let op) = producer.op, op.epilogue.steps.isEmpty, let weights = producer.operands[1],
    graph.constant(weights) != nil, graph.type(of: weights).rank == 2,
    graph.type(of: producer.results[0]).shape.last == graph.type(of: value).shape.last
  else { return nil }

  /// A constant's elements along `axis` that the part has.
  func taken(_ constant: ValueID, axis: Int, _ patch: inout Patch) throws -> ValueID {
    var sizes = patch.type(of: constant).shape
    var starts = sizes.map { _ in Dim(0) }
    (starts[axis], sizes[axis]) = (Dim(part.lowerBound), Dim(part.count))
    return try patch.add(.slice(Slice(starts: starts, sizes: sizes)), [constant])
  }
  var patch = Patch(replacing: node, covering: covered, in: graph)
  let own = try taken(weights, axis: op.transposeB ? 0 : 1, &patch)
  var result = try patch.add(.matmul(op), [producer.operands[0], own])
  if let bias {
    let vector = try taken(bias, axis: graph.type(of: bias).rank - 1, &patch)
    result = try patch.add(.binary(Binary(.add)), [result, vector])
  }
  patch.replaceRoot(with: result)
  return patch
}

/// The columns that a slice takes of its operand's last axis, of which it takes everything else.
private func columnRun(_ node: Node, in graph: Graph) -> Range<Int>? {
  guard case .slice(let slice) = node.op, let operand = node.operands[0] else { return nil }
  let shape = graph.type(of: operand).shape
  guard let last = shape.indices.last, slice.steps.allSatisfy({ $0 == 1 }),
    shape.indices.dropLast().allSatisfy({ slice.starts[$0] == 0 && slice.sizes[$0] == shape[$0] }),
    let start = slice.starts[last].constant, let size = slice.sizes[last].constant, size > 0
  else { return nil }
  return start..<start + size
}

/// Whether everything that reads the value takes columns of it, no more in total than there are.
private func areParts(of value: ValueID, in graph: Graph) -> Bool {
  guard !graph.isOutput(value), let columns = graph.type(of: value).shape.last?.constant else { return false }
  let narrowest = 64
  var total = 0
  for id in Set(graph.users(of: value)) {
    guard let run = columnRun(graph[id], in: graph), run.count >= narrowest, run.count < columns else { return false }
    total += run.count
  }
  return total <= columns
}

/// Whether the value is a constant whose elements go along the last axis of `type`.
private func isColumnVector(_ value: ValueID?, of type: TensorType, in graph: Graph) -> Bool {
  guard let value, graph.constant(value) != nil, let columns = type.shape.last else { return false }
  let shape = graph.type(of: value).shape
  return !shape.isEmpty && shape.count <= type.rank && shape.last == columns && shape.dropLast().allSatisfy { $0 == 1 }
}
