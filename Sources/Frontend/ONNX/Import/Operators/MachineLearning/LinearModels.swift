import SwageGraph
import SwageTensor

/// `LinearRegressor` and `LinearClassifier`: a product, an addition, and a post transform, all as f32.
enum LinearModelOperators {
  static let table: [String: Handler] = ["LinearRegressor": regressor, "LinearClassifier": classifier]

  /// Scores [rows, targets] of rows of features.
  private static func scores(_ call: Call, targets: Int, intercepts: [Double]) throws -> ImportedValue {
    let x = try call.cast(try call.rows(), to: .f32)
    let coefficients = try call.floats("coefficients") ?? []
    try call.require(
      targets > 0 && !coefficients.isEmpty && coefficients.count % targets == 0,
      "\(coefficients.count) coefficients for \(targets) targets")
    let features = coefficients.count / targets
    try call.require(
      x.type.shape[1].constant.map { $0 == features } ?? true, "\(features) coefficients a target for \(x.type)")
    let weights = call.constant(coefficients, .f32, shape: [targets, features])
    let product = try call.emit(.matmul(MatMul(transposeB: true)), [x, weights])
    return intercepts.isEmpty ? product : try call.binary(.add, product, call.constant(intercepts, .f32))
  }

  private static func regressor(_ call: Call) throws -> [ImportedValue?] {
    let targets = try call.int("targets", default: 1)
    let intercepts = try call.floats("intercepts") ?? []
    let used = intercepts.count == targets ? intercepts : []
    return [try PostTransform(call).apply(call, try scores(call, targets: targets, intercepts: used))]
  }

  /// The score of a single target stands for the second of two classes.
  private static func classifier(_ call: Call) throws -> [ImportedValue?] {
    let labels = try ClassLabels(call, integers: "classlabels_ints")
    let intercepts = try call.floats("intercepts") ?? []
    let coefficients = try call.floats("coefficients") ?? []
    // Whether one score is meant for each class or for all changes neither results nor their shape.
    _ = try call.int("multi_class")
    let features = try call.rows().type.shape[1].constant
    let targets = intercepts.isEmpty ? (features == coefficients.count ? 1 : labels.count) : intercepts.count
    let transform = try PostTransform(call)
    let scores = try scores(call, targets: targets, intercepts: intercepts)
    if targets > 1 {
      try call.require(targets <= labels.count, "\(labels.count) labels for \(targets) scores")
      let best = try call.emit(
        .argReduce(ArgReduce(isMax: true, axis: 1, keepsAxis: false, selectsLast: false)), [scores])
      return [try labels.pick(call, best), try transform.apply(call, scores)]
    }
    let isPositive = try call.binary(.greater, scores, 0)
    guard labels.count == 2 else {
      let plain = try ClassLabels.integers([0, 1]).pick(call, where: isPositive)
      if case .strings = labels { throw call.unsupported("one score stands for \(labels.count) labels") }
      return [plain, try transform.apply(call, scores)]
    }
    let label = try labels.pick(call, where: isPositive)
    if transform == .probit { throw call.unsupported("the post transform PROBIT of one score for two classes") }
    return [label, try call.columns(try transform.pair(call, scores, isProbability: true))]
  }
}
