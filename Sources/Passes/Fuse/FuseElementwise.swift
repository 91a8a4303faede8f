import SwageGraph
import SwageTensor

/// Chains and trees of elementwise operations as one `fused` node, which becomes one kernel.
///
///     %2 = binary(%0, %1) {function = add}
///     %3 = unary(%2) {function = sigmoid}
///     %4 = binary(%2, %3) {function = mul}
///     ->
///     %4 = fused(%0, %1) graph (…) { … }
///
/// Legal when, for each node that joins the group of its readers: 1. every reader of its result is in that group; 2. the
/// result is no output of the graph; 3. it has the shape of the group, so that nothing is computed more often than
/// before. Then the group's only result is its last node's, and the group runs in its place. Scalar constants move into
/// the region. Leaves alone: groups of one node, and what would read more than `operandLimit` operands.
public let fuseElementwise = Pass(name: "fuse-elementwise") { graph, context in
  var groups: [NodeID: Int] = [:]
  var members: [[NodeID]] = []
  for id in graph.order.reversed() {
    let node = graph[id]
    guard isFusible(node, graph) else { continue }
    let readers = graph.users(of: node.results[0])
    let readerGroups = Set(readers.map { groups[$0] })
    if let only = readerGroups.first, readerGroups.count == 1, let group = only, !graph.isOutput(node.results[0]),
      let root = members[group].first,
      graph.type(of: graph[root].results[0]).shape == graph.type(of: node.results[0]).shape,
      externalOperands(members[group] + [id], graph).count <= operandLimit
    {
      groups[id] = group
      members[group].append(id)
    } else {
      groups[id] = members.count
      members.append([id])
    }
  }
  for group in members where group.count > 1 {
    guard context.begin("fuse-elementwise") else { return }
    try fuse(group, &graph)
  }
}

/// Pointers a kernel can take before it runs out of registers for them.
private let operandLimit = 16

private func isFusible(_ node: Node, _ graph: Graph) -> Bool {
  switch node.op {
  case .unary, .binary, .select, .cast: graph.type(of: node.results[0]).elementType.bitWidth >= 8
  default: false
  }
}

/// Whether the constant can stand in code. The numbers of strings differ from process to process.
private func isScalar(_ constant: Constant) -> Bool {
  constant.value.count == 1 && constant.value.elementType != .string
}

/// Values that a group reads from outside, without scalar constants.
private func externalOperands(_ group: [NodeID], _ graph: Graph) -> [ValueID] {
  let inside = Set(group)
  var values: [ValueID] = []
  // Groups are kept in reverse order of execution.
  for id in group.reversed() {
    for operand in graph[id].operands {
      guard let operand, !values.contains(operand) else { continue }
      if let producer: Node = graph.producer(of: operand) {
        if inside.contains(producer.id) { continue }
        if case .constant(let constant) = producer.op, isScalar(constant) { continue }
      }
      values.append(operand)
    }
  }
  return values
}

private func fuse(_ group: [NodeID], _ graph: inout Graph) throws {
  let root = graph[group[0]]
  let operands = externalOperands(group, graph)
  var region = Graph(name: "fused")
  var map: [ValueID: ValueID] = [:]
  for (index, operand) in operands.enumerated() {
    map[operand] = region.addInput(name: "x\(index)", type: graph.type(of: operand))
  }
  var sources: [Source] = []
  for id in group.reversed() {
    let node = graph[id]
    for operand in node.operands {
      guard let operand, map[operand] == nil, let tensor = graph.constant(operand) else { continue }
      map[operand] = try region.constant(tensor)
    }
    let results = try region.append(node.op, node.operands.map { $0.flatMap { map[$0] } }, sources: node.sources)
    for (old, new) in zip(node.results, results) { map[old] = new }
    for source in node.sources where !sources.contains(source) { sources.append(source) }
  }
  guard let result = map[root.results[0]] else { return }
  region.addOutput(result, name: "y")
  let fused = try graph.insert(
    .fused(Fused()), operands, regions: [region], names: [graph[root.results[0]].name], sources: sources,
    before: root.id)
  graph.replaceUses(of: root.results[0], with: fused[0])
  graph.eraseAll(Set(group))
}
