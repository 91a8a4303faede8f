/// Pseudo numerical methods for diffusion models (Liu et al. 2022): Runge–Kutta steps (PRK) first unless skipped, then
/// linear multistep ones (PLMS).
struct PNDMScheduler: Scheduler {
  let timesteps: [Double]
  let initialNoiseSigma: Float = 1
  let order = 1

  private let alphas: [Float]
  private let finalAlpha: Float
  /// Training timesteps per step.
  private let stride: Int
  /// Timesteps of the Runge–Kutta steps: four model calls for each.
  private let rungeKutta: [Int]
  private let prediction: Prediction

  /// Model calls so far, the last outputs, and what a Runge–Kutta step has gathered.
  private var counter = 0
  private var outputs: [[Float]] = []
  private var gathered: [Float]?
  private var heldSample: [Float]?

  init(_ request: SchedulerRequest) throws(SchedulerError) {
    let reader = request.reader
    alphas = try NoiseSchedule(reader, rescales: false).alphasCumprod
    finalAlpha = try reader.bool("set_alpha_to_one", false) ? 1 : alphas[0]
    stride = request.training / request.steps
    prediction = try reader.word("prediction_type", .epsilon)
    guard prediction != .sample else {
      throw reader.fault("prediction_type", "this scheduler works on predicted noise or velocity")
    }
    let rising = Array(try request.timesteps(.leading).map { Int($0.rounded(.toNearestOrEven)) }.reversed())
    if try reader.bool("skip_prk_steps", false) {
      rungeKutta = []
      let repeated = rising.dropLast() + rising.dropLast().suffix(1) + rising.suffix(1)
      timesteps = repeated.reversed().map(Double.init)
    } else {
      guard request.steps >= 4 else {
        throw .steps(request.steps, kind: .pndm, why: "Runge–Kutta steps (skip_prk_steps false) need 4 or more")
      }
      let half = stride / 2
      let pairs = rising.suffix(4).flatMap { [$0, $0 + half] }
      let repeated = pairs.dropLast().flatMap { [$0, $0] }
      rungeKutta = repeated.dropFirst().dropLast().reversed()
      timesteps = (rungeKutta + rising.dropLast(3).reversed()).map(Double.init)
      guard timesteps.allSatisfy({ $0 < Double(request.training) }) else {
        throw .steps(request.steps, kind: .pndm, why: "a Runge–Kutta step would begin after the last timestep")
      }
    }
  }

  func scaleModelInput(_ sample: [Float], step: Int) -> [Float] { sample }

  mutating func step(
    _ modelOutput: [Float], step: Int, sample: [Float], noise: (Int) -> [Float]
  ) -> [Float] {
    defer { counter += 1 }
    let timestep = Int(timesteps[step])
    return counter < rungeKutta.count
      ? rungeKuttaStep(modelOutput, timestep: timestep, sample: sample)
      : multistep(modelOutput, timestep: timestep, sample: sample)
  }

  /// One of the four model calls of a Runge–Kutta step.
  private mutating func rungeKuttaStep(_ output: [Float], timestep: Int, sample: [Float]) -> [Float] {
    let previous = timestep - (counter % 2 == 0 ? stride / 2 : 0)
    let start = rungeKutta[counter / 4 * 4]
    var output = output
    switch counter % 4 {
    case 0:
      gathered = gathered.map { zipMap($0, output) { $0 + 1 / 6 * $1 } } ?? output.map { 1 / 6 * $0 }
      outputs.append(output)
      heldSample = sample
    case 1, 2: gathered = gathered.map { zipMap($0, output) { $0 + 1 / 3 * $1 } }
    default:
      output = gathered.map { zipMap($0, output) { $0 + 1 / 6 * $1 } } ?? output
      gathered = nil
    }
    return transferred(heldSample ?? sample, output, from: start, to: previous)
  }

  private mutating func multistep(_ output: [Float], timestep: Int, sample: [Float]) -> [Float] {
    var (from, to) = (timestep, timestep - stride)
    var (output, sample) = (output, sample)
    if counter != 1 {
      outputs = outputs.suffix(3) + [output]
    } else {
      (from, to) = (timestep + stride, timestep)
    }
    let last = outputs.count - 1
    switch outputs.count {
    case 1 where counter == 0: heldSample = sample
    case 1 where counter == 1:
      output = zipMap(output, outputs[last]) { ($0 + $1) / 2 }
      sample = heldSample ?? sample
      heldSample = nil
    case 2: output = zipMap(outputs[last], outputs[last - 1]) { (3 * $0 - $1) / 2 }
    case 3:
      output = output.indices.map {
        (23 * outputs[last][$0] - 16 * outputs[last - 1][$0] + 5 * outputs[last - 2][$0]) / 12
      }
    case 4:
      output = output.indices.map {
        let near = 55 * outputs[last][$0] - 59 * outputs[last - 1][$0]
        return 1 / 24 * (near + 37 * outputs[last - 2][$0] - 9 * outputs[last - 3][$0])
      }
    default: break
    }
    return transferred(sample, output, from: from, to: to)
  }

  /// Formula 9 of the paper.
  private func transferred(_ sample: [Float], _ output: [Float], from: Int, to: Int) -> [Float] {
    let alpha = alphas[min(from, alphas.count - 1)]
    let previous = to >= 0 ? alphas[to] : finalAlpha
    let (beta, previousBeta) = (1 - alpha, 1 - previous)
    let (signal, spread) = (alpha.squareRoot(), beta.squareRoot())
    let scale = (previous / alpha).squareRoot()
    let divisor = alpha * previousBeta.squareRoot() + (alpha * beta * previous).squareRoot()
    let difference = previous - alpha
    return zipMap(sample, output) { sample, output in
      let epsilon = prediction == .velocity ? signal * output + spread * sample : output
      return scale * sample - difference * epsilon / divisor
    }
  }

  func addNoise(_ original: [Float], noise: [Float], step: Int) -> [Float] {
    mixed(original, noise, alpha: alphas[Int(timesteps[step])])
  }
}
