import SwageGraph
import SwageTensor

/// `TreeEnsemble`, `TreeEnsembleRegressor`, `TreeEnsembleClassifier`.
enum TreeOperators {
  static let table: [String: Handler] = [
    "TreeEnsemble": ensemble, "TreeEnsembleRegressor": regressor, "TreeEnsembleClassifier": TreeClassifier.classifier,
  ]

  /// Weights of the leaves that rows end at, combined per target: [rows, targets], as f64 where the input is, else as f32.
  static func walk(
    _ call: Call, _ forest: Forest, _ function: TreeEnsemble.Function, targets: Int
  ) throws -> ImportedValue {
    let given = try call.rows()
    let type: ElementType = given.type.elementType == .f64 ? .f64 : .f32
    let x = try call.cast(given, to: type)
    let tables = try forest.tables(type).map { call.constant($0) }
    let op = TreeEnsemble(function, targets: targets, columns: forest.columns)
    return try call.emit(.treeEnsemble(op), [x] + tables)
  }

  private enum Aggregate: String, CaseIterable { case average = "AVERAGE", sum = "SUM", min = "MIN", max = "MAX" }

  private static func combined(
    _ call: Call, _ forest: Forest, _ aggregate: Aggregate, targets: Int
  ) throws -> ImportedValue {
    switch aggregate {
    case .sum: return try walk(call, forest, .sum, targets: targets)
    case .min: return try walk(call, forest, .min, targets: targets)
    case .max: return try walk(call, forest, .max, targets: targets)
    case .average:
      return try call.binary(.div, try walk(call, forest, .sum, targets: targets), Double(max(forest.roots.count, 1)))
    }
  }

  /// Whether rows have a score for each target, bool [rows, targets]; nil where they always have.
  static func isScored(_ call: Call, _ forest: Forest, targets: Int) throws -> ImportedValue? {
    if forest.alwaysScores(targets: targets) { return nil }
    let counts = try walk(call, forest.mapWeights { _ in 1 }, .max, targets: targets)
    return try call.binary(.greater, counts, call.scalar(0, counts.type.elementType))
  }

  static func checkTargets(_ call: Call, _ count: Int) throws {
    try call.require((1..<1 << 24).contains(count), "\(count) targets or classes")
  }

  private static func regressor(_ call: Call) throws -> [ImportedValue?] {
    let targets = try call.int("n_targets", default: 0)
    try checkTargets(call, targets)
    let name = try call.string("aggregate_function", default: "SUM")
    guard let aggregate = Aggregate(rawValue: name) else { throw NodeFault.invalid("aggregate_function is \(name)") }
    let base = try call.floats(orTensor: "base_values") ?? []
    try call.require(base.isEmpty || base.count == targets, "\(base.count) base_values for \(targets) targets")
    let transform = try PostTransform(call)
    let forest = try Forest(call, weights: "target", targets: targets)
    var scores = try combined(call, forest, aggregate, targets: targets)
    if !base.isEmpty {
      scores = try call.binary(.add, scores, call.constant(base, scores.type.elementType))
      // Of several targets those without a score stay zero.
      if targets > 1, let isScored = try isScored(call, forest, targets: targets) {
        scores = try call.select(isScored, scores, call.scalar(0, scores.type.elementType))
      }
    }
    return [try call.cast(try transform.apply(call, scores), to: .f32)]
  }

  private static func ensemble(_ call: Call) throws -> [ImportedValue?] {
    let targets = try call.int("n_targets", default: 0)
    try checkTargets(call, targets)
    let aggregates: [Aggregate] = [.average, .sum, .min, .max]
    // The numbers of onnxruntime, which models are checked with: the standard has 1 for SOFTMAX and 2 for LOGISTIC.
    let transforms: [PostTransform] = [.none, .logistic, .softmax, .softmaxZero, .probit]
    let aggregate = try call.int("aggregate_function", default: 1)
    let transform = try call.int("post_transform", default: 0)
    try call.require(
      aggregates.indices.contains(aggregate) && transforms.indices.contains(transform),
      "aggregate_function is \(aggregate), post_transform \(transform)")
    let forest = try Forest(call, targets: targets)
    let scores = try combined(call, forest, aggregates[aggregate], targets: targets)
    let result = try transforms[transform].apply(call, scores)
    return [try call.cast(result, to: try call.input(0).type.elementType)]
  }
}
