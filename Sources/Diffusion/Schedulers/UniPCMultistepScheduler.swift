/// UniPC: a predictor-corrector of 1 to 3 steps of memory (Zhao et al. 2023).
struct UniPCMultistepScheduler: Scheduler {
  enum Solver: String, CaseIterable {
    case bh1, bh2
    /// Other classes' names, which diffusers takes for `bh2`.
    case midpoint, heun, logrho
  }

  let initialNoiseSigma: Float = 1
  let order = 1

  private let schedule: MultistepSchedule
  private let prediction: Prediction
  private let limit: SampleLimit
  private let predictsOriginal: Bool
  private let isFirstKind: Bool
  private let solverOrder: Int
  private let lowersFinal: Bool
  private let uncorrected: Set<Int>

  /// The converted outputs of the last `solverOrder` steps, newest last.
  private var outputs: [[Float]] = []
  /// The sample before the last step, and that step's order.
  private var lastSample: [Float]?
  private var lastOrder = 1
  private var steps = 0

  var timesteps: [Double] { schedule.timesteps }

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    let reader = request.reader
    for key in ["use_flow_sigmas", "use_dynamic_shifting", "shift_terminal"] {
      try reader.refuse(key, "swage has no flow-matching models")
    }
    try reader.refuse("solver_p", "swage's predictor is UniPC's own")
    schedule = try MultistepSchedule(request, isUniPC: true)
    prediction = try reader.word("prediction_type", .epsilon)
    predictsOriginal = try reader.bool("predict_x0", true)
    limit = predictsOriginal ? try SampleLimit(reader, clips: nil, batch: request.batch) : .none
    isFirstKind = try reader.word("solver_type", Solver.bh2) == .bh1
    solverOrder = try reader.integer("solver_order", 2, in: 1...3)
    lowersFinal = try reader.bool("lower_order_final", true)
    let list = reader.settings.values["disable_corrector"]?.array ?? []
    guard list.allSatisfy({ $0.integer != nil }), !reader.has("disable_corrector") || reader.isList("disable_corrector")
    else { throw reader.fault("disable_corrector", "it must be a list of step numbers") }
    uncorrected = Set(list.compactMap(\.integer))
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { sample }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    let output =
      predictsOriginal
      ? limit.apply(schedule.original(modelOutput, sample, step: step, prediction))
      : schedule.epsilon(modelOutput, sample, step: step, prediction)
    var sample = sample
    if let lastSample, step > 0, !uncorrected.contains(step - 1) {
      sample = updated(lastSample, from: step - 1, order: lastOrder, corrector: output)
    }
    outputs = outputs.suffix(solverOrder - 1) + [output]
    let wanted = lowersFinal ? min(solverOrder, timesteps.count - step) : solverOrder
    lastOrder = min(wanted, steps + 1)
    lastSample = sample
    steps = min(steps + 1, solverOrder)
    return updated(sample, from: step, order: lastOrder, corrector: nil)
  }

  /// The sample after the step from `from`: predicted from the outputs so far, or corrected by the output `corrector`
  /// at its end.
  private func updated(_ sample: [Float], from: Int, order: Int, corrector: [Float]?) -> [Float] {
    let (end, start) = (schedule.level(from + 1), schedule.level(from))
    let h = end.lambda - start.lambda
    let newest = outputs[outputs.count - 1]
    var ratios: [Float] = []
    var differences: [[Float]] = []
    for back in 1..<max(order, 1) {
      let ratio = (schedule.level(from - back).lambda - start.lambda) / h
      ratios.append(ratio)
      differences.append(zipMap(outputs[outputs.count - 1 - back], newest) { ($0 - $1) / ratio })
    }
    ratios.append(1)
    let step = predictsOriginal ? -h : h
    let change = expm1Float(step)
    let scale = isFirstKind ? step : change
    let weights: [Float]
    if let corrector {
      weights = order == 1 ? [0.5] : solve(ratios, moments(step, change, scale, count: order))
      differences.append(zipMap(corrector, newest) { $0 - $1 })
    } else {
      weights = order <= 2 ? [0.5] : solve(Array(ratios.dropLast()), moments(step, change, scale, count: order - 1))
    }
    let (keep, factor) =
      predictsOriginal ? (end.sigma / start.sigma, end.alpha) : (end.alpha / start.alpha, end.sigma)
    let result = zipMap(sample, newest) { keep * $0 - factor * change * $1 }
    guard !differences.isEmpty else { return result }
    var correction = [Float](repeating: 0, count: sample.count)
    for (weight, difference) in zip(weights, differences) {
      correction = zipMap(correction, difference) { $0 + weight * $1 }
    }
    return zipMap(result, correction) { $0 - factor * scale * $1 }
  }

  /// The right side b of the paper's system: φ functions over B(h).
  private func moments(_ step: Float, _ change: Float, _ scale: Float, count: Int) -> [Float] {
    var (phi, factorial) = (change / step - 1, Float(1))
    return (1...count).map { index in
      defer {
        factorial *= Float(index + 1)
        phi = phi / step - 1 / factorial
      }
      return phi * factorial / scale
    }
  }

  /// Solves the Vandermonde system Σ ratios[k]^i · x[k] = right[i] by elimination with pivots.
  private func solve(_ ratios: [Float], _ right: [Float]) -> [Float] {
    let count = ratios.count
    var rows = (0..<count).map { power in
      ratios.map { ratio in (0..<power).reduce(Float(1)) { product, _ in product * ratio } } + [right[power]]
    }
    for column in 0..<count {
      let pivot = (column..<count).max { abs(rows[$0][column]) < abs(rows[$1][column]) } ?? column
      rows.swapAt(column, pivot)
      for row in column + 1..<max(count, column + 1) {
        let factor = rows[row][column] / rows[column][column]
        for index in column...count { rows[row][index] -= factor * rows[column][index] }
      }
    }
    var solution = [Float](repeating: 0, count: count)
    for row in (0..<count).reversed() {
      let known = (row + 1..<max(count, row + 1)).reduce(Float(0)) { $0 + rows[row][$1] * solution[$1] }
      solution[row] = (rows[row][count] - known) / rows[row][row]
    }
    return solution
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    schedule.addNoise(original, noise: noise, step: step)
  }
}
