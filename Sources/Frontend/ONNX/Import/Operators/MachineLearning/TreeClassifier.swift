import SwageGraph
import SwageTensor

/// `TreeEnsembleClassifier`: the sum of the weights for each class, and the class of the largest.
///
/// A class that no leaf of a row has a weight for has no score in that row: it cannot win, and its output is zero. Of two
/// classes the second often has no weights; what the outputs are then depends on whether weights are negative.
enum TreeClassifier {
  static func classifier(_ call: Call) throws -> [ImportedValue?] {
    let labels = try ClassLabels(call, integers: "classlabels_int64s")
    let classes = labels.count
    try TreeOperators.checkTargets(call, classes)
    let base = try call.floats(orTensor: "base_values") ?? []
    let transform = try PostTransform(call)
    let forest = try Forest(call, weights: "class", targets: classes)
    try call.require(
      base.count <= (classes == 1 ? 1 : 2) || base.count == classes, "\(base.count) base_values for \(classes) classes")
    let sums = try TreeOperators.walk(call, forest, .sum, targets: classes)
    let results: [ImportedValue]
    switch classes {
    case 1: results = try single(call, sums, base, labels, transform)
    case 2: results = try Pair(call, forest, sums, base, labels, transform).results()
    default: results = try many(call, forest, sums, base, labels, transform)
    }
    return [results[0], try call.cast(results[1], to: .f32)]
  }

  /// Whether each row has a score for the class, bool [rows, 1]; nil where it always has.
  fileprivate static func isScored(_ call: Call, _ forest: Forest, _ target: Int, classes: Int) throws -> ImportedValue?
  {
    guard forest.scores(target) != .always else { return nil }
    let counts = try TreeOperators.walk(call, forest.mapWeights { _ in 1 }, .max, targets: classes)
    return try call.binary(.greater, try call.column(counts, target), 0)
  }

  private static func single(
    _ call: Call, _ sums: ImportedValue, _ base: [Double], _ labels: ClassLabels, _ transform: PostTransform
  ) throws -> [ImportedValue] {
    if case .strings = labels { throw call.unsupported("it has a single class") }
    let scores = base.isEmpty ? sums : try call.binary(.add, sums, base[0])
    let label = try ClassLabels.integers([0, 1]).pick(call, where: try call.binary(.greater, scores, 0))
    return [label, try transform.apply(call, scores)]
  }

  private static func many(
    _ call: Call, _ forest: Forest, _ sums: ImportedValue, _ base: [Double], _ labels: ClassLabels,
    _ transform: PostTransform
  ) throws -> [ImportedValue] {
    let type = sums.type.elementType
    try call.require(base.isEmpty || base.count == labels.count, "\(base.count) base_values")
    var scores = sums
    var candidates = sums
    if !base.isEmpty {
      scores = try call.binary(.add, sums, call.constant(base, type))
      candidates = scores
    } else if let isScored = try TreeOperators.isScored(call, forest, targets: labels.count) {
      candidates = try call.select(isScored, sums, call.scalar(-.infinity, type))
    }
    let op = ArgReduce(isMax: true, axis: 1, keepsAxis: false, selectsLast: false)
    let label = try labels.pick(call, try call.emit(.argReduce(op), [candidates]))
    return [label, try transform.apply(call, scores)]
  }
}

/// The rules for two classes, those of onnxruntime.
private struct Pair {
  let call: Call
  let forest: Forest
  let base: [Double]
  let labels: ClassLabels
  let transform: PostTransform
  /// The sums of the two classes, [rows, 1].
  let first: ImportedValue
  let second: ImportedValue
  let type: ElementType
  /// All weights are for one of the classes.
  let isOneSided: Bool
  let isAllPositive: Bool

  init(
    _ call: Call, _ forest: Forest, _ sums: ImportedValue, _ base: [Double], _ labels: ClassLabels,
    _ transform: PostTransform
  ) throws {
    self.call = call
    self.forest = forest
    self.base = base
    self.labels = labels
    self.transform = transform
    first = try call.column(sums, 0)
    second = try call.column(sums, 1)
    type = sums.type.elementType
    let weights = forest.leaves.flatMap { $0 }
    isOneSided = Set(weights.map(\.target)).count == 1
    isAllPositive = !weights.contains { $0.value < 0 }
  }

  private struct Outcome {
    /// The class that this score speaks for is the second, [rows, 1].
    var score: ImportedValue
    var outputs: [ImportedValue]
  }

  func results() throws -> [ImportedValue] {
    let outcome: Outcome
    switch forest.scores(1) {
    case .always: outcome = try both()
    case .never: outcome = try alone()
    case .sometimes:
      let (one, other) = (try both(), try alone())
      guard let isScored = try TreeClassifier.isScored(call, forest, 1, classes: 2) else { return [] }
      outcome = Outcome(
        score: try call.select(isScored, one.score, other.score),
        outputs: try zip(one.outputs, other.outputs).map { try call.select(isScored, $0, $1) })
    }
    let isSecond = try call.binary(.greater, outcome.score, isOneSided && isAllPositive ? 0.5 : 0)
    // Where weights of both classes exist, the labels are the numbers of the classes.
    var names = labels
    if case .integers = labels, !isOneSided { names = .integers([0, 1]) }
    return [try names.pick(call, where: isSecond), try call.columns(outcome.outputs)]
  }

  private var zero: ImportedValue { call.scalar(0, type) }

  /// The value, or zero in rows without a score for the first class.
  private func whereFirstIsScored(_ value: ImportedValue) throws -> ImportedValue {
    guard let isScored = try TreeClassifier.isScored(call, forest, 0, classes: 2) else { return value }
    return try call.select(isScored, value, zero)
  }

  /// Rows with a score for the second class. Two base values are meant for weights of the first class that speak for the
  /// second.
  private func both() throws -> Outcome {
    var pair = [first, second]
    if base.count == 2 {
      pair[1] = try call.binary(.add, first, base[1])
      pair[0] = try whereFirstIsScored(try call.unary(.neg, pair[1]))
    } else if base.count == 1 {
      pair[0] = try whereFirstIsScored(try call.binary(.add, first, base[0]))
    }
    return Outcome(score: pair[1], outputs: try transformed(pair))
  }

  /// Rows without a score for the second class: that of the first speaks for the second.
  private func alone() throws -> Outcome {
    let score = base.isEmpty ? first : try whereFirstIsScored(try call.binary(.add, first, base[0]))
    let nothing = try call.broadcast(zero, score.type.shape)
    if base.count == 2 { return Outcome(score: score, outputs: try transformed([score, nothing])) }
    if transform == .probit { return Outcome(score: score, outputs: [try transform.apply(call, score), nothing]) }
    guard isOneSided || base.isEmpty else { return Outcome(score: score, outputs: [score, nothing]) }
    let pair = try transform.pair(call, score, isProbability: isOneSided && isAllPositive)
    return Outcome(score: score, outputs: pair)
  }

  private func transformed(_ pair: [ImportedValue]) throws -> [ImportedValue] {
    if transform == .none { return pair }
    let result = try transform.apply(call, try call.columns(pair))
    return [try call.column(result, 0), try call.column(result, 1)]
  }
}
