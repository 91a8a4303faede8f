/// How the steps that run are chosen from the training timesteps (Lin et al. 2023, table 2).
enum TimestepSpacing: String, CaseIterable {
  case linspace, leading, trailing

  /// `num_inference_steps` timesteps, falling, not yet rounded where they are evenly spaced.
  ///
  /// - Parameters:
  ///   - last: one more than the highest timestep that may be chosen by `linspace` and `leading`.
  ///   - training: the number of training timesteps.
  ///   - extra: whether the range is divided as for one more step, which is then left out (multistep solvers).
  func timesteps(steps: Int, last: Int, training: Int, offset: Int, extra: Bool) -> [Double] {
    let divided = extra ? steps + 1 : steps
    switch self {
    case .linspace:
      return Array(numpyLinspace(0, Double(last - 1), divided).reversed().prefix(steps))
    case .leading:
      let ratio = (extra ? last : training) / divided
      return (0..<divided).reversed().prefix(steps).map { Double($0 * ratio + offset) }
    case .trailing:
      let ratio = Double(training) / Double(steps)
      // Where the quotients round badly, `arange` gives one value too many, which would be timestep -1.
      return numpyArange(Double(last), 0, -ratio).prefix(steps).map { $0.rounded(.toNearestOrEven) - 1 }
    }
  }
}

/// `numpy.linspace` with its end.
func numpyLinspace(_ start: Double, _ stop: Double, _ count: Int) -> [Double] {
  guard count > 1 else { return [start] }
  let step = (stop - start) / Double(count - 1)
  var values = (0..<count).map { Double($0) * step + start }
  values[count - 1] = stop
  return values
}

/// `numpy.arange`: from `start` towards `stop`, without it.
private func numpyArange(_ start: Double, _ stop: Double, _ step: Double) -> [Double] {
  let count = Int(((stop - start) / step).rounded(.up))
  let delta = (start + step) - start
  return (0..<count).map { start + Double($0) * delta }
}
