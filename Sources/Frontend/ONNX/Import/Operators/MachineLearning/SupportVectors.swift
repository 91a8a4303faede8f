import SwageGraph
import SwageTensor

/// The kernel functions of support vector machines.
private struct KernelFunction {
  enum Kind: String { case linear = "LINEAR", poly = "POLY", rbf = "RBF", sigmoid = "SIGMOID" }

  var kind: Kind
  var gamma = 0.0
  var offset = 0.0
  var degree = 0.0

  init(_ call: Call) throws {
    let name = try call.string("kernel_type", default: "LINEAR")
    guard let kind = Kind(rawValue: name) else { throw NodeFault.invalid("kernel_type is \(name)") }
    self.kind = kind
    let parameters = try call.floats("kernel_params") ?? []
    if parameters.isEmpty { return }
    try call.require(parameters.count >= 3, "\(parameters.count) kernel_params, not gamma, coef0 and degree")
    (gamma, offset, degree) = (parameters[0], parameters[1], parameters[2])
  }

  /// The function of each row of x, f32 [rows, features], and each of `vectors`, [count, features]: f32 [rows, count].
  func apply(_ call: Call, _ x: ImportedValue, _ vectors: Tensor) throws -> ImportedValue {
    if kind == .rbf { return try radial(call, x, vectors) }
    let product = try call.emit(.matmul(MatMul(transposeB: true)), [x, call.constant(vectors)])
    if kind == .linear { return product }
    let inner = try call.unary(.linear, product, alpha: gamma, beta: offset)
    if kind == .sigmoid { return try call.unary(.tanh, inner) }
    let square = try call.unary(.square, inner)
    if degree == 2 { return square }
    return degree == 3 ? try call.binary(.mul, square, inner) : try call.binary(.pow, inner, degree)
  }

  /// exp(-gamma · |x - v|²), with |x - v|² = |x|² - 2 x·v + |v|² in double precision, since it cancels.
  private func radial(_ call: Call, _ x: ImportedValue, _ vectors: Tensor) throws -> ImportedValue {
    let wide = try call.cast(x, to: .f64)
    let values = vectors.doubles
    let width = vectors.shape[1]
    let norms = (0..<vectors.shape[0]).map { row in
      values[row * width..<(row + 1) * width].reduce(0) { $0 + $1 * $1 }
    }
    let transposed = (0..<width).flatMap { column in
      (0..<vectors.shape[0]).map { -2 * values[$0 * width + column] }
    }
    let product = try call.emit(
      .matmul(MatMul()), [wide, call.constant(transposed, .f64, shape: [width, vectors.shape[0]])])
    let own = try call.reduce(.sumSquare, wide, axes: [1], keeps: true)
    let distance = try call.binary(.add, try call.binary(.add, product, own), call.constant(norms, .f64))
    let exponent = try call.cast(try call.unary(.clip, distance, alpha: 0), to: .f32)
    return try call.unary(.exp, try call.unary(.linear, exponent, alpha: -gamma))
  }
}

/// `SVMRegressor` and `SVMClassifier`: kernel functions against the support vectors, and products with their
/// coefficients, as f32.
enum SupportVectorOperators {
  static let table: [String: Handler] = ["SVMRegressor": regressor, "SVMClassifier": classifier]

  private static func vectors(_ call: Call, count: Int, _ x: ImportedValue) throws -> Tensor {
    let values = try call.floats("support_vectors") ?? []
    try call.require(
      count > 0 && !values.isEmpty && values.count % count == 0, "\(values.count) numbers for \(count) support vectors")
    let features = values.count / count
    try call.require(
      x.type.shape[1].constant.map { $0 == features } ?? true, "support vectors of \(features) features for \(x.type)")
    return Tensor(.f32, [count, features], doubles: values)
  }

  private static func product(
    _ call: Call, _ x: ImportedValue, _ weights: [Double], columns: Int
  ) throws -> ImportedValue {
    try call.require(
      columns > 0 && weights.count % columns == 0, "\(weights.count) coefficients for \(columns) columns")
    let rows = weights.count / columns
    try call.require(
      x.type.shape[1].constant.map { $0 == rows } ?? true, "\(rows) coefficients for values of \(x.type)")
    return try call.emit(.matmul(MatMul()), [x, call.constant(weights, .f32, shape: [rows, columns])])
  }

  /// The kernel function of rows and vectors, times `weights`, [vectors, columns]. A linear kernel needs only the sums of the
  /// vectors themselves.
  private static func weighted(
    _ call: Call, _ x: ImportedValue, _ vectors: Tensor, _ kernel: KernelFunction, _ weights: [Double], columns: Int
  ) throws -> ImportedValue {
    guard kernel.kind == .linear else {
      return try product(call, try kernel.apply(call, x, vectors), weights, columns: columns)
    }
    let (count, features) = (vectors.shape[0], vectors.shape[1])
    let values = vectors.doubles
    var sums = [Double](repeating: 0, count: features * columns)
    for vector in 0..<count {
      for column in 0..<columns where weights[vector * columns + column] != 0 {
        let weight = weights[vector * columns + column]
        for feature in 0..<features { sums[feature * columns + column] += weight * values[vector * features + feature] }
      }
    }
    return try product(call, x, sums, columns: columns)
  }

  private static func regressor(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.cast(try call.rows(), to: .f32)
    let (coefficients, rho) = (try call.floats("coefficients") ?? [], try call.floats("rho") ?? [])
    let count = try call.int("n_supports", default: 0)
    let isOneClass = try call.flag("one_class")
    // Without an effect in onnxruntime.
    _ = try PostTransform(call)
    try call.require(!coefficients.isEmpty && !rho.isEmpty, "it has no coefficients or no rho")
    let kernel = try KernelFunction(call)
    var y: ImportedValue
    if count > 0 {
      try call.require(coefficients.count == count, "\(coefficients.count) coefficients for \(count) support vectors")
      y = try weighted(call, x, try vectors(call, count: count, x), kernel, coefficients, columns: 1)
    } else {
      y = try product(call, x, coefficients, columns: 1)
    }
    y = try call.binary(.add, y, rho[0])
    guard isOneClass else { return [y] }
    return [try call.select(try call.binary(.greater, y, 0), call.scalar(1, .f32), call.scalar(-1, .f32))]
  }

  // MARK: - Classifier

  private static func classifier(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.cast(try call.rows(), to: .f32)
    let labels = try ClassLabels(call, integers: "classlabels_ints")
    let coefficients = try call.floats("coefficients") ?? []
    let (rho, transform) = (try call.floats("rho") ?? [], try PostTransform(call))
    let (a, b) = (try call.floats("prob_a") ?? [], try call.floats("prob_b") ?? [])
    let perClass = try call.ints("vectors_per_class") ?? []
    let kernel = try KernelFunction(call)
    try call.require(
      !coefficients.isEmpty && !rho.isEmpty && a.count == b.count,
      "\(coefficients.count) coefficients, \(rho.count) rho, \(a.count) prob_a, \(b.count) prob_b")
    try call.require(perClass.allSatisfy { (0..<1 << 31).contains($0) }, "vectors_per_class are \(perClass.prefix(16))")
    let count = perClass.reduce(0, &+)
    let isAllPositive = coefficients.allSatisfy { $0 >= 0 }
    if count == 0 {
      // One row of coefficients for each class.
      let features = coefficients.count / labels.count
      try call.require(coefficients.count == features * labels.count, "\(coefficients.count) coefficients")
      let transposed = (0..<features).flatMap { f in (0..<labels.count).map { coefficients[$0 * features + f] } }
      let scores = try call.binary(.add, try product(call, x, transposed, columns: labels.count), rho[0])
      let label = try linearLabel(
        call, scores, labels, threshold: a.isEmpty ? (isAllPositive ? 0.5 : 0) : nil, isInclusive: isAllPositive)
      return [label, try transform.apply(call, scores)]
    }

    let classes = labels.count
    let pairs = (0..<classes).flatMap { i in (i + 1..<max(classes, i + 1)).map { (i, $0) } }
    try call.require(
      perClass.count == classes && classes > 1 && rho.count >= pairs.count
        && coefficients.count / (classes - 1) >= count && (a.isEmpty || a.count >= pairs.count),
      "\(classes) labels, \(perClass.count) vectors_per_class, \(coefficients.count) coefficients, \(rho.count) rho")
    guard let size = Checked.product([max(count, classes), pairs.count]), size < 1 << 26 else {
      throw call.unsupported("\(pairs.count) pairs of classes with \(count) support vectors")
    }
    let weights = pairWeights(coefficients, perClass, pairs, count: count)
    let vectors = try vectors(call, count: count, x)
    let decisions = try call.binary(
      .add, try weighted(call, x, vectors, kernel, weights, columns: pairs.count),
      call.constant(Array(rho.prefix(pairs.count)), .f32))
    let label = try labels.pick(call, try winner(call, decisions, pairs, classes))
    if !a.isEmpty {
      return [label, try transform.apply(call, try probabilities(call, decisions, a, b, classes))]
    }
    if pairs.count > 1 { return [label, try transform.apply(call, decisions)] }
    if transform == .probit { throw call.unsupported("the post transform PROBIT of one score for two classes") }
    return [label, try call.columns(try transform.pair(call, decisions, isProbability: transform != .none))]
  }

  /// The label of the largest score. Of two classes the second wins also where the largest score, whichever it is, passes
  /// the threshold.
  private static func linearLabel(
    _ call: Call, _ scores: ImportedValue, _ labels: ClassLabels, threshold: Double?, isInclusive: Bool
  ) throws -> ImportedValue {
    let op = ArgReduce(isMax: true, axis: 1, keepsAxis: false, selectsLast: false)
    let best = try call.emit(.argReduce(op), [scores])
    guard labels.count == 2, let threshold else { return try labels.pick(call, best) }
    let peak = try call.reduce(.max, scores, axes: [1], keeps: false)
    let passes = try call.binary(isInclusive ? .greaterOrEqual : .greater, peak, threshold)
    return try labels.pick(call, try call.select(passes, call.constant(Tensor(.i64, [], integers: [1])), best))
  }

  /// The coefficients of each pair of classes, row-major [vectors, pairs]: those of class i against j stand in row j - 1 of
  /// the attribute, those of j against i in row i.
  private static func pairWeights(
    _ coefficients: [Double], _ perClass: [Int], _ pairs: [(Int, Int)], count: Int
  ) -> [Double] {
    let starts = perClass.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    var weights = [Double](repeating: 0, count: count * pairs.count)
    for (column, (i, j)) in pairs.enumerated() {
      for (owner, row) in [(i, j - 1), (j, i)] {
        for vector in starts[owner]..<starts[owner + 1] {
          weights[vector * pairs.count + column] = coefficients[row * count + vector]
        }
      }
    }
    return weights
  }

  /// The class that wins most pairs, the first of those that win equally many.
  private static func winner(
    _ call: Call, _ decisions: ImportedValue, _ pairs: [(Int, Int)], _ classes: Int
  ) throws -> ImportedValue {
    let wins = try call.cast(try call.binary(.greater, decisions, 0), to: .f32)
    // votes = wins · (first - second) + all of second
    var difference = [Double](repeating: 0, count: pairs.count * classes)
    var second = [Double](repeating: 0, count: classes)
    for (row, (i, j)) in pairs.enumerated() {
      difference[row * classes + i] = 1
      difference[row * classes + j] = -1
      second[j] += 1
    }
    let votes = try call.binary(
      .add, try product(call, wins, difference, columns: classes), call.constant(second, .f32))
    return try call.emit(.argReduce(ArgReduce(isMax: true, axis: 1, keepsAxis: false, selectsLast: false)), [votes])
  }

  /// Platt's sigmoid of each pair, then all pairs together.
  private static func probabilities(
    _ call: Call, _ decisions: ImportedValue, _ a: [Double], _ b: [Double], _ classes: Int
  ) throws -> ImportedValue {
    let count = classes * (classes - 1) / 2
    let scaled = try call.binary(.mul, decisions, call.constant(Array(a.prefix(count)), .f32))
    let value = try call.binary(.add, scaled, call.constant(Array(b.prefix(count)), .f32))
    let (low, high) = (Float(1e-7), 1 - Float(1e-7))
    let pairs = try call.unary(
      .clip, try call.unary(.sigmoid, try call.unary(.neg, value)), alpha: Double(low), beta: Double(high))
    return try call.emit(.pairwiseCoupling(PairwiseCoupling(classes: classes)), [pairs])
  }
}
