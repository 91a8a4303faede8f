import SwageGraph
import SwageTensor

/// How a branch compares, in the order of the numbers that `TreeEnsemble` gives them.
private enum BranchMode: Int {
  case lessOrEqual, less, greaterOrEqual, greater, equal, notEqual, member

  init?(_ name: String) {
    switch name {
    case "BRANCH_LEQ": self = .lessOrEqual
    case "BRANCH_LT": self = .less
    case "BRANCH_GTE": self = .greaterOrEqual
    case "BRANCH_GT": self = .greater
    case "BRANCH_EQ": self = .equal
    case "BRANCH_NEQ": self = .notEqual
    default: return nil
    }
  }

  /// The outcomes that lead to the true node.
  func outcomes(missingTracksTrue: Bool) -> Int {
    typealias Outcome = TreeEnsemble.Outcome
    let own =
      switch self {
      case .lessOrEqual: Outcome.less | Outcome.equal
      case .less: Outcome.less
      case .greaterOrEqual: Outcome.greater | Outcome.equal
      case .greater: Outcome.greater
      case .equal, .member: Outcome.equal
      case .notEqual: Outcome.all & ~Outcome.equal
      }
    return own | (missingTracksTrue ? Outcome.missing : 0)
  }
}

// MARK: - TreeEnsembleClassifier and TreeEnsembleRegressor

extension Forest {
  private struct NodeName: Hashable {
    var tree: Int
    var node: Int
  }

  /// Reads the `nodes_…` attributes, and the weights of attributes that begin with `prefix` for targets below `count`.
  init(_ call: Call, weights prefix: String, targets count: Int) throws {
    let trees = try call.ints("nodes_treeids") ?? []
    let names = zip(trees, try call.ints("nodes_nodeids") ?? []).map { NodeName(tree: $0, node: $1) }
    let features = try call.ints("nodes_featureids") ?? []
    let modes = try call.strings("nodes_modes") ?? []
    let values = try call.floats(orTensor: "nodes_values") ?? []
    let (trueNodes, falseNodes) = (try call.ints("nodes_truenodeids") ?? [], try call.ints("nodes_falsenodeids") ?? [])
    let missing = try call.ints("nodes_missing_value_tracks_true") ?? []
    // How often nodes were visited in training.
    for name in ["nodes_hitrates", "nodes_hitrates_as_tensor"] { _ = call.attribute(name) }
    let sizes = [names.count, features.count, modes.count, values.count, trueNodes.count, falseNodes.count]
    try call.require(
      !trees.isEmpty && sizes.allSatisfy { $0 == trees.count }, "its \(trees.count) nodes have attributes of \(sizes)")
    try call.require(trees.count < 1 << 30, "\(trees.count) nodes")

    // Nodes by name: the index of a branch or `~leaf`.
    var places: [NodeName: Int] = [:]
    var leafCount = 0
    var branchCount = 0
    for (name, mode) in zip(names, modes) {
      let place: Int
      if mode == "LEAF" {
        place = ~leafCount
        leafCount += 1
      } else {
        place = branchCount
        branchCount += 1
      }
      guard places.updateValue(place, forKey: name) == nil else {
        throw NodeFault.invalid("node \(name.node) of tree \(name.tree) is there twice")
      }
    }
    leaves = [[Weight]](repeating: [], count: leafCount)
    func child(_ tree: Int, _ node: Int) throws -> Int {
      guard let place = places[NodeName(tree: tree, node: node)] else {
        throw NodeFault.invalid("tree \(tree) has no node \(node)")
      }
      return place
    }
    for (index, name) in names.enumerated() {
      if index == 0 || trees[index - 1] != name.tree { roots.append(places[name] ?? 0) }
      if modes[index] == "LEAF" { continue }
      guard let mode = BranchMode(modes[index]) else { throw NodeFault.invalid("a node's mode is \(modes[index])") }
      try call.require((0..<1 << 31).contains(features[index]), "a node reads feature \(features[index])")
      let isMissingTrue = index < missing.count && missing[index] == 1
      branches.append(
        Branch(
          column: features[index], outcomes: mode.outcomes(missingTracksTrue: isMissingTrue), threshold: values[index],
          first: try child(name.tree, trueNodes[index]), other: try child(name.tree, falseNodes[index])))
    }
    try addWeights(call, prefix, count) { places[NodeName(tree: $0, node: $1)] }
  }

  private mutating func addWeights(
    _ call: Call, _ prefix: String, _ count: Int, _ place: (Int, Int) -> Int?
  ) throws {
    let trees = try call.ints(prefix + "_treeids") ?? []
    let nodes = try call.ints(prefix + "_nodeids") ?? []
    let targets = try call.ints(prefix + "_ids") ?? []
    let weights = try call.floats(orTensor: prefix + "_weights") ?? []
    let sizes = [nodes.count, targets.count, weights.count]
    try call.require(sizes.allSatisfy { $0 == trees.count }, "its \(trees.count) weights have attributes of \(sizes)")
    for index in trees.indices {
      guard let place = place(trees[index], nodes[index]) else {
        throw NodeFault.invalid("a weight is for node \(nodes[index]) of tree \(trees[index]), which does not exist")
      }
      try call.require((0..<count).contains(targets[index]), "a weight is for target \(targets[index]) of \(count)")
      // Weights of branches have no meaning. Of a single target leaves have one weight: some converters repeat it.
      if place < 0, count > 1 || leaves[~place].isEmpty {
        leaves[~place].append(Weight(target: targets[index], value: weights[index]))
      }
    }
  }
}

// MARK: - TreeEnsemble

extension Forest {
  /// Reads the attributes of `TreeEnsemble`.
  init(_ call: Call, targets count: Int) throws {
    let features = try call.ints("nodes_featureids") ?? []
    let splits = try call.tensor("nodes_splits")?.doubles ?? []
    let modes = try call.tensor("nodes_modes").map { try Self.integers(call, $0) } ?? []
    let (trueNodes, falseNodes) = (try call.ints("nodes_truenodeids") ?? [], try call.ints("nodes_falsenodeids") ?? [])
    let (trueLeaves, falseLeaves) = (try call.ints("nodes_trueleafs") ?? [], try call.ints("nodes_falseleafs") ?? [])
    let missing = try call.ints("nodes_missing_value_tracks_true") ?? []
    let members = try call.tensor("membership_values")?.doubles ?? []
    _ = call.attribute("nodes_hitrates")
    let sizes = [
      splits.count, modes.count, trueNodes.count, falseNodes.count, trueLeaves.count, falseLeaves.count,
    ]
    try call.require(
      !features.isEmpty && sizes.allSatisfy { $0 == features.count },
      "its \(features.count) nodes have attributes of \(sizes)")
    let (ids, weights) = (try call.ints("leaf_targetids") ?? [], try call.tensor("leaf_weights")?.doubles ?? [])
    try call.require(ids.count == weights.count, "\(ids.count) leaf_targetids for \(weights.count) leaf_weights")
    try call.require(ids.allSatisfy { (0..<count).contains($0) }, "leaf_targetids are not all below \(count)")
    leaves = zip(ids, weights).map { [Weight(target: $0, value: $1)] }

    func child(_ node: Int, _ isLeaf: Bool) throws -> Int {
      try call.require((0..<(isLeaf ? ids.count : features.count)).contains(node), "its trees have no node \(node)")
      return isLeaf ? ~node : node
    }
    var sets = members.split(omittingEmptySubsequences: false) { $0.isNaN }.makeIterator()
    var chains: [Branch] = []
    for index in features.indices {
      guard let mode = BranchMode(rawValue: modes[index]) else {
        throw NodeFault.invalid("a node's mode is \(modes[index])")
      }
      try call.require((0..<1 << 31).contains(features[index]), "a node reads feature \(features[index])")
      let first = try child(trueNodes[index], trueLeaves[index] != 0)
      let other = try child(falseNodes[index], falseLeaves[index] != 0)
      // A node of set membership is a chain of nodes, one for each member; an empty set is equal to nothing.
      let set = mode == .member ? Array(sets.next() ?? []) : [splits[index]]
      let isMissingTrue = index < missing.count && missing[index] != 0
      let outcomes = mode.outcomes(missingTracksTrue: isMissingTrue)
      for (position, threshold) in (set.isEmpty ? [.nan] : set).enumerated() {
        let next = position + 1 < set.count ? features.count + chains.count + (position == 0 ? 0 : 1) : other
        let branch = Branch(
          column: features[index], outcomes: outcomes, threshold: threshold, first: first, other: next)
        if position == 0 { branches.append(branch) } else { chains.append(branch) }
      }
    }
    branches += chains
    for root in try call.ints("tree_roots") ?? [] {
      _ = try child(root, false)
      let isLeaf = trueLeaves[root] != 0 && falseLeaves[root] != 0 && trueNodes[root] == falseNodes[root]
      roots.append(try child(root, isLeaf))
    }
  }

  private static func integers(_ call: Call, _ tensor: Tensor) throws -> [Int] {
    try call.require(tensor.elementType.isInteger, "nodes_modes are \(tensor.type)")
    return tensor.integers.map { Int($0) }
  }
}
